-- Rows of the source that have no place in the warehouse. Written by the data plane in the transaction that
-- writes the table's state. No value is kept but keys of integers: other keys may be names of people.
create table amalgam.quarantine (
    source_table  text not null,
    -- Integers as they are, with commas between; 'sha256:' and a hash of any other key, or of all values where
    -- there is no key.
    row_key       text not null,
    -- Null: the warehouse refused the row as a whole.
    column_name   text,
    reason        text not null,
    -- When the read began that refused the row last, by the source's clock.
    read_at       timestamptz not null,
    first_seen_at timestamptz not null default now(),
    last_seen_at  timestamptz not null default now(),
    times_seen    bigint not null default 1 check (times_seen > 0),
    primary key (source_table, row_key)
);
