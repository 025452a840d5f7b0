//! The way from a template, which runs on a thread of its own, to the connection of its node.
//!
//! Jinja can't wait as a task does: it asks through a channel and its thread sleeps until the answer is there. The
//! connection stays with the task, in its transaction.
//! Guarantee: a task that is given up ends the template's next question with an error, and so its thread.

use super::{
    super::{materialize, relation::Relation},
    scope::lock,
};
use crate::{
    error::{Error, Kind},
    warehouse::{Answer, Dependents, Located, Session, Transaction, Trappings, dependents, literal},
};
use std::sync::{Mutex, mpsc as threads};
use tokio::sync::mpsc;

/// Statements under way from one template at once: it waits for each, so there is never a second.
const QUESTIONS_MAX: usize = 1;

/// What a template asks of its node's connection.
#[derive(Debug)]
struct Question {
    what: What,
    answer: threads::SyncSender<Result<Answer, Located>>,
}

#[derive(Debug)]
enum What {
    /// Statements, and whether the rows of the last one are wanted.
    Sql { sql: String, fetches: bool },
    /// That a relation goes; what hangs on it is written down first.
    Drop(Relation),
}

/// The template's end.
#[derive(Clone, Debug)]
pub(in crate::models) struct Connection {
    questions: mpsc::Sender<Question>,
}

impl Connection {
    /// Runs statements and waits for the answer. Never to be called from a task.
    pub(in crate::models) fn ask(&self, sql: &str, fetches: bool) -> Result<Answer, Located> {
        self.put(What::Sql { sql: sql.to_owned(), fetches })
    }

    /// Drops a relation. What hangs on it comes back when the build is done.
    pub(in crate::models) fn drop(&self, relation: &Relation) -> Result<Answer, Located> {
        self.put(What::Drop(relation.clone()))
    }

    fn put(&self, what: What) -> Result<Answer, Located> {
        let (answer, answered) = threads::sync_channel(1);
        let gone = || Located { error: Error::new(Kind::Internal, "the build was given up"), position: None };
        let question = Question { what, answer };
        self.questions.blocking_send(question).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }
}

/// What answers: a connection each of whose statements stands by itself, or a transaction.
#[derive(Clone, Copy)]
pub(in crate::models) enum On<'a, 'b> {
    /// A connection.
    Session(&'a Session),
    /// A transaction, in which what hangs on dropped relations is kept.
    Transaction(&'a Transaction<'b>, &'a Hanging),
}

/// The relations that a build dropped, with what hung on them.
pub(in crate::models) type Hanging = Mutex<Vec<Dropped>>;

/// A relation that was dropped.
pub(in crate::models) struct Dropped {
    /// Its name.
    pub relation: Relation,
    /// What people gave it.
    pub trappings: Trappings,
    /// What hung on it.
    pub dependents: Dependents,
}

impl On<'_, '_> {
    async fn answer(self, what: &What) -> Result<Answer, Located> {
        const DOING: &str = "running it";
        match (self, what) {
            (Self::Session(session), What::Sql { sql, fetches }) => session.answer(sql, *fetches, DOING).await,
            (Self::Transaction(transaction, _), What::Sql { sql, fetches }) => {
                transaction.answer(sql, *fetches, DOING).await
            }
            (Self::Transaction(transaction, hanging), What::Drop(relation)) => {
                let dropped = drop(transaction, relation, hanging).await;
                dropped.map(|()| Answer::default()).map_err(|error| Located { error, position: None })
            }
            (Self::Session(session), What::Drop(relation)) => {
                let name = literal(&relation.quoted());
                let sql = format!("select relkind from pg_catalog.pg_class where oid = to_regclass({name})");
                let found = session.answer(&sql, true, DOING).await?;
                let Some(kind) = found.rows.first().and_then(|row| row.first()) else { return Ok(Answer::default()) };
                let word = word_of(kind.as_deref().and_then(|kind| kind.chars().next()));
                session.answer(&format!("drop {word} {}", relation.quoted()), false, DOING).await
            }
        }
    }
}

/// What a relation is called where it is dropped.
fn word_of(relkind: Option<char>) -> &'static str {
    match relkind {
        Some('v') => "view",
        Some('m') => "materialized view",
        Some('f') => "foreign table",
        _ => "table",
    }
}

/// Drops a relation, never what hangs on it without having written that down.
async fn drop(transaction: &Transaction<'_>, relation: &Relation, hanging: &Hanging) -> Result<(), Error> {
    let (schema, name) = (&relation.schema, &relation.name);
    let Some(oid) = dependents::oid(transaction, schema, name).await? else { return Ok(()) };
    let relkind = materialize::relkind(transaction, relation).await?;
    let word = word_of(relkind);
    let kind = match relkind {
        Some('v') => "v",
        Some('m') => "m",
        _ => "r",
    };
    let dropped = Dropped {
        relation: relation.clone(),
        trappings: Trappings::of(transaction, oid, kind).await?,
        dependents: Dependents::take(transaction, schema, name).await?,
    };
    lock(hanging).push(dropped);
    transaction.batch(&format!("drop {word} {}", relation.quoted()), "dropping a relation").await
}

/// Does `work` on a thread of its own and answers what it asks meanwhile.
pub(in crate::models) async fn with_connection<T: Send + 'static>(
    on: On<'_, '_>,
    work: impl FnOnce(Connection) -> T + Send + 'static,
) -> Result<T, Error> {
    with_connection_after(std::future::ready(()), on, work).await.map(|((), done)| done)
}

/// The same, where the connection is busy at first: `work` begins, and what it asks waits until `before` is done.
pub(in crate::models) async fn with_connection_after<B, T: Send + 'static>(
    before: impl Future<Output = B>,
    on: On<'_, '_>,
    work: impl FnOnce(Connection) -> T + Send + 'static,
) -> Result<(B, T), Error> {
    let (questions, mut asked) = mpsc::channel::<Question>(QUESTIONS_MAX);
    let mut worker = tokio::task::spawn_blocking(move || work(Connection { questions }));
    let before = before.await;
    loop {
        tokio::select! {
            question = asked.recv() => match question {
                Some(question) => {
                    let answered = on.answer(&question.what).await;
                    // The worker that asked may have been given up since; then nobody wants to know.
                    let _ = question.answer.send(answered);
                }
                None => break,
            },
            done = &mut worker => return done.map(|done| (before, done)).map_err(|e| died(&e)),
        }
    }
    worker.await.map(|done| (before, done)).map_err(|e| died(&e))
}

fn died(error: &tokio::task::JoinError) -> Error {
    Error::new(Kind::Internal, format!("the thread that renders ended early: {error}"))
}
