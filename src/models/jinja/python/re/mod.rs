//! Python's `re`, with look-around and back-references; how much a search may go back is bounded.
//!
//! Python docs, § re. Places are counted in characters.

mod found;

use super::super::{Arguments, list, printed, tuple};
use fancy_regex::{Regex, RegexBuilder};
use found::Found;
use minijinja::{
    Error, ErrorKind, State,
    value::{Object, ObjectRepr, Value},
};
use std::sync::Arc;

/// Flags as Python numbers them.
const FLAGS: &[(&str, i64)] = &[
    ("IGNORECASE", 2),
    ("I", 2),
    ("MULTILINE", 8),
    ("M", 8),
    ("DOTALL", 16),
    ("S", 16),
    ("UNICODE", 32),
    ("U", 32),
    ("VERBOSE", 64),
    ("X", 64),
    ("ASCII", 256),
    ("A", 256),
];

/// Steps back that one search may take: a pattern can be written that would take for ever.
const STEPS_MAX: usize = 1_000_000;

/// Matches that one call may find.
const FOUND_MAX: usize = 1_000_000;

/// What has a meaning in a pattern, as `re.escape` knows it.
const SPECIAL: &str = "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}";

#[derive(Debug)]
struct Re;

/// `modules.re`.
pub(super) fn module() -> Value {
    Value::from_object(Re)
}

fn wrong(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("re: {what}"))
}

fn compiled(pattern: &str, flags: i64) -> Result<Regex, Error> {
    let has = |flag: i64| flags & flag != 0;
    let built = RegexBuilder::new(&pattern.replace("\\Z", "\\z"))
        .case_insensitive(has(2))
        .multi_line(has(8))
        .dot_matches_new_line(has(16))
        .ignore_whitespace(has(64))
        .backtrack_limit(STEPS_MAX)
        .build();
    built.map_err(|error| wrong(format!("the pattern '{pattern}': {error}")))
}

/// A pattern with its flags, as a value.
#[derive(Debug)]
struct Pattern {
    written: String,
    flags: i64,
    regex: Regex,
}

impl Pattern {
    fn of(pattern: &str, flags: i64) -> Result<Self, Error> {
        Ok(Self { written: pattern.to_owned(), flags, regex: compiled(pattern, flags)? })
    }

    /// The pattern where it must begin, and perhaps end, with the text.
    fn anchored(&self, is_full: bool) -> Result<Regex, Error> {
        compiled(&format!("\\A(?:{}){}", self.written, if is_full { "\\z" } else { "" }), self.flags)
    }

    fn found(&self, regex: &Regex, text: &Arc<str>, from: usize) -> Result<Option<Found>, Error> {
        let captures = regex.captures_from_pos(&**text, from).map_err(wrong)?;
        let Some(captures) = captures else { return Ok(None) };
        let groups = (0..captures.len()).map(|at| captures.get(at).map(|m| (m.start(), m.end()))).collect();
        let names = regex.capture_names().enumerate().filter_map(|(at, name)| Some((name?.to_owned(), at))).collect();
        Ok(Some(Found { text: text.clone(), groups, names }))
    }

    /// All matches that do not overlap.
    fn all(&self, text: &str, most: usize) -> Result<Vec<Found>, Error> {
        let text: Arc<str> = text.into();
        let (mut all, mut from) = (Vec::new(), 0);
        while all.len() < most.min(FOUND_MAX) {
            let Some(found) = self.found(&self.regex, &text, from)? else { break };
            let (start, end) = found.whole();
            // After one that is empty the search goes on behind the next character.
            from = if start == end { end + text[end..].chars().next().map_or(1, char::len_utf8) } else { end };
            all.push(found);
            if from > text.len() {
                break;
            }
        }
        Ok(all)
    }

    /// What one function does.
    fn done(
        &self,
        state: &mut State<'_, '_>,
        method: &str,
        arguments: &Arguments,
        first: usize,
    ) -> Result<Value, Error> {
        let text = |place: usize, name: &str| arguments.text(first + place, name);
        let most = |place: usize, name: &str| {
            arguments.get(first + place, name).and_then(Value::as_usize).filter(|n| *n > 0).unwrap_or(usize::MAX)
        };
        Ok(match method {
            "match" | "search" | "fullmatch" => {
                let text: Arc<str> = text(0, "string")?.into();
                let found = match method {
                    "search" => self.found(&self.regex, &text, 0)?,
                    method => self.found(&self.anchored(method == "fullmatch")?, &text, 0)?,
                };
                found.map_or_else(|| Value::from(()), Value::from_object)
            }
            "findall" => list(self.all(&text(0, "string")?, usize::MAX)?.iter().map(Found::item).collect()),
            "finditer" => {
                list(self.all(&text(0, "string")?, usize::MAX)?.into_iter().map(Value::from_object).collect())
            }
            "sub" | "subn" => {
                let (by, text) = (arguments.require(first, "repl")?, text(1, "string")?);
                let found = self.all(&text, most(2, "count"))?;
                let many = found.len();
                let (mut written, mut from) = (String::new(), 0);
                for found in found {
                    let (start, end) = found.whole();
                    written.push_str(&text[from..start]);
                    match by.as_str() {
                        Some(by) => written.push_str(&found.expanded(by)?),
                        None => written.push_str(&printed(&by.call(state, &[Value::from_object(found)])?)),
                    }
                    from = end;
                }
                written.push_str(&text[from..]);
                if method == "sub" { written.into() } else { tuple(vec![written.into(), many.into()]) }
            }
            "split" => {
                let text = text(0, "string")?;
                let (mut parts, mut from) = (Vec::new(), 0);
                for found in self.all(&text, most(1, "maxsplit"))? {
                    let (start, end) = found.whole();
                    parts.push(Value::from(&text[from..start]));
                    parts.extend((1..found.groups.len()).map(|at| found.group(at, &Value::from(()))));
                    from = end;
                }
                parts.push(text[from..].into());
                list(parts)
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
}

impl Object for Re {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        FLAGS.iter().find(|(name, _)| *name == key).map(|(_, flag)| Value::from(*flag))
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        values: &[Value],
    ) -> Result<Value, Error> {
        let arguments = Arguments::of("re", values);
        if method == "escape" {
            let text = arguments.text(0, "pattern")?;
            let escaped = text.chars().flat_map(|c| SPECIAL.contains(c).then_some('\\').into_iter().chain([c]));
            return Ok(escaped.collect::<String>().into());
        }
        let given = arguments.require(0, "pattern")?;
        if let Some(pattern) = given.downcast_object_ref::<Pattern>() {
            return if method == "compile" { Ok(given.clone()) } else { pattern.done(state, method, &arguments, 1) };
        }
        let place = match method {
            "compile" => 1,
            "sub" | "subn" => 4,
            "split" => 3,
            _ => 2,
        };
        let flags = arguments.get(place, "flags").and_then(Value::as_i64).unwrap_or_default();
        let pattern = Pattern::of(&arguments.text(0, "pattern")?, flags)?;
        match method {
            "compile" => Ok(Value::from_object(pattern)),
            _ => pattern.done(state, method, &arguments, 1),
        }
    }
}

impl Object for Pattern {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "pattern" => Some(self.written.as_str().into()),
            "flags" => Some((self.flags | 32).into()),
            "groups" => Some((self.regex.captures_len() - 1).into()),
            _ => None,
        }
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        values: &[Value],
    ) -> Result<Value, Error> {
        self.done(state, method, &Arguments::of("pattern", values), 0)
    }
}
