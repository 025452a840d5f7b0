//! When a model is built, and why.

use super::{Shop, id};
use amalgam::domain::Clock;

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
    assert_eq!(shop.reason("total").await, "its SQL or configuration changed");
    shop.bench.warehouse("drop table analytics_marts.total").await;
    assert_eq!(shop.reason("total").await, "its relation is missing in the warehouse");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_reads_the_clock_is_built_when_the_date_turns() {
    let shop = Shop::open("models_clock").await;
    shop.write("models/today.sql", "{{ config(materialized='table') }} select current_date as day");
    let at = |text: &str| text.parse().expect("a time");
    let clock = Clock::manual(at("2024-05-01T23:59:00Z"));
    // Read through a view, and through a view on that.
    shop.write("models/due.sql", "select *, age(day) as since from {{ ref('pay') }}");
    shop.write("models/overdue.sql", "select * from {{ ref('due') }}");
    shop.write("models/dues.sql", "{{ config(materialized='table') }} select count(*) as n from {{ ref('overdue') }}");
    shop.write("models/pays.sql", "{{ config(materialized='table') }} select count(*) as n from {{ ref('pay') }}");
    let models = shop.load_at(clock.clone()).expect("a good project");
    for name in ["pay", "due", "overdue", "dues", "pays"] {
        models.build(&id(name), false).await.expect("built");
    }
    assert!(!models.build(&id("dues"), false).await.expect("looked at").built);
    assert!(models.build(&id("today"), false).await.expect("built").built);
    assert!(!models.build(&id("today"), false).await.expect("looked at").built);
    clock.set(at("2024-05-02T00:01:00Z"));
    assert_eq!(models.build(&id("today"), false).await.expect("built").reason, "the date turned");
    assert_eq!(models.build(&id("dues"), false).await.expect("built").reason, "the date turned");
    assert!(!models.build(&id("pays"), false).await.expect("looked at").built);
}
