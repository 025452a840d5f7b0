//! What hangs on a model's relation, and what people gave it.

use super::Shop;
use amalgam::error::Kind;

const PEOPLES_OWN: &str = "
    create schema own; create role clerk; create role boss;
    grant usage on schema own, analytics_marts to clerk, boss;
    grant select on analytics_marts.mart to clerk, boss;
    comment on table analytics_marts.mart is 'the mart';
    comment on column analytics_marts.mart.amount is 'in dollars';
    create index by_amount on analytics_marts.mart (amount);
    create view own.rich with (security_barrier = true) as select id, amount from analytics_marts.mart where amount > 10;
    grant create on schema own to boss; alter view own.rich owner to boss;
    grant select on own.rich to clerk with grant option;
    grant select (id) on own.rich to public;
    comment on view own.rich is 'more than ten';
    comment on column own.rich.id is 'whose';
    create materialized view own.richest as select max(amount) as most from own.rich;
    create unique index one_most on own.richest (most);
    create view own.on_top as select most from own.richest";

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_on_a_model_survives_its_rebuild() {
    let shop = Shop::open("models_dependents").await;
    let mart = |amount: &str| {
        let sql = format!(
            "{{{{ config(materialized='table') }}}} select id, {amount} as amount from {{{{ source('od', 'payment') }}}}"
        );
        shop.write("models/mart.sql", &sql);
    };
    mart("amount");
    shop.build("mart").await.expect("built");
    // Roles belong to the whole server: this database's own names.
    let (clerk, boss) = (format!("clerk_{}", shop.bench.database()), format!("boss_{}", shop.bench.database()));
    shop.bench.warehouse(&PEOPLES_OWN.replace("clerk", &clerk).replace("boss", &boss)).await;
    let look = "
        select c.relname || ' ' || c.relkind::text || ' ' || pg_get_userbyid(c.relowner) || ' ' || coalesce(c.reloptions::text, '')
               || ' ' || coalesce((select string_agg(x::text, ' ' order by x::text) from unnest(c.relacl) x), '')
               || ' ' || coalesce(obj_description(c.oid, 'pg_class'), '') || ' ' || coalesce(col_description(c.oid, 1), '')
               || ' ' || coalesce(col_description(c.oid, 2), '')
               || ' ' || coalesce((select string_agg(indexrelid::regclass::text, ' ') from pg_index where indrelid = c.oid), '')
               || ' ' || coalesce((select string_agg(attacl::text, ' ') from pg_attribute where attrelid = c.oid and attacl is not null), '')
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where nspname in ('own', 'analytics_marts') and relkind in ('r', 'v', 'm') order by relname";
    let before = shop.bench.texts(look).await;
    assert_eq!(before.len(), 4);

    shop.touch("insert into raw.payment values (3, 50, null)").await;
    shop.build("mart").await.expect("built again");
    assert_eq!(shop.bench.texts(look).await, before);
    assert_eq!(shop.bench.text("select most from own.on_top").await, "50");

    // The column gets another type: what hangs on it is made again over that.
    mart("(amount * 100)::bigint");
    shop.build("mart").await.expect("built again");
    assert_eq!(shop.bench.texts(look).await, before);
    assert_eq!(shop.bench.text("select pg_typeof(most) from own.on_top").await, "bigint");

    // The column goes: nothing happens, and what does not fit any more is named: the index, which comes back first.
    shop.write("models/mart.sql", "{{ config(materialized='table') }} select id from {{ source('od', 'payment') }}");
    let error = shop.build("mart").await.expect_err("own.rich shows amount");
    assert_eq!(error.kind, Kind::Dependent);
    assert!(error.to_string().contains("by_amount"), "{error}");
    assert_eq!(shop.bench.texts(look).await, before);
}

const GIVEN: &str = "
    create table own.log (what text);
    create function own.note() returns trigger language plpgsql as $$ begin return null; end $$;
    create trigger on_off after insert on mart execute function own.note();
    create trigger always after insert on mart execute function own.note();
    create trigger replica after insert on mart execute function own.note();
    create trigger usual after insert on mart execute function own.note();
    alter table mart disable trigger on_off;
    alter table mart enable always trigger always;
    alter table mart enable replica trigger replica;
    create rule logged as on delete to mart do also insert into own.log values ('gone');
    create rule ignored as on update to mart do also insert into own.log values ('changed');
    alter table mart disable rule ignored;
    alter table mart alter column id set not null;
    create unique index one_id on mart (id);
    create index by_amount on mart (amount);
    alter table mart cluster on by_amount;
    alter table mart replica identity using index one_id;
    alter table mart enable row level security;
    create policy rich on mart for select using (amount > 10);
    create statistics id_amount (dependencies) on id, amount from mart;
    alter table mart set (fillfactor = 70);
    create publication told for table mart (id) where (id > 0)";

/// What the table has beside its rows, a line each.
const HAS: &str = "
    select concat_ws(' ', 'trigger', tgname, tgenabled) from pg_trigger where tgrelid = 'mart'::regclass and not tgisinternal
    union all select concat_ws(' ', 'rule', rulename, ev_enabled) from pg_rewrite where ev_class = 'mart'::regclass
    union all select concat_ws(' ', 'index', indexrelid::regclass, indisclustered, indisreplident) from pg_index where indrelid = 'mart'::regclass
    union all select concat_ws(' ', 'table', relreplident, relrowsecurity, reloptions) from pg_class where oid = 'mart'::regclass
    union all select concat_ws(' ', 'policy', polname) from pg_policy where polrelid = 'mart'::regclass
    union all select concat_ws(' ', 'statistics', stxname) from pg_statistic_ext where stxrelid = 'mart'::regclass
    union all select concat_ws(' ', 'publication', prattrs, pg_get_expr(prqual, prrelid)) from pg_publication_rel where prrelid = 'mart'::regclass
    order by 1";

