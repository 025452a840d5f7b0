//! The practice lives: a few acts a second, as its people would do them at their screens.
//!
//! Chosen by the same seeded chance as the history; which rows they meet is asked of the database, so
//! that life goes on after a restart. MyISAM knows no transactions: a reader may see an act half
//! done, as in a real practice. After each act the money adds up again.

use super::{
    PracticeError, Wanted,
    codes::CODES,
    desk::Desk,
    history, local_now, money,
    money::Due,
    office::DENTISTS,
    papers,
    people::{self, Insured, Patient},
    random::Random,
    rows::Rows,
    schema, send, settle_balances,
    work::{self, Booking, Charted, appointment, procedure},
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

    async fn book(&mut self) -> Result<Option<i64>, PracticeError> {
        let number = self.any("patient");
        let Some(patient) = self.patient(number).await? else { return Ok(None) };
        let purpose = if self.desk.random.chance(60) {
            work::checkup(&mut self.desk, &patient, false)
        } else {
            work::treatment(&mut self.desk)
        };
        let ahead = Days::new(u64::try_from(self.desk.random.between(0, 45)).expect("days ahead"));
        let at = self.desk.slot(self.desk.now.date() + ahead);
        let booked = self.desk.now;
        let booking = Booking {
            patient: &patient,
            purpose: &purpose,
            status: appointment::SCHEDULED,
            at,
            booked,
            is_new_patient: false,
        };
        history::await_visit(&mut self.desk, &booking);
        Ok(Some(0))
    }

    /// The next scheduled appointment and its patient.
    async fn next_visit(&mut self) -> Result<Option<(i64, Patient)>, PracticeError> {
        let skip = self.desk.random.between(0, 9);
        let sql = format!(
            "select AptNum, PatNum from appointment where AptStatus = {} order by AptDateTime, AptNum limit {skip}, 1",
            appointment::SCHEDULED
        );
        let Some((visit, number)) = self.connection.query_first::<(i64, i64), _>(sql).await? else { return Ok(None) };
        Ok(self.patient(number).await?.map(|patient| (visit, patient)))
    }

    async fn keep(&mut self) -> Result<Option<i64>, PracticeError> {
        let Some((visit, patient)) = self.next_visit().await? else { return Ok(None) };
        let now = self.desk.now;
        let today = now.date();
        let sql = format!(
            "select ProcNum, CodeNum, cast(round(ProcFee * 100) as signed), ProvNum from procedurelog \
             where AptNum = {visit} and ProcStatus = {}",
            procedure::PLANNED
        );
        let planned: Vec<(i64, i64, i64, i64)> = self.connection.query(sql).await?;
        let done: Vec<Charted> = planned
            .into_iter()
            .map(|(number, code, fee, provider)| Charted {
                number,
                code: usize::try_from(code - 1).unwrap_or_default().min(CODES.len() - 1),
                fee,
                provider,
            })
            .collect();
        let sql = format!(
            "update procedurelog set ProcStatus = {complete}, ProcDate = '{today}', DateEntryC = '{today}', \
             DateComplete = '{today}' where AptNum = {visit} and ProcStatus = {planned};\
             update appointment set AptStatus = {kept}, AptDateTime = least(AptDateTime, '{now}'), \
             DateTimeArrived = '{now}', DateTimeSeated = '{now}', DateTimeDismissed = '{now}' where AptNum = {visit}",
            complete = procedure::COMPLETE,
            planned = procedure::PLANNED,
            kept = appointment::COMPLETE,
        );
        send(&mut self.connection, &sql).await?;
        let dues = money::bill(&mut self.desk, &patient, today, &done, None);
        for charted in &done {
            work::annotate(&mut self.desk, patient.number, charted.number, now);
        }
        if self.desk.random.chance(60) {
            money::pay(&mut self.desk, patient.guarantor, today, &dues);
        }
        self.desk.log(27, patient.number, visit, now, "Procedures completed");
        Ok(Some(patient.number))
    }

    async fn break_off(&mut self) -> Result<Option<i64>, PracticeError> {
        let Some((visit, patient)) = self.next_visit().await? else { return Ok(None) };
        let sql = format!(
            "update appointment set AptStatus = {}, AptDateTime = least(AptDateTime, '{}') where AptNum = {visit};\
             update procedurelog set AptNum = 0 where AptNum = {visit} and ProcStatus = {}",
            appointment::BROKEN,
            self.desk.now,
            procedure::PLANNED
        );
        send(&mut self.connection, &sql).await?;
        let now = self.desk.now;
        let absence = super::codes::place::MISSED;
        work::chart(&mut self.desk, &patient, visit, absence, procedure::COMPLETE, now);
        Ok(Some(0))
    }

    /// Somebody who owes pays something for the work that is not yet paid.
    async fn pay(&mut self) -> Result<Option<i64>, PracticeError> {
        let from = self.any("patient");
        let sql =
            format!("select PatNum from patient where PatNum >= {from} and EstBalance > 1 order by PatNum limit 1");
        let Some(number) = self.number(&sql).await? else { return Ok(None) };
        let Some(patient) = self.patient(number).await? else { return Ok(None) };
        let sql = format!(
            "select l.ProcNum, l.ProvNum, cast(round(100 * (l.ProcFee \
               - coalesce((select sum(SplitAmt) from paysplit s where s.ProcNum = l.ProcNum), 0) \
               + coalesce((select sum(AdjAmt) from adjustment a where a.ProcNum = l.ProcNum), 0) \
               - coalesce((select sum(if(Status in (1, 4), InsPayAmt + WriteOff, InsPayEst + WriteOffEst)) \
                   from claimproc c where c.ProcNum = l.ProcNum), 0))) as signed) as cents \
             from procedurelog l where l.PatNum = {number} and l.ProcStatus = {} having cents > 0 limit 4",
            procedure::COMPLETE
        );
        let open: Vec<(i64, i64, i64)> = self.connection.query(sql).await?;
        let share = if self.desk.random.chance(70) { 1 } else { 2 };
        let due = |(procedure, provider, cents): (i64, i64, i64)| Due {
            patient: number,
            procedure,
            provider,
            clinic: patient.clinic,
            cents: (cents / share).max(1),
        };
        let dues: Vec<Due> = open.into_iter().map(due).collect();
        if dues.is_empty() {
            return Ok(None);
        }
        let today = self.desk.now.date();
        money::pay(&mut self.desk, patient.guarantor, today, &dues);
        Ok(Some(number))
    }

    /// The oldest open claim is answered as it was estimated.
    async fn settle(&mut self) -> Result<Option<i64>, PracticeError> {
        let sql = "select ClaimNum, PatNum, PlanNum, ClinicNum, cast(round(InsPayEst * 100) as signed) from claim \
                   where ClaimStatus = 'S' order by DateService, ClaimNum limit 1";
        let found: Option<(i64, i64, i64, i64, i64)> = self.connection.query_first(sql).await?;
        let Some((claim, patient, plan, clinic, cents)) = found else { return Ok(None) };
        let today = self.desk.now.date();
        let check = money::cheque(&mut self.desk, clinic, plan, today, cents);
        let sql = format!(
            "update claimproc set Status = 1, InsPayAmt = InsPayEst, WriteOff = WriteOffEst, DateCP = '{today}', \
             DateEntry = '{today}', ClaimPaymentNum = {check} where ClaimNum = {claim} and Status = 0;\
             update claim set ClaimStatus = 'R', DateReceived = '{today}', InsPayAmt = InsPayEst, WriteOff = \
             (select round(sum(WriteOff), 2) from claimproc where ClaimNum = {claim}) where ClaimNum = {claim}"
        );
        send(&mut self.connection, &sql).await?;
        Ok(Some(patient))
    }

    async fn edit(&mut self) -> Result<Option<i64>, PracticeError> {
        let (patient, visit) = (self.any("patient"), self.any("appointment"));
        let sql = match self.desk.random.between(1, 3) {
            1 => format!(
                "update patient set WirelessPhone = '{}' where PatNum = {patient}",
                people::phone(&mut self.desk)
            ),
            2 => format!("update appointment set Note = concat(Note, ' +') where AptNum = {visit}"),
            _ => format!("update recall set DateDue = date_add(DateDue, interval 1 month) where PatNum = {patient}"),
        };
        send(&mut self.connection, &sql).await?;
        Ok(Some(0))
    }

    /// Edits that a pipeline reading stamps never sees: tables without one, and a stamp put back.
    async fn edit_silently(&mut self) -> Result<Option<i64>, PracticeError> {
        match self.desk.random.between(1, 4) {
            1 => {
                let note = self.any("procnote");
                let sql = format!("update procnote set Note = concat(Note, '\\nAddendum.') where ProcNoteNum = {note}");
                send(&mut self.connection, &sql).await?;
            }
            2 => {
                let field = self.any("sheetfield");
                let sql = format!("update sheetfield set FieldValue = 'corrected' where SheetFieldNum = {field}");
                send(&mut self.connection, &sql).await?;
            }
            3 => {
                let definition = self.any("definition");
                let sql = format!("update definition set ItemColor = ItemColor - 1 where DefNum = {definition}");
                send(&mut self.connection, &sql).await?;
            }
            _ => return self.correct_payment().await,
        }
        Ok(Some(0))
    }

    /// A payment was typed wrong: a dollar less, the stamps as they were.
    async fn correct_payment(&mut self) -> Result<Option<i64>, PracticeError> {
        let from = self.any("paysplit");
        let sql = format!(
            "select SplitNum, PayNum, PatNum from paysplit where SplitNum >= {from} and SplitAmt > 2 order by SplitNum limit 1"
        );
        let found: Option<(i64, i64, i64)> = self.connection.query_first(sql).await?;
        let Some((split, payment, patient)) = found else { return Ok(None) };
        let sql = format!(
            "update paysplit set SplitAmt = round(SplitAmt - 1, 2), SecDateTEdit = SecDateTEdit where SplitNum = {split};\
             update payment set PayAmt = round(PayAmt - 1, 2), SecDateTEdit = SecDateTEdit where PayNum = {payment}"
        );
        send(&mut self.connection, &sql).await?;
        Ok(Some(patient))
    }

    async fn delete(&mut self) -> Result<Option<i64>, PracticeError> {
        match self.desk.random.between(1, 3) {
            1 => return self.delete_payment().await,
            2 => {
                let from = self.any("procedurelog");
                let sql = format!(
                    "select ProcNum from procedurelog where ProcNum >= {from} and ProcStatus = {} order by ProcNum limit 1",
                    procedure::PLANNED
                );
                let Some(planned) = self.number(&sql).await? else { return Ok(None) };
                let sql = format!(
                    "delete from treatplanattach where ProcNum = {planned}; delete from procedurelog where ProcNum = {planned}"
                );
                send(&mut self.connection, &sql).await?;
            }
            _ => {
                let call = self.any("commlog");
                send(&mut self.connection, &format!("delete from commlog where CommlogNum = {call}")).await?;
            }
        }
        Ok(Some(0))
    }

    /// A payment was posted to the wrong family, and goes with its splits.
    async fn delete_payment(&mut self) -> Result<Option<i64>, PracticeError> {
        let from = self.any("payment");
        let sql = format!("select PayNum, PatNum from payment where PayNum >= {from} order by PayNum limit 1");
        let found: Option<(i64, i64)> = self.connection.query_first(sql).await?;
        let Some((payment, patient)) = found else { return Ok(None) };
        let sql =
            format!("delete from paysplit where PayNum = {payment}; delete from payment where PayNum = {payment}");
        send(&mut self.connection, &sql).await?;
        Ok(Some(patient))
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
