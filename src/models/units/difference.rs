//! Whether the rows of two sides are the same, in any order; and the table that shows how they are not.
//!
//! Pure. Values are the same where they print the same. The table is dbt's (daff's highlighter format): a row that
//! only one side has begins with `+++` or `---`, one that both have and that differs with `→`, and what is equal is
//! left out but for one row and one column beside what isn't.

use std::cmp::Ordering;

/// Rows, a text for each value as PostgreSQL prints it.
pub(super) type Rows = Vec<Vec<Option<String>>>;

/// Rows in one table, at most; more say no more to a person.
const SHOWN_MAX: usize = 100;

/// One row of both sides, or of one.
struct Pair {
    expected: Option<usize>,
    actual: Option<usize>,
}

/// The table of what differs; `None` where nothing does. Columns come with their types.
pub(super) fn difference(columns: &[(String, String)], expected: Rows, actual: Rows) -> Option<String> {
    let kinds: Vec<&str> = columns.iter().map(|(_, kind)| kind.as_str()).collect();
    let (expected, actual) = (sorted(expected, &kinds), sorted(actual, &kinds));
    if expected == actual {
        return None;
    }
    let pairs = paired(&expected, &actual);
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    Some(drawn(&names, &pairs, &expected, &actual))
}

/// Values as they are shown, in an order that does not depend on the side.
fn sorted(rows: Rows, kinds: &[&str]) -> Rows {
    let cell = |(cell, kind): (Option<String>, &&str)| cell.map(|text| shown(&text, kind));
    let mut rows: Rows = rows.into_iter().map(|row| row.into_iter().zip(kinds).map(cell).collect()).collect();
    rows.sort_by(|a, b| {
        let cells = a.iter().zip(b).map(|(a, b)| compare(a.as_deref(), b.as_deref()));
        cells.fold(Ordering::Equal, Ordering::then)
    });
    rows
}

fn compare(a: Option<&str>, b: Option<&str>) -> Ordering {
    let number = |text: &str| text.parse::<f64>().ok();
    match (a, b) {
        (Some(a), Some(b)) => match (number(a), number(b)) {
            (Some(x), Some(y)) => x.total_cmp(&y).then_with(|| a.cmp(b)),
            _ => a.cmp(b),
        },
        // Null comes last.
        _ => a.is_none().cmp(&b.is_none()),
    }
}

/// A value as Python prints it.
fn shown(text: &str, kind: &str) -> String {
    match kind {
        "bool" => (if text == "t" { "True" } else { "False" }).to_owned(),
        "float4" | "float8" if text.bytes().all(|b| b.is_ascii_digit() || b == b'-') => format!("{text}.0"),
        "interval" => span(text).unwrap_or_else(|| text.to_owned()),
        "json" | "jsonb" => {
            serde_json::from_str(text).map_or_else(|_| text.to_owned(), |v: serde_json::Value| v.to_string())
        }
        _ => text.to_owned(),
    }
}

/// An interval as Python prints it: days of 24 hours, with months of 30 and years of 365.
fn span(text: &str) -> Option<String> {
    const DAY: f64 = 86_400.0;
    let (mut seconds, mut words) = (0.0, text.split(' '));
    while let Some(word) = words.next() {
        if word.contains(':') {
            let sign = if word.starts_with('-') { -1.0 } else { 1.0 };
            let parts = word.trim_start_matches(['-', '+']).split(':');
            let parts: Vec<f64> = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
            seconds += sign * parts.iter().fold(0.0, |sum, part| sum * 60.0 + part);
        } else {
            let days = match words.next()?.trim_end_matches('s') {
                "day" => 1.0,
                "mon" => 30.0,
                "year" => 365.0,
                _ => return None,
            };
            seconds += word.parse::<f64>().ok()? * days * DAY;
        }
    }
    let days = (seconds / DAY).floor();
    let rest = seconds - days * DAY;
    let (hours, minutes) = ((rest / 3600.0).floor(), (rest / 60.0).floor() % 60.0);
    let left = rest % 60.0;
    let left = if left.fract() == 0.0 { format!("{left:02}") } else { format!("{left:09.6}") };
    let clock = format!("{hours}:{minutes:02}:{left}");
    Some(match days {
        0.0 => clock,
        _ => format!("{days} day{}, {clock}", if days.abs() == 1.0 { "" } else { "s" }),
    })
}

