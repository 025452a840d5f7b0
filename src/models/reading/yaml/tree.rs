//! Events of the parser made into values.
//!
//! Guarantee: what is read is bounded: in depth, and in what aliases may unfold.

use super::scalar::{self, Scalar};
use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value};
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

/// Maps and lists within each other, at most.
const DEPTH_MAX: usize = 100;
/// Places where a blank is missing, at most, in one file.
const MENDED_MAX: usize = 500;
/// Blanks that a line of a quoted text is given that begins too far left.
const INDENT: usize = 2 * DEPTH_MAX;
/// Values that aliases may bring in, at most: a few lines can stand for billions.
const ALIASED_MAX: usize = 100_000;

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Fault {
    pub at: Marker,
    pub what: String,
}

/// A step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::models) enum Step {
    /// Into a map.
    Key(String),
    /// Into a list.
    Item(usize),
}

/// A value that JSON has no word for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::models::reading) enum Strange {
    /// A date or a moment stands there; its ISO text is given.
    Moment,
    /// The map there has a key that is no text; its text is given.
    Key,
}

/// A file's one value, and what the values alone don't tell.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub value: Value,
    /// Keys that stand twice in one map, with the line of the second.
    pub twice: Vec<(String, usize)>,
    /// The lines of the items of lists that are right below the top, by its keys.
    pub lines: HashMap<String, Vec<usize>>,
    /// Where values are that JSON has no word for.
    pub strange: Vec<(Vec<Step>, Strange)>,
    /// Where the value is that was asked for, and which is the last step that there was.
    pub found: Option<(usize, Marker)>,
}

enum Open {
    List { items: Vec<Value>, anchor: usize },
    Map { map: Map<String, Value>, key: Option<Key>, merged: Vec<Value>, anchor: usize },
}

enum Key {
    Named(String),
    Merge,
}

/// Reads a text. With `wanted`, notes where the value is that lies there.
pub(super) fn read(text: &str, wanted: &[Step]) -> Result<Tree, Fault> {
    // PyYAML lets a text in quotes go on anywhere in its line, and a comment stand right behind it. Blanks there mean
    // nothing: they are added where the parser misses them.
    let mut text = Cow::Borrowed(text);
    for _ in 0..MENDED_MAX {
        match read_once(&text, wanted) {
            Err((fault, missing)) if missing > 0 && fault.at.col() < INDENT => {
                let line: usize = text.split_inclusive('\n').take(fault.at.line() - 1).map(str::len).sum();
                let column = if missing == 1 { fault.at.col() } else { 0 };
                let at = text[line..].char_indices().nth(column).map_or(text.len(), |(at, _)| line + at);
                text.to_mut().insert_str(at, &" ".repeat(missing));
            }
            read => return read.map_err(|(fault, _)| fault),
        }
    }
    read_once(&text, wanted).map_err(|(fault, _)| fault)
}

/// Reads a text; with what is wrong comes how many blanks would mend it.
fn read_once(text: &str, wanted: &[Step]) -> Result<Tree, (Fault, usize)> {
    let mut reader = Reader { wanted, ..Reader::default() };
    let mut documents = 0;
    for event in Parser::new_from_str_with_options(text, granit_parser::options! { emit_anchor_events: true }) {
        let (event, span) = event.map_err(|e| {
            let missing = match e.kind() {
                ErrorKind::InvalidQuotedScalarIndent => INDENT,
                ErrorKind::CommentNotSeparated => 1,
                _ => 0,
            };
            (Fault { at: *e.marker(), what: e.info() }, missing)
        })?;
        if let Event::DocumentStart(..) = event {
            documents += 1;
            if documents > 1 {
                let what = "a second document begins; a file holds one".to_owned();
                return Err((Fault { at: span.start, what }, 0));
            }
        }
        reader.take(event, span.start).map_err(|fault| (fault, 0))?;
    }
    Ok(reader.tree)
}

