//! How fresh the tables of sources are.

use super::artifacts::moment;
use super::{
    Models, compile,
    context::{
        connection::{On, with_connection},
        relation::RelationValue,
        scope::{Run, Scope, Subject, Task},
    },
    manifest::Source,
};
use crate::error::{Error, Kind, Result};
use chrono::{DateTime, Duration, Utc};
use minijinja::value::Value;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// How fresh a table is.
#[derive(Clone, Debug, PartialEq)]
pub struct Freshness {
    /// The table's unique id.
    pub id: String,
    /// `source.table`.
    pub name: String,
    /// dbt's word: `pass`, `warn`, `error`, `runtime error`.
    pub status: &'static str,
    /// When its newest row was loaded, and when that was looked at; or what went wrong.
    pub seen: Result<(DateTime<Utc>, DateTime<Utc>), String>,
    /// How long it took.
    pub seconds: f64,
    criteria: Json,
    started: DateTime<Utc>,
}

impl Freshness {
    /// How old its newest row is.
    pub fn age(&self) -> Option<Duration> {
        self.seen.as_ref().ok().map(|(loaded, looked)| *looked - *loaded)
    }

    /// As `sources.json` has it.
    pub(super) fn described(&self) -> Json {
        match &self.seen {
            Ok((loaded, looked)) => json!({
                "unique_id": self.id, "max_loaded_at": moment(*loaded), "snapshotted_at": moment(*looked),
                "max_loaded_at_time_ago_in_s": age_seconds(*looked - *loaded), "status": self.status,
                "criteria": self.criteria, "adapter_response": {"_message": "SELECT 1", "code": "SELECT", "rows_affected": 1},
                "timing": [
                    {"name": "compile", "started_at": moment(self.started), "completed_at": moment(self.started)},
                    {"name": "execute", "started_at": moment(self.started), "completed_at": moment(*looked)},
                ],
                "thread_id": "Thread-1", "execution_time": self.seconds,
            }),
            Err(what) => json!({"unique_id": self.id, "error": what, "status": self.status}),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "an age in microseconds is far below 2^53")]
fn age_seconds(age: Duration) -> f64 {
    age.num_microseconds().unwrap_or(i64::MAX) as f64 / 1e6
}

impl Models {
    /// Looks how fresh the chosen tables of sources are: those that say when they count as stale.
    ///
    /// # Errors
    /// The warehouse can't be reached.
    pub async fn freshness(&self, ids: &BTreeSet<String>) -> Result<Vec<Freshness>> {
        let session = self.warehouse.session().await?;
        let (manifest, started) = (self.manifest.clone(), self.clock.now());
        let ids = ids.clone();
        with_connection(On::Session(&session), move |connection| {
            let wanted = manifest.sources.values().filter(|s| ids.contains(&s.id) && criteria(s).is_some());
            let one = |source: &Source| {
                let since = std::time::Instant::now();
                let run =
                    Run { connection: Some(connection.clone()), as_new: false, ..Run::dry(manifest.clone(), started) };
                let subject = Subject { name: source.name.clone(), ..Subject::of_package(&source.package) };
                let scope = Scope::new(manifest.setting.clone(), subject, Task::Run(run));
                let seen = look(&scope, source).map_err(|error| error.to_string());
                let criteria = criteria(source).unwrap_or_default();
                let status = match &seen {
                    Ok((loaded, looked)) => status(&criteria, *looked - *loaded),
                    Err(_) => "runtime error",
                };
                Freshness {
                    id: source.id.clone(),
                    name: format!("{}.{}", source.source, source.name),
                    status,
                    seen,
                    seconds: crate::telemetry::rounded_seconds(since.elapsed()),
                    criteria,
                    started,
                }
            };
            wanted.map(one).collect()
        })
        .await
    }
}

/// What a source's table says of its freshness, whole; `None` where it says nothing.
fn criteria(source: &Source) -> Option<Json> {
    let said = source.freshness.as_ref()?;
    let of = |key: &str| {
        let given = said.get(key).filter(|given| given.is_object());
        given.map_or_else(
            || json!({"count": null, "period": null}),
            |g| json!({"count": g.get("count"), "period": g.get("period")}),
        )
    };
    let (warn, error) = (of("warn_after"), of("error_after"));
    let is_said = !warn["count"].is_null() || !error["count"].is_null();
    is_said.then(|| json!({"warn_after": warn, "error_after": error, "filter": said.get("filter")}))
}

fn status(criteria: &Json, age: Duration) -> &'static str {
    let is_past = |key: &str| {
        let limit = &criteria[key];
        let minutes = match limit["period"].as_str() {
            Some("minute") => 1,
            Some("hour") => 60,
            Some("day") => 1_440,
            _ => return false,
        };
        let count = limit["count"].as_i64().or_else(|| limit["count"].as_str()?.parse().ok());
        count.and_then(|count| Duration::try_minutes(count.saturating_mul(minutes))).is_some_and(|limit| age > limit)
    };
    if is_past("error_after") {
        "error"
    } else if is_past("warn_after") {
        "warn"
    } else {
        "pass"
    }
}