/// Which rows belong together: those that are equal, then those that have most in common.
fn paired(expected: &Rows, actual: &Rows) -> Vec<Pair> {
    let mut free: Vec<bool> = vec![true; expected.len()];
    let mut found: Vec<Option<usize>> = actual
        .iter()
        .map(|row| {
            let at = (0..expected.len()).find(|at| free[*at] && expected[*at] == *row)?;
            free[at] = false;
            Some(at)
        })
        .collect();
    for (row, found) in actual.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
        let alike = |at: &usize| expected[*at].iter().zip(row).filter(|(a, b)| a.is_some() && a == b).count();
        let open = (0..expected.len()).filter(|at| free[*at]);
        // The first of those that are equally near.
        let best = open.map(|at| (alike(&at), at)).filter(|(n, _)| *n > 0).max_by_key(|(n, at)| (*n, usize::MAX - at));
        if let Some((_, at)) = best {
            free[at] = false;
            *found = Some(at);
        }
    }
    let both = found.into_iter().enumerate().map(|(at, expected)| Pair { expected, actual: Some(at) });
    let gone = free.iter().enumerate().filter(|(_, is_free)| **is_free);
    both.chain(gone.map(|(at, _)| Pair { expected: Some(at), actual: None })).collect()
}

fn drawn(names: &[&str], pairs: &[Pair], expected: &Rows, actual: &Rows) -> String {
    let sides = |pair: &Pair| (pair.expected.map(|at| &expected[at]), pair.actual.map(|at| &actual[at]));
    let differs = |pair: &Pair| match sides(pair) {
        (Some(a), Some(b)) => a != b,
        _ => true,
    };
    let is_changed = |at: usize| {
        pairs.iter().any(|pair| match sides(pair) {
            (Some(a), Some(b)) => a[at] != b[at],
            _ => true,
        })
    };
    let columns = context(names.len(), &is_changed);
    let rows = context(pairs.len(), &|at| differs(&pairs[at]));
    let across = |mark: &str, cell: &dyn Fn(usize) -> String| -> Vec<String> {
        let cells = columns.iter().map(|column| column.map_or_else(|| "...".to_owned(), cell));
        std::iter::once(mark.to_owned()).chain(cells).collect()
    };
    let is_nested = pairs.iter().any(|pair| pair.expected.is_some() && pair.actual.is_some() && differs(pair));
    let text =
        |cell: &Option<String>| cell.clone().unwrap_or_else(|| (if is_nested { "NULL" } else { "null" }).to_owned());
    let mut lines = vec![across("@@", &|at| names[at].to_owned())];
    for row in rows.iter().take(SHOWN_MAX) {
        lines.push(match row.map(|at| sides(&pairs[at])) {
            Some((Some(a), Some(b))) if a == b => across("", &|at| text(&a[at])),
            Some((Some(a), Some(b))) => across("→", &|at| match a[at] == b[at] {
                true => text(&a[at]),
                false => format!("{}→{}", visible(&text(&a[at])), visible(&text(&b[at]))),
            }),
            Some((Some(a), None)) => across("---", &|at| text(&a[at])),
            Some((None, Some(b))) => across("+++", &|at| text(&b[at])),
            Some((None, None)) | None => across("...", &|_| "...".to_owned()),
        });
    }
    if rows.len() > SHOWN_MAX {
        lines.push(across("...", &|_| "...".to_owned()));
    }
    aligned(&lines)
}

/// A value whose blanks at its ends can be seen.
fn visible(text: &str) -> String {
    let inner = text.trim_matches(' ');
    let before = text.len() - text.trim_start_matches(' ').len();
    let after = text.len() - before - inner.len();
    format!("{}{inner}{}", "␣".repeat(before), "␣".repeat(after))
}

/// A cell as CSV has it.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

