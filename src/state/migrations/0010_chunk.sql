-- Ranges of keys whose rows both sides had alike: source rows of this checksum are, in the warehouse, these
-- versions of rows. As long as neither has changed, a reconciliation passes over them.
create table amalgam.chunk (
    source_table text not null,
    -- Both included.
    key_from     bigint not null,
    key_to       bigint not null check (key_to >= key_from),
    -- What the checksum was made of: of the table's shape and rules, by which version.
    form         text not null,
    -- Count, sums and exclusive ors of the rows' digests, computed by the source.
    source_image text not null,
    -- Likewise of the raw rows' keys and the transactions that wrote them.
    raw_image    text not null,
    equal_at     timestamptz not null default now(),
    primary key (source_table, key_from)
);
