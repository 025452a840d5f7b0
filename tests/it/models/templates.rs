//! What a template may say, and what becomes of it.

use super::Shop;

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
async fn a_template_that_does_not_end_is_ended() {
    let shop = Shop::open("models_endless").await;
    shop.write("macros/ping.sql", "{% macro ping(n) %}{{ pong(n + 1) }}{% endmacro %}");
    shop.write("macros/pong.sql", "{% macro pong(n) %}{{ ping(n + 1) }}{% endmacro %}");
    shop.write("macros/again.sql", "{% macro again(n) %}{{ again(n + 1) }}{% endmacro %}");
    let double = "{% macro m{n}() %}{{ m{m}() }}{{ m{m}() }}{% endmacro %}";
    for n in 1..=40 {
        let text = double.replace("{n}", &n.to_string()).replace("{m}", &(n - 1).to_string());
        shop.write(&format!("macros/m{n}.sql"), &text);
    }
    let loops = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    shop.write("macros/m0.sql", "{% macro m0() %}{% for a in range(99999) %}{% endfor %}{% endmacro %}");
    for (what, template, told) in [
        ("loop", loops, "more than 50 million steps"),
        ("each_other", "{{ ping(1) }}", "150 macros have called each other"),
        ("itself", "{{ again(1) }}", "150 macros have called each other"),
        ("doubling", "{{ m40() }}", "more than 50 million steps"),
    ] {
        let file = format!("models/{what}.sql");
        shop.write(&file, &format!("select 1 as x\n{template}"));
        let error = shop.build(what).await.expect_err("it does not end").to_string();
        assert!(error.contains(&file) && error.contains(told), "{what}: {error}");
        std::fs::remove_file(shop.root().join(&file)).expect("it is there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_come_from_the_command_then_the_project_then_the_default() {
    let shop = Shop::open("models_vars").await;
    shop.write(
        "dbt_project.yml",
        "name: p\nvars:\n  both: project\n  only: [1, 2]\n  p:\n    nearer: own\nmodels:\n  p:\n    +schema: marts\n",
    );
    shop.write(
        "models/said.sql",
        "select '{{ var('both') }}' as a, '{{ var('only')[1] }}' as b, '{{ var('nearer') }}' as c,
                '{{ var('none', 'default') }}' as d, '{{ env_var('CLINIC') }}' as e,
                '{{ env_var('AMALGAM_TEST_UNSET', 'fallback') }}' as f",
    );
    let mut command = shop.bench.amalgam();
    command.env("CLINIC", "west").args(["models", "build", "--select", "said"]);
    command.args(["--vars", "{both: command, late: x}", "--project-dir"]).arg(shop.root());
    let output = command.output().await.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let look = "select concat_ws(' ', a, b, c, d, e, f) from analytics_marts.said";
    assert_eq!(shop.bench.text(look).await, "command 2 own default west fallback");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_is_not_set_is_named() {
    let shop = Shop::open("models_unset").await;
    for (template, told) in [
        ("{{ var('nowhere') }}", "var('nowhere'): there is no such variable and no default"),
        ("{{ env_var('AMALGAM_TEST_UNSET') }}", "env_var('AMALGAM_TEST_UNSET'): it is not set and there is no default"),
        ("{{ env_var('DBT_ENV_SECRET_X') }}", "env_var('DBT_ENV_SECRET_X'): secrets are for profiles, not for models"),
    ] {
        shop.write("models/unset.sql", &format!("select '{template}' as x"));
        let error = shop.build("unset").await.expect_err("it is not set").to_string();
        assert!(error.starts_with("models/unset.sql:1: ") && error.contains(told), "{error}");
    }
}
