-- What a notifier was told, a row each.
insert into amalgam.told (notifier, alert, subject, severity, since, told_at)
select $1, alert, subject, severity, since, told_at
from unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[])
    as t (alert, subject, severity, since, told_at)
