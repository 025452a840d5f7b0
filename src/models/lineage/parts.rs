//! What an expression is made of, where nothing else matters about it.

use sqlparser::ast::Expr;

/// The expressions that an expression is made of, where it is made of nothing else.
pub(super) fn of<'e>(expr: &'e Expr, parts: &mut Vec<&'e Expr>) -> bool {
    match expr {
        Expr::IsFalse(expr)
        | Expr::IsNotFalse(expr)
        | Expr::IsTrue(expr)
        | Expr::IsNotTrue(expr)
        | Expr::IsNull(expr)
        | Expr::IsNotNull(expr)
        | Expr::IsUnknown(expr)
        | Expr::IsNotUnknown(expr)
        | Expr::Nested(expr) => parts.push(expr),
        Expr::IsJson { expr, .. }
        | Expr::IsNormalized { expr, .. }
        | Expr::UnaryOp { expr, .. }
        | Expr::Cast { expr, .. }
        | Expr::Extract { expr, .. }
        | Expr::Ceil { expr, .. }
        | Expr::Floor { expr, .. }
        | Expr::Collate { expr, .. }
        | Expr::Named { expr, .. } => parts.push(expr),
        Expr::IsDistinctFrom(one, other) | Expr::IsNotDistinctFrom(one, other) => parts.extend([&**one, other]),
        Expr::BinaryOp { left, right, .. } => parts.extend([&**left, right]),
        Expr::InList { expr, list, .. } => {
            parts.push(expr);
            parts.extend(list);
        }
        Expr::Between { expr, low, high, .. } => parts.extend([&**expr, low, high]),
        Expr::Like { expr, pattern, escape_char, .. }
        | Expr::ILike { expr, pattern, escape_char, .. }
        | Expr::SimilarTo { expr, pattern, escape_char, .. } => {
            parts.extend([&**expr, pattern]);
            parts.extend(escape_char.as_deref());
        }
        Expr::AtTimeZone { timestamp, time_zone } => parts.extend([&**timestamp, time_zone]),
        Expr::Position { expr, r#in } => parts.extend([&**expr, r#in]),
        Expr::Substring { expr, substring_from, substring_for, .. } => {
            parts.push(expr);
            parts.extend(substring_from.iter().chain(substring_for).map(|expr| &**expr));
        }
        Expr::Trim { expr, trim_what, trim_characters, .. } => {
            parts.push(expr);
            parts.extend(trim_what.as_deref());
            parts.extend(trim_characters.iter().flatten());
        }
        Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
            parts.extend([&**expr, overlay_what, overlay_from]);
            parts.extend(overlay_for.as_deref());
        }
        Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => parts.extend(sets.iter().flatten()),
        Expr::Tuple(exprs) => parts.extend(exprs),
        Expr::Array(array) => parts.extend(&array.elem),
        Expr::Interval(interval) => parts.push(&interval.value),
        _ => return false,
    }
    true
}
