//! Expressions of Jinja2 as the engine understands them.
//!
//! Parsed by Jinja2's own precedence and written out again with functions of ours where the engine lacks what Python
//! has: lists and dictionaries that can be changed, `%` on texts, `+` and `-` of lists, sets and moments. What needs
//! none of it stays as it is.

use super::tokens::{Token, tokens};

/// An expression written for the engine; the text as it was where nothing has to change.
pub(super) fn expression(text: &str) -> Result<String, String> {
    if is_plain(text) {
        return Ok(text.to_owned());
    }
    let mut parser = Parser::of(text)?;
    let written = parser.tuple()?;
    parser.end()?;
    Ok(written)
}

/// What follows `for` in a tag.
pub(super) fn for_loop(text: &str) -> Result<String, String> {
    if is_plain(text) {
        return Ok(text.to_owned());
    }
    let mut parser = Parser::of(text)?;
    let mut target = String::new();
    loop {
        match parser.next() {
            Some(Token::Name("in")) => break,
            Some(token) => target.push_str(&format!("{} ", token.text())),
            None => return Err("'for' needs 'in'".to_owned()),
        }
    }
    let mut written = format!("{target}in {}", parser.tuple_without_condition()?);
    if parser.takes_name("if") {
        written.push_str(&format!(" if {}", parser.condition()?));
    }
    if parser.takes_name("recursive") {
        written.push_str(" recursive");
    }
    parser.end()?;
    Ok(written)
}

/// What follows `set` where a value is given: targets and value.
pub(super) fn assignment(text: &str) -> Result<Option<String>, String> {
    let found = tokens(text)?;
    let Some(place) = found.iter().position(|(token, _)| *token == Token::Operator("=")) else { return Ok(None) };
    let at = found[place].1;
    Ok(Some(format!("{}= {}", &text[..at], expression(&text[at + 1..])?)))
}

/// Whether an expression has nothing that must be written in another way. Quick, and sure where it says yes.
fn is_plain(text: &str) -> bool {
    let mut last = ' ';
    for c in text.chars() {
        match c {
            '[' | '{' | '%' | '+' | '-' | '/' | '\\' => return false,
            // Two strings in a row, or a call that spreads.
            '\'' | '"' if matches!(last, '\'' | '"') => return false,
            '*' => return false,
            _ if c.is_whitespace() => continue,
            _ => {}
        }
        last = c;
    }
    true
}

struct Parser<'a> {
    tokens: Vec<(Token<'a>, usize)>,
    at: usize,
    depth: usize,
}

/// How deep brackets and calls may lie in one another.
const DEPTH_MAX: usize = 200;

/// Arguments of one call. The engine takes 2,000; even, as a dictionary's come in pairs.
const ARGUMENTS_MAX: usize = 1_000;

/// Operators of one rank, and how they are written.
const COMPARISONS: &[&str] = &["==", "!=", "<=", ">=", "<", ">"];

impl<'a> Parser<'a> {
    fn of(text: &'a str) -> Result<Self, String> {
        Ok(Self { tokens: tokens(text)?, at: 0, depth: 0 })
    }

