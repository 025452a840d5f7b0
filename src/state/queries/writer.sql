-- Who holds the writer's lock, in words, and whether they have given no sign of life for $1 seconds.
select holder || ', since ' || coalesce(to_char(acquired_at, 'YYYY-MM-DD HH24:MI:SS "UTC"'), 'a moment ago') as who,
       coalesce(renewed_epoch = epoch and renewed_at < clock_timestamp() - make_interval(secs => $1), false) as is_silent
from amalgam.writer
