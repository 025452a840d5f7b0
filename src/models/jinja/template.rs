//! A whole template written for the engine: every expression and tag, line by line where it was.

use super::{
    BlockKind, Definition, JinjaError,
    blocks::{Parameters, parameters},
    rewrite::{assignment, expression, for_loop},
    scan::{Piece, Tag, line_of, pieces},
};
use std::collections::BTreeMap;

/// A template in the engine's words.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Its text.
    pub text: String,
    /// The bodies of its call blocks. The engine's own can be called by nobody but the template that has them, and the
    /// macro that is called is another.
    pub bodies: Vec<Definition>,
}

/// Writes a template for the engine. `key` begins the names of its call blocks' bodies.
pub(super) fn rewritten(file: &str, key: &str, source: &str) -> Result<Written, JinjaError> {
    let mut written = String::with_capacity(source.len() + source.len() / 8);
    let mut bodies = Vec::new();
    let mut until = 0;
    let found = pieces(file, source)?;
    let chains = Chains::of(&found);
    for (at, piece) in found.iter().enumerate() {
        // What belongs to a call block is in its body.
        let start = match piece {
            Piece::Text(text) => text.as_ptr() as usize - source.as_ptr() as usize,
            Piece::Output(tag) | Piece::Tag(tag) => tag.start,
        };
        if start < until {
            continue;
        }
        match piece {
            Piece::Tag(tag) if tag.word().0 == "call" => {
                let end = end_of_call(&found[at + 1..])
                    .ok_or_else(|| wrong(file, source, tag, "{% call %} has no {% endcall %}"))?;
                let body = &source[tag.end()..end.start];
                let name = format!("{key}.{}", tag.start);
                let (parameters, call) =
                    call_block(tag.word().1, &name).map_err(|what| wrong(file, source, tag, &what))?;
                let (open, close) = (tag.whole.starts_with("{%-"), end.whole.ends_with("-%}"));
                written.push_str(if open { "{{- " } else { "{{ " });
                written.push_str(&call);
                written.extend(source[tag.start..end.end()].bytes().filter(|b| *b == b'\n').map(|_| '\n'));
                written.push_str(if close { " -}}" } else { " }}" });
                bodies.push(Definition {
                    kind: BlockKind::Macro,
                    package: String::new(),
                    name,
                    file: file.to_owned(),
                    line: line_of(source, tag.end()),
                    parameters,
                    body: trimmed(body, tag.whole.ends_with("-%}"), end.whole.starts_with("{%-")),
                });
                until = end.end();
            }
            Piece::Text(text) => written.push_str(text),
            Piece::Output(tag) => {
                let inside = expression(tag.inside).map_err(|what| wrong(file, source, tag, &what))?;
                put(&mut written, tag, &inside);
            }
            Piece::Tag(tag) => {
                let inside = statement(tag).map_err(|what| wrong(file, source, tag, &what))?;
                put(&mut written, tag, &chains.divided(at, inside));
            }
        }
    }
    Ok(Written { text: written, bodies })
}

/// Branches of one `if` that the engine, which takes each for an `if` inside of the one before, has to read at once.
const BRANCHES_MAX: usize = 50;

/// Where long rows of `elif` are divided, by the places of their tags.
///
/// `{% elif b %}` becomes `{% else %}{% set go_on = true %}{% endif %}{% if not go_on %}{% elif b %}`.
#[derive(Default)]
struct Chains {
    /// The `elif` that begins a new row, with the name of what says whether it is come to.
    divided: BTreeMap<usize, String>,
    /// The `if`s of divided rows, with the names that are set before them.
    begun: BTreeMap<usize, Vec<String>>,
}