    fn peek(&self) -> Option<&Token<'a>> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.tokens.get(self.at).map(|(token, _)| token.clone());
        self.at += 1;
        token
    }

    fn is_operator(&self, operator: &str) -> bool {
        matches!(self.peek(), Some(Token::Operator(found)) if *found == operator)
    }

    fn takes(&mut self, operator: &str) -> bool {
        let is = self.is_operator(operator);
        if is {
            self.at += 1;
        }
        is
    }

    fn takes_name(&mut self, name: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Name(found)) if *found == name);
        if is {
            self.at += 1;
        }
        is
    }

    fn expect(&mut self, operator: &str) -> Result<(), String> {
        if self.takes(operator) { Ok(()) } else { Err(format!("expected '{operator}', found {}", self.found())) }
    }

    fn found(&self) -> String {
        self.peek().map_or_else(|| "the end".to_owned(), |token| format!("'{}'", token.text()))
    }

    fn end(&self) -> Result<(), String> {
        if self.at >= self.tokens.len() { Ok(()) } else { Err(format!("did not expect {}", self.found())) }
    }

    fn tuple(&mut self) -> Result<String, String> {
        self.tuple_of(Self::condition)
    }

    fn tuple_without_condition(&mut self) -> Result<String, String> {
        self.tuple_of(Self::or)
    }

    fn tuple_of(&mut self, item: fn(&mut Self) -> Result<String, String>) -> Result<String, String> {
        let first = item(self)?;
        if !self.is_operator(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.takes(",") {
            if self.at >= self.tokens.len() || self.is_operator(")") {
                break;
            }
            items.push(item(self)?);
        }
        Ok(if items.len() == 1 { format!("({},)", items[0]) } else { format!("({})", items.join(", ")) })
    }

    /// `a if b else c`.
    fn condition(&mut self) -> Result<String, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} expressions lie in one another"));
        }
        let mut written = self.or()?;
        while self.takes_name("if") {
            let test = self.or()?;
            let other = if self.takes_name("else") { format!(" else {}", self.condition()?) } else { String::new() };
            written = format!("({written} if {test}{other})");
        }
        self.depth -= 1;
        Ok(written)
    }

    fn or(&mut self) -> Result<String, String> {
        let mut written = self.and()?;
        while self.takes_name("or") {
            written = format!("({written} or {})", self.and()?);
        }
        Ok(written)
    }

    fn and(&mut self) -> Result<String, String> {
        let mut written = self.not()?;
        while self.takes_name("and") {
            written = format!("({written} and {})", self.not()?);
        }
        Ok(written)
    }

    fn not(&mut self) -> Result<String, String> {
        let mut negations = 0;
        while self.takes_name("not") {
            negations += 1;
        }
        let mut written = self.compare()?;
        for _ in 0..negations {
            written = format!("(not {written})");
        }
        Ok(written)
    }

    fn compare(&mut self) -> Result<String, String> {
        let mut left = self.sum()?;
        let mut all: Vec<String> = Vec::new();
        loop {
            let operator = match (self.peek(), self.tokens.get(self.at + 1).map(|(token, _)| token)) {
                (Some(Token::Operator(operator)), _) if COMPARISONS.contains(operator) => (*operator).to_owned(),
                (Some(Token::Name("in")), _) => "in".to_owned(),
                (Some(Token::Name("not")), Some(Token::Name("in"))) => {
                    self.at += 1;
                    "not in".to_owned()
                }
                _ => break,
            };
            self.at += 1;
            let right = self.sum()?;
            all.push(format!("({left} {operator} {right})"));
            left = right;
        }
        Ok(match all.len() {
            0 => left,
            1 => all.remove(0),
            _ => format!("({})", all.join(" and ")),
        })
    }

    fn sum(&mut self) -> Result<String, String> {
        // A row of one operator is one call: calls inside of calls are read to a depth only.
        let mut parts = vec![self.concatenation()?];
        let mut row = "";
        loop {
            let function = match self.peek() {
                Some(Token::Operator("+")) => "__add",
                Some(Token::Operator("-")) => "__sub",
                _ => break,
            };
            self.at += 1;
            if parts.len() > 1 && function != row {
                parts = vec![call(row, row, &parts)];
            }
            row = function;
            parts.push(self.concatenation()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { call(row, row, &parts) })
    }

    fn concatenation(&mut self) -> Result<String, String> {
        let mut parts = vec![self.product()?];
        while self.takes("~") {
            parts.push(self.product()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { format!("({})", parts.join(" ~ ")) })
    }

    fn product(&mut self) -> Result<String, String> {
        let mut written = self.power()?;
        loop {
            let operator = match self.peek() {
                Some(Token::Operator(operator @ ("*" | "/" | "//" | "%"))) => *operator,
                _ => return Ok(written),
            };
            self.at += 1;
            let right = self.power()?;
            written = match operator {
                "%" => format!("__mod({written}, {right})"),
                "*" => format!("__mul({written}, {right})"),
                "/" => format!("__div({written}, {right})"),
                "//" => format!("__floor({written}, {right})"),
                _ => format!("({written} {operator} {right})"),
            };
        }
    }

    fn power(&mut self) -> Result<String, String> {
        let mut written = self.unary()?;
        while self.takes("**") {
            written = format!("({written} ** {})", self.unary()?);
        }
        Ok(written)
    }

    fn unary(&mut self) -> Result<String, String> {
        let (mut minuses, mut is_minus_last) = (0, false);
        loop {
            if self.takes("-") {
                minuses += 1;
                is_minus_last = true;
            } else if self.takes("+") {
                is_minus_last = false;
            } else {
                break;
            }
        }
        let is_number = is_minus_last && matches!(self.peek(), Some(Token::Number(_)));
        let operand = self.primary()?;
        let mut written = self.postfix(operand)?;
        for nth in 0..minuses {
            written = if nth == 0 && is_number { format!("(-{written})") } else { format!("__neg({written})") };
        }
        self.filters(written)
    }

    fn primary(&mut self) -> Result<String, String> {
        match self.next() {
            Some(Token::Name(name)) => Ok(name.to_owned()),
            Some(Token::Number(number)) => Ok(number.replace('_', "")),
            Some(Token::Text(mut text)) => {
                while let Some(Token::Text(more)) = self.peek() {
                    text.push_str(more);
                    self.at += 1;
                }
                Ok(quoted(&text))
            }
            Some(Token::Operator("(")) => {
                if self.takes(")") {
                    return Ok("()".to_owned());
                }
                let inside = self.tuple()?;
                self.expect(")")?;
                Ok(if is_enclosed(&inside) { inside } else { format!("({inside})") })
            }
            Some(Token::Operator("[")) => {
                let mut items = Vec::new();
                while !self.takes("]") {
                    items.push(self.condition()?);
                    if !self.is_operator("]") {
                        self.expect(",")?;
                    }
                }
                Ok(call("__list", "__list_more", &items))
            }
            Some(Token::Operator("{")) => {
                let mut items = Vec::new();
                while !self.takes("}") {
                    items.push(self.condition()?);
                    self.expect(":")?;
                    items.push(self.condition()?);
                    if !self.is_operator("}") {
                        self.expect(",")?;
                    }
                }
                Ok(call("__dict", "__dict_more", &items))
            }
            Some(other) => Err(format!("did not expect '{}'", other.text())),
            None => Err("the expression ends too early".to_owned()),
        }
    }

    fn postfix(&mut self, mut written: String) -> Result<String, String> {
        loop {
            if self.takes(".") {
                match self.next() {
                    Some(Token::Name(name)) => written = format!("{written}.{name}"),
                    Some(Token::Number(number)) => written = format!("{written}[{number}]"),
                    _ => return Err("a name must follow the dot".to_owned()),
                }
            } else if self.takes("[") {
                let (subscript, is_part) = self.subscript()?;
                written = format!("{written}[{subscript}]");
                if is_part {
                    written = format!("__part({written})");
                }
            } else if self.takes("(") {
                written = format!("{written}({})", self.arguments()?);
            } else {
                return Ok(written);
            }
        }
    }

    /// What stands in square brackets, and whether it names a part instead of an item.
    fn subscript(&mut self) -> Result<(String, bool), String> {
        let (mut written, mut is_several, mut is_part) = (String::new(), false, false);
        loop {
            if self.takes("]") {
                return Ok((if is_several { format!("({written})") } else { written }, is_part));
            }
            if self.takes(":") {
                written.push(':');
                is_part = true;
            } else if self.takes(",") {
                written.push_str(", ");
                is_several = true;
            } else if self.at >= self.tokens.len() {
                return Err("'[' is not closed".to_owned());
            } else {
                written.push_str(&self.condition()?);
            }
        }
    }

    fn arguments(&mut self) -> Result<String, String> {
        let mut written = Vec::new();
        while !self.takes(")") {
            let argument = if self.takes("**") {
                format!("**{}", self.condition()?)
            } else if self.takes("*") {
                format!("*{}", self.condition()?)
            } else if let (Some(Token::Name(name)), Some((Token::Operator("="), _))) =
                (self.peek().cloned(), self.tokens.get(self.at + 1))
            {
                self.at += 2;
                format!("{name}={}", self.condition()?)
            } else {
                self.condition()?
            };
            written.push(argument);
            if !self.is_operator(")") {
                self.expect(",")?;
            }
        }
        Ok(written.join(", "))
    }

    fn filters(&mut self, mut written: String) -> Result<String, String> {
        loop {
            if self.takes("|") {
                let name = self.dotted_name()?;
                let arguments = if self.takes("(") { format!("({})", self.arguments()?) } else { String::new() };
                written = format!("{written}|{name}{arguments}");
            } else if self.takes_name("is") {
                let not = if self.takes_name("not") { "not " } else { "" };
                let name = self.dotted_name()?;
                let arguments = if self.takes("(") {
                    format!("({})", self.arguments()?)
                } else if self.begins_argument() {
                    let argument = self.primary()?;
                    format!("({})", self.postfix(argument)?)
                } else {
                    String::new()
                };
                written = format!("({written} is {not}{name}{arguments})");
            } else if self.is_operator("(") || self.is_operator(".") || self.is_operator("[") {
                written = self.postfix(format!("({written})"))?;
            } else {
                return Ok(written);
            }
        }
    }

    fn begins_argument(&self) -> bool {
        match self.peek() {
            Some(Token::Name(name)) => !matches!(*name, "else" | "or" | "and" | "is" | "if" | "not" | "in"),
            Some(Token::Number(_) | Token::Text(_)) => true,
            Some(Token::Operator(operator)) => matches!(*operator, "[" | "{"),
            None => false,
        }
    }

    fn dotted_name(&mut self) -> Result<String, String> {
        let Some(Token::Name(name)) = self.next() else { return Err("a filter or test has no name".to_owned()) };
        let mut written = name.to_owned();
        while self.takes(".") {
            let Some(Token::Name(name)) = self.next() else { return Err("a name must follow the dot".to_owned()) };
            written.push('.');
            written.push_str(name);
        }
        Ok(written)
    }
}

/// Whether one pair of parentheses stands around all of what was written.
fn is_enclosed(written: &str) -> bool {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for (at, c) in written.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_text => is_escaped = true,
            '"' => is_text = !is_text,
            _ if is_text => {}
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && !is_text {
            return written.starts_with('(') && at + 1 == written.len();
        }
    }
    false
}

