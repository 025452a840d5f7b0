//! The invented practice: awkward as a real one, the same from a seed, and its money adds up.

use crate::harness::{self, start};
use amalgam::{
    demo::{
        practice::{Act, DATABASE, Practice, Size},
        servers::{Kind, Server},
    },
    domain::Clock,
};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;

/// Amounts are doubles at the source: sums of them may be off by less than a cent.
const SPLITS_SUM_TO_THEIR_PAYMENT: &str = "select count(*) from (select p.PayNum from payment p \
     left join paysplit s on s.PayNum = p.PayNum group by p.PayNum, p.PayAmt \
     having abs(p.PayAmt - coalesce(sum(s.SplitAmt), 0)) > 0.001) as wrong";
const NO_SPLIT_WITHOUT_PAYMENT: &str =
    "select count(*) from paysplit s left join payment p on p.PayNum = s.PayNum where p.PayNum is null";
const INSURANCE_NEVER_EXCEEDS_THE_FEE: &str = "select count(*) from claimproc c join procedurelog l on l.ProcNum = c.ProcNum \
     where c.InsPayAmt + c.WriteOff > l.ProcFee + 0.001 or c.InsPayEst + c.WriteOffEst > l.ProcFee + 0.001";
const CLAIMS_SUM_UP_THEIR_LINES: &str = "select count(*) from (select c.ClaimNum from claim c \
     join claimproc l on l.ClaimNum = c.ClaimNum group by c.ClaimNum, c.ClaimFee, c.InsPayAmt, c.WriteOff \
     having abs(c.ClaimFee - sum(l.FeeBilled)) > 0.001 or abs(c.InsPayAmt - sum(l.InsPayAmt)) > 0.001 \
     or abs(c.WriteOff - sum(l.WriteOff)) > 0.001) as wrong";
const CHECKS_SUM_UP_THEIR_LINES: &str = "select count(*) from (select p.ClaimPaymentNum from claimpayment p \
     left join claimproc l on l.ClaimPaymentNum = p.ClaimPaymentNum group by p.ClaimPaymentNum, p.CheckAmt \
     having abs(p.CheckAmt - coalesce(sum(l.InsPayAmt), 0)) > 0.001) as wrong";
const BALANCES_ARE_WHAT_WAS_DONE_LESS_WHAT_CAME: &str = "select count(*) from patient p where abs(p.EstBalance \
     - coalesce((select sum(ProcFee) from procedurelog l where l.PatNum = p.PatNum and l.ProcStatus = 2), 0) \
     - coalesce((select sum(AdjAmt) from adjustment a where a.PatNum = p.PatNum), 0) \
     + coalesce((select sum(InsPayAmt + WriteOff) from claimproc c where c.PatNum = p.PatNum and c.Status in (1, 4)), 0) \
     + coalesce((select sum(SplitAmt) from paysplit s where s.PatNum = p.PatNum), 0)) > 0.001";
const FAMILIES_OWE_WHAT_THEIR_MEMBERS_OWE: &str = "select count(*) from (select g.PatNum from patient g \
     join patient m on m.Guarantor = g.PatNum where g.Guarantor = g.PatNum group by g.PatNum, g.BalTotal \
     having abs(g.BalTotal - sum(m.EstBalance)) > 0.001) as wrong";
const AGES_SUM_TO_WHAT_IS_OWED: &str = "select count(*) from patient where Guarantor = PatNum \
     and abs(Bal_0_30 + Bal_31_60 + Bal_61_90 + BalOver90 - greatest(BalTotal, 0)) > 0.011";
const MUST_BE_NONE: [&str; 8] = [
    SPLITS_SUM_TO_THEIR_PAYMENT,
    NO_SPLIT_WITHOUT_PAYMENT,
    INSURANCE_NEVER_EXCEEDS_THE_FEE,
    CLAIMS_SUM_UP_THEIR_LINES,
    CHECKS_SUM_UP_THEIR_LINES,
    BALANCES_ARE_WHAT_WAS_DONE_LESS_WHAT_CAME,
    FAMILIES_OWE_WHAT_THEIR_MEMBERS_OWE,
    AGES_SUM_TO_WHAT_IS_OWED,
];

const SMALL: Size = Size { patients: 200, seed: 42 };

fn noon() -> DateTime<Utc> {
    "2025-06-12T12:00:00Z".parse().expect("a moment")
}

async fn ask(server: &Server, sql: &str) -> String {
    let rows = harness::source_texts_at(server.port(), DATABASE, sql).await;
    rows[0][0].clone().unwrap_or_default()
}

