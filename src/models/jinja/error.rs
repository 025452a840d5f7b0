//! What is wrong with a template, and where.

use std::fmt::{self, Write};

/// Lines shown before and after the one that is wrong.
const EXCERPT_LINES: usize = 2;
/// Characters shown of a line; generated SQL has lines of any length.
const SHOWN_MAX: usize = 240;

/// An error in a template. Templates hold no data, so their text may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::models) struct JinjaError {
    /// The file, as it is shown.
    pub file: String,
    /// The line, counted from one.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// The lines around it, each on a line of its own.
    pub excerpt: String,
    /// The file that was rendered, where the error is in a macro.
    pub called_from: Option<String>,
}

impl JinjaError {
    /// An error at a place.
    pub(in crate::models) fn new(file: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: Some(line),
            message: message.into(),
            excerpt: String::new(),
            called_from: None,
        }
    }

    /// What can't be read.
    pub(super) fn syntax(file: &str, line: usize, what: impl fmt::Display) -> Self {
        Self::new(file, line, format!("syntax error: {what}"))
    }

    /// The same, with the lines around it; `before` lines of the file stand above the text.
    pub(in crate::models) fn shown_in(mut self, source: &str, before: usize) -> Self {
        if let Some(line) = self.line {
            self.excerpt = excerpt(source, line, before);
            self.line = Some(line + before);
        }
        self
    }

    /// The same of a text that begins so many lines below the top of its file; what is wrong elsewhere stays there.
    pub(in crate::models) fn below(self, lines: usize, source: &str) -> Self {
        if lines == 0 || self.called_from.is_some() { self } else { self.shown_in(source, lines) }
    }

    /// The same, where the line says nothing: it is that of a text in a file of another kind. What is wrong elsewhere
    /// keeps its line.
    pub(in crate::models) fn without_line(self) -> Self {
        if self.called_from.is_some() { self } else { Self { line: None, ..self } }
    }

    /// As an error of the engine, for a template that renders another.
    pub(in crate::models) fn into_error(self) -> minijinja::Error {
        minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, self.to_string())
    }
}

impl fmt::Display for JinjaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(from) = self.called_from.as_ref().filter(|from| **from != self.file) {
            write!(f, "{from}: ")?;
        }
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}{}", self.file, self.message, self.excerpt),
            None => write!(f, "{}: {}{}", self.file, self.message, self.excerpt),
        }
    }
}

/// The engine's words, with those that a function of ours gave preferred.
pub(super) fn message(error: &minijinja::Error) -> String {
    use minijinja::ErrorKind;
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => super::effort::too_much(),
        (ErrorKind::InvalidOperation, Some(detail)) => detail.to_owned(),
        (ErrorKind::UnknownFunction, Some(detail)) => {
            format!("unknown function: {detail}; no macro and no function has this name; is its package installed?")
        }
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

/// The lines around one, the one marked; `before` lines of the file stand above the text.
pub(in crate::models) fn excerpt(source: &str, line: usize, before: usize) -> String {
    let mut text = String::new();
    let first = line.saturating_sub(EXCERPT_LINES).max(1);
    for (number, content) in (1..).zip(source.lines()).skip(first - 1).take(line + EXCERPT_LINES + 1 - first) {
        let mark = if number == line { '>' } else { ' ' };
        let shown: String = content.chars().take(SHOWN_MAX).collect();
        let more = if shown.len() < content.len() { "…" } else { "" };
        write!(text, "\n{mark}{:>5} | {shown}{more}", number + before).expect("writing to a String can't fail");
    }
    text
}