/// A call with as many arguments as there are: what is too many for one goes to `more`, behind what came before.
fn call(function: &str, more: &str, arguments: &[String]) -> String {
    let mut rows = arguments.chunks(ARGUMENTS_MAX);
    let first = format!("{function}({})", rows.next().unwrap_or_default().join(", "));
    rows.fold(first, |before, row| format!("{more}({before}, {})", row.join(", ")))
}

/// A text as the engine reads it.
fn quoted(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('"');
    for c in text.chars() {
        match c {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            c => written.push(c),
        }
    }
    written.push('"');
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_understands_stays_as_it_is() {
        for text in ["a.b(c, d=1) | upper", "x is not none and y", " this "] {
            assert_eq!(expression(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_it_lacks_is_written_with_functions() {
        for (text, expected) in [
            ("[a, 'b',]", "__list(a, \"b\")"),
            ("{'a': [1], b: {}}", "__dict(\"a\", __list(1), b, __dict())"),
            ("a + b + c - d - e", "__sub(__add(a, b, c), d, e)"),
            ("'%s-%s' % (a, b)", "__mod(\"%s-%s\", (a, b))"),
            ("x[1:] + y[-1]", "__add(__part(x[1:]), y[(-1)])"),
            ("a ~ [b] | join(', ')", "(a ~ __list(b)|join(\", \"))"),
            ("'a' 'b\\n'", "\"ab\\n\""),
            ("[x] if x is not in [1] else none", "(__list(x) if (x is not in(__list(1))) else none)"),
            ("a not in ['b']", "(a not in __list(\"b\"))"),
            ("f(*a, **{'k': 1})", "f(*a, **__dict(\"k\", 1))"),
            ("(a, -1)", "(a, (-1))"),
            ("1 < x <= [2][0]", "((1 < x) and (x <= __list(2)[0]))"),
            ("((a ~ b)|trim)[0] ~ ('(' ~ c).x", "(((a ~ b)|trim)[0] ~ (\"(\" ~ c).x)"),
            ("--1 + -+x|abs", "__add(__neg((-1)), __neg(x)|abs)"),
            ("not [a] == b", "(not (__list(a) == b))"),
            ("'\\d+'", "\"\\\\d+\""),
        ] {
            assert_eq!(expression(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn loops_and_sets_keep_their_words() {
        assert_eq!(for_loop(" a, b in {'x': 1}.items() if a").as_deref(), Ok("a , b in __dict(\"x\", 1).items() if a"));
        assert_eq!(assignment(" x = [1]").map(|s| s.expect("has a value")).as_deref(), Ok(" x = __list(1)"));
        assert_eq!(assignment(" x"), Ok(None));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, message) in [
            ("[1", "expected ',', found the end"),
            ("{1}", "expected ':', found '}'"),
            ("a - ", "the expression ends too early"),
        ] {
            assert_eq!(expression(text), Err(message.to_owned()), "{text}");
        }
    }
}
