//! The names that a template calls, without rendering it.

use super::{
    JinjaError,
    scan::{Piece, pieces},
    tokens::{Token, tokens},
};

/// `name(` and `package.name(` in the tags of a template, in their order.
pub(in crate::models) fn called_names(file: &str, source: &str) -> Result<Vec<(Option<String>, String)>, JinjaError> {
    let mut called = Vec::new();
    for piece in pieces(file, source)? {
        let (Piece::Output(tag) | Piece::Tag(tag)) = piece else { continue };
        // What is no expression is told when it is rendered.
        let Ok(found) = tokens(tag.inside) else { continue };
        for (at, (token, _)) in found.iter().enumerate() {
            let Token::Name(name) = token else { continue };
            let token = |at: Option<usize>| at.and_then(|at| found.get(at)).map(|(token, _)| token);
            if token(Some(at + 1)) != Some(&Token::Operator("(")) {
                continue;
            }
            let package = match (token(at.checked_sub(1)), token(at.checked_sub(2))) {
                (Some(Token::Operator(".")), Some(Token::Name(package))) => Some((*package).to_owned()),
                (Some(Token::Operator(".")), _) => continue,
                _ => None,
            };
            called.push((package, (*name).to_owned()));
        }
    }
    Ok(called)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_in_tags_are_found_and_those_of_sql_are_not() {
        let text = "select coalesce(a) {{ f(g(1), 'h(2)') }} {% if utils.k(x).l(y) %}{# m() #}{% endif %}{{ a.b }}";
        let found = called_names("f", text).expect("a good template");
        let shown: Vec<String> =
            found.into_iter().map(|(p, n)| p.map_or_else(|| n.clone(), |p| format!("{p}.{n}"))).collect();
        assert_eq!(shown, ["f", "g", "utils.k"]);
    }
}
