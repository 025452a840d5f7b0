//! Lines of a log, as far as they can be handed on.
//!
//! Only JSON lines of Amalgam's own, and of those only fields that are names, kinds, numbers and times. A
//! text (an error's, a note's, whatever a model's `log()` says) is left out: that it carries no value is another room's promise, and here it
//! would be handed to strangers.

use serde_json::{Map, Value};
use std::collections::VecDeque;

/// So many lines are kept, the last ones.
const LINES_MAX: usize = 5_000;

/// Fields that are kept, where they hold a word or a number.
const KEPT: [&str; 22] = [
    "time",
    "level",
    "target",
    "message",
    "run",
    "task",
    "table",
    "model",
    "schedule",
    "kind",
    "state",
    "attempt",
    "rows",
    "tasks",
    "tables_unchanged",
    "seconds",
    "wait_seconds",
    "due",
    "next",
    "until",
    "database",
    "version",
];
/// A longer text is no name.
const WORD_BYTES_MAX: usize = 128;

/// The last lines, cut down.
pub(super) fn kept(text: &str) -> String {
    let mut lines = VecDeque::new();
    for line in text.lines().filter_map(cut_down) {
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

fn cut_down(line: &str) -> Option<String> {
    // The journal's level, where it was not taken off.
    let line = line.get(..3).filter(|s| s.starts_with('<') && s.ends_with('>')).map_or(line, |_| &line[3..]);
    let fields: Map<String, Value> = serde_json::from_str(line).ok()?;
    // What others write as JSON is not ours to judge.
    fields.get("target").and_then(Value::as_str).filter(|target| target.starts_with("amalgam"))?;
    // What a model says is its author's.
    let is_said = |name: &str| name == "message" && is_of_models(&fields);
    let is_short = |value: &Value| match value {
        Value::Number(_) | Value::Bool(_) => true,
        Value::String(text) => text.len() <= WORD_BYTES_MAX,
        _ => false,
    };
    let kept: Map<String, Value> = fields
        .iter()
        .filter(|(name, value)| KEPT.contains(&name.as_str()) && is_short(value) && !is_said(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Some(Value::Object(kept).to_string())
}

fn is_of_models(fields: &Map<String, Value>) -> bool {
    fields.get("target").and_then(Value::as_str).is_some_and(|target| target.starts_with("amalgam::models"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_line_names_and_numbers_are_kept_and_texts_are_not() {
        let ours = r#"{"time":"2026-06-01T10:00:00Z","level":"error","target":"amalgam::orchestrator","message":"failed","run":7,"table":"patient","kind":"source_lost","error":"near 'Smith'","remedy":"see"}"#;
        let said = r#"{"target":"amalgam::models::callable","message":"Smith","run":7}"#;
        assert_eq!(super::kept(said), "{\"target\":\"amalgam::models::callable\",\"run\":7}\n");
        let text = format!("{ours}\n<3>{ours}\nplain words of Smith\n{{\"target\":\"other\",\"message\":\"Smith\"}}\n");
        let kept = kept(&text);
        assert_eq!(kept.lines().count(), 2);
        let line = r#"{"time":"2026-06-01T10:00:00Z","level":"error","target":"amalgam::orchestrator","message":"failed","run":7,"table":"patient","kind":"source_lost"}"#;
        assert!(kept.lines().all(|kept| kept == line), "{kept}");
    }

    #[test]
    fn of_many_lines_the_last_are_kept() {
        let line = |run: usize| format!(r#"{{"target":"amalgam","run":{run}}}"#);
        let text: String = (0..LINES_MAX + 2).map(|run| line(run) + "\n").collect();
        let kept = kept(&text);
        assert_eq!((kept.lines().count(), kept.lines().next()), (LINES_MAX, Some(line(2).as_str())));
    }
}