/// Those of so many that are changed, with one beside each; `None` stands for a gap.
fn context(count: usize, is_changed: &dyn Fn(usize) -> bool) -> Vec<Option<usize>> {
    let changed: Vec<bool> = (0..count).map(is_changed).collect();
    let is_near = |at: usize| changed[at.saturating_sub(1)..(at + 2).min(count)].contains(&true);
    let mut shown = Vec::new();
    for at in 0..count {
        if is_near(at) {
            shown.push(Some(at));
        } else if shown.last() != Some(&None) {
            shown.push(None);
        }
    }
    shown
}

/// Each column as wide as its widest cell, but for the last.
fn aligned(lines: &[Vec<String>]) -> String {
    let lines: Vec<Vec<String>> = lines.iter().map(|line| line.iter().map(|cell| quoted(cell)).collect()).collect();
    let count = lines.first().map_or(0, Vec::len);
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..count).map(|at| if at + 1 == count { 0 } else { width(at) }).collect();
    let line = |cells: &Vec<String>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join(",")
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Rows {
        let cell = |cell: &str| (cell != "-").then(|| cell.to_owned());
        text.split(';').filter(|row| !row.is_empty()).map(|row| row.split(',').map(cell).collect()).collect()
    }

    fn table(columns: &str, expected: &str, actual: &str) -> Option<String> {
        let columns: Vec<(String, String)> = columns
            .split(',')
            .map(|column| column.split_once(' ').expect("a name and a type"))
            .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
            .collect();
        difference(&columns, rows(expected), rows(actual))
    }

    #[test]
    fn rows_are_the_same_in_any_order_and_as_often() {
        assert_eq!(table("a int4,b text", "1,x;10,-;2,y", "2,y;1,x;10,-"), None);
        assert_eq!(table("j json", "{\"a\":1}", "{\"a\": 1}"), None);
        assert_eq!(table("a int4", "1", "1;1").as_deref(), Some("@@ ,a\n   ,1\n+++,1"));
        assert_eq!(table("i interval", "48:00:00;1 mon;-1 days +02:03:04.5", "2 days;30 days;-21:56:55.5"), None);
        assert!(table("a numeric", "3.250", "3.25").is_some(), "as dbt has it");
        assert!(table("a text", "-", "null").is_some());
    }

    #[test]
    fn what_differs_is_shown_with_what_is_beside_it() {
        for (columns, expected, actual, drawn) in [
            (
                "name text,total float8,day date",
                "zed,3.25,2024-03-01;o'neil,0,-",
                "zed,3.25,2024-03-01;o'neil,1,-",
                "@@,name  ,total  ,day\n→ ,o'neil,0.0→1.0,NULL\n  ,zed   ,3.25   ,2024-03-01",
            ),
            (
                "id int4,t text",
                "1,a;2,b;3,c;4,dd;5,e;6,f;8,h",
                "1,a;2,b;3,c;4,d;5,e;6,f;7,g",
                "@@ ,id ,t\n...,...,...\n   ,3  ,c\n→  ,4  ,dd→d\n   ,5  ,e\n   ,6  ,f\n+++,7  ,g\n---,8  ,h",
            ),
            (
                "name text,total float8,day date,label text,more text",
                "ann,0,-,x,X",
                "ann,1,-,x,X",
                "@@,name,total  ,day ,...\n→ ,ann ,0.0→1.0,NULL,...",
            ),
            ("id int4,ok bool", "", "1,t;2,-", "@@ ,id,ok\n+++,1 ,True\n+++,2 ,null"),
            ("id int4", "1", "", "@@ ,id\n---,1"),
            (
                "id int4,ch bpchar,iv interval",
                "1,b ,1 day 01:00:00",
                "1,b,25:00:00",
                "@@,id,ch  ,iv\n→ ,1 ,b␣→b,\"1 day, 1:00:00\"",
            ),
            ("id int4,ok bool", "1,-;2,t", "1,-;2,f", "@@,id,ok\n  ,1 ,NULL\n→ ,2 ,True→False"),
        ] {
            assert_eq!(table(columns, expected, actual).as_deref(), Some(drawn), "{expected} {actual}");
        }
    }
}