#[tokio::test(flavor = "multi_thread")]
async fn what_people_gave_a_table_is_there_after_its_rebuild() {
    let shop = Shop::open("models_trappings").await;
    shop.write(
        "models/mart.sql",
        "{{ config(materialized='table') }} select id, amount from {{ source('od', 'payment') }}",
    );
    shop.build("mart").await.expect("built");
    let here = |sql: &str| format!("set search_path = analytics_marts; {sql}");
    shop.bench.warehouse(&here(&format!("create schema own; {GIVEN}"))).await;
    let before = shop.bench.texts(&here(HAS)).await;
    assert_eq!(before.len(), 12, "{before:?}");
    shop.touch("insert into raw.payment values (3, 50, null)").await;
    shop.build("mart").await.expect("built again");
    assert_eq!(shop.bench.texts(&here(HAS)).await, before);
    assert_eq!(shop.bench.text("select max(id) from analytics_marts.mart").await, "3");
    for identity in ["full", "nothing", "default"] {
        shop.bench.warehouse(&here(&format!("alter table mart replica identity {identity}"))).await;
        let before = shop.bench.texts(&here(HAS)).await;
        shop.touch("update raw.payment set amount = amount + 1").await;
        shop.build("mart").await.expect("built again");
        assert_eq!(shop.bench.texts(&here(HAS)).await, before, "{identity}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_view_and_hangs_on_a_model_is_named() {
    let shop = Shop::open("models_other_dependents").await;
    shop.write("models/mart.sql", "{{ config(materialized='table') }} select id from {{ source('od', 'payment') }}");
    shop.build("mart").await.expect("built");
    shop.bench
        .warehouse(
            "alter table analytics_marts.mart add primary key (id);
             create table public.child (id int references analytics_marts.mart (id)); insert into public.child values (1)",
        )
        .await;
    shop.touch("insert into raw.payment values (9, 1, null)").await;
    let error = shop.build("mart").await.expect_err("a foreign key refers to it");
    assert_eq!(error.kind, Kind::Dependent);
    assert!(error.to_string().contains("child"), "{error}");
    shop.bench.warehouse("drop table public.child").await;
    shop.build("mart").await.expect("free again");
    let key = "select count(*) from pg_constraint where conrelid = 'analytics_marts.mart'::regclass and contype = 'p'";
    assert_eq!(shop.bench.text(key).await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_not_ours_stays_where_it_is() {
    let mut shop = Shop::open("models_not_ours").await;
    shop.write(
        "models/mart.sql",
        "{{ config(materialized='table') }} select id, amount from {{ source('od', 'payment') }}",
    );
    let role = format!("plain_{}", shop.bench.database());
    shop.bench
        .warehouse(&format!(
            "create role {role} login; grant create on database \"{}\" to {role};
             grant all on schema amalgam to {role}; grant all on all tables in schema amalgam to {role};
             grant usage on schema raw to {role}; grant select on all tables in schema raw to {role}",
            shop.bench.database()
        ))
        .await;
    shop.config.warehouse.user = role;
    shop.build("mart").await.expect("built");
    shop.bench.warehouse("create view public.theirs as select sum(amount) as total from analytics_marts.mart").await;
    shop.write(
        "models/mart.sql",
        "{{ config(materialized='table', indexes=[{'columns': ['id']}]) }} select id, amount from {{ source('od', 'payment') }}",
    );
    for build in 1..=2 {
        shop.touch("insert into raw.payment values (3, 50, null)").await;
        shop.build("mart").await.expect("built in place");
        let indexes = "select count(*) from pg_indexes where tablename = 'mart'";
        assert_eq!(shop.bench.text(indexes).await, "1", "build {build}");
    }
    assert_eq!(shop.bench.text("select total from public.theirs").await, "130");
    shop.write(
        "models/mart.sql",
        "{{ config(materialized='table') }} select id, amount::text from {{ source('od', 'payment') }}",
    );
    let error = shop.build("mart").await.expect_err("the column's type changed");
    assert_eq!(error.kind, Kind::Dependent);
    assert!(error.to_string().contains("\"public\".\"theirs\""), "{error}");
    assert_eq!(shop.bench.text("select total from public.theirs").await, "130");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_goes_from_a_table_and_from_the_projects_view_at_once() {
    let shop = Shop::open("models_own_view").await;
    shop.write(
        "models/mart.sql",
        "{{ config(materialized='table') }} select id, amount from {{ source('od', 'payment') }}",
    );
    shop.write("models/top.sql", "select id, amount from {{ ref('mart') }}");
    shop.build("mart").await.expect("built");
    shop.build("top").await.expect("built");
    shop.write("models/mart.sql", "{{ config(materialized='table') }} select id from {{ source('od', 'payment') }}");
    shop.write("models/top.sql", "select id from {{ ref('mart') }}");
    shop.build("mart").await.expect("the view is made as it is now said");
    assert_eq!(shop.reason("top").await, "its SQL or configuration changed");
}
