//! What a statement that a person wrote gives: its rows as PostgreSQL prints them, with the types it says they have.
//!
//! Such SQL has no parameters and may be several statements; the last one gives the answer.

use super::{
    failure::failure,
    session::{Located, Session, Transaction},
    statements,
};
use tokio_postgres::{SimpleQueryMessage, error::ErrorPosition};

/// What the last statement of a text gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Name and type of each column, the type by its name in PostgreSQL's catalog (`int4`, `numeric`).
    pub columns: Vec<(String, String)>,
    /// The values as texts; `None` for null.
    pub rows: Vec<Vec<Option<String>>>,
    /// The statement's first word, upper case: `SELECT`, `INSERT`.
    pub command: String,
    /// Rows given or changed.
    pub rows_affected: u64,
}

fn located(error: &tokio_postgres::Error, doing: &str, before: usize) -> Located {
    let position = error.as_db_error().and_then(|db| match db.position() {
        Some(ErrorPosition::Original(position)) => Some(position + u32::try_from(before).ok()?),
        _ => None,
    });
    Located { error: failure(error, doing), position }
}

macro_rules! answers {
    ($($type:ty),+) => { $(
        impl $type {
            /// Runs statements that a person wrote; `fetches` asks for the rows of the last one.
            ///
            /// # Errors
            /// The server's refusal, with the place in the text that it names.
            pub async fn answer(&self, sql: &str, fetches: bool, doing: &str) -> Result<Answer, Located> {
                let (on, under_way) = self.on();
                let (before, last) = statements::split_last(sql);
                let mut answer = Answer { command: statements::command(last), ..Answer::default() };
                // Sent as one, they happen as one, also outside of a transaction.
                let (before, last) = if fetches { (before, last) } else { ("", sql) };
                let skipped = before.chars().count();
                if !before.is_empty() {
                    under_way.until(on.batch_execute(before)).await.map_err(|e| located(&e, doing, 0))?;
                }
                if fetches && statements::gives_rows(last) {
                    // The simple protocol gives texts and no types, so these are asked for first.
                    let described = under_way.until(on.prepare(last)).await.map_err(|e| located(&e, doing, skipped))?;
                    let named = described.columns().iter().map(|c| (c.name().to_owned(), c.type_().name().to_owned()));
                    answer.columns = named.collect();
                }
                let messages = under_way.until(on.simple_query(last)).await.map_err(|e| located(&e, doing, skipped))?;
                for message in &messages {
                    match message {
                        SimpleQueryMessage::Row(row) if fetches => {
                            answer.rows.push((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect());
                        }
                        SimpleQueryMessage::CommandComplete(rows) => answer.rows_affected = *rows,
                        _ => {}
                    }
                }
                Ok(answer)
            }
        }
    )+ };
}

answers!(Session, Transaction<'_>);
