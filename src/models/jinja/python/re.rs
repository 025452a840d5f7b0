//! Python's `re`, on an engine that takes time in proportion to the text: no look-around and no back-references.

use super::super::{Arguments, list, tuple};
use minijinja::{
    Error, ErrorKind, State,
    value::{Object, ObjectRepr, Value},
};
use regex::{Captures, Regex, RegexBuilder};
use std::sync::Arc;

/// Flags as Python numbers them.
const FLAGS: &[(&str, i64)] =
    &[("IGNORECASE", 2), ("I", 2), ("MULTILINE", 8), ("M", 8), ("DOTALL", 16), ("S", 16), ("VERBOSE", 64), ("X", 64)];

#[derive(Debug)]
struct Re;

/// `modules.re`.
pub(super) fn module() -> Value {
    Value::from_object(Re)
}

fn compiled(pattern: &str, flags: i64) -> Result<Regex, Error> {
    let has = |flag: i64| flags & flag != 0;
    let built = RegexBuilder::new(pattern)
        .case_insensitive(has(2))
        .multi_line(has(8))
        .dot_matches_new_line(has(16))
        .ignore_whitespace(has(64))
        .build();
    built.map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("re: {error}")))
}

/// A pattern that was compiled, as a value.
#[derive(Debug)]
struct Pattern(Regex);

/// `\1` and `\g<name>` as this engine writes them.
fn replacement(text: &str) -> String {
    let mut written = String::new();
    let mut characters = text.replace('$', "$$").chars().collect::<Vec<_>>().into_iter().peekable();
    while let Some(c) = characters.next() {
        match (c, characters.peek()) {
            ('\\', Some(digit)) if digit.is_ascii_digit() => {
                let mut group = String::new();
                while let Some(digit) = characters.next_if(char::is_ascii_digit) {
                    group.push(digit);
                }
                written.push_str(&format!("${{{group}}}"));
            }
            ('\\', Some('g')) => {
                characters.next();
                characters.next_if_eq(&'<');
                let group: String = characters.by_ref().take_while(|c| *c != '>').collect();
                written.push_str(&format!("${{{group}}}"));
            }
            ('\\', Some('n')) => {
                characters.next();
                written.push('\n');
            }
            ('\\', Some('\\')) => {
                characters.next();
                written.push('\\');
            }
            (c, _) => written.push(c),
        }
    }
    written
}

/// What one function of the module does, the pattern being known.
fn done(pattern: &Regex, method: &str, arguments: &Arguments, first: usize) -> Result<Value, Error> {
    let text = |place: usize, name: &str| arguments.text(first + place, name);
    Ok(match method {
        "match" | "search" | "fullmatch" => {
            let text = text(0, "string")?;
            let fits = |captures: &Captures<'_>| {
                let whole = captures.get(0).map_or(0..0, |m| m.range());
                match method {
                    "match" => whole.start == 0,
                    "fullmatch" => whole.start == 0 && whole.end == text.len(),
                    _ => true,
                }
            };
            // An alternative that ends earlier must not hide one that spans all.
            let anchored = match method {
                "fullmatch" => Some(compiled(&format!("^(?:{})$", pattern.as_str()), 0)?),
                "match" => Some(compiled(&format!("^(?:{})", pattern.as_str()), 0)?),
                _ => None,
            };
            let found = anchored.as_ref().unwrap_or(pattern).captures(&text).filter(fits);
            found.map_or_else(|| Value::from(()), |captures| Found::of(pattern, &captures))
        }
        "findall" => {
            let text = text(0, "string")?;
            let item = |captures: Captures<'_>| {
                let of = |at: usize| Value::from(captures.get(at).map_or("", |m| m.as_str()));
                match captures.len() {
                    1 => of(0),
                    2 => of(1),
                    many => tuple((1..many).map(of).collect()),
                }
            };
            list(pattern.captures_iter(&text).map(item).collect())
        }
        "finditer" => {
            let text = text(0, "string")?;
            list(pattern.captures_iter(&text).map(|captures| Found::of(pattern, &captures)).collect())
        }
        "sub" => {
            let (by, text) = (text(0, "repl")?, text(1, "string")?);
            let most = arguments.get(first + 2, "count").and_then(Value::as_usize).unwrap_or_default();
            pattern.replacen(&text, most, replacement(&by).as_str()).into_owned().into()
        }
        "split" => {
            let text = text(0, "string")?;
            let most = arguments.get(first + 1, "maxsplit").and_then(Value::as_usize).unwrap_or_default();
            let parts: Vec<&str> =
                if most == 0 { pattern.split(&text).collect() } else { pattern.splitn(&text, most + 1).collect() };
            list(parts.into_iter().map(Value::from).collect())
        }
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}

