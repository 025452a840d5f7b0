-- A reign begins: $1 the holder, $2 now. Its number.
update amalgam.writer
set epoch = epoch + 1, holder = $1, acquired_at = $2, renewed_epoch = epoch + 1, renewed_at = clock_timestamp()
returning epoch
