-- The lock is taken: $1 the holder, $2 now. How often it was taken, and whether the holder before was the same.
with before as (
    select holder from amalgam.writer for update
)
update amalgam.writer w
set epoch = w.epoch + 1, holder = $1, acquired_at = $2
from before b
returning w.epoch, b.holder = $1
