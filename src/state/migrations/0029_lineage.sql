-- What every node of the models' project reads, and what its columns come from. docs/adr/0022.
create table amalgam.lineage_node (
    -- dbt's unique id: model.shop.orders.
    node_id    text primary key,
    kind       text not null check (kind in ('model', 'seed', 'snapshot', 'source', 'exposure')),
    name       text not null,
    -- Quoted; null of what has none.
    relation   text,
    -- Ids of nodes.
    reads      text[] not null,
    -- [{"name", "from": [{"node", "column", "way"}], "unresolved": []}], in the relation's order.
    columns    jsonb not null,
    -- What decides which rows there are: [{"node", "column"}].
    rows       jsonb not null,
    -- Why more may be read.
    unresolved text[] not null
);

-- For people: a line each.
create view amalgam.model_lineage as
    select n.node_id, n.kind, n.relation, r.read as reads
    from amalgam.lineage_node n
    cross join unnest(n.reads) as r (read);

-- way: direct, transformed; rows: it decides which rows there are; unresolved: there may be more, and why.
create view amalgam.column_lineage as
    select n.node_id, c.value ->> 'name' as column_name, f.value ->> 'way' as way,
        f.value ->> 'node' as from_node, f.value ->> 'column' as from_column, null::text as reason
    from amalgam.lineage_node n
    cross join jsonb_array_elements(n.columns) as c (value)
    cross join jsonb_array_elements(c.value -> 'from') as f (value)
    union all
    select n.node_id, c.value ->> 'name', 'unresolved', null, null, u.reason
    from amalgam.lineage_node n
    cross join jsonb_array_elements(n.columns) as c (value)
    cross join jsonb_array_elements_text(c.value -> 'unresolved') as u (reason)
    union all
    select n.node_id, null, 'rows', r.value ->> 'node', r.value ->> 'column', null
    from amalgam.lineage_node n
    cross join jsonb_array_elements(n.rows) as r (value)
    union all
    select n.node_id, null, 'unresolved', null, null, u.reason
    from amalgam.lineage_node n
    cross join unnest(n.unresolved) as u (reason);
