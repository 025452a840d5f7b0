//! Python's modules that dbt lends to templates: `modules.datetime`, `modules.pytz`, `modules.re`, `modules.itertools`.

mod format;
mod itertools;
mod moments;
mod re;

pub(super) use format::format;
pub(super) use moments::{add, divide, floor, is_moment, modulo, multiply, shown, subtract};
pub(in crate::models) use moments::{date, datetime, timestamp};

use super::dict;
use chrono::{DateTime, Utc};
use minijinja::value::Value;

/// `modules`.
pub(super) fn modules(now: DateTime<Utc>) -> Value {
    dict([
        ("datetime".into(), moments::module(now)),
        ("pytz".into(), moments::pytz()),
        ("re".into(), re::module()),
        ("itertools".into(), itertools::module()),
    ])
}
