//! SQL taken apart into words, numbers, texts and signs, and read one after the other.
//!
//! Nothing here is a tree, so that no query, however deep, can take more of the stack than another. What has other parts
//! than the plain ones below is not taken apart at all.

use sqlparser::{
    dialect::PostgreSqlDialect,
    tokenizer::{Token, Tokenizer},
};

/// Longer queries are not looked at.
const BYTES_MAX: usize = 1 << 18;

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A name or keyword without quotation marks.
    Word,
    /// A name with them.
    Quoted,
    Number,
    Text,
    /// An operator, a parenthesis, a comma, a period.
    Sign,
}

/// One part, as it is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) what: What,
    /// Words in small letters: what PostgreSQL takes them for.
    pub(super) text: String,
}

impl Part {
    /// Whether it is this word or sign.
    pub(super) fn is(&self, text: &str) -> bool {
        matches!(self.what, What::Word | What::Sign) && self.text == text
    }

    pub(super) fn is_name(&self) -> bool {
        matches!(self.what, What::Word | What::Quoted)
    }
}

/// The parts of a query; `None` where it has others than the plain ones.
pub(super) fn parts(sql: &str) -> Option<Vec<Part>> {
    if sql.len() > BYTES_MAX {
        return None;
    }
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).with_unescape(false).tokenize().ok()?;
    let mut parts: Vec<Part> = Vec::new();
    // PostgreSQL takes operators that touch for one operator.
    let mut touches = false;
    for token in tokens {
        let what = match &token {
            Token::Whitespace(_) => {
                touches = false;
                continue;
            }
            Token::Word(word) => match word.quote_style {
                None => What::Word,
                Some('"') if !word.value.contains('"') => What::Quoted,
                Some(_) => return None,
            },
            Token::Number(_, false) => What::Number,
            Token::SingleQuotedString(_) => What::Text,
            Token::Comma | Token::LParen | Token::RParen | Token::Period | Token::DoubleColon => What::Sign,
            token if is_operator(token) => {
                if touches {
                    return None;
                }
                What::Sign
            }
            _ => return None,
        };
        touches = is_operator(&token);
        let text = match what {
            What::Word => token.to_string().to_ascii_lowercase(),
            _ => token.to_string(),
        };
        parts.push(Part { what, text });
    }
    Some(parts)
}

/// Operators that only compare and compute.
fn is_operator(token: &Token) -> bool {
    matches!(
        token,
        Token::Eq
            | Token::Neq
            | Token::Lt
            | Token::Gt
            | Token::LtEq
            | Token::GtEq
            | Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::Mod
            | Token::StringConcat
            | Token::Tilde
            | Token::TildeAsterisk
            | Token::ExclamationMarkTilde
            | Token::ExclamationMarkTildeAsterisk
    )
}

/// Parts as SQL again.
pub(super) fn written(parts: &[Part]) -> String {
    parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// Whether every parenthesis is closed, and none that was not opened.
pub(super) fn is_balanced(parts: &[Part]) -> bool {
    let mut depth = 0_usize;
    for part in parts {
        match part.text.as_str() {
            "(" if part.what == What::Sign => depth += 1,
            ")" if part.what == What::Sign => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            _ => {}
        }
    }
    depth == 0
}

/// Reads parts from the first to the last.
pub(super) struct Reader<'a> {
    rest: &'a [Part],
}

impl<'a> Reader<'a> {
    pub(super) fn new(parts: &'a [Part]) -> Self {
        Self { rest: parts }
    }

    /// Passes over words and signs, given with blanks between; `None` where others come.
    pub(super) fn pass(&mut self, text: &str) -> Option<()> {
        for wanted in text.split(' ') {
            let (first, rest) = self.rest.split_first()?;
            if !first.is(wanted) {
                return None;
            }
            self.rest = rest;
        }
        Some(())
    }

    /// Passes over them if they come next.
    pub(super) fn passes(&mut self, text: &str) -> bool {
        let rest = self.rest;
        let passed = self.pass(text).is_some();
        if !passed {
            self.rest = rest;
        }
        passed
    }

    /// The next part.
    pub(super) fn next(&mut self) -> Option<&'a Part> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// All before the first of these words that is in no parenthesis, or before the parenthesis that closes what was open;
    /// what was found is not passed over.
    pub(super) fn until(&mut self, words: &[&str]) -> &'a [Part] {
        let mut depth = 0_usize;
        let is_end = |part: &Part| {
            if depth == 0 && (part.is(")") || words.iter().any(|word| part.is(word))) {
                return true;
            }
            if part.is("(") {
                depth += 1;
            } else if part.is(")") {
                depth -= 1;
            }
            false
        };
        let end = self.rest.iter().position(is_end).unwrap_or(self.rest.len());
        let (before, rest) = self.rest.split_at(end);
        self.rest = rest;
        before
    }

    /// All that is left.
    pub(super) fn remainder(&mut self) -> &'a [Part] {
        std::mem::take(&mut self.rest)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Names with periods between them.
    pub(super) fn dotted(&mut self) -> Option<&'a [Part]> {
        let all = self.rest;
        let mut length = 0;
        loop {
            if !all.get(length)?.is_name() {
                return None;
            }
            length += 1;
            if !all.get(length).is_some_and(|part| part.is(".")) {
                break;
            }
            length += 1;
        }
        self.rest = &all[length..];
        Some(&all[..length])
    }

    /// Whether a name comes next that is none of some words.
    pub(super) fn has_name(&self, but: &[&str]) -> bool {
        self.rest.first().is_some_and(|part| part.is_name() && !but.iter().any(|word| part.is(word)))
    }
}
