//! Rows edited, with and without a trace, and deleted.

use super::{Life, PracticeError};
use crate::demo::practice::{people, send, work::procedure};

impl Life {
    pub(super) async fn edit(&mut self) -> Result<Option<i64>, PracticeError> {
        let (patient, visit) = (self.any("patient"), self.any("appointment"));
        let sql = match self.desk.random.between(1, 3) {
            1 => format!(
                "update patient set WirelessPhone = '{}' where PatNum = {patient}",
                people::phone(&mut self.desk)
            ),
            2 => format!("update appointment set Note = concat(Note, ' +') where AptNum = {visit}"),
            _ => format!("update recall set DateDue = date_add(DateDue, interval 1 month) where PatNum = {patient}"),
        };
        self.change(&sql).await
    }

    /// Edits that a pipeline reading stamps never sees: tables without one, and a stamp put back.
    pub(super) async fn edit_silently(&mut self) -> Result<Option<i64>, PracticeError> {
        let sql = match self.desk.random.between(1, 4) {
            1 => {
                let note = self.any("procnote");
                format!("update procnote set Note = concat(Note, '\\nAddendum.') where ProcNoteNum = {note}")
            }
            2 => {
                let field = self.any("sheetfield");
                format!("update sheetfield set FieldValue = concat(FieldValue, ' *') where SheetFieldNum = {field}")
            }
            3 => {
                let definition = self.any("definition");
                format!("update definition set ItemColor = ItemColor - 1 where DefNum = {definition}")
            }
            _ => return self.correct_payment().await,
        };
        self.change(&sql).await
    }

    pub(super) async fn delete(&mut self) -> Result<Option<i64>, PracticeError> {
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
                return self.change(&format!("delete from commlog where CommlogNum = {call}")).await;
            }
        }
        Ok(Some(0))
    }

    /// Runs one statement; `None` where it met no row, or one that was so already.
    async fn change(&mut self, sql: &str) -> Result<Option<i64>, PracticeError> {
        send(&mut self.connection, sql).await?;
        Ok((self.connection.affected_rows() > 0).then_some(0))
    }
}
