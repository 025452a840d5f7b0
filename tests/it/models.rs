//! Models on a real PostgreSQL: what is built and why, what readers see, and what hangs on a model.

use crate::harness::{Bench, Servers};
use amalgam::{
    config::Config,
    domain::{Clock, ModelId},
    error::{Error, Kind},
    models::{BuildOutcome, Models, TestStatus},
    state::State,
    telemetry::Metrics,
    warehouse::Warehouse,
};
use std::{path::Path, sync::Arc};

const PROJECT: &str = "name: p\nmodels:\n  p:\n    +schema: marts\n";
const SOURCES: &str = "
sources:
  - name: od
    schema: raw
    tables:
      - name: payment
";

/// A project in a folder, and a warehouse that holds `raw.payment`.
struct Shop {
    bench: Bench,
    config: Config,
}

impl Shop {
    async fn open(name: &str) -> Self {
        let bench = Servers::fresh(name).await;
        let mut config = bench.config();
        config.models.project_dir = Some(bench.files().join("project"));
        config.models.schema = "analytics".to_owned();
        State::new(&config.warehouse).migrate().await.expect("migrations run");
        bench
            .warehouse(
                "create schema raw; create table raw.payment (id int, amount numeric, day date);
                 insert into raw.payment values (1, 10, '2024-01-01'), (2, 20, '2024-01-02');
                 insert into amalgam.table_state (source_table, mode, shape, row_count, source_read_at)
                 values ('payment', 'replace', '{}', 2, now())",
            )
            .await;
        let shop = Self { bench, config };
        shop.write("dbt_project.yml", PROJECT);
        shop.write("models/sources.yml", SOURCES);
        shop.write("models/pay.sql", "select id, amount, day from {{ source('od', 'payment') }}");
        shop
    }

    fn root(&self) -> &Path {
        self.config.models.project_dir.as_deref().expect("it was set at the start")
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.root().join(file);
        std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder can be made");
        std::fs::write(path, text).expect("a file can be written");
    }

    fn load(&self) -> Result<Models, Error> {
        let warehouse = Warehouse::new(&self.config.warehouse).expect("a pool needs no server");
        Models::load(&self.config, warehouse, Arc::new(Metrics::default())).map(|m| m.expect("a project is named"))
    }

    async fn build(&self, name: &str) -> Result<BuildOutcome, Error> {
        self.load()?.build(&id(name), false).await
    }

    /// Builds, and tells why; empty where nothing was built.
    async fn reason(&self, name: &str) -> String {
        let outcome = self.build(name).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        if outcome.built { outcome.reason } else { String::new() }
    }

    async fn touch(&self, sql: &str) {
        let both = format!("begin; {sql}; update amalgam.table_state set data_version = data_version + 1; commit");
        self.bench.warehouse(&both).await;
    }
}

