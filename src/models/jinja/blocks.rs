//! What a file defines: macros, tests, materializations, snapshots, docs.
//!
//! Only found and cut out, not understood: a project has a thousand macros and uses thirty of them.

use super::{
    JinjaError,
    scan::{Piece, Tag, end_tag, line_of, pieces},
    tokens::{Token, tokens},
};

/// What is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::models) enum BlockKind {
    /// `{% macro %}`, and what becomes one: `{% test %}` and `{% materialization %}`.
    Macro,
    /// `{% snapshot %}`.
    Snapshot,
    /// `{% docs %}`.
    Docs,
}

/// Parameters, and the expressions that stand for those not given.
pub(super) type Parameters = Vec<(String, Option<String>)>;

/// One definition.
#[derive(Clone, Debug)]
pub(in crate::models) struct Definition {
    /// What it is.
    pub kind: BlockKind,
    /// The package it belongs to.
    pub package: String,
    /// Its name: a test's has `test_` before it, a materialization's is `materialization_<name>_<adapter>`.
    pub name: String,
    /// Its file.
    pub file: String,
    /// The line of its body's beginning, counted from one.
    pub line: usize,
    /// Its parameters, and the expressions that stand for those not given.
    pub parameters: Parameters,
    /// What stands between its tags.
    pub body: String,
}

impl Definition {
    /// Whether its text has a word: quick, and only a hint.
    pub(in crate::models) fn mentions(&self, word: &str) -> bool {
        self.body.contains(word)
    }

    /// The names of its parameters.
    pub(in crate::models) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|(name, _)| name.as_str())
    }
}

/// What a file defines, and what is left of it: as many lines, with nothing where a definition stood.
pub(in crate::models) fn definitions(
    package: &str,
    file: &str,
    source: &str,
) -> Result<(Vec<Definition>, String), JinjaError> {
    taken_apart(package, file, source).map_err(|error| error.shown_in(source, 0))
}

fn taken_apart(package: &str, file: &str, source: &str) -> Result<(Vec<Definition>, String), JinjaError> {
    let mut found = Vec::new();
    let mut rest = String::new();
    let mut from = 0;
    let mut tags = pieces(file, &hidden_docs(source))?
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Tag(tag) => Some((tag.word().0.to_owned(), tag.start, tag.whole.len())),
            _ => None,
        })
        .collect::<Vec<_>>()
        .into_iter();
    while let Some((word, start, length)) = tags.next() {
        let closing = match word.as_str() {
            "macro" | "test" | "data_test" | "materialization" | "snapshot" | "docs" => format!("end{word}"),
            _ => continue,
        };
        let opening = opening(source, start, length);
        let (end, after) = if word == "docs" {
            let found = end_tag(source, start + length, &closing);
            while tags.as_slice().first().is_some_and(|(_, at, _)| found.is_some_and(|(_, after)| *at < after)) {
                tags.next();
            }
            found
        } else {
            let mut depth = 1;
            tags.find_map(|(inner, at, length)| {
                depth += i32::from(inner == word) - i32::from(inner == closing);
                (depth == 0).then_some((at, at + length))
            })
        }
        .ok_or_else(|| {
            JinjaError::syntax(file, line_of(source, start), format!("{{% {word} %}} has no {{% {closing} %}}"))
        })?;
        let wrong = |what: String| JinjaError::syntax(file, line_of(source, start), what);
        let (kind, name, parameters) = signature(&word, &opening).map_err(wrong)?;
        let strips_end = source[end..after].starts_with("{%-");
        let body =
            super::template::trimmed(&source[start + length..end], opening.marks().1.starts_with('-'), strips_end);
        rest.push_str(&source[from..start]);
        rest.extend(source[start..after].chars().filter(|c| *c == '\n'));
        from = after;
        found.push(Definition {
            kind,
            package: package.to_owned(),
            name,
            file: file.to_owned(),
            line: line_of(source, start + length),
            parameters,
            body,
        });
    }
    rest.push_str(&source[from..]);
    Ok((found, rest))
}

fn opening(source: &str, start: usize, length: usize) -> Tag<'_> {
    let whole = &source[start..start + length];
    let inside = &whole[2..length - 2];
    let inside = inside.strip_prefix(['-', '+']).unwrap_or(inside);
    Tag { whole, inside: inside.strip_suffix(['-', '+']).unwrap_or(inside), start }
}

/// The texts of docs may hold anything: here they hold nothing, in as many bytes.
fn hidden_docs(source: &str) -> std::borrow::Cow<'_, str> {
    if !source.contains("enddocs") {
        return source.into();
    }
    let mut hidden = String::with_capacity(source.len());
    let mut from = 0;
    while let Some(open) = source[from..].find("{%").map(|at| from + at) {
        let inside = source[open + 2..].trim_start_matches(['-', '+']).trim_start();
        let close = source[open..].find("%}").map(|at| open + at + 2);
        let (Some(close), true) = (close, inside.starts_with("docs ")) else {
            hidden.push_str(&source[from..open + 2]);
            from = open + 2;
            continue;
        };
        let end = end_tag(source, close, "enddocs").map_or(source.len(), |(at, _)| at);
        hidden.push_str(&source[from..close]);
        hidden.extend(source[close..end].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }));
        from = end;
    }
    hidden.push_str(&source[from..]);
    hidden.into()
}

type Signature = (BlockKind, String, Parameters);

