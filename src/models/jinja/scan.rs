//! A template taken apart into texts, comments, outputs and tags, without understanding what is in them.
//!
//! As Jinja2's lexer does it: strings and brackets in a tag are respected, `{% raw %}` is text.

use super::JinjaError;

/// One piece of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// What is given out as it stands, comments and raw blocks too: nobody looks into it.
    Text(&'a str),
    /// `{{ … }}`.
    Output(Tag<'a>),
    /// `{% … %}`.
    Tag(Tag<'a>),
}

/// What stands between the marks of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    /// With its marks.
    pub whole: &'a str,
    /// Without marks and signs of whitespace.
    pub inside: &'a str,
    /// Where `whole` begins, in bytes.
    pub start: usize,
}

impl<'a> Tag<'a> {
    /// `{%` or `{%-`, and `%}` or `-%}`.
    pub(super) fn marks(&self) -> (&'a str, &'a str) {
        let start = self.inside.as_ptr() as usize - self.whole.as_ptr() as usize;
        (&self.whole[..start], &self.whole[start + self.inside.len()..])
    }

    /// Its first word, and the rest.
    pub(super) fn word(&self) -> (&'a str, &'a str) {
        let inside = self.inside.trim_start();
        let end = inside.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inside.len());
        inside.split_at(end)
    }

    /// Where it ends, in bytes.
    pub(super) fn end(&self) -> usize {
        self.start + self.whole.len()
    }
}

/// Takes a template apart.
pub(super) fn pieces<'a>(file: &str, source: &'a str) -> Result<Vec<Piece<'a>>, JinjaError> {
    let mut pieces = Vec::new();
    let (mut from, mut at) = (0, 0);
    let unclosed =
        |start: usize, what: &str| JinjaError::syntax(file, line_of(source, start), format!("{what} is not closed"));
    while let Some(open) = source[at..].find('{').map(|found| at + found) {
        let rest = &source[open..];
        let taken = match rest.as_bytes().get(1) {
            Some(b'#') => {
                let end = rest.find("#}").ok_or_else(|| unclosed(open, "a comment"))?;
                at = open + end + 2;
                continue;
            }
            Some(b'{') => tag(source, open, "}}").map(Piece::Output).ok_or_else(|| unclosed(open, "{{"))?,
            Some(b'%') => tag(source, open, "%}").map(Piece::Tag).ok_or_else(|| unclosed(open, "{%"))?,
            _ => {
                at = open + 1;
                continue;
            }
        };
        let (Piece::Tag(inner) | Piece::Output(inner)) = taken else { continue };
        at = inner.end();
        if matches!(taken, Piece::Tag(_)) && inner.word().0 == "raw" {
            at = end_tag(source, at, "endraw").ok_or_else(|| unclosed(open, "{% raw %}"))?.1;
            continue;
        }
        if from < open {
            pieces.push(Piece::Text(&source[from..open]));
        }
        pieces.push(taken);
        from = at;
    }
    if from < source.len() {
        pieces.push(Piece::Text(&source[from..]));
    }
    Ok(pieces)
}

/// The tag that begins at a place.
fn tag<'a>(source: &'a str, start: usize, close: &str) -> Option<Tag<'a>> {
    let bytes = source.as_bytes();
    let (mut at, mut depth) = (start + 2, 0_usize);
    let end = loop {
        match bytes.get(at)? {
            quote @ (b'\'' | b'"') => {
                at += 1;
                while bytes.get(at)? != quote {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            _ if depth == 0 && source.as_bytes()[at..].starts_with(close.as_bytes()) => break at,
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    };
    let whole = &source[start..end + 2];
    let inside = &source[start + 2..end];
    let inside = inside.strip_prefix(['-', '+']).unwrap_or(inside);
    let inside = inside.strip_suffix(['-', '+']).unwrap_or(inside);
    Some(Tag { whole, inside, start })
}

/// Where the next tag of one word begins and ends, whatever stands before it.
pub(super) fn end_tag(source: &str, from: usize, word: &str) -> Option<(usize, usize)> {
    let mut at = from;
    while let Some(open) = source[at..].find("{%").map(|found| at + found) {
        let inside = source[open + 2..].trim_start_matches(['-', '+']).trim_start();
        if let Some(rest) = inside.strip_prefix(word) {
            let rest = rest.trim_start().trim_start_matches(['-', '+']);
            if rest.starts_with("%}") {
                return Some((open, source.len() - rest.len() + 2));
            }
        }
        at = open + 2;
    }
    None
}

/// The line of a place, counted from one.
pub(super) fn line_of(source: &str, at: usize) -> usize {
    1 + source.as_bytes()[..at.min(source.len())].iter().filter(|b| **b == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str) -> Vec<String> {
        let shown = |piece: &Piece<'_>| match piece {
            Piece::Text(text) => format!("text {text}"),
            Piece::Output(tag) => format!("output {}", tag.inside.trim()),
            Piece::Tag(tag) => format!("tag {}", tag.inside.trim()),
        };
        pieces("f", source).expect("a good template").iter().map(shown).collect()
    }

    #[test]
    fn strings_and_brackets_in_a_tag_hide_its_end() {
        assert_eq!(shown("a{{ '}}' }}b"), ["text a", "output '}}'", "text b"]);
        assert_eq!(shown("{{ {'a': {}} }}"), ["output {'a': {}}"]);
        assert_eq!(shown("{%- set a = \"%}\" -%}x"), ["tag set a = \"%}\"", "text x"]);
    }

    #[test]
    fn comments_and_raw_blocks_are_text() {
        assert_eq!(
            shown("{# {{ #}{% raw %}{{{% endraw %}{{ a }}"),
            ["text {# {{ #}{% raw %}{{{% endraw %}", "output a"]
        );
    }

    #[test]
    fn what_is_not_closed_is_named_with_its_line() {
        let error = pieces("f", "a\n{{ b").expect_err("not closed");
        assert_eq!((error.line, error.message.as_str()), (Some(2), "syntax error: {{ is not closed"));
    }
}
