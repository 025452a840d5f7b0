//! A match of `re`, and what it is asked for.

use super::{
    super::super::{Arguments, dict, printed, tuple},
    wrong,
};
use minijinja::{
    Error, ErrorKind, State,
    value::{Object, ObjectRepr, Value},
};
use std::{collections::HashMap, sync::Arc};

/// A match: where each group is in the text, in bytes.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) text: Arc<str>,
    pub(super) groups: Vec<Option<(usize, usize)>>,
    pub(super) names: HashMap<String, usize>,
}

impl Found {
    pub(super) fn whole(&self) -> (usize, usize) {
        self.groups.first().copied().flatten().unwrap_or_default()
    }

    pub(super) fn group(&self, at: usize, default: &Value) -> Value {
        self.groups.get(at).copied().flatten().map_or_else(|| default.clone(), |(from, to)| self.text[from..to].into())
    }

    /// The number of a group that is named by number or name; the whole match where nothing is said.
    fn place(&self, key: Option<&Value>) -> Result<usize, Error> {
        let place = match key {
            None => Some(0),
            Some(key) => match key.as_str() {
                Some(name) => self.names.get(name).copied(),
                None => key.as_usize(),
            },
        };
        place.filter(|at| *at < self.groups.len()).ok_or_else(|| wrong("there is no such group"))
    }

    /// What `findall` gives: the match, its group, or all its groups.
    pub(super) fn item(&self) -> Value {
        let empty = Value::from("");
        match self.groups.len() {
            1 => self.group(0, &empty),
            2 => self.group(1, &empty),
            many => tuple((1..many).map(|at| self.group(at, &empty)).collect()),
        }
    }

    /// A replacement with its `\1` and `\g<name>` filled in.
    pub(super) fn expanded(&self, template: &str) -> Result<String, Error> {
        let mut written = String::new();
        let mut characters = template.chars().peekable();
        while let Some(c) = characters.next() {
            if c != '\\' {
                written.push(c);
                continue;
            }
            let key = match characters.next() {
                Some(digit) if digit.is_ascii_digit() => {
                    let second = characters.next_if(char::is_ascii_digit);
                    format!("{digit}{}", second.map_or_else(String::new, String::from))
                }
                Some('g') if characters.next_if_eq(&'<').is_some() => {
                    characters.by_ref().take_while(|c| *c != '>').collect()
                }
                Some('n') => {
                    written.push('\n');
                    continue;
                }
                Some('t') => {
                    written.push('\t');
                    continue;
                }
                Some('r') => {
                    written.push('\r');
                    continue;
                }
                Some('\\') | None => {
                    written.push('\\');
                    continue;
                }
                Some(other) if other.is_ascii_alphabetic() => return Err(wrong(format!("bad escape \\{other}"))),
                Some(other) => {
                    written.extend(['\\', other]);
                    continue;
                }
            };
            let key = key.parse::<usize>().map_or_else(|_| Value::from(key.as_str()), Value::from);
            let group = self.place(Some(&key))?;
            written.push_str(&printed(&self.group(group, &Value::from(""))));
        }
        Ok(written)
    }

    /// Where a group is, in characters.
    fn span(&self, at: usize) -> (Value, Value) {
        let characters = |byte: usize| Value::from(self.text[..byte].chars().count());
        match self.groups.get(at).copied().flatten() {
            Some((from, to)) => (characters(from), characters(to)),
            None => (Value::from(-1), Value::from(-1)),
        }
    }
}

impl Object for Found {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let nothing = Value::from(());
        match key.as_str() {
            Some("string") => Some((*self.text).into()),
            Some("pos") => Some(0.into()),
            Some("endpos") => Some(self.text.chars().count().into()),
            Some("lastindex") => {
                Some((1..self.groups.len()).rev().find(|at| self.groups[*at].is_some()).map_or(nothing, Value::from))
            }
            _ => self.place(Some(key)).ok().map(|at| self.group(at, &nothing)),
        }
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of("match", values);
        let given = arguments.positional();
        let nothing = arguments.get(0, "default").cloned().unwrap_or_else(|| Value::from(()));
        Ok(match method {
            "group" if given.len() < 2 => self.group(self.place(given.first())?, &Value::from(())),
            "group" => {
                let places = given.iter().map(|key| self.place(Some(key))).collect::<Result<Vec<_>, _>>()?;
                tuple(places.into_iter().map(|at| self.group(at, &Value::from(()))).collect())
            }
            "groups" => tuple((1..self.groups.len()).map(|at| self.group(at, &nothing)).collect()),
            "groupdict" => {
                let mut named: Vec<(&String, &usize)> = self.names.iter().collect();
                named.sort_by_key(|(_, at)| **at);
                dict(named.into_iter().map(|(name, at)| (Value::from(name.as_str()), self.group(*at, &nothing))))
            }
            "start" => self.span(self.place(given.first())?).0,
            "end" => self.span(self.place(given.first())?).1,
            "span" => {
                let (start, end) = self.span(self.place(given.first())?);
                tuple(vec![start, end])
            }
            "expand" => self.expanded(&arguments.text(0, "template")?)?.into(),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
}
