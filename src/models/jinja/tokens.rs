//! The tokens of an expression of Jinja2.

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// A name or a word.
    Name(&'a str),
    /// A number as written.
    Number(&'a str),
    /// A text, its escapes resolved.
    Text(String),
    /// A sign.
    Operator(&'a str),
}

impl Token<'_> {
    /// As it is shown.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Name(text) | Self::Number(text) | Self::Operator(text) => text,
            Self::Text(text) => text,
        }
    }
}

/// Longer signs first, so that they are not taken for two.
const OPERATORS: &[&str] = &[
    "**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".",
    ":", "|", ",", ";",
];

/// The tokens of a text, each with the place where it begins, in bytes.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token<'_>, usize)>, String> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, length) = if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        } else if c == '\'' || c == '"' {
            let (inside, length) = string(rest, c)?;
            (Token::Text(inside), length)
        } else if c.is_alphabetic() || c == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            (Token::Name(&rest[..end]), end)
        } else if c.is_ascii_digit() {
            let end = number(rest);
            (Token::Number(&rest[..end]), end)
        } else if let Some(operator) = OPERATORS.iter().find(|operator| rest.starts_with(**operator)) {
            (Token::Operator(operator), operator.len())
        } else {
            return Err(format!("unexpected character '{c}'"));
        };
        found.push((token, at));
        at += length;
    }
    Ok(found)
}

/// The length of a number: digits, a fraction where digits follow the dot, an exponent.
fn number(text: &str) -> usize {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let mut end = digits(text);
    if let Some(fraction) = text[end..].strip_prefix('.').filter(|f| f.starts_with(|c: char| c.is_ascii_digit())) {
        end += 1 + digits(fraction);
    }
    if text[end..].starts_with(['e', 'E']) {
        let rest = &text[end + 1..];
        let sign = usize::from(rest.starts_with(['+', '-']));
        if rest[sign..].starts_with(|c: char| c.is_ascii_digit()) {
            end += 1 + sign + digits(&rest[sign..]);
        }
    }
    end
}

/// A quoted text with its escapes resolved as Python does, and its length.
fn string(text: &str, quote: char) -> Result<(String, usize), String> {
    let mut inside = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            c if c == quote => return Ok((inside, at + 1)),
            '\\' => match characters.next() {
                Some((_, 'n')) => inside.push('\n'),
                Some((_, 't')) => inside.push('\t'),
                Some((_, 'r')) => inside.push('\r'),
                Some((_, '\n')) => {}
                Some((_, c @ ('\\' | '\'' | '"'))) => inside.push(c),
                Some((at, sign @ ('x' | 'u' | 'U'))) => {
                    let digits = match sign {
                        'x' => 2,
                        'u' => 4,
                        _ => 8,
                    };
                    let hexadecimal = text.get(at + 1..at + 1 + digits).ok_or("an escape in a text is cut off")?;
                    let code = u32::from_str_radix(hexadecimal, 16).map_err(|_| "an escape in a text is no number")?;
                    inside.push(char::from_u32(code).ok_or("an escape in a text is no character")?);
                    for _ in 0..digits {
                        characters.next();
                    }
                }
                Some((at, '0'..='7')) => {
                    let digits = text[at..].bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
                    let code = u32::from_str_radix(&text[at..at + digits], 8).ok().and_then(char::from_u32);
                    inside.push(code.ok_or("an escape in a text is no character")?);
                    for _ in 1..digits {
                        characters.next();
                    }
                }
                // Python leaves what it does not know.
                Some((_, other)) => {
                    inside.push('\\');
                    inside.push(other);
                }
                None => break,
            },
            c => inside.push(c),
        }
    }
    Err("a text is not closed".to_owned())
}
