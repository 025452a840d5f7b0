-- How every model does.
select name, succeeded_at as good_at, failing_since, failures_in_a_row, error_kind, error
from amalgam.subject
where kind = 'model'
order by name