#[derive(Default)]
struct Reader<'a> {
    tree: Tree,
    open: Vec<Open>,
    anchors: HashMap<usize, Value>,
    named: HashSet<String>,
    aliased: usize,
    wanted: &'a [Step],
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>, at: Marker) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag, at),
            Event::SequenceStart(_, anchor, tag) => {
                known(tag.as_deref(), "seq", at)?;
                self.begin(Open::List { items: Vec::new(), anchor }, at)
            }
            Event::MappingStart(_, anchor, tag) => {
                known(tag.as_deref(), "map", at)?;
                self.begin(Open::Map { map: Map::new(), key: None, merged: Vec::new(), anchor }, at)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(at),
            Event::Alias(id) => {
                let value = self.anchors.get(&id).cloned().unwrap_or_default();
                self.aliased += size(&value);
                if self.aliased > ALIASED_MAX {
                    return Err(Fault { at, what: format!("aliases stand for more than {ALIASED_MAX} values") });
                }
                self.place(value, at)
            }
            Event::Anchor(_, name) if !self.named.insert(name.clone().into_owned()) => {
                Err(Fault { at, what: format!("there is an anchor &{name} already") })
            }
            _ => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
        at: Marker,
    ) -> Result<(), Fault> {
        let is_plain = style == ScalarStyle::Plain;
        if is_plain && text == "<<" && tag.is_none() && self.awaits_key() {
            if let Some(Open::Map { key, .. }) = self.open.last_mut() {
                *key = Some(Key::Merge);
            }
            return Ok(());
        }
        let is_key = self.awaits_key();
        if is_plain && text == "=" && tag.is_none() && !is_key {
            return Err(Fault { at, what: "a lone = means nothing; quote it".to_owned() });
        }
        let read = match tag.as_deref() {
            Some(tag) => tagged(text, tag),
            None if is_plain => scalar::resolve(text).map_err(str::to_owned),
            None => Ok(Scalar::Value(Value::String(text.to_owned()))),
        };
        let (value, mut strange) = match read.map_err(|what| Fault { at, what })? {
            Scalar::Value(value) => (value, None),
            Scalar::Moment(text) => (Value::String(text), Some(Strange::Moment)),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        let value = match value {
            // dbt names columns and variables by keys: what is no text is one all the same, where it is let.
            value if is_key && (strange.is_some() || !value.is_string()) => {
                strange = Some(Strange::Key);
                key_of(value)
            }
            value => value,
        };
        if let Some(strange) = strange {
            self.tree.strange.push((self.way(), strange));
        }
        self.place(value, at)
    }

    /// The steps to the value that comes next, or to the map whose key does.
    fn way(&self) -> Vec<Step> {
        let step = |open: &Open| match open {
            Open::List { items, .. } => Some(Step::Item(items.len())),
            Open::Map { key: Some(Key::Named(name)), .. } => Some(Step::Key(name.clone())),
            Open::Map { .. } => None,
        };
        self.open.iter().filter_map(step).collect()
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Map { key: None, .. }))
    }

    fn begin(&mut self, open: Open, at: Marker) -> Result<(), Fault> {
        if self.awaits_key() {
            let what = "a map or list stands where a key must be; quote the text if it is Jinja";
            return Err(Fault { at, what: what.to_owned() });
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(Fault { at, what: format!("more than {DEPTH_MAX} maps and lists within each other") });
        }
        self.note(at);
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self, at: Marker) -> Result<(), Fault> {
        let (value, anchor) = match self.open.pop() {
            Some(Open::List { items, anchor }) => (Value::Array(items), anchor),
            Some(Open::Map { map, merged, anchor, .. }) => (Value::Object(with_merged(map, merged)), anchor),
            None => return Ok(()),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        self.put(value, at)
    }

    /// Puts a value that was not begun: a scalar or an alias.
    fn place(&mut self, value: Value, at: Marker) -> Result<(), Fault> {
        if !self.awaits_key() {
            self.note(at);
        }
        self.put(value, at)
    }

    fn put(&mut self, value: Value, at: Marker) -> Result<(), Fault> {
        let is_top = self.open.len() == 1;
        match self.open.last_mut() {
            None => self.tree.value = value,
            Some(Open::List { items, .. }) => items.push(value),
            Some(Open::Map { map, key, merged, .. }) => match key.take() {
                Some(Key::Merge) => {
                    let all = match value {
                        Value::Array(all) => all,
                        one => vec![one],
                    };
                    if !all.iter().all(Value::is_object) {
                        return Err(Fault { at, what: "<< takes a map, or a list of maps".to_owned() });
                    }
                    merged.extend(all);
                }
                Some(Key::Named(name)) => {
                    if map.insert(name.clone(), value).is_some() {
                        self.tree.twice.push((name, at.line()));
                    }
                }
                None => {
                    let Value::String(name) = value else {
                        return Err(Fault { at, what: "a key must be a text".to_owned() });
                    };
                    if is_top {
                        self.tree.lines.remove(&name);
                    }
                    *key = Some(Key::Named(name));
                }
            },
        }
        Ok(())
    }

    /// Notes where a value begins.
    fn note(&mut self, at: Marker) {
        if let [Open::Map { key: Some(Key::Named(name)), .. }, Open::List { .. }] = self.open.as_slice() {
            if !self.tree.lines.contains_key(name) {
                self.tree.lines.insert(name.clone(), Vec::new());
            }
            self.tree.lines.entry(name.clone()).or_default().push(at.line());
        }
        if self.wanted.is_empty() {
            return;
        }
        // As deep on the wanted way as this value is, and no deeper.
        let depth = self.open.len();
        let is_on_the_way = depth <= self.wanted.len()
            && self.open.iter().zip(self.wanted).all(|(open, step)| match (open, step) {
                (Open::Map { key: Some(Key::Named(name)), .. }, Step::Key(wanted)) => name == wanted,
                (Open::List { items, .. }, Step::Item(wanted)) => items.len() == *wanted,
                _ => false,
            });
        if is_on_the_way && self.tree.found.is_none_or(|(found, _)| found <= depth) {
            self.tree.found = Some((depth, at));
        }
    }
}