impl Chains {
    fn of(pieces: &[Piece<'_>]) -> Self {
        let mut chains = Self::default();
        let mut open: Vec<(usize, usize)> = Vec::new();
        for (at, piece) in pieces.iter().enumerate() {
            let Piece::Tag(tag) = piece else { continue };
            match (tag.word().0, open.last_mut()) {
                ("if", _) => open.push((at, 0)),
                ("endif", _) => drop(open.pop()),
                ("elif", Some((begun, branches))) => {
                    *branches += 1;
                    if branches.is_multiple_of(BRANCHES_MAX) {
                        let name = format!("__go_on_{at}");
                        chains.begun.entry(*begun).or_default().push(name.clone());
                        chains.divided.insert(at, name);
                    }
                }
                _ => {}
            }
        }
        chains
    }

    /// What is written inside of the tag at a place.
    fn divided(&self, at: usize, inside: String) -> String {
        if let Some(name) = self.divided.get(&at) {
            return format!("else %}}{{% set {name} = true %}}{{% endif %}}{{% if not {name} %}}{{% {inside}");
        }
        let Some(names) = self.begun.get(&at) else { return inside };
        let set: String = names.iter().map(|name| format!("set {name} = false %}}{{% ")).collect();
        format!("{set}{inside}")
    }
}

/// A body without the whitespace that the signs of its tags take away.
pub(super) fn trimmed(body: &str, at_start: bool, at_end: bool) -> String {
    // A comment has the same signs, and leaves lines where they are.
    const SIGN: &str = "{#- -#}";
    format!("{}{body}{}", if at_start { SIGN } else { "" }, if at_end { SIGN } else { "" })
}

/// The tag that ends a call block.
fn end_of_call<'a>(pieces: &[Piece<'a>]) -> Option<Tag<'a>> {
    let mut depth = 1_usize;
    pieces.iter().find_map(|piece| {
        let Piece::Tag(tag) = piece else { return None };
        match tag.word().0 {
            "call" => depth += 1,
            "endcall" => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(*tag)
    })
}

/// The parameters of a call block's body, and the call with the body as its argument.
fn call_block(text: &str, name: &str) -> Result<(Parameters, String), String> {
    let text = text.trim();
    let (given, call) = match text.strip_prefix('(') {
        Some(inner) => {
            let end = inner.find(')').ok_or("{% call %}: its parameters are not closed")?;
            (parameters(&text[..end + 2])?, &inner[end + 1..])
        }
        None => (Vec::new(), text),
    };
    let call = expression(call)?;
    let inner = call.trim().strip_suffix(')').ok_or("{% call %} needs a call: {% call f() %}")?;
    let comma = if inner.trim_end().ends_with('(') { "" } else { ", " };
    Ok((given, format!("{inner}{comma}caller=__caller({name:?}))")))
}

/// A tag with other words inside, and as many lines as before.
fn put(written: &mut String, tag: &Tag<'_>, inside: &str) {
    let (open, close) = tag.marks();
    written.push_str(open);
    // A minus that begins the expression would be taken for a sign of whitespace.
    written.push(' ');
    written.push_str(inside);
    written.push(' ');
    let lines = |text: &str| text.bytes().filter(|b| *b == b'\n').count();
    for _ in lines(inside)..lines(tag.inside) {
        written.push('\n');
    }
    written.push_str(close);
}

fn statement(tag: &Tag<'_>) -> Result<String, String> {
    let (word, rest) = tag.word();
    // Jinja2 takes a colon at the end, as Python has it.
    let rest = rest.trim_end();
    let rest = if matches!(word, "if" | "elif" | "for") { rest.strip_suffix(':').unwrap_or(rest) } else { rest };
    Ok(match word {
        "if" | "elif" => format!("{word} {}", expression(rest)?),
        "for" => format!("for {}", for_loop(rest)?),
        // The engine's own takes calls only.
        "do" => format!("set __done = {}", expression(rest)?),
        "set" => match assignment(rest)? {
            Some(written) => format!("set{written}"),
            None => tag.inside.trim().to_owned(),
        },
        "with" => format!("with {}", named(&format!("({rest})"))?),
        "macro" => {
            let open = rest.find('(').ok_or("{% macro %} needs parameters in parentheses")?;
            format!("macro {}({})", rest[..open].trim(), named(&rest[open..])?)
        }
        "else" => "else".to_owned(),
        _ => tag.inside.trim().to_owned(),
    })
}

/// Names with the expressions that stand behind their equals signs, in parentheses.
fn named(text: &str) -> Result<String, String> {
    let parts = parameters(text)?.into_iter().map(|(name, default)| match default {
        Some(default) => Ok(format!("{name}={}", expression(&default)?)),
        None => Ok(name),
    });
    Ok(parts.collect::<Result<Vec<_>, String>>()?.join(", "))
}

fn wrong(file: &str, source: &str, tag: &Tag<'_>, what: &str) -> JinjaError {
    JinjaError::syntax(file, line_of(source, tag.start), what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_where_they_were() {
        let source = "{{ f(\n  [1,\n 2]) }}\n{%- do x.append(\n1) -%}\n{# [ #}";
        let written = rewritten("f", "k", source).expect("a good template");
        assert_eq!(written.text, "{{ f(__list(1, 2)) \n\n}}\n{%- set __done =  x.append(\n1) -%}\n{# [ #}");
    }

    #[test]
    fn a_wrong_expression_is_named_with_its_line() {
        let error = rewritten("f", "k", "a\n\n{{ [1 }}").expect_err("the list is open");
        assert_eq!(error.line, Some(3));
    }
}