async fn assert_money_adds_up(server: &Server, when: &str) {
    for sql in MUST_BE_NONE {
        assert_eq!(ask(server, sql).await, "0", "{when}: {sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_adds_up_in_the_history_and_as_life_goes_on() {
    let server = start(Kind::MariaDb, "practice");
    let practice = Practice::new(server.socket());
    let clock = Clock::manual(noon());
    let rows = practice.fill(SMALL, &clock, |_| {}).await.expect("the practice fills");
    assert!(rows > 15_000, "{rows}");
    assert_money_adds_up(&server, "history").await;
    assert_ne!(ask(&server, "select count(*) from patient where BalOver90 > 0").await, "0");

    let mut life = practice.live(SMALL.seed, clock.clone()).await.expect("life begins");
    let mut seen = BTreeSet::new();
    for second in 0..400 {
        clock.set(noon() + TimeDelta::seconds(second));
        seen.insert(life.act().await.expect("life goes on"));
    }
    assert!(
        seen.contains(&Act::Kept) && seen.contains(&Act::Deleted) && seen.contains(&Act::EditedSilently),
        "{seen:?}"
    );
    assert_money_adds_up(&server, "life").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_makes_the_same_rows() {
    let servers = [start(Kind::MariaDb, "one"), start(Kind::MariaDb, "two")];
    let mut sums = Vec::new();
    for server in &servers {
        let clock = Clock::manual(noon());
        let practice = Practice::new(server.socket());
        practice.fill(Size { patients: 60, ..SMALL }, &clock, |_| {}).await.expect("the practice fills");
        let mut life = practice.live(7, clock).await.expect("life begins");
        for _ in 0..50 {
            life.act().await.expect("life goes on");
        }
        let mut texts = Vec::new();
        for table in
            ["patient", "payment", "paysplit", "appointment", "procedurelog", "claimproc", "procnote", "sheetfield"]
        {
            // Stamps of live edits come from the server's clock; everything else must agree.
            let columns = ask(
                server,
                &format!(
                    "select group_concat(column_name order by ordinal_position) from information_schema.columns \
                     where table_schema = '{DATABASE}' and table_name = '{table}' and data_type <> 'timestamp'"
                ),
            )
            .await;
            let sql = format!("select concat(count(*), ' ', sum(crc32(concat_ws('|', {columns})))) from {table}");
            texts.push(ask(server, &sql).await);
        }
        sums.push(texts);
    }
    assert_eq!(sums[0], sums[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_practice_is_as_awkward_as_a_real_one() {
    let server = start(Kind::MariaDb, "awkward");
    let practice = Practice::new(server.socket());
    practice.fill(SMALL, &Clock::manual(noon()), |_| {}).await.expect("the practice fills");
    for (what, sql) in [
        ("zero dates", "select count(*) from patient where Birthdate = '0000-00-00'"),
        ("year one", "select count(*) from patient where Birthdate = '0001-01-01'"),
        ("a date without day", "select count(*) from patient where Birthdate = '1980-11-00'"),
        ("negative times", "select count(*) from clockevent where Adjust < 0"),
        ("times over a day", "select count(*) from clockevent where Adjust > '24:00:00'"),
        ("tabs and line ends", "select count(*) from procnote where Note like '%\\t%\\n%'"),
        ("backslashes", "select count(*) from procnote where instr(Note, char(92)) > 0"),
        ("characters of four bytes", "select count(*) from procnote where Note like '%🦷%'"),
        ("no reference", "select count(*) from procedurelog where AptNum = 0"),
        ("planned work", "select count(*) from procedurelog where ProcStatus = 1"),
        (
            "future appointments",
            "select count(*) from appointment where AptStatus = 1 and AptDateTime > '2025-06-12 12:00'",
        ),
        ("broken appointments", "select count(*) from appointment where AptStatus = 5"),
        ("open claims", "select count(*) from claim where ClaimStatus = 'S'"),
    ] {
        assert_ne!(ask(&server, sql).await, "0", "{what}");
    }
    let lost = "select count(*) from procedurelog l left join patient p on p.PatNum = l.PatNum \
                left join provider d on d.ProvNum = l.ProvNum left join procedurecode c on c.CodeNum = l.CodeNum \
                where p.PatNum is null or d.ProvNum is null or c.CodeNum is null";
    assert_eq!(ask(&server, lost).await, "0", "references lead somewhere");
    let engines =
        "select group_concat(distinct engine) from information_schema.tables where table_schema = 'opendental'";
    assert_eq!(ask(&server, engines).await, "MyISAM");
    let empty = "select count(*) from information_schema.tables where table_schema = 'opendental' and table_rows = 0";
    assert_ne!(ask(&server, empty).await, "0", "some tables are empty, as in real life");
}
