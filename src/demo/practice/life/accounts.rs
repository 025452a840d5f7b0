//! Payments and insurance cheques that come in, are corrected and taken back.

use super::{Life, PracticeError};
use crate::demo::practice::{
    money::{self, Due},
    send,
    work::procedure,
};
use mysql_async::prelude::Queryable;

impl Life {
    /// Somebody who owes pays something for the work that is not yet paid.
    pub(super) async fn pay(&mut self) -> Result<Option<i64>, PracticeError> {
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
    pub(super) async fn settle(&mut self) -> Result<Option<i64>, PracticeError> {
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

    /// A payment was typed wrong: a dollar less, the stamps as they were.
    pub(super) async fn correct_payment(&mut self) -> Result<Option<i64>, PracticeError> {
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

    /// A payment was posted to the wrong family, and goes with its splits.
    pub(super) async fn delete_payment(&mut self) -> Result<Option<i64>, PracticeError> {
        let from = self.any("payment");
        let sql = format!("select PayNum, PatNum from payment where PayNum >= {from} order by PayNum limit 1");
        let found: Option<(i64, i64)> = self.connection.query_first(sql).await?;
        let Some((payment, patient)) = found else { return Ok(None) };
        let sql =
            format!("delete from paysplit where PayNum = {payment}; delete from payment where PayNum = {payment}");
        send(&mut self.connection, &sql).await?;
        Ok(Some(patient))
    }
}
