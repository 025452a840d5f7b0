//! What SQL is too long or too deep to be followed.
//!
//! The parser counts how deep it descends, but a row of operators without parentheses becomes a tree just as deep without
//! any descent, and one of joins without `on` descends without being counted. Such trees would end the process when
//! they are followed, or dropped. So tokens are counted before they are parsed.

use sqlparser::{keywords::Keyword, tokenizer::Token};

/// Longer SQL is not followed: its tokens would take a hundred times as much memory.
pub(super) const SQL_BYTES_MAX: usize = 1 << 20;
/// Parentheses and brackets within each other.
const DEPTH_MAX: usize = 100;
/// What may become a tree of as many levels, from the outermost parenthesis to the innermost.
const CHAIN_MAX: usize = 5_000;
/// The same of joins, which take more stack each.
const JOINS_MAX: usize = 500;
/// Descents of the parser; each level of a query takes a handful.
pub(super) const DESCENTS_MAX: usize = 500;
/// The stack that all of that fits into, several times.
pub(super) const STACK_BYTES: usize = 32 << 20;

/// What has been counted between two parentheses.
#[derive(Clone, Copy, Default)]
struct Level {
    chain: usize,
    selects: usize,
    joins: usize,
}

/// Says why the tokens are too many, if they are.
pub(super) fn exceeded<'a>(tokens: impl Iterator<Item = &'a Token>) -> Option<&'static str> {
    let mut levels = vec![Level::default()];
    let (mut chain, mut joins) = (0_usize, 0_usize);
    let mut before = &Token::EOF;
    for token in tokens.filter(|token| !matches!(token, Token::Whitespace(_))) {
        let level = levels.last_mut().expect("the outermost level is never closed");
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                // A subscript is a link of its chain as well.
                level.chain += 1;
                chain += 1;
                levels.push(Level::default());
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                chain -= level.chain + level.selects;
                joins -= level.joins;
                levels.pop();
                if levels.is_empty() {
                    levels.push(Level::default());
                }
            }
            Token::Comma | Token::SemiColon => chain -= std::mem::take(&mut level.chain),
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::NoKeyword => {}
                Keyword::SELECT if begins_select(before) => {
                    chain -= std::mem::take(&mut level.chain);
                    joins -= std::mem::take(&mut level.joins);
                    // Unions are a chain of their own.
                    level.selects += 1;
                    chain += 1;
                }
                keyword => {
                    level.chain += 1;
                    chain += 1;
                    if keyword == Keyword::JOIN {
                        level.joins += 1;
                        joins += 1;
                    }
                }
            },
            Token::Number(..) | Token::SingleQuotedString(_) | Token::Period | Token::Word(_) => {}
            _ => {
                level.chain += 1;
                chain += 1;
            }
        }
        if levels.len() > DEPTH_MAX {
            return Some("its parentheses are nested too deep");
        }
        if joins > JOINS_MAX {
            return Some("it joins too many relations");
        }
        if chain > CHAIN_MAX {
            return Some("one of its expressions is too long");
        }
        before = token;
    }
    None
}

/// Whether there is an operator that the parser would take for an alias: `x isnull`.
pub(super) fn misread<'a>(tokens: impl Iterator<Item = &'a Token>) -> bool {
    let mut before = &Token::EOF;
    for token in tokens.filter(|token| !matches!(token, Token::Whitespace(_))) {
        let named = match before {
            Token::Period => true,
            Token::Word(word) => word.keyword == Keyword::AS && word.quote_style.is_none(),
            _ => false,
        };
        match token {
            Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("isnull") && !named => {
                return true;
            }
            _ => before = token,
        }
    }
    false
}

/// Whether `select` after this token begins a query, and is no name.
fn begins_select(before: &Token) -> bool {
    match before {
        Token::EOF | Token::LParen | Token::RParen => true,
        Token::Word(word) => {
            matches!(
                word.keyword,
                Keyword::ALL | Keyword::DISTINCT | Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT
            ) && word.quote_style.is_none()
        }
        _ => false,
    }
}
