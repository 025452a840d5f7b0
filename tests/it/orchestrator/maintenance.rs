//! The control plane is kept in order by the runs of schedules.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_is_done_by_a_run_when_it_is_due_and_not_again_before() {
    let bench = Servers::fresh("maintained").await;
    bench.source(PRACTICE).await;
    let more = "[[schedule]]\nname = \"often\"\ncron = \"*/2 * * * * *\"\n";
    let daemon = Daemon::start(&bench, more).await;
    let ended = async || bench.text("select count(*) from amalgam.run where state = 'succeeded'").await;
    daemon.until_status("/readyz", 200).await;
    until("two runs have ended", async || ended().await.parse::<u32>().is_ok_and(|n| n >= 2)).await;
    let done = "select string_agg(distinct subject || ' ' || state, ', ') from amalgam.task where kind = 'maintenance'";
    assert_eq!(bench.texts(done).await, [[None]]);

    let first = bench.text("select min(run_id) from amalgam.run").await;
    bench
        .warehouse(&format!(
            "create table amalgam.left_over (id int); create table amalgam.still_wanted (id int);
             insert into amalgam.load (source_table, relation, shape, source_read_at, continued_at) values
             ('gone', 'left_over', '{{}}', now(), now() - interval '8 days'),
             ('patient', 'still_wanted', '{{}}', now(), now() - interval '8 days');
             update amalgam.run set started_at = started_at - interval '100 days', ended_at = ended_at - interval '100 days'
             where run_id = {first}"
        ))
        .await;
    until("it is done", async || {
        bench.texts(done).await[0][0].as_deref() == Some("history succeeded, leftovers succeeded, statistics succeeded")
    })
    .await;
    assert_eq!(bench.text(&format!("select count(*) from amalgam.run where run_id = {first}")).await, "0");
    let there = "select to_regclass('amalgam.left_over') is null and to_regclass('amalgam.still_wanted') is not null";
    assert_eq!(bench.text(there).await, "t");
    let vacuumed = "select last_vacuum is not null and last_analyze is not null from pg_stat_user_tables where relid = 'amalgam.task'::regclass";
    until("the server knows of it", async || bench.text(vacuumed).await == "t").await;

    let newest = bench.text("select max(run_id) from amalgam.run").await;
    let later = format!("select count(*) from amalgam.run where state = 'succeeded' and run_id > {newest}");
    until("a later run has ended", async || bench.text(&later).await != "0").await;
    assert_eq!(bench.text("select count(*) from amalgam.task where kind = 'maintenance'").await, "3");
    // It is neither a table nor a model, and nobody is told that it is late.
    assert_eq!(bench.text("select count(*) from amalgam.subject where name = 'history'").await, "0");

    // A clock that ran ahead by years wrote down when it was done, and was put back.
    bench
        .warehouse("update amalgam.task set ended_at = ended_at + interval '4 years' where kind = 'maintenance'")
        .await;
    until("it is done again", async || {
        let now =
            "select count(*) from amalgam.task where kind = 'maintenance' and state = 'succeeded' and ended_at < now()";
        bench.text(now).await.parse::<u32>().is_ok_and(|n| n >= 3)
    })
    .await;
}
