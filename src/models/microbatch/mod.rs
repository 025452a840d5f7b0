//! Microbatch models: which batches they are built in, and [`run`], how.
//!
//! What is here is pure, counted as dbt does it (dbt-core, `materializations/incremental/microbatch.py`), all in UTC.

mod run;

pub(super) use run::Batches;

use super::{
    BuildOptions,
    context::batch::{Batch, BatchSize},
    manifest::{Manifest, Node, Resource, wrong},
};
use crate::error::Result;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde_json::Value as Json;

/// Batches of one build, at most: twenty years of days, or two of hours.
const BATCHES_MAX: usize = 20_000;
/// Batches that can be asked for again, at most.
const LOOKBACK_MAX: u32 = 10_000;

/// A microbatch model's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Microbatch {
    size: BatchSize,
    begin: NaiveDateTime,
    lookback: u32,
    shown: String,
}

impl Microbatch {
    /// Of a model; `None` where it is built as a whole: it is of another strategy, or the strategy is the project's own.
    ///
    /// # Errors
    /// Its configuration lacks something.
    pub(super) fn of(manifest: &Manifest, node: &Node) -> Result<Option<Self>> {
        let is_batched = node.resource == Resource::Model
            && node.materialized() == "incremental"
            && node.settings.text("incremental_strategy").as_deref() == Some("microbatch");
        let setting = &manifest.setting;
        let is_own = |name: &str| setting.packages.iter().any(|p| setting.engine.definition(p, name).is_some());
        if !is_batched || is_own("get_incremental_microbatch_sql") {
            return Ok(None);
        }
        let shown = format!("{}: microbatch model '{}'", node.file, node.name);
        let missing = |what: &str| wrong(&shown, format!("it needs the configuration {what}"));
        node.settings
            .text("event_time")
            .ok_or_else(|| missing("event_time, the column that tells when a row happened"))?;
        let size = match node.settings.text("batch_size").unwrap_or_default().as_str() {
            "hour" => BatchSize::Hour,
            "day" => BatchSize::Day,
            "month" => BatchSize::Month,
            "year" => BatchSize::Year,
            _ => return Err(missing("batch_size: hour, day, month or year")),
        };
        let begin = node.settings.text("begin").ok_or_else(|| missing("begin, the first moment that there is"))?;
        let begin = moment(&begin).ok_or_else(|| {
            wrong(&shown, format!("begin is '{begin}' and must be a date or a moment, as 2024-01-31T06:00:00"))
        })?;
        let lookback = match node.settings.get("lookback") {
            None | Some(Json::Null) => 1,
            Some(given) => {
                given.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= LOOKBACK_MAX).ok_or_else(|| {
                    wrong(&shown, format!("lookback is {given} and must be a number up to {LOOKBACK_MAX}"))
                })?
            }
        };
        if !has_filtered_input(manifest, node) {
            tracing::warn!(model = %node.id, "no input of this microbatch model has an event_time: each batch sees all rows");
        }
        Ok(Some(Self { size, begin, lookback, shown }))
    }

    /// The batches of a build at `now`, in order. `is_incremental` tells whether there is something to add to.
    ///
    /// # Errors
    /// There are too many.
    pub(super) fn batches(
        &self,
        options: &BuildOptions,
        is_incremental: bool,
        now: DateTime<Utc>,
    ) -> Result<Vec<Batch>> {
        let ended = || wrong(&self.shown, "its batches lie beyond the calendar");
        let end = options.event_time_end.unwrap_or(now).naive_utc();
        let end = self.size.ceiling(end).ok_or_else(ended)?;
        let start = match options.event_time_start {
            Some(start) => self.size.truncated(start.naive_utc()),
            None if !is_incremental => self.size.truncated(self.begin),
            // The end is the beginning of the batch after the last one.
            None => self.size.before(end, self.lookback + 1).ok_or_else(ended)?,
        };
        let mut batches = Vec::new();
        let mut from = start;
        loop {
            let next = self.size.next(from).ok_or_else(ended)?;
            let is_last = next >= end;
            let until = if is_last { end } else { next };
            batches.push(Batch { from: from.and_utc(), until: until.and_utc(), size: self.size });
            if is_last {
                return Ok(batches);
            }
            if batches.len() >= BATCHES_MAX {
                let what = format!(
                    "from {start} until {end} there are more than {BATCHES_MAX} batches; make them longer (batch_size) or \
                     build a part of the time (--event-time-start, --event-time-end)"
                );
                return Err(wrong(&self.shown, what));
            }
            from = next;
        }
    }
}

