//! How PostgreSQL names a column that has no alias.

use super::{
    Analysis,
    names::{folded, parts},
    scope::Scope,
};
use sqlparser::ast::{
    AccessExpr, ArrayElemTypeDef, DataType, Expr, Query, SelectItem, SetExpr, TimezoneInfo, TrimWhereField,
};

/// The name of what has none.
const NAMELESS: &str = "?column?";

impl Analysis<'_> {
    /// The name of a column.
    pub(super) fn named_by(&mut self, mut expr: &Expr, scope: &Scope<'_>) -> String {
        // A type or `case` names a column only where nothing below it does.
        let mut weak: Option<String> = None;
        loop {
            let strong = match expr {
                Expr::Nested(inside) | Expr::Collate { expr: inside, .. } => {
                    expr = inside;
                    continue;
                }
                Expr::Cast { expr: inside, data_type, .. } => {
                    weak = weak.or_else(|| type_name(data_type));
                    expr = inside;
                    continue;
                }
                Expr::Case { else_result, .. } => {
                    weak = weak.or_else(|| Some("case".to_owned()));
                    match else_result {
                        Some(otherwise) => {
                            expr = otherwise;
                            continue;
                        }
                        None => None,
                    }
                }
                Expr::CompoundFieldAccess { root, access_chain } => {
                    let field = access_chain.iter().rev().find_map(|access| match access {
                        AccessExpr::Dot(Expr::Identifier(field)) => Some(folded(field)),
                        _ => None,
                    });
                    match field {
                        Some(field) => Some(field),
                        None => {
                            expr = root;
                            continue;
                        }
                    }
                }
                Expr::TypedString(typed) => {
                    weak = weak.or_else(|| type_name(&typed.data_type));
                    None
                }
                Expr::Interval(_) => {
                    weak = weak.or_else(|| Some("interval".to_owned()));
                    None
                }
                Expr::Subquery(query) => Some(self.first_name(query, scope)),
                expr => strong(expr),
            };
            return strong.or(weak).unwrap_or_else(|| NAMELESS.to_owned());
        }
    }

    /// The name of the first column of a query.
    fn first_name(&mut self, query: &Query, scope: &Scope<'_>) -> String {
        let mut body = &*query.body;
        loop {
            body = match body {
                SetExpr::SetOperation { left, .. } => left,
                SetExpr::Query(query) => &query.body,
                _ => break,
            };
        }
        match body {
            SetExpr::Values(_) => "column1".to_owned(),
            SetExpr::Select(select) => match select.projection.first() {
                Some(SelectItem::ExprWithAlias { alias, .. }) => folded(alias),
                Some(SelectItem::UnnamedExpr(expr)) => self.named_by(expr, scope),
                _ => {
                    // A star: what it gives has to be looked up.
                    let answer = self.query(query, Some(scope));
                    answer.shape.columns.first().map_or_else(|| NAMELESS.to_owned(), |column| column.name.to_string())
                }
            },
            _ => NAMELESS.to_owned(),
        }
    }
}

fn strong(expr: &Expr) -> Option<String> {
    let name = match expr {
        Expr::Identifier(ident) => return Some(folded(ident)),
        Expr::CompoundIdentifier(idents) => return idents.last().map(folded),
        Expr::Function(function) => {
            let name = parts(&function.name)?.pop()?;
            return Some(match name.as_str() {
                "trim" => "btrim".to_owned(),
                _ => name,
            });
        }
        Expr::Exists { negated: false, .. } => "exists",
        Expr::Array(_) => "array",
        Expr::Tuple(_) => "row",
        Expr::AtTimeZone { .. } => "timezone",
        Expr::Extract { .. } => "extract",
        Expr::Ceil { .. } => "ceil",
        Expr::Floor { .. } => "floor",
        Expr::Position { .. } => "position",
        Expr::Substring { .. } => "substring",
        Expr::Overlay { .. } => "overlay",
        Expr::Trim { trim_where, .. } => match trim_where {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        },
        Expr::IsNormalized { negated: false, .. } => "is_normalized",
        _ => return None,
    };
    Some(name.to_owned())
}

/// The name of a type as PostgreSQL's catalog has it; of an array, that of its elements.
fn type_name(data_type: &DataType) -> Option<String> {
    let with_zone = |zone: &TimezoneInfo, plain: &str| {
        let zoned = matches!(zone, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz);
        if zoned { format!("{plain}tz") } else { plain.to_owned() }
    };
    let mut inner = data_type;
    while let DataType::Array(
        ArrayElemTypeDef::SquareBracket(element, _)
        | ArrayElemTypeDef::AngleBracket(element)
        | ArrayElemTypeDef::Parenthesis(element),
    ) = inner
    {
        inner = element;
    }
    let name = match inner {
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => "int4",
        DataType::BigInt(_) | DataType::Int8(_) => "int8",
        DataType::SmallInt(_) | DataType::Int2(_) => "int2",
        DataType::Real | DataType::Float4 => "float4",
        DataType::Float(sqlparser::ast::ExactNumberInfo::Precision(bits)) if *bits < 25 => "float4",
        DataType::Float(_) | DataType::Double(_) | DataType::DoublePrecision | DataType::Float8 => "float8",
        DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => "numeric",
        DataType::Bool | DataType::Boolean => "bool",
        DataType::Varchar(_) | DataType::CharacterVarying(_) | DataType::CharVarying(_) => "varchar",
        DataType::Char(_) | DataType::Character(_) => "bpchar",
        DataType::Bit(_) => "bit",
        DataType::BitVarying(_) | DataType::VarBit(_) => "varbit",
        DataType::Time(_, zone) => return Some(with_zone(zone, "time")),
        DataType::Timestamp(_, zone) => return Some(with_zone(zone, "timestamp")),
        DataType::Interval { .. } => "interval",
        DataType::Custom(name, _) => return parts(name)?.pop(),
        other => return Some(other.to_string().to_ascii_lowercase()),
    };
    Some(name.to_owned())
}
