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