/// Refuses a tag that is neither YAML's own for this kind of value nor `!`.
fn known(tag: Option<&Tag>, usual: &str, at: Marker) -> Result<(), Fault> {
    match tag {
        Some(tag) if tag.core_suffix() != Some(usual) && tag.original() != "!" => {
            Err(Fault { at, what: format!("the tag {} is not known here", tag.original()) })
        }
        _ => Ok(()),
    }
}

/// The value of a scalar with a tag.
fn tagged(text: &str, tag: &Tag) -> Result<Scalar, String> {
    let as_text = || Ok(Scalar::Value(Value::String(text.to_owned())));
    let Some(kind) = tag.core_suffix() else {
        return if tag.original() == "!" {
            as_text()
        } else {
            Err(format!("the tag {} is not known here", tag.original()))
        };
    };
    let read = match kind {
        "str" => return as_text(),
        "null" => return Ok(Scalar::Value(Value::Null)),
        _ => scalar::resolve(text)?,
    };
    let is_it = match (&read, kind) {
        (Scalar::Value(value), "int") => value.is_i64() || value.is_u64(),
        (Scalar::Value(value), "float") => value.is_number(),
        (Scalar::Value(value), "bool") => value.is_boolean(),
        _ => false,
    };
    if is_it { Ok(read) } else { Err(format!("this is not what the tag {} says", tag.original())) }
}

/// A key that is no text, as text.
fn key_of(value: Value) -> Value {
    match value {
        Value::String(_) => value,
        Value::Null => Value::String("null".to_owned()),
        other => Value::String(other.to_string()),
    }
}

/// A map with what `<<` brings in: its own keys count above those, and the first of several maps above the others.
fn with_merged(own: Map<String, Value>, merged: Vec<Value>) -> Map<String, Value> {
    if merged.is_empty() {
        return own;
    }
    let mut all = Map::new();
    for map in merged.into_iter().rev() {
        if let Value::Object(map) = map {
            all.extend(map);
        }
    }
    all.extend(own);
    all
}

/// How many values a value holds, itself included.
fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(size).sum::<usize>(),
        _ => 1,
    }
}