/// Whether there is anything that a batch sees a part of.
fn has_filtered_input(manifest: &Manifest, node: &Node) -> bool {
    let nodes = node.parents.iter().filter_map(|id| manifest.nodes.get(id)).map(|node| &node.settings);
    let sources = node.sources.iter().filter_map(|read| manifest.sources.get(&read.id)).map(|source| &source.settings);
    nodes.chain(sources).any(|settings| settings.text("event_time").is_some())
}

/// A moment as Python's ISO forms have it; an offset is not looked at, as in dbt.
fn moment(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(date.and_time(NaiveTime::MIN));
    }
    if let Ok(moment) = DateTime::parse_from_rfc3339(&text.replace(' ', "T")) {
        return Some(moment.naive_local());
    }
    let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        moment(text).expect("a moment").and_utc()
    }

    fn batches(size: BatchSize, lookback: u32, options: (&str, &str), is_incremental: bool, now: &str) -> Vec<String> {
        let begin = moment("2023-12-30T11:00").expect("a moment");
        let given = |text: &str| (!text.is_empty()).then(|| at(text));
        let options =
            BuildOptions { event_time_start: given(options.0), event_time_end: given(options.1), ..Default::default() };
        let model = Microbatch { size, begin, lookback, shown: "m".to_owned() };
        let found = model.batches(&options, is_incremental, at(now)).expect("few");
        found.iter().map(|b| format!("{} {}", b.from.format("%y%m%d.%H"), b.until.format("%y%m%d.%H"))).collect()
    }

    #[test]
    fn a_first_build_takes_all_from_the_beginning_and_a_later_one_looks_back() {
        use BatchSize::{Day, Hour, Month, Year};
        for (size, lookback, is_incremental, now, expected) in [
            (Day, 1, false, "2024-01-01T00:00", &["231230.00 231231.00", "231231.00 240101.00"][..]),
            (Day, 1, true, "2024-03-01T05:00", &["240229.00 240301.00", "240301.00 240302.00"]),
            (Day, 0, true, "2024-03-01T05:00", &["240301.00 240302.00"]),
            (Day, 1, true, "2024-03-01T00:00", &["240228.00 240229.00", "240229.00 240301.00"]),
            (Hour, 1, true, "2024-01-01T00:30", &["231231.23 240101.00", "240101.00 240101.01"]),
            (Month, 1, false, "2024-01-02T00:00", &["231201.00 240101.00", "240101.00 240201.00"]),
            (
                Month,
                2,
                true,
                "2024-01-02T00:00",
                &["231101.00 231201.00", "231201.00 240101.00", "240101.00 240201.00"],
            ),
            (Year, 1, true, "2024-01-02T00:00", &["230101.00 240101.00", "240101.00 250101.00"]),
        ] {
            assert_eq!(batches(size, lookback, ("", ""), is_incremental, now), expected, "{size:?} {lookback} {now}");
        }
    }

    #[test]
    fn a_span_that_is_asked_for_is_built_whole() {
        let days = batches(BatchSize::Day, 1, ("2024-03-01T10:00", "2024-03-03T10:00"), true, "2025-01-01");
        assert_eq!(days, ["240301.00 240302.00", "240302.00 240303.00", "240303.00 240304.00"]);
        let none = batches(BatchSize::Day, 1, ("2024-03-03", "2024-03-01"), true, "2025-01-01");
        assert_eq!(none, ["240303.00 240301.00"], "one batch that holds nothing, as with dbt");
    }

    #[test]
    fn batches_are_bounded() {
        let begin = moment("0001-01-01").expect("a moment");
        let model = Microbatch { size: BatchSize::Hour, begin, lookback: 1, shown: "m".to_owned() };
        let error = model.batches(&BuildOptions::default(), false, at("2024-01-01")).expect_err("so many");
        assert!(error.to_string().contains("more than 20000 batches"), "{error}");
    }

    #[test]
    fn moments_are_read_as_python_reads_them() {
        for text in ["2024-01-31", "2024-01-31 00:00", "2024-01-31T00:00:00.000", "2024-01-31T00:00:00+05:00"] {
            assert_eq!(moment(text), moment("2024-01-31"), "{text}");
        }
        assert_eq!(moment("31.1.2024"), None);
    }
}
