//! The practice lives: a few acts a second, as its people would do them at their screens.
//!
//! Chosen by the same seeded chance as the history; which rows they meet is asked of the database, so
//! that life goes on after a restart. MyISAM knows no transactions: a reader may see an act half
//! done, as in a real practice. After each act the money adds up again.

mod accounts;
mod edits;
mod visits;

use super::{
    PracticeError, Wanted,
    desk::Desk,
    history, local_now,
    office::DENTISTS,
    papers,
    people::{self, Insured, Patient},
    random::Random,
    rows::Rows,
    schema, settle_balances,
    work::{self, Booking, appointment},
    write_rows,
};
use crate::domain::Clock;
use chrono::{Days, TimeDelta};
use mysql_async::{Conn, prelude::Queryable};
use std::{collections::BTreeMap, fmt};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// An appointment was made.
    Booked,
    /// An appointment was kept: procedures done, a claim sent.
    Kept,
    /// An appointment was broken.
    Broke,
    /// A payment was posted.
    Paid,
    /// An insurance answered a claim.
    Settled,
    /// A row was edited, and its stamp moved.
    Edited,
    /// A row was edited, and no stamp tells.
    EditedSilently,
    /// Rows were deleted.
    Deleted,
    /// A family was registered.
    Registered,
    /// A call was noted.
    Called,
    /// There was nothing to do it to.
    Nothing,
}

/// How often each act happens, of a hundred.
const WEIGHTS: [(Act, i64); 10] = [
    (Act::Booked, 16),
    (Act::Kept, 20),
    (Act::Broke, 4),
    (Act::Paid, 16),
    (Act::Settled, 12),
    (Act::Edited, 10),
    (Act::EditedSilently, 8),
    (Act::Deleted, 4),
    (Act::Registered, 2),
    (Act::Called, 8),
];

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Booked => "appointments made",
            Self::Kept => "kept",
            Self::Broke => "broken",
            Self::Paid => "payments",
            Self::Settled => "claims settled",
            Self::Edited => "edits",
            Self::EditedSilently => "silent edits",
            Self::Deleted => "deletions",
            Self::Registered => "new families",
            Self::Called => "calls",
            Self::Nothing => "nothing",
        })
    }
}

/// The life of a practice: a connection, and what chance has in mind.
pub struct Life {
    connection: Conn,
    desk: Desk,
    clock: Clock,
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life").finish_non_exhaustive()
    }
}

impl Life {
    pub(super) async fn begin(mut connection: Conn, seed: u64, clock: Clock) -> Result<Self, PracticeError> {
        let mut keys = BTreeMap::new();
        for (table, key) in schema::keys() {
            let last: Option<i64> = connection.query_first(format!("select max({key}) from {table}")).await?.flatten();
            keys.insert(table, last.unwrap_or_default());
        }
        // Another day brings other things, yet the same ones to the same rows.
        let past = u64::try_from(keys["securitylog"]).unwrap_or_default();
        let now = local_now(&clock);
        let desk = Desk { random: Random::new(seed ^ past), rows: Rows::after(keys), opened: now, now };
        Ok(Self { connection, desk, clock })
    }

    /// Does one thing, and says what.
    pub async fn act(&mut self) -> Result<Act, PracticeError> {
        self.desk.now = local_now(&self.clock);
        let act = WEIGHTS[self.desk.random.weighted(&WEIGHTS.map(|(_, weight)| weight))].0;
        let touched = match act {
            Act::Booked => self.book().await?,
            Act::Kept => self.keep().await?,
            Act::Broke => self.break_off().await?,
            Act::Paid => self.pay().await?,
            Act::Settled => self.settle().await?,
            Act::Edited => self.edit().await?,
            Act::EditedSilently => self.edit_silently().await?,
            Act::Deleted => self.delete().await?,
            Act::Registered => self.register(),
            Act::Called | Act::Nothing => self.call(),
        };
        write_rows(&mut self.connection, &mut self.desk.rows).await?;
        match touched {
            None => return Ok(Act::Nothing),
            Some(0) => {}
            Some(patient) => self.settle_family(patient).await?,
        }
        Ok(act)
    }

    async fn settle_family(&mut self, patient: i64) -> Result<(), PracticeError> {
        let guarantor = self.number(&format!("select Guarantor from patient where PatNum = {patient}")).await?;
        let guarantor = guarantor.unwrap_or(patient);
        let members: Vec<i64> =
            self.connection.query(format!("select PatNum from patient where Guarantor = {guarantor}")).await?;
        let members: Vec<String> = members.iter().map(i64::to_string).collect();
        let wanted = Wanted {
            patients: &format!("PatNum in ({})", members.join(", ")),
            guarantors: &format!("Guarantor = {guarantor}"),
            stamp: "current_timestamp()",
        };
        settle_balances(&mut self.connection, &wanted, self.desk.now).await
    }

    async fn number(&mut self, sql: &str) -> Result<Option<i64>, PracticeError> {
        Ok(self.connection.query_first::<Option<i64>, _>(sql).await?.flatten())
    }

    fn any(&mut self, table: &str) -> i64 {
        self.desk.random.between(1, self.desk.rows.last_key(table).max(1))
    }

    async fn patient(&mut self, number: i64) -> Result<Option<Patient>, PracticeError> {
        let sql = format!(
            "select p.Guarantor, p.ClinicNum, p.PriProv, p.SecProv, p.Position, s.PlanNum, s.InsSubNum from patient p \
             left join patplan l on l.PatNum = p.PatNum left join inssub s on s.InsSubNum = l.InsSubNum \
             where p.PatNum = {number}"
        );
        type Found = (i64, i64, i64, i64, i64, Option<i64>, Option<i64>);
        let found: Option<Found> = self.connection.query_first(sql).await?;
        Ok(found.map(|(guarantor, clinic, dentist, hygienist, position, plan, subscription)| Patient {
            number,
            guarantor,
            clinic,
            dentist: dentist.max(1),
            hygienist: hygienist.max(DENTISTS + 1),
            child: position == 0,
            insured: plan.zip(subscription).map(|(plan, subscription)| Insured { plan, subscription }),
        }))
    }

    fn register(&mut self) -> Option<i64> {
        let now = self.desk.now;
        let family = people::family(&mut self.desk, now, 3);
        for patient in &family {
            papers::write(&mut self.desk, patient, now - TimeDelta::minutes(1));
            let purpose = work::checkup(&mut self.desk, patient, true);
            let at = self.desk.slot(now.date() + Days::new(7));
            let booking = Booking {
                patient,
                purpose: &purpose,
                status: appointment::SCHEDULED,
                at,
                booked: now,
                is_new_patient: true,
            };
            history::await_visit(&mut self.desk, &booking);
        }
        Some(0)
    }

    fn call(&mut self) -> Option<i64> {
        let (patient, now) = (self.any("patient"), self.desk.now);
        papers::call(&mut self.desk, patient, now);
        Some(0)
    }
}
