//! What each notifier was told: so that a restart neither tells it again nor forgets to say that it is over.

use super::{During, State};
use crate::{
    domain::{Alert, AlertKey, Severity, Told},
    error::Result,
};
use chrono::{DateTime, Utc};

#[derive(sqlx::FromRow)]
struct Row {
    alert: String,
    subject: String,
    severity: String,
    since: DateTime<Utc>,
    told_at: DateTime<Utc>,
}

impl State {
    /// What a notifier was told and not yet told to be over. What a newer version told, this one forgets.
    ///
    /// # Errors
    /// The server fails.
    pub async fn told(&self, notifier: &str) -> Result<Vec<Told>> {
        let sql = "select alert, subject, severity, since, told_at from amalgam.told where notifier = $1 order by 1, 2";
        let rows: Vec<Row> = sqlx::query_as(sql)
            .bind(notifier)
            .fetch_all(&mut *self.connection().await?)
            .during("reading what was told")
            .await?;
        let told = |row: Row| {
            let key = AlertKey::new(Alert::parse(&row.alert)?, row.subject);
            let severity = Severity::parse(&row.severity)?;
            Some(Told { key, severity, since: row.since, told_at: row.told_at })
        };
        Ok(rows.into_iter().filter_map(told).collect())
    }

    /// Remembers what a notifier was told, in the place of what was remembered before.
    ///
    /// # Errors
    /// The server fails.
    pub async fn put_told(&self, notifier: &str, told: &[Told]) -> Result<()> {
        let doing = "remembering what was told";
        let texts = |text: fn(&Told) -> &str| -> Vec<String> { told.iter().map(|t| text(t).to_owned()).collect() };
        let times = |time: fn(&Told) -> DateTime<Utc>| -> Vec<DateTime<Utc>> { told.iter().map(time).collect() };
        let mut tx = self.begin(doing).await?;
        sqlx::query("delete from amalgam.told where notifier = $1")
            .bind(notifier)
            .execute(&mut *tx)
            .during(doing)
            .await?;
        sqlx::query(include_str!("queries/put_told.sql"))
            .bind(notifier)
            .bind(texts(|t| t.key.alert.as_str()))
            .bind(texts(|t| &t.key.subject))
            .bind(texts(|t| t.severity.as_str()))
            .bind(times(|t| t.since))
            .bind(times(|t| t.told_at))
            .execute(&mut *tx)
            .during(doing)
            .await?;
        tx.commit().during(doing).await
    }

    /// Forgets what notifiers were told that are no longer configured.
    ///
    /// # Errors
    /// The server fails.
    pub async fn keep_notifiers(&self, names: &[String]) -> Result<()> {
        let doing = "forgetting notifiers";
        let mut tx = self.begin(doing).await?;
        sqlx::query("delete from amalgam.told where notifier <> all($1)")
            .bind(names)
            .execute(&mut *tx)
            .during(doing)
            .await?;
        tx.commit().during(doing).await
    }
}
