//! A seed's file: its columns, the types that its values have, and its rows.
//!
//! Types are told as dbt does it (dbt-common, `clients/agate_helper.py`): a column is of the first of number, date,
//! moment and truth value that all its values are of; else a text. Empty values and `null` are null.

use super::{
    context::table::Table,
    manifest::{Node, wrong},
};
use crate::error::Result;
use chrono::{NaiveDate, NaiveDateTime};
use minijinja::value::Value;

/// A seed, read.
#[derive(Clone, Debug)]
pub(super) struct Seed {
    names: Vec<String>,
    kinds: Vec<&'static str>,
    rows: Vec<Vec<Option<String>>>,
}

impl Seed {
    /// Reads the file of a seed.
    ///
    /// # Errors
    /// It is no CSV, or a row has more values than there are columns.
    pub(super) fn read(node: &Node) -> Result<Self> {
        let path = node.root.join(&node.file);
        let delimiter = node.settings.text("delimiter").unwrap_or_else(|| ",".to_owned());
        let delimiter = match delimiter.as_str() {
            "\\t" => b'\t',
            text => text.bytes().next().unwrap_or(b','),
        };
        let reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_path(&path);
        let mut reader = reader.map_err(|e| wrong(&node.file, e))?;
        let header = reader.headers().map_err(|e| wrong(&node.file, e))?;
        let names: Vec<String> = header.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
        let mut rows = Vec::new();
        for (at, record) in reader.records().enumerate() {
            let record = record.map_err(|e| wrong(&node.file, e))?;
            if record.len() > names.len() {
                let what = format!("{} values and {} columns", record.len(), names.len());
                return Err(wrong(&format!("{}:{}", node.file, at + 2), what));
            }
            let cell = |at: usize| record.get(at).filter(|text| !is_null(text)).map(str::to_owned);
            rows.push((0..names.len()).map(cell).collect());
        }
        let said = node.settings.get("column_types").and_then(|types| types.as_object());
        let kind = |at: usize| match said {
            Some(said) if said.contains_key(&names[at]) => "text",
            _ => kind(rows.iter().filter_map(|row: &Vec<Option<String>>| row[at].as_deref())),
        };
        let kinds = (0..names.len()).map(kind).collect();
        Ok(Self { kinds, names, rows })
    }

    /// The names of its columns.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// As templates take it.
    pub(super) fn table(&self) -> Table {
        let cell = |(cell, kind): (&Option<String>, &&str)| match (cell, *kind) {
            (None, _) => Value::from(()),
            (Some(text), "integer" | "float8") => {
                plain_number(text).map_or_else(|| text.clone(), |(number, _)| number).into()
            }
            (Some(text), _) => text.as_str().into(),
        };
        let row = |row: &Vec<Option<String>>| row.iter().zip(&self.kinds).map(cell).collect();
        let table = Table::new(self.names.clone(), self.rows.iter().map(row).collect());
        Table { kinds: std::sync::Arc::new(self.kinds.iter().map(|kind| (*kind).to_owned()).collect()), ..table }
    }
}

fn is_null(text: &str) -> bool {
    text.is_empty() || text.eq_ignore_ascii_case("null")
}

/// What people put around a number, or between its digits.
const AROUND_NUMBERS: &[char] =
    &['؋', '$', 'ƒ', '៛', '¥', '₡', '₱', '£', '€', '¢', '﷼', '₪', '₩', '₭', '₮', '₦', '฿', '₤', '₫'];
/// The largest exponent of a number. Beyond it, PostgreSQL has no type for it.
const EXPONENT_MAX: i32 = 308;

/// A number without what people put around it, and whether it has a part behind the point that isn't zero.
/// A whole number is written without point and exponent.
fn plain_number(text: &str) -> Option<(String, bool)> {
    let text = text.trim().trim_matches('%');
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let text = text.trim_matches(AROUND_NUMBERS).replace([',', '_'], "");
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text.as_str(), "0"), |(m, e)| (m, e));
    let exponent: i32 = exponent.parse().ok().filter(|e: &i32| e.abs() <= EXPONENT_MAX)?;
    let mantissa = mantissa.trim();
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{part}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let behind = digits.trim_end_matches('0').len();
    let point = i32::try_from(whole.len()).ok()? + exponent;
    let Some(point) = usize::try_from(point.max(0)).ok().filter(|point| behind <= *point) else {
        return Some((format!("{sign}{text}"), true));
    };
    let whole: String = digits.chars().chain(std::iter::repeat('0')).take(point.max(1)).collect();
    Some((format!("{sign}{whole}"), false))
}

/// PostgreSQL's type for the values of a column.
fn kind<'a>(values: impl Iterator<Item = &'a str> + Clone) -> &'static str {
    let all = |test: fn(&str) -> bool| values.clone().all(test);
    let is_moment = |text: &str| NaiveDateTime::parse_from_str(text.trim(), "%Y-%m-%d %H:%M:%S").is_ok();
    let is_iso = |text: &str| {
        let text = text.trim();
        text.contains('T')
            && (NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), "%Y-%m-%dT%H:%M:%S%.f").is_ok()
                || chrono::DateTime::parse_from_rfc3339(text).is_ok())
    };
    if all(|text| plain_number(text).is_some()) {
        let has_parts = values.clone().any(|text| plain_number(text).is_some_and(|(_, has_part)| has_part));
        return if has_parts { "float8" } else { "integer" };
    }
    if all(|text| NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").is_ok()) {
        "date"
    } else if all(is_moment) || all(is_iso) {
        "timestamp without time zone"
    } else if all(|text| matches!(text.trim().to_ascii_lowercase().as_str(), "true" | "false")) {
        "boolean"
    } else {
        "text"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_what_is_left_without_its_trimmings() {
        for (text, number, has_part) in [
            (" 1.50 ", "1.50", true),
            ("-2.00", "-2", false),
            ("3e2", "300", false),
            ("-$1,000.5", "-1000.5", true),
            ("5%", "5", false),
            ("0.0", "0", false),
            ("1e-2", "1e-2", true),
            ("0e-2", "0", false),
            ("120e-1", "12", false),
        ] {
            assert_eq!(plain_number(text), Some((number.to_owned(), has_part)), "{text}");
        }
        for text in ["", "-", "e5", "1e", "x", "1.2.3", "1e999", "NaN"] {
            assert_eq!(plain_number(text), None, "{text}");
        }
    }

    #[test]
    fn a_column_is_of_the_first_type_that_all_its_values_are_of() {
        for (values, expected) in [
            (&["1", "-2"][..], "integer"),
            (&["1", "2.50"], "float8"),
            (&["1.0", "-2.00", "3e2", "$1,000"], "integer"),
            (&["1e-2", "1"], "float8"),
            (&["2020-01-31"], "date"),
            (&["2020-01-31 10:00:00"], "timestamp without time zone"),
            (&["2020-01-31T10:00:00Z"], "timestamp without time zone"),
            (&["2020-01-31 10:00:00", "2020-01-31T10:00:00"], "text"),
            (&["true", "False"], "boolean"),
            (&["1", "x"], "text"),
            (&[], "integer"),
        ] {
            assert_eq!(kind(values.iter().copied()), expected, "{values:?}");
        }
    }
}
