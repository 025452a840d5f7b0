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
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

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

/// What an act leaves in the database, as a number each.
const MARKS: &str = "select (select count(*) from appointment), (select count(*) from appointment where AptStatus = 2), \
     (select count(*) from appointment where AptStatus = 5), (select count(*) from payment), (select count(*) from paysplit), \
     (select count(*) from claim where ClaimStatus = 'R'), (select count(*) from procedurelog), \
     (select count(*) from commlog), (select count(*) from patient)";
const EDITED: &str = "checksum table patient, appointment, recall";
const EDITED_SILENTLY: &str = "checksum table procnote, sheetfield, definition, payment";

#[derive(Clone, Copy, Debug)]
struct Marks {
    appointments: i64,
    kept: i64,
    broken: i64,
    payments: i64,
    splits: i64,
    settled: i64,
    procedures: i64,
    calls: i64,
    patients: i64,
}

impl Marks {
    async fn look(server: &Server) -> Self {
        let row = harness::source_texts_at(server.port(), DATABASE, MARKS).await.remove(0);
        let mut numbers = row.into_iter().map(|n| n.expect("a count").parse().expect("a number"));
        let mut next = || numbers.next().expect("a count each");
        Self {
            appointments: next(),
            kept: next(),
            broken: next(),
            payments: next(),
            splits: next(),
            settled: next(),
            procedures: next(),
            calls: next(),
            patients: next(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_act_leaves_its_mark() {
    let server = start(Kind::MariaDb, "marks");
    let practice = Practice::new(server.socket());
    let clock = Clock::manual(noon());
    practice.fill(Size { patients: 60, ..SMALL }, &clock, |_| {}).await.expect("the practice fills");
    let mut life = practice.live(SMALL.seed, clock.clone()).await.expect("life begins");
    let sums = async |sql| harness::source_texts_at(server.port(), DATABASE, sql).await;
    let mut seen: BTreeMap<Act, u32> = BTreeMap::new();
    let (mut before, mut edited, mut silent) =
        (Marks::look(&server).await, sums(EDITED).await, sums(EDITED_SILENTLY).await);
    for second in 0..300 {
        clock.set(noon() + TimeDelta::seconds(second));
        let act = life.act().await.expect("life goes on");
        let (now, edited_now, silent_now) =
            (Marks::look(&server).await, sums(EDITED).await, sums(EDITED_SILENTLY).await);
        let is_marked = match act {
            Act::Booked => now.appointments == before.appointments + 1,
            Act::Kept => now.kept == before.kept + 1,
            Act::Broke => now.broken == before.broken + 1,
            Act::Paid => now.payments == before.payments + 1 && now.splits > before.splits,
            Act::Settled => now.settled == before.settled + 1,
            Act::Edited => edited_now != edited,
            Act::EditedSilently => silent_now != silent,
            Act::Deleted => {
                now.payments < before.payments || now.procedures < before.procedures || now.calls < before.calls
            }
            Act::Registered => now.patients > before.patients && now.appointments > before.appointments,
            Act::Called => now.calls == before.calls + 1,
            Act::Nothing => true,
        };
        assert!(is_marked, "{second}: {act:?}: {before:?} {now:?}");
        *seen.entry(act).or_default() += 1;
        (before, edited, silent) = (now, edited_now, silent_now);
    }
    assert_eq!(seen.keys().filter(|act| **act != Act::Nothing).count(), 10, "{seen:?}");
}

/// A column as OpenDental declares it: type, whether it may be null, its place in the primary key, and
/// whether every edit moves it.
type Declared = (String, String, String, String, bool);

#[tokio::test(flavor = "multi_thread")]
async fn the_practices_tables_are_opendentals_own() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/opendental/schema.tsv");
    let text = std::fs::read_to_string(file).expect("OpenDental's declarations are at hand");
    let mut opendental: BTreeMap<String, Vec<Declared>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let [table, name, kind, null, key, extra] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("six fields: {line}");
        };
        let column = (name.to_owned(), kind.to_owned(), null.to_owned(), key.to_owned(), extra == "onupdate");
        opendental.entry(table.to_owned()).or_default().push(column);
    }
    let server = start(Kind::MariaDb, "declared");
    let practice = Practice::new(server.socket());
    practice.fill(Size { patients: 1, ..SMALL }, &Clock::manual(noon()), |_| {}).await.expect("the practice fills");
    let sql = format!(
        "select c.table_name, c.column_name, c.column_type, c.is_nullable, coalesce(s.seq_in_index, ''), \
                if(c.extra like '%on update%', 'yes', '') \
         from information_schema.columns c left join information_schema.statistics s \
           on s.table_schema = c.table_schema and s.table_name = c.table_name \
           and s.column_name = c.column_name and s.index_name = 'PRIMARY' \
         where c.table_schema = '{DATABASE}' order by c.table_name, c.ordinal_position"
    );
    let mut ours: BTreeMap<String, Vec<Declared>> = BTreeMap::new();
    for row in harness::source_texts_at(server.port(), DATABASE, &sql).await {
        let [table, name, kind, null, key, moved] =
            row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().try_into().expect("six columns");
        ours.entry(table).or_default().push((name, kind, null, key, moved == "yes"));
    }
    assert!(ours.len() > 40, "{}", ours.len());
    for (table, columns) in &ours {
        assert_eq!(Some(columns), opendental.get(table), "{table}");
    }
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
