//! How each node of a command ended, in dbt's words.

use super::{
    BuildOptions, BuildOutcome, Models, Step, TestChoice, TestStatus, TestVerdict, Told, agenda::Duty,
    artifacts::moment, options::Response,
};
use crate::{domain::ModelId, error::Result};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// How one node ended.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeResult {
    /// Its unique id.
    pub id: String,
    /// The outcome.
    pub status: NodeStatus,
    /// What there is to say of it.
    pub message: Option<String>,
    /// Of a test: what it counted.
    pub failures: Option<i64>,
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// How long it took.
    pub seconds: f64,
    /// What the warehouse answered.
    pub response: Option<Response>,
    /// The SQL, where it could be made.
    pub compiled: Option<String>,
    /// Of a test that was not run since nothing changed: when it was.
    pub kept_since: Option<DateTime<Utc>>,
}

/// The outcome of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeStatus {
    /// It was built, or is as it should be.
    Success,
    /// It was not built, or the test could not be run.
    Error,
    /// Something that it needs failed.
    Skipped,
    /// The test found nothing.
    Pass,
    /// The test found something, and only warns.
    Warn,
    /// The test found something.
    Fail,
    /// There is nothing to do.
    NoOp,
}

impl NodeStatus {
    /// dbt's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Skipped => "skipped",
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::NoOp => "no-op",
        }
    }

    /// Whether the command has failed with it.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Error | Self::Fail)
    }
}

impl NodeResult {
    /// Of a node of which no more is known.
    pub fn plain(id: &str, status: NodeStatus, message: Option<String>, ended: DateTime<Utc>) -> Self {
        let id = id.to_owned();
        Self {
            id,
            status,
            message,
            failures: None,
            ended,
            seconds: 0.0,
            response: None,
            compiled: None,
            kept_since: None,
        }
    }

    fn of_test(verdict: &TestVerdict, ended: DateTime<Utc>) -> Self {
        let status = match verdict.status {
            TestStatus::Pass => NodeStatus::Pass,
            TestStatus::Warn => NodeStatus::Warn,
            TestStatus::Fail => NodeStatus::Fail,
            TestStatus::Error => NodeStatus::Error,
            TestStatus::Skip => NodeStatus::Skipped,
        };
        let has_count = !matches!(status, NodeStatus::Error | NodeStatus::Skipped);
        Self {
            failures: has_count.then_some(verdict.failures),
            seconds: verdict.seconds,
            compiled: verdict.compiled.clone(),
            kept_since: verdict.kept_since,
            ..Self::plain(verdict.id.as_str(), status, verdict.message.clone(), ended)
        }
    }

    /// As `results` has it.
    pub(super) fn described(&self) -> Json {
        serde_json::to_value(Described { result: self, relation_name: None }).unwrap_or_default()
    }
}

/// A result as `run_results.json` has it.
pub(super) struct Described<'a> {
    pub(super) result: &'a NodeResult,
    /// The relation that it is of.
    pub(super) relation_name: Option<String>,
}

impl Serialize for Described<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let result = self.result;
        let length = TimeDelta::milliseconds((result.seconds * 1000.0).round() as i64);
        let did_run = !matches!(result.status, NodeStatus::Skipped | NodeStatus::NoOp);
        let (start, end) = (moment(result.ended - length), moment(result.ended));
        let phase = |name, end| BTreeMap::from([("name", name), ("started_at", start.as_str()), ("completed_at", end)]);
        let timing = if did_run { vec![phase("compile", &start), phase("execute", &end)] } else { Vec::new() };
        let response = match (&result.response, result.kept_since) {
            (Some(response), _) => {
                let rows = response.rows.map_or(Json::from(-1), Json::from);
                json!({"_message": response.message(), "code": response.code, "rows_affected": rows})
            }
            (None, Some(since)) => json!({"_message": "KEPT", "tested_at": moment(since)}),
            (None, None) => json!({}),
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("status", result.status.as_str())?;
        map.serialize_entry("timing", &timing)?;
        map.serialize_entry("thread_id", "Thread-1")?;
        map.serialize_entry("execution_time", &result.seconds)?;
        map.serialize_entry("adapter_response", &response)?;
        map.serialize_entry("message", &result.message)?;
        map.serialize_entry("failures", &result.failures)?;
        map.serialize_entry("unique_id", &result.id)?;
        map.serialize_entry("compiled", &did_run.then_some(result.compiled.is_some()))?;
        map.serialize_entry("compiled_code", &result.compiled)?;
        map.serialize_entry("batch_results", &())?;
        map.serialize_entry("relation_name", &self.relation_name)?;
        map.end()
    }
}

impl Response {
    /// In one line: `SELECT 5`, `CREATE VIEW`.
    fn message(&self) -> String {
        match (self.code.as_str(), self.rows) {
            ("INSERT", Some(rows)) => format!("INSERT 0 {rows}"),
            ("SELECT" | "UPDATE" | "DELETE" | "MERGE" | "COPY", Some(rows)) => format!("{} {rows}", self.code),
            (code, _) => code.to_owned(),
        }
    }
}