fn signature(word: &str, tag: &Tag<'_>) -> Result<Signature, String> {
    let (_, after) = tag.word();
    let found = tokens(after)?;
    let Some((Token::Name(name), _)) = found.first() else { return Err(format!("{{% {word} %}} has no name")) };
    match word {
        "snapshot" => return Ok((BlockKind::Snapshot, (*name).to_owned(), Vec::new())),
        "docs" => return Ok((BlockKind::Docs, (*name).to_owned(), Vec::new())),
        "materialization" => {
            let adapter = found.windows(3).find_map(|w| match (&w[0].0, &w[1].0, &w[2].0) {
                (Token::Name("adapter"), Token::Operator("="), Token::Text(adapter)) => Some(adapter.clone()),
                _ => None,
            });
            let adapter = adapter.unwrap_or_else(|| "default".to_owned());
            return Ok((BlockKind::Macro, format!("materialization_{name}_{adapter}"), Vec::new()));
        }
        _ => {}
    }
    let shown = format!("{{% {word} {name} %}}");
    let name = if word == "macro" { (*name).to_owned() } else { format!("test_{name}") };
    let Some((Token::Operator("("), open)) = found.get(1) else {
        return Ok((BlockKind::Macro, name, Vec::new()));
    };
    let parameters = parameters(&after[*open..]).map_err(|what| format!("{shown}: {what}"))?;
    Ok((BlockKind::Macro, name, parameters))
}

/// How many tokens the type of a parameter takes: `string`, `list[string]`.
fn annotation(tokens: &[(Token<'_>, usize)]) -> usize {
    let mut depth = 0_usize;
    let end = tokens.iter().position(|(token, _)| {
        match token {
            Token::Operator("[") => depth += 1,
            Token::Operator("]") => depth = depth.saturating_sub(1),
            Token::Operator("," | "=" | ")") => return depth == 0,
            _ => {}
        }
        false
    });
    end.unwrap_or(tokens.len())
}

/// Parameters in parentheses: names, and the expressions that stand for those not given.
pub(super) fn parameters(text: &str) -> Result<Parameters, String> {
    let found = tokens(text)?;
    let part = |from: usize, until: usize| {
        let end = found.get(until).map_or(text.len(), |(_, at)| *at);
        found.get(from).map_or("", |(_, at)| text[*at..end].trim())
    };
    let mut parameters = Parameters::new();
    let (mut at, mut depth) = (1, 0_usize);
    while let Some((token, _)) = found.get(at) {
        match token {
            Token::Operator(")") => return Ok(parameters),
            Token::Operator(",") => at += 1,
            Token::Name(parameter) => {
                let mut default = None;
                // What type it has is for people to read.
                if matches!(found.get(at + 1), Some((Token::Operator(":"), _))) {
                    at += annotation(&found[at + 2..]) + 1;
                }
                if matches!(found.get(at + 1), Some((Token::Operator("="), _))) {
                    let from = at + 2;
                    at = from;
                    while let Some((token, _)) = found.get(at) {
                        match token {
                            Token::Operator("(" | "[" | "{") => depth += 1,
                            Token::Operator(")" | ",") if depth == 0 => break,
                            Token::Operator(")" | "]" | "}") => depth -= 1,
                            _ => {}
                        }
                        at += 1;
                    }
                    default = Some(part(from, at).to_owned());
                } else {
                    at += 1;
                }
                parameters.push(((*parameter).to_owned(), default));
            }
            other => return Err(format!("did not expect '{}' among the parameters", other.text())),
        }
    }
    Err("the parameters are not closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_cut_out_and_the_lines_stay() {
        let source =
            "a\n{% macro m(a, b=[1, ')'], c='x') -%}\n  {{ a }}\n{%- endmacro %}\n{% test t(model) %}s{% endtest %}\nb";
        let (found, rest) = definitions("p", "f", source).expect("good definitions");
        let names: Vec<&str> = found.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["m", "test_t"]);
        let parameters: Vec<(&str, Option<&str>)> =
            found[0].parameters.iter().map(|(name, default)| (name.as_str(), default.as_deref())).collect();
        assert_eq!(parameters, [("a", None), ("b", Some("[1, ')']")), ("c", Some("'x'"))]);
        assert_eq!((found[0].line, found[0].body.as_str()), (2, "{#- -#}\n  {{ a }}\n{#- -#}"));
        assert_eq!(rest, "a\n\n\n\n\nb");
    }

    #[test]
    fn materializations_snapshots_and_docs_have_names_too() {
        let source = "{% materialization x, adapter='postgres' %}a{% endmaterialization %}\
                      {% materialization y, default %}b{% endmaterialization %}\
                      {% snapshot s %}select {{ 1 }}{% endsnapshot %}{% docs d %}{{ not closed {% enddocs %}";
        let (found, rest) = definitions("p", "f", source).expect("good definitions");
        let names: Vec<&str> = found.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["materialization_x_postgres", "materialization_y_default", "s", "d"]);
        assert_eq!((found[3].kind, found[3].body.as_str(), rest.as_str()), (BlockKind::Docs, "{{ not closed ", ""));
    }

    #[test]
    fn what_is_not_closed_is_named() {
        let error = definitions("p", "f", "\n{% macro m() %}").expect_err("not closed");
        assert_eq!((error.line, error.message.as_str()), (Some(2), "syntax error: {% macro %} has no {% endmacro %}"));
    }
}
