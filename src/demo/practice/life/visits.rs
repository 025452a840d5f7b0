//! Appointments made, kept and broken.

use super::{Life, PracticeError};
use crate::demo::practice::{
    codes::{CODES, place},
    history, money,
    people::Patient,
    send,
    work::{self, Booking, Charted, appointment, procedure},
};
use chrono::Days;
use mysql_async::prelude::Queryable;

impl Life {
    pub(super) async fn book(&mut self) -> Result<Option<i64>, PracticeError> {
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
    pub(super) async fn next_visit(&mut self) -> Result<Option<(i64, Patient)>, PracticeError> {
        let skip = self.desk.random.between(0, 9);
        let sql = format!(
            "select AptNum, PatNum from appointment where AptStatus = {} order by AptDateTime, AptNum limit {skip}, 1",
            appointment::SCHEDULED
        );
        let Some((visit, number)) = self.connection.query_first::<(i64, i64), _>(sql).await? else { return Ok(None) };
        Ok(self.patient(number).await?.map(|patient| (visit, patient)))
    }

    pub(super) async fn keep(&mut self) -> Result<Option<i64>, PracticeError> {
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

    pub(super) async fn break_off(&mut self) -> Result<Option<i64>, PracticeError> {
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
        let absence = place::MISSED;
        work::chart(&mut self.desk, &patient, visit, absence, procedure::COMPLETE, now);
        Ok(Some(0))
    }
}