impl Object for Re {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        FLAGS.iter().find(|(name, _)| *name == key).map(|(_, flag)| Value::from(*flag))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of("re", values);
        if method == "escape" {
            return Ok(regex::escape(&arguments.text(0, "pattern")?).into());
        }
        let given = arguments.require(0, "pattern")?;
        if let Some(pattern) = given.downcast_object_ref::<Pattern>() {
            return done(&pattern.0, method, &arguments, 1);
        }
        let place = match method {
            "compile" => 1,
            "sub" => 4,
            "split" => 3,
            _ => 2,
        };
        let flags = arguments.get(place, "flags").and_then(Value::as_i64).unwrap_or_default();
        let pattern = compiled(&arguments.text(0, "pattern")?, flags)?;
        match method {
            "compile" => Ok(Value::from_object(Pattern(pattern))),
            _ => done(&pattern, method, &arguments, 1),
        }
    }
}

impl Object for Pattern {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str() == Some("pattern")).then(|| self.0.as_str().into())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        done(&self.0, method, &Arguments::of("pattern", values), 0)
    }
}

/// The text of a group, and where it begins and ends.
type Group = (String, usize, usize);

/// A match.
#[derive(Debug)]
struct Found {
    groups: Vec<(Option<String>, Option<Group>)>,
}

impl Found {
    fn of(pattern: &Regex, captures: &Captures<'_>) -> Value {
        let group = |(name, found): (Option<&str>, Option<regex::Match<'_>>)| {
            (name.map(str::to_owned), found.map(|m| (m.as_str().to_owned(), m.start(), m.end())))
        };
        Value::from_object(Self { groups: pattern.capture_names().zip(captures.iter()).map(group).collect() })
    }

    fn group(&self, key: Option<&Value>) -> Option<&Group> {
        let found = match key {
            None => self.groups.first(),
            Some(key) => match key.as_str() {
                Some(name) => self.groups.iter().find(|(known, _)| known.as_deref() == Some(name)),
                None => self.groups.get(key.as_usize()?),
            },
        };
        found?.1.as_ref()
    }
}

impl Object for Found {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        let of =
            |key: Option<&Value>| self.group(key).map_or_else(|| Value::from(()), |(text, _, _)| text.as_str().into());
        let text =
            |group: &Option<Group>| group.as_ref().map_or_else(|| Value::from(()), |(text, _, _)| text.as_str().into());
        Ok(match method {
            "group" if values.len() < 2 => of(values.first()),
            "group" => tuple(values.iter().map(|key| of(Some(key))).collect()),
            "groups" => tuple(self.groups.iter().skip(1).map(|(_, group)| text(group)).collect()),
            "groupdict" => {
                let named =
                    self.groups.iter().filter_map(|(name, group)| Some((Value::from(name.as_deref()?), text(group))));
                super::super::dict(named)
            }
            "start" => self.group(values.first()).map_or(Value::from(-1), |(_, start, _)| Value::from(*start)),
            "end" => self.group(values.first()).map_or(Value::from(-1), |(_, _, end)| Value::from(*end)),
            "span" => {
                let (start, end) = self.group(values.first()).map_or((0, 0), |(_, start, end)| (*start, *end));
                tuple(vec![start.into(), end.into()])
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
}