/// What a step came to.
#[derive(Debug)]
pub struct Performed {
    /// How each node ended; that of the step itself last.
    pub results: Vec<NodeResult>,
    /// What the build of a node did.
    pub build: Option<Result<BuildOutcome>>,
}

impl Performed {
    /// Whether what needs the step can't go on.
    pub fn is_bad(&self) -> bool {
        self.results.iter().any(|result| result.status.is_bad())
    }
}

impl Models {
    /// Does one step of an agenda.
    pub async fn perform(&self, step: &Step, options: &BuildOptions) -> Performed {
        let since = self.clock.now();
        match &step.duty {
            Duty::Build(id, tests) => {
                let options = BuildOptions { tests: tests.clone(), ..options.clone() };
                let mut told = Told::default();
                let outcome = self.build_telling(id, &options, &mut told).await;
                self.performed(id, tests, &told, outcome, since)
            }
            Duty::Test(tests) => {
                let verdicts = self.test(tests).await;
                let now = self.clock.now();
                let results = match verdicts {
                    Ok(verdicts) => verdicts.iter().map(|verdict| NodeResult::of_test(verdict, now)).collect(),
                    Err(error) => {
                        let failed = |id| NodeResult::plain(id, NodeStatus::Error, Some(error.to_string()), now);
                        step.duty.ids().into_iter().map(failed).collect()
                    }
                };
                Performed { results, build: None }
            }
            Duty::Exposure(id) => {
                let plain = NodeResult::plain(id, NodeStatus::NoOp, None, self.clock.now());
                Performed { results: vec![NodeResult { failures: Some(0), ..plain }], build: None }
            }
        }
    }

    /// What the build of a node comes to.
    pub(super) fn performed(
        &self,
        id: &ModelId,
        tests: &TestChoice,
        told: &Told,
        outcome: Result<BuildOutcome>,
        since: DateTime<Utc>,
    ) -> Performed {
        let node = self.built(id.as_str(), told, &outcome, since);
        let verdicts = told.units.iter().chain(&told.tests);
        let mut results: Vec<NodeResult> = verdicts.map(|verdict| NodeResult::of_test(verdict, node.ended)).collect();
        if let TestChoice::These(tests) = tests {
            let said: BTreeSet<String> = results.iter().map(|result| result.id.clone()).collect();
            let unsaid = tests.iter().map(|test| test.as_str()).filter(|test| !said.contains(*test));
            results.extend(unsaid.map(|test| NodeResult::plain(test, NodeStatus::Skipped, None, node.ended)));
        }
        results.push(node);
        Performed { results, build: Some(outcome) }
    }

    /// What a step comes to that is not done, and why.
    pub fn skip(&self, step: &Step, why: &str) -> Performed {
        let now = self.clock.now();
        let skipped = |id| NodeResult::plain(id, NodeStatus::Skipped, Some(why.to_owned()), now);
        let mut results: Vec<NodeResult> = step.duty.ids().into_iter().map(skipped).collect();
        results.rotate_left(1);
        Performed { results, build: None }
    }

    fn built(&self, id: &str, told: &Told, outcome: &Result<BuildOutcome>, since: DateTime<Utc>) -> NodeResult {
        let ended = self.clock.now();
        let seconds = (ended - since).num_milliseconds().max(0) as f64 / 1000.0;
        let (status, message) = match outcome {
            Ok(BuildOutcome { built: false, reason, .. }) => (NodeStatus::Success, Some(reason.clone())),
            // One that was only tested made no relation.
            Ok(outcome) => {
                let answered = told.response.as_ref().map(Response::message);
                (NodeStatus::Success, answered.or_else(|| Some(outcome.reason.clone())))
            }
            // dbt's word for a model that is not tried because its unit tests failed.
            Err(error) if told.units.iter().any(|unit| unit.status.is_bad()) => {
                (NodeStatus::Skipped, Some(error.to_string()))
            }
            Err(error) => (NodeStatus::Error, Some(error.to_string())),
        };
        let (response, compiled) = (told.response.clone(), told.compiled.clone());
        // As dbt counts: batches that failed.
        let failures = (!told.batches.is_empty() && status == NodeStatus::Success).then_some(0);
        NodeResult { seconds, response, compiled, failures, ..NodeResult::plain(id, status, message, ended) }
    }

    /// What came of compiling.
    pub fn compiled_results(&self, compiled: &[(ModelId, Result<String>)]) -> Vec<NodeResult> {
        let now = self.clock.now();
        let result = |(id, sql): &(ModelId, Result<String>)| match sql {
            Ok(sql) => NodeResult {
                compiled: Some(sql.clone()),
                ..NodeResult::plain(id.as_str(), NodeStatus::Success, None, now)
            },
            Err(error) => NodeResult::plain(id.as_str(), NodeStatus::Error, Some(error.to_string()), now),
        };
        compiled.iter().map(result).collect()
    }
}
