//! What a model reads besides its inputs: the time.
//!
//! Told from the words of its SQL: PostgreSQL docs, § Date/Time Functions and Operators, and § Date/Time
//! Input (the special values). A word in a comment counts too; that costs one build a day.

use chrono::{DateTime, Utc};

/// Words that stand for the time by themselves.
const WORDS: &[&str] = &["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"];
/// Functions that tell it.
const FUNCTIONS: &[&str] = &["now", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "timeofday"];
/// Texts that become a date or a time of their own when they are read as one.
const LITERALS: &[&str] = &["'now'", "'today'", "'tomorrow'", "'yesterday'"];

/// What is seen of the clock by a model that asks for the date, and by one that turns it into another zone.
const DAY: &str = "%Y-%m-%d";
const HOUR: &str = "%Y-%m-%dT%H";

/// What a model's SQL, and that of the views it reads, sees of the clock. Two texts differ where it must be
/// built again.
///
/// A model that asks for the date is built when the date turns, in UTC; one that turns it into
/// another zone, each hour, since the date turns at another hour there.
pub(super) fn seen<'a>(sql: impl IntoIterator<Item = &'a str>, now: DateTime<Utc>) -> Option<String> {
    let texts: Vec<String> = sql.into_iter().map(str::to_ascii_lowercase).collect();
    if !texts.iter().any(|sql| is_read_by(sql)) {
        return None;
    }
    let zoned = texts.iter().any(|sql| sql.contains("at time zone") || sql.contains("timezone("));
    Some(now.format(if zoned { HOUR } else { DAY }).to_string())
}

/// Whether what was seen of the clock is what would be seen now.
pub(super) fn is_still(seen: &str, now: DateTime<Utc>) -> bool {
    [DAY, HOUR].into_iter().any(|form| now.format(form).to_string() == seen)
}

/// Whether lower-case SQL asks for the time.
fn is_read_by(sql: &str) -> bool {
    if LITERALS.iter().any(|literal| sql.contains(literal)) {
        return true;
    }
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = sql;
    while let Some(start) = rest.find(is_of_word) {
        rest = &rest[start..];
        let end = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        let arguments = behind.trim_start().strip_prefix('(');
        if WORDS.contains(&word)
            || arguments.is_some_and(|a| FUNCTIONS.contains(&word) || (word == "age" && is_single(a)))
        {
            return true;
        }
        rest = behind;
    }
    false
}

/// Whether there is one argument before the closing parenthesis: `age` then counts from today.
fn is_single(arguments: &str) -> bool {
    let (mut depth, mut in_text) = (0_u32, false);
    for c in arguments.chars() {
        match c {
            '\'' => in_text = !in_text,
            _ if in_text => {}
            '(' => depth += 1,
            ')' if depth == 0 => return true,
            ')' => depth -= 1,
            ',' if depth == 0 => return false,
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_counts_only_for_models_that_read_it() {
        for sql in [
            "select 1 as nowhere",
            "select know(1), page(2), \"now\" from t",
            "select age(paid, born) from t",
            "select age(max(paid, ','), f(born, 1)) from t",
            "select 'knows nothing of today' as note",
        ] {
            assert!(!is_read_by(sql), "{sql}");
        }
        for sql in [
            "select current_date",
            "select now () - born from t",
            "select age(max(born, ',')) from t",
            "select clock_timestamp()",
            "select statement_timestamp(), 1",
            "select transaction_timestamp()",
            "select localtime",
            "select localtimestamp(0)",
            "select current_time",
            "select timeofday()",
            "select * from t where day < 'today'::date",
            "select date 'yesterday'",
        ] {
            assert!(is_read_by(sql), "{sql}");
        }
    }

    #[test]
    fn the_date_turns_at_another_hour_in_another_zone() {
        let now = DateTime::from_timestamp(90_000, 0).expect("valid");
        assert_eq!(seen(["select 1"], now), None);
        assert_eq!(seen(["select 1", "select CURRENT_DATE"], now).as_deref(), Some("1970-01-02"));
        let zoned = "select (current_timestamp at time zone 'America/Chicago')::date";
        assert_eq!(seen([zoned], now).as_deref(), Some("1970-01-02T01"));
        assert!(is_still("1970-01-02", now) && is_still("1970-01-02T01", now));
        assert!(!is_still("1970-01-01", now) && !is_still("1970-01-02T00", now));
    }
}
