//! An invented dental practice in OpenDental's own schema.
//!
//! Owns: its tables, two years of history, and the life that goes on in it. This is the one writer
//! to a source in the whole program, and the source is its own: a private server's.
//! Guarantees: the same seed on the same day makes the same rows; the money adds up, in the
//! history and after every act of life (a patient's balance is production and adjustments, less
//! write-offs, insurance payments and splits; the splits of a payment sum to its amount).
//!
//! [`office`] writes the lists, [`people`] the families, [`history`] their visits ([`work`]), what
//! these cost ([`money`]) and the [`papers`]; all through the [`desk`], as [`rows`]. [`life`] goes on
//! from there.

mod codes;
mod desk;
mod history;
mod life;
mod money;
mod office;
mod papers;
mod people;
mod random;
mod rows;
mod schema;
mod words;
mod work;

pub use life::{Act, Life};

use crate::domain::Clock;
use chrono::{Days, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use desk::Desk;
use mysql_async::{Conn, Opts, OptsBuilder, prelude::Queryable};
use random::Random;
use rows::Rows;
use std::{path::PathBuf, time::Duration};

/// The name of the practice's database.
pub const DATABASE: &str = "opendental";

const BALANCES_SQL: &str = include_str!("queries/balances.sql");
const AGING_SQL: &str = include_str!("queries/aging.sql");

/// The history's length.
const HISTORY_DAYS: u64 = 730;

/// SQL that is sent at once, at most (but for one family's).
const BATCH_BYTES: usize = 1 << 20;

/// The practice's database refused something. Its texts hold invented values only.
#[derive(Debug, thiserror::Error)]
#[error("the practice's database: {0}")]
pub struct PracticeError(#[from] mysql_async::Error);

/// How much of a practice.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Patients, more or less: families are registered whole.
    pub patients: u32,
    /// What chance begins with.
    pub seed: u64,
}

/// A practice on a private server.
#[derive(Clone, Debug)]
pub struct Practice {
    options: Opts,
}

impl Practice {
    /// The practice on the server with this socket.
    pub fn new(socket: PathBuf) -> Self {
        let options = OptsBuilder::default()
            .socket(Some(socket.display().to_string()))
            .user(Some("root"))
            // OpenDental's way: zero dates are stored; times are the practice's own local ones.
            .setup(vec!["set session sql_mode = '', time_zone = '+00:00', character_set_client = utf8mb4"]);
        Self { options: options.into() }
    }

    /// Makes the database anew and fills it. `progress` hears how many patients are written.
    /// Says how many rows there are.
    pub async fn fill(&self, size: Size, clock: &Clock, mut progress: impl FnMut(u32)) -> Result<u64, PracticeError> {
        let mut connection = Conn::new(self.options.clone()).await?;
        connection.query_drop(format!("drop database if exists {DATABASE}")).await?;
        connection.query_drop(format!("create database {DATABASE} character set utf8mb4; use {DATABASE}")).await?;
        send(&mut connection, &schema::create_sql("MyISAM")).await?;
        let mut desk = new_desk(size.seed, clock);
        office::open(&mut desk);
        let mut patients = 0;
        while patients < size.patients {
            let since = first_day(&mut desk);
            let family = people::family(&mut desk, since, 5);
            for patient in &family {
                history::write(&mut desk, patient, since.date());
            }
            patients += u32::try_from(family.len()).expect("a family is small");
            if desk.rows.bytes() >= BATCH_BYTES {
                write_rows(&mut connection, &mut desk.rows).await?;
                progress(patients);
            }
        }
        write_rows(&mut connection, &mut desk.rows).await?;
        let all = Wanted { patients: "PatNum > 0", guarantors: "Guarantor > 0", stamp: "patient.DateTStamp" };
        settle_balances(&mut connection, &all, desk.now).await?;
        connection.disconnect().await?;
        Ok(desk.rows.count())
    }

    /// Goes on living from what is there.
    pub async fn live(&self, seed: u64, clock: Clock) -> Result<Life, PracticeError> {
        let mut connection = Conn::new(self.options.clone()).await?;
        connection.query_drop(format!("use {DATABASE}")).await?;
        Life::begin(connection, seed, clock).await
    }
}

/// The present as the practice's clock on the wall shows it.
fn local_now(clock: &Clock) -> NaiveDateTime {
    clock.now().naive_utc().with_nanosecond(0).expect("zero is a nanosecond")
}

fn new_desk(seed: u64, clock: &Clock) -> Desk {
    let now = local_now(clock);
    let opened = (now.date() - Days::new(HISTORY_DAYS)).and_time(NaiveTime::from_hms_opt(8, 0, 0).expect("an hour"));
    Desk { random: Random::new(seed), rows: Rows::default(), opened, now }
}

/// When a family came: half of them soon after the practice opened.
fn first_day(desk: &mut Desk) -> NaiveDateTime {
    let days = i64::try_from(HISTORY_DAYS).expect("two years of days");
    let last = if desk.random.chance(50) { 180 } else { days - 1 };
    (desk.opened + TimeDelta::days(desk.random.between(0, last))).min(desk.now)
}

/// Whose balances are wanted.
struct Wanted<'a> {
    patients: &'a str,
    guarantors: &'a str,
    stamp: &'a str,
}

/// Brings balances and ages in line with what was done and paid.
async fn settle_balances(connection: &mut Conn, wanted: &Wanted<'_>, now: NaiveDateTime) -> Result<(), PracticeError> {
    for template in [BALANCES_SQL, AGING_SQL] {
        let sql = template
            .replace("{patients}", wanted.patients)
            .replace("{guarantors}", wanted.guarantors)
            .replace("{today}", &format!("date '{}'", now.date()))
            .replace("{stamp}", wanted.stamp);
        send(connection, &sql).await?;
    }
    Ok(())
}

async fn write_rows(connection: &mut Conn, rows: &mut Rows) -> Result<(), PracticeError> {
    for sql in rows.take() {
        send(connection, &sql).await?;
    }
    Ok(())
}

/// Runs statements one after the other, and fails with the first that fails.
async fn send(connection: &mut Conn, sql: &str) -> Result<(), PracticeError> {
    let mut result = tokio::time::timeout(Duration::from_secs(120), connection.query_iter(sql))
        .await
        .map_err(|_| mysql_async::Error::Io(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))??;
    while !result.is_empty() {
        result.for_each(drop).await?;
    }
    Ok(())
}