fn id(name: &str) -> ModelId {
    ModelId::new(format!("model.p.{name}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_built_only_when_something_it_reads_changed() {
    let shop = Shop::open("models_staleness").await;
    shop.write(
        "models/total.sql",
        "{{ config(materialized='table') }} select sum(amount) as total from {{ ref('pay') }}",
    );
    assert_eq!(shop.reason("pay").await, "never built");
    assert_eq!(shop.reason("total").await, "never built");
    assert_eq!(shop.reason("pay").await, "");
    assert_eq!(shop.reason("total").await, "");
    assert_eq!(shop.bench.text("select total from analytics_marts.total").await, "30");

    shop.touch("insert into raw.payment values (3, 5, '2024-01-03')").await;
    // Seen through the view, whether or not that was looked at first.
    assert_eq!(shop.reason("total").await, "table payment changed");
    assert_eq!(shop.reason("pay").await, "table payment changed");
    assert_eq!(shop.reason("total").await, "");
    assert_eq!(shop.bench.text("select total from analytics_marts.total").await, "35");

    shop.write("models/total.sql", "{{ config(materialized='table') }} select 1 as total from {{ ref('pay') }}");
    assert_eq!(shop.reason("total").await, "its SQL, configuration or tests changed");
    shop.bench.warehouse("drop table analytics_marts.total").await;
    assert_eq!(shop.reason("total").await, "its relation is missing in the warehouse");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_reads_the_clock_is_built_when_the_date_turns() {
    let shop = Shop::open("models_clock").await;
    shop.write("models/today.sql", "{{ config(materialized='table') }} select current_date as day");
    let at = |text: &str| text.parse().expect("a time");
    let clock = Clock::manual(at("2024-05-01T23:59:00Z"));
    let models = shop.load().expect("a good project").with_clock(clock.clone());
    assert!(models.build(&id("today"), false).await.expect("built").built);
    assert!(!models.build(&id("today"), false).await.expect("looked at").built);
    clock.set(at("2024-05-02T00:01:00Z"));
    assert_eq!(models.build(&id("today"), false).await.expect("built").reason, "the date turned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_a_model_makes_the_server_quote_is_not_told() {
    let shop = Shop::open("models_no_values").await;
    shop.bench.warehouse("create table raw.person (name text); insert into raw.person values ('Secretsmith');").await;
    for (name, expression) in [
        ("search", "to_tsquery('simple', name || ' x')"),
        ("class", "name::regclass"),
        ("role", "name::name::regrole"),
        ("setting", "set_config(name, 'x', true)"),
        ("number", "name::int"),
    ] {
        shop.write(
            &format!("models/{name}.sql"),
            &format!("{{{{ config(materialized='table') }}}} select {expression}::text as d from raw.person"),
        );
        let error = shop.build(name).await.expect_err("the server refuses the value");
        assert!(!error.to_string().to_lowercase().contains("secretsmith"), "{name}");
        assert!(error.to_string().contains("SQLSTATE"), "{error}");
    }
    let kept = "select count(*) from amalgam.model_state s where s::text ilike '%secretsmith%'";
    assert_eq!(shop.bench.text(kept).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_test_keeps_the_last_good_version() {
    let shop = Shop::open("models_last_good").await;
    shop.write(
        "models/mart.sql",
        "{{ config(materialized='table') }} select id, amount from {{ source('od', 'payment') }}",
    );
    shop.write(
        "models/m.yml",
        "models:\n  - name: mart\n    columns:\n      - name: id\n        tests:\n          - unique\n          - not_null:\n              severity: warn\n",
    );
    shop.build("mart").await.expect("built");
    shop.touch("insert into raw.payment values (1, 77, null), (null, 0, null)").await;
    let error = shop.build("mart").await.expect_err("1 comes twice");
    assert_eq!(
        (error.kind, error.to_string().as_str()),
        (Kind::ModelTest, "mart: tests failed: unique_mart_id (1 failures)")
    );
    assert_eq!(shop.bench.text("select count(*) from analytics_marts.mart").await, "2");
    let state = "select error_kind || ' ' || data_version || ' ' || row_count from amalgam.model_state where model_id = 'model.p.mart'";
    assert_eq!(shop.bench.text(state).await, "model_test 1 2");

    shop.touch("delete from raw.payment where amount = 77").await;
    let outcome = shop.build("mart").await.expect("only a warning is left");
    assert_eq!((outcome.reason.as_str(), outcome.rows), ("its last build failed", Some(3)));
    assert_eq!(outcome.warnings, ["not_null_mart_id"]);
    let failing = "select count(*) from amalgam.model_state where last_error is not null";
    assert_eq!(shop.bench.text(failing).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_over_changed_tables_is_tested_and_stays() {
    let shop = Shop::open("models_view_tested").await;
    shop.write(
        "models/m.yml",
        "models:\n  - name: pay\n    columns:\n      - name: id\n        data_tests: [unique]\n",
    );
    shop.build("pay").await.expect("built");
    shop.touch("insert into raw.payment values (1, 1, null)").await;
    assert_eq!(shop.build("pay").await.expect_err("1 comes twice").kind, Kind::ModelTest);
    assert_eq!(shop.bench.text("select count(*) from analytics_marts.pay").await, "3");
    shop.touch("delete from raw.payment where amount = 1").await;
    assert_eq!(shop.reason("pay").await, "its last build failed");
    assert_eq!(shop.bench.text("select data_version from amalgam.model_state").await, "1");
}

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

    // The column goes: nothing happens, and the view is named.
    shop.write("models/mart.sql", "{{ config(materialized='table') }} select id from {{ source('od', 'payment') }}");
    let error = shop.build("mart").await.expect_err("own.rich shows amount");
    assert_eq!(error.kind, Kind::Dependent);
    assert!(error.to_string().contains("by_amount") || error.to_string().contains("\"own\".\"rich\""), "{error}");
    assert_eq!(shop.bench.texts(look).await, before);
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
    shop.touch("insert into raw.payment values (3, 50, null)").await;
    shop.build("mart").await.expect("built in place");
    assert_eq!(shop.bench.text("select total from public.theirs").await, "80");
    shop.write(
        "models/mart.sql",
        "{{ config(materialized='table') }} select id, amount::text from {{ source('od', 'payment') }}",
    );
    let error = shop.build("mart").await.expect_err("the column's type changed");
    assert_eq!(error.kind, Kind::Dependent);
    assert!(error.to_string().contains("\"public\".\"theirs\""), "{error}");
    assert_eq!(shop.bench.text("select total from public.theirs").await, "80");
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
    assert_eq!(shop.reason("top").await, "its SQL, configuration or tests changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_becomes_a_table_and_a_view_again() {
    let shop = Shop::open("models_kind").await;
    shop.build("pay").await.expect("built");
    shop.bench
        .warehouse(
            "comment on view analytics_marts.pay is 'kept'; create view public.v as select * from analytics_marts.pay",
        )
        .await;
    let look = "select relkind::text || ' ' || obj_description(oid, 'pg_class') from pg_class where relname = 'pay'";
    shop.write("models/pay.sql", "{{ config(materialized='table') }} select * from {{ source('od', 'payment') }}");
    shop.build("pay").await.expect("built as a table");
    assert_eq!(shop.bench.text(look).await, "r kept");
    shop.write("models/pay.sql", "select * from {{ source('od', 'payment') }}");
    shop.build("pay").await.expect("built as a view");
    assert_eq!(shop.bench.text(look).await, "v kept");
    assert_eq!(shop.bench.text("select count(*) from public.v").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incremental_model_replaces_the_keys_it_brings() {
    let shop = Shop::open("models_incremental").await;
    shop.write(
        "models/inc.sql",
        "{{ config(materialized='incremental', unique_key=['day', 'id'], incremental_strategy='delete+insert') }}
         select id, day, amount from {{ source('od', 'payment') }}
         {% if is_incremental() %} where day >= (select max(day) from {{ this }}) {% endif %}",
    );
    shop.write(
        "models/m.yml",
        "models:\n  - name: inc\n    columns:\n      - name: amount\n        tests: [not_null]\n",
    );
    let rows = "select id || ' ' || amount from analytics_marts.inc order by id";
    let list = async || shop.bench.texts(rows).await.into_iter().filter_map(|r| r[0].clone()).collect::<Vec<_>>();
    shop.build("inc").await.expect("built");
    assert_eq!(list().await, ["1 10", "2 20"]);
    shop.touch("update raw.payment set amount = amount + 1; insert into raw.payment values (3, 30, '2024-01-03')")
        .await;
    let outcome = shop.build("inc").await.expect("added to");
    assert_eq!(outcome.rows, Some(3));
    // The first day is before the window and keeps its old amount.
    assert_eq!(list().await, ["1 10", "2 21", "3 30"]);

    shop.touch("insert into raw.payment values (4, null, '2024-01-04')").await;
    assert_eq!(shop.build("inc").await.expect_err("a null").kind, Kind::ModelTest);
    assert_eq!(list().await, ["1 10", "2 21", "3 30"]);
    shop.touch("delete from raw.payment where id = 4").await;
    shop.load().expect("good").build(&id("inc"), true).await.expect("a full refresh");
    assert_eq!(list().await, ["1 11", "2 21", "3 30"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn generic_tests_count_as_dbt_does() {
    let shop = Shop::open("models_generic").await;
    shop.bench
        .warehouse("insert into raw.payment values (2, 20, null), (2, 30, null), (7, null, null), (null, 1, null)")
        .await;
    shop.write("models/parent.sql", "select id from (values (1), (7)) v (id)");
    shop.write(
        "models/m.yml",
        "models:
  - name: pay
    columns:
      - name: id
        tests:
          - unique: {severity: warn}
          - not_null: {severity: warn}
          - not_null: {name: only_cheap, config: {severity: warn, where: 'amount > 5'}}
          - relationships: {to: ref('parent'), field: id, severity: warn}
      - name: amount
        tests:
          - accepted_values: {values: [10, 20], quote: false, severity: warn}
          - accepted_values: {arguments: {values: ['10', '20', '1', '30']}, name: quoted, config: {error_if: '> 5'}}
",
    );
    shop.build("parent").await.expect("built");
    let outcome = shop.build("pay").await.expect("only warnings");
    let said: Vec<(&str, TestStatus, i64)> =
        outcome.tests.iter().map(|t| (t.name.as_str(), t.status, t.failures)).collect();
    assert_eq!(
        said,
        [
            ("unique_pay_id", TestStatus::Warn, 1),
            ("not_null_pay_id", TestStatus::Warn, 1),
            ("only_cheap", TestStatus::Pass, 0),
            ("relationships_pay_id__id__ref_parent_", TestStatus::Warn, 3),
            ("accepted_values_pay_amount__False__10__20", TestStatus::Warn, 2),
            ("quoted", TestStatus::Pass, 0),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ephemeral_models_are_part_of_their_readers() {
    let shop = Shop::open("models_ephemeral").await;
    shop.write("models/e.sql", "{{ config(materialized='ephemeral') }} select id from {{ ref('pay') }}");
    shop.write("models/f.sql", "{{ config(materialized='ephemeral') }} select id from {{ ref('e') }}");
    shop.write(
        "models/t.sql",
        "with x as (select * from {{ ref('f') }}) select count(*) as n from x join {{ ref('e') }} using (id)",
    );
    shop.build("pay").await.expect("built");
    assert!(!shop.build("e").await.expect("nothing to do").built);
    shop.build("t").await.expect("built");
    assert_eq!(shop.bench.text("select n from analytics_marts.t").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sql_error_points_into_the_compiled_file() {
    let shop = Shop::open("models_sql_error").await;
    shop.write("models/bad.sql", "-- Größe\nselect id,\n  no_such_column\nfrom {{ source('od', 'payment') }}");
    let error = shop.build("bad").await.expect_err("there is no such column");
    assert_eq!(error.kind, Kind::ModelSql);
    let text = error.to_string();
    assert!(text.contains("target/compiled/p/models/bad.sql:3: "), "{text}");
    assert!(text.contains(">    3 |   no_such_column"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_project_says_where_and_what_is_near() {
    let shop = Shop::open("models_bad_project").await;
    let said = |file: &str, text: &str| {
        shop.write(file, text);
        let error = shop.load().expect_err("it is bad");
        std::fs::remove_file(shop.root().join(file)).expect("it is there");
        (error.kind, error.to_string())
    };
    let (kind, text) = said("models/x.sql", "select * from {{ ref('pai') }}");
    assert_eq!(
        (kind, text.as_str()),
        (Kind::ModelProject, "models/x.sql: ref('pai'): there is no such model; did you mean 'pay'?")
    );
    let (_, text) = said("models/x.sql", "select * from {{ source('od', 'payments') }}");
    assert!(text.ends_with("the source has no such table; did you mean 'payment'?"), "{text}");
    shop.write("models/y.sql", "select * from {{ ref('x') }}");
    let (kind, text) = said("models/x.sql", "select * from {{ ref('y') }}");
    assert_eq!((kind, text.as_str()), (Kind::ModelProject, "cycle: model.p.x -> model.p.y -> model.p.x"));
    shop.write("models/y.sql", "select 1");
    let (kind, text) = said("models/x.sql", "select 1\n\n{{ nothing() }}\n");
    assert_eq!(kind, Kind::ModelRender);
    assert!(
        text.starts_with("models/x.sql:3: unknown function") && text.contains(">    3 | {{ nothing() }}"),
        "{text}"
    );
    let (kind, text) = said("models/x.yml", "models:\n  - name: pay\n    columns: 5\n");
    assert_eq!(kind, Kind::ModelProject);
    assert!(text.starts_with("models/x.yml:3:"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projects_macros_are_seen_by_models_and_by_each_other() {
    let shop = Shop::open("models_macros").await;
    shop.write("macros/a.sql", "{% macro twice(x) %}{{ return(add(x, x)) }}{% endmacro %}");
    shop.write(
        "macros/b.sql",
        "{% macro add(a, b=1) -%}{% set s = a + b %}{{ return(s) }}{%- endmacro %}
         {% macro generate_schema_name(custom, node) -%}{{ custom or target.schema }}{%- endmacro %}
         {% macro where_am_i() -%}'{{ this.schema }}.{{ this.name }}'{%- endmacro %}",
    );
    shop.write("models/m.sql", "select {{ twice(4) + 1 }} as nine, {{ where_am_i() }} as place, '{{ this }}' as this");
    shop.build("m").await.expect("built");
    let row = shop.bench.texts("select nine, place, this from marts.m").await.remove(0);
    let this = format!("\"{}\".\"marts\".\"m\"", shop.bench.database());
    assert_eq!(row, [Some("9".to_owned()), Some("marts.m".to_owned()), Some(this)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn selections_mean_what_they_mean_to_dbt() {
    let shop = Shop::open("models_select").await;
    shop.write(
        "models/marts/a.sql",
        "{{ config(materialized='table', tags=['daily']) }} select * from {{ ref('pay') }}",
    );
    shop.write("models/marts/b.sql", "select * from {{ ref('a') }}");
    let models = shop.load().expect("a good project");
    let names = |select: &[&str], exclude: &[&str]| {
        let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let ids = models.select(&owned(select), &owned(exclude)).expect("a good selection");
        ids.iter().map(|id| id.as_str().trim_start_matches("model.p.").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&[], &[]), ["pay", "a", "b"]);
    assert_eq!(names(&["+a"], &[]), ["pay", "a"]);
    assert_eq!(names(&["a+"], &["b"]), ["a"]);
    assert_eq!(names(&["1+b"], &[]), ["a", "b"]);
    assert_eq!(names(&["marts,tag:daily"], &[]), ["a"]);
    assert_eq!(names(&["path:models/marts"], &[]), ["a", "b"]);
    assert_eq!(names(&["config.materialized:view"], &[]), ["pay", "b"]);
    assert_eq!(names(&["source:od+"], &["tag:*"]), ["pay", "b"]);
    let error = models.select(&["pai".to_owned()], &[]).expect_err("no such model");
    assert!(error.to_string().contains("did you mean 'pay'"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_model_skips_only_what_is_below_it() {
    let shop = Shop::open("models_cli").await;
    shop.write("models/bad.sql", "select 1 / 0 as x from {{ source('od', 'payment') }}");
    shop.write(
        "models/bad_table.sql",
        "{{ config(materialized='table') }} select 1 / 0 as x from {{ source('od', 'payment') }}",
    );
    shop.write("models/below.sql", "select * from {{ ref('bad_table') }}");
    let mut command = shop.bench.amalgam();
    command.args(["models", "build", "--format", "json", "--project-dir"]).arg(shop.root());
    let output = command.output().await.expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}{errors}");
    let rows: Vec<serde_json::Value> = serde_json::from_str(&said).expect("JSON");
    let mut status: Vec<(&str, &str)> =
        rows.iter().filter_map(|r| Some((r["model"].as_str()?, r["status"].as_str()?))).collect();
    status.sort_unstable();
    assert_eq!(status, [("bad", "built"), ("bad_table", "failed"), ("below", "skipped"), ("pay", "built")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_of_this_repository_agree_with_the_practice() {
    use amalgam::{
        demo::{
            practice::{DATABASE, Practice, Size},
            servers::Kind as ServerKind,
        },
        domain::TableName,
        source::Source,
        sync::{SyncOptions, Syncer},
    };
    let server = crate::harness::start(ServerKind::MariaDb, "models");
    Practice::new(server.socket())
        .fill(Size { patients: 200, seed: 7 }, &Clock::system(), |_| {})
        .await
        .expect("it fills");
    let bench = Servers::fresh("models_of_repository").await;
    let mut config = bench.config();
    config.source.port = server.port();
    config.source.user = "root".to_owned();
    config.source.database = DATABASE.to_owned();
    config.models.project_dir = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("sql_models"));
    State::new(&config.warehouse).migrate().await.expect("migrations run");
    let (source, metrics) = (Source::new(&config.source).expect("a pool"), Arc::new(Metrics::default()));
    let warehouse = Warehouse::new(&config.warehouse).expect("a pool");
    let models =
        Models::load(&config, warehouse.clone(), Arc::clone(&metrics)).expect("a good project").expect("named");
    let syncer = Syncer::new(source, warehouse, Arc::new(config), metrics);
    let nodes = models.nodes();
    let tables: std::collections::BTreeSet<&TableName> = nodes.iter().flat_map(|n| &n.tables).collect();
    assert_eq!(tables.len(), 10, "{tables:?}");
    for table in tables {
        syncer.sync_table(table, SyncOptions::default()).await.expect("a table comes over");
    }
    let mut warned = Vec::new();
    for node in &nodes {
        let outcome = models.build(&node.id, false).await.unwrap_or_else(|e| panic!("{}: {e}", node.id));
        warned.extend(outcome.warnings);
        assert!(outcome.tests.iter().all(|t| t.status != TestStatus::Skip), "{}", node.id);
    }
    assert!(warned.is_empty(), "{warned:?}");
    for (fact, wrong) in AGREEMENTS {
        assert_eq!(bench.text(wrong).await, "0", "{fact}");
    }
    let again = futures_util::future::join_all(nodes.iter().map(|n| models.build(&n.id, false))).await;
    assert!(again.into_iter().all(|o| !o.expect("looked at").built));
}

/// What must hold between the marts and the practice's own books: a fact, and a query for what breaks it.
const AGREEMENTS: &[(&str, &str)] = &[
    (
        "the aging owes what the practice's own balances say",
        "select count(*) from raw.patient p full join marts.mart_ar_aging a on a.patient_id = p.\"PatNum\"
         where coalesce(a.balance, 0) <> coalesce(p.\"EstBalance\", 0)::numeric(12, 2)",
    ),
    (
        "the ages and the unapplied credit make up the balance",
        "select count(*) from marts.mart_ar_aging
         where balance_0_30 + balance_31_60 + balance_61_90 + balance_over_90 - unapplied_credit <> balance",
    ),
    (
        "the days' amounts make up the receivables",
        "select count(*) from (select sum(net_production - collections) as owed from marts.mart_daily_production_collections) d,
         (select sum(balance) as owed from marts.mart_ar_aging) a where d.owed <> a.owed",
    ),
    ("some money is owed", "select 1 - least(1, count(*)) from marts.mart_ar_aging where balance > 0"),
    (
        "every appointment on the schedule is told once",
        "select count(*) - (select count(*) from raw.appointment where \"AptStatus\" in (1, 2, 4, 5)) from marts.mart_appointments",
    ),
    (
        "the rates add up to the appointments",
        "select sum(appointments) - (select count(*) from marts.mart_appointments) from marts.mart_no_show_rate",
    ),
    (
        "the history holds today's total",
        "select count(*) from marts.mart_ar_history h where h.balance <> (select sum(balance) from marts.mart_ar_aging)",
    ),
];
