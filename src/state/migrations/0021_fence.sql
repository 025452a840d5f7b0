-- The writer's lock expires, and whatever is written for a reign shows its number. docs/adr/0015.

-- A sign of life of the holder, by the server's clock. It counts for the reign it was given in: an older
-- program gives none, and its lock ends with its session alone.
alter table amalgam.writer
    add column renewed_epoch bigint,
    add column renewed_at    timestamptz;

-- Called first in each transaction of a reign. Until that ends, no other reign begins; once another has begun,
-- it fails. The keys: "amal", and the fence's.
create function amalgam.fence(reign bigint) returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(1634558316, 2);
    if not exists (select from amalgam.writer where epoch = reign) then
        raise exception 'another process has become the writer' using errcode = 'AM001';
    end if;
end
$$;