/// The newest row's moment, and the moment of the look.
fn look(scope: &std::sync::Arc<Scope>, source: &Source) -> Result<(DateTime<Utc>, DateTime<Utc>)> {
    let scope_started = scope.run().map_or(DateTime::UNIX_EPOCH, |run| run.started);
    let relation =
        RelationValue { quote: source.quoting, ..RelationValue::of(&source.relation, Some("table")) }.value();
    let (name, arguments) = match (&source.loaded_at_query, &source.loaded_at) {
        (Some(query), _) => {
            let extra = scope.setting.engine.render(&source.file, query, scope.globals());
            let query = extra.map_err(|error| compile::failed(scope, &error))?;
            ("collect_freshness_custom_sql", vec![relation, query.into()])
        }
        (None, Some(field)) => {
            let filter = source.freshness.as_ref().and_then(|f| f.get("filter")).and_then(Json::as_str);
            ("collect_freshness", vec![relation, field.as_str().into(), filter.map_or(Value::from(()), Value::from)])
        }
        (None, None) => {
            let what =
                format!("source {}.{} names no loaded_at_field and no loaded_at_query", source.source, source.name);
            return Err(Error::new(Kind::ModelProject, format!("{}: {what}", source.file)));
        }
    };
    let collect = scope.macro_named(name).ok_or_else(|| Error::new(Kind::Internal, format!("{name} is gone")))?;
    let result = scope.setting.engine.call(&collect, &arguments, &source.file);
    let result = result.map_err(|error| compile::failed(scope, &error))?;
    let row =
        result.get_attr("table").and_then(|table| table.get_attr("rows")).and_then(|rows| rows.get_item_by_index(0));
    let moment = |at: usize| {
        let value = row.as_ref().ok().and_then(|row| row.get_item_by_index(at).ok()).filter(|v| !v.is_none());
        value.map(|value| utc(&value.to_string())).transpose()
    };
    let wrong = |what: &str| Error::new(Kind::ModelSql, format!("source {}.{}: {what}", source.source, source.name));
    let loaded =
        moment(0).map_err(|text| wrong(&format!("what tells when it was loaded gives {text}, which is no moment")))?;
    let looked = moment(1).map_err(|text| wrong(&format!("the current moment is {text}, which is none")))?;
    // An empty table was never loaded.
    Ok((loaded.unwrap_or_else(first_day), looked.unwrap_or(scope_started)))
}

/// The moment that a text shows; the text where it shows none, as a date does.
fn utc(text: &str) -> Result<DateTime<Utc>, String> {
    let with_zone = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%:z").map(|at| at.to_utc());
    let without = || chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").map(|at| at.and_utc());
    with_zone.or_else(|_| without()).map_err(|_| text.to_owned())
}

/// dbt's day for what was never loaded.
fn first_day() -> DateTime<Utc> {
    chrono::NaiveDate::from_ymd_opt(1, 1, 1)
        .and_then(|day| day.and_hms_opt(0, 0, 0))
        .map_or(DateTime::UNIX_EPOCH, |at| at.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_judged_by_the_stricter_limit_that_it_passes() {
        let criteria =
            json!({"warn_after": {"count": 1, "period": "hour"}, "error_after": {"count": 2, "period": "day"}});
        let of = |minutes| status(&criteria, Duration::minutes(minutes));
        assert_eq!([of(60), of(61), of(2 * 1_440), of(2 * 1_440 + 1)], ["pass", "warn", "warn", "error"]);
    }

    #[test]
    fn moments_are_read_with_a_zone_or_in_utc_and_dates_are_none() {
        let noon = "2020-01-02 12:00:00";
        assert_eq!(utc(&format!("{noon}+02:00")).map(|at| at.to_string()), Ok("2020-01-02 10:00:00 UTC".to_owned()));
        assert_eq!(utc(noon).map(|at| at.to_string()), Ok("2020-01-02 12:00:00 UTC".to_owned()));
        assert_eq!(utc("2020-01-02"), Err("2020-01-02".to_owned()));
    }
}
