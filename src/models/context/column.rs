//! A column as templates see it: `adapter.get_columns_in_relation(…)`, `api.Column`.

use super::super::jinja::Arguments;
use minijinja::{
    Error, ErrorKind, State,
    value::{DynObject, Enumerator, Object, ObjectRepr, Value},
};
use std::{cmp::Ordering, fmt, sync::Arc};

/// What a text without a length counts as where lengths are compared.
const TEXT_SIZE: i64 = 256;

/// A column's name and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::models) struct ColumnValue {
    /// Its name.
    pub name: String,
    /// The type's name in the information schema's words, without its bounds.
    pub kind: String,
    /// The length of a bounded text.
    pub size: Option<i64>,
    /// Digits of a bounded number.
    pub precision: Option<i64>,
    /// Digits behind the point of a bounded number.
    pub scale: Option<i64>,
}

impl ColumnValue {
    /// As a value of Jinja.
    pub(in crate::models) fn value(self) -> Value {
        Value::from_object(self)
    }

    /// The type with its bounds, as SQL writes it.
    pub(in crate::models) fn data_type(&self) -> String {
        let kind = self.kind.to_ascii_lowercase();
        if self.is_text() && kind != "text" && (kind != "character varying" || self.size.is_some()) {
            return format!("character varying({})", self.text_size());
        }
        match (self.precision, self.scale) {
            (Some(precision), Some(scale)) if self.is_numeric() => format!("{}({precision},{scale})", self.kind),
            _ => self.kind.clone(),
        }
    }

    fn is_text(&self) -> bool {
        self.is_one_of(&["text", "character varying", "character", "varchar"])
    }

    fn is_numeric(&self) -> bool {
        self.is_one_of(&["numeric", "decimal"])
    }

    fn is_float(&self) -> bool {
        self.is_one_of(&["real", "float4", "float", "double precision", "float8", "double"])
    }

    fn is_integer(&self) -> bool {
        self.is_one_of(&[
            "smallint",
            "integer",
            "bigint",
            "smallserial",
            "serial",
            "bigserial",
            "int2",
            "int4",
            "int8",
            "serial2",
            "serial4",
            "serial8",
        ])
    }

    fn is_one_of(&self, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| self.kind.eq_ignore_ascii_case(kind))
    }

    fn text_size(&self) -> i64 {
        self.size.filter(|_| self.kind != "text").unwrap_or(TEXT_SIZE)
    }

    /// Whether the other column holds longer texts.
    pub(in crate::models) fn can_expand_to(&self, other: &Self) -> bool {
        self.is_text() && other.is_text() && other.text_size() > self.text_size()
    }
}

/// The type behind one of dbt's labels.
fn translate(label: &str) -> &str {
    if label.eq_ignore_ascii_case("string") { "TEXT" } else { label }
}

fn numeric(kind: &str, precision: Option<&Value>, scale: Option<&Value>) -> String {
    match (precision.filter(|v| !v.is_none()), scale.filter(|v| !v.is_none())) {
        (Some(precision), Some(scale)) => format!("{kind}({precision},{scale})"),
        _ => kind.to_owned(),
    }
}

impl Object for ColumnValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let bound = |bound: Option<i64>| bound.map_or(Value::from(()), Value::from);
        Some(match key.as_str()? {
            "name" | "column" => self.name.as_str().into(),
            "quoted" => format!("\"{}\"", self.name).into(),
            "dtype" => self.kind.as_str().into(),
            "data_type" | "expanded_data_type" => self.data_type().into(),
            "char_size" => bound(self.size),
            "numeric_precision" => bound(self.precision),
            "numeric_scale" => bound(self.scale),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["column", "dtype", "char_size", "numeric_precision", "numeric_scale"])
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of(format!("column.{method}"), values);
        Ok(match method {
            "is_string" => self.is_text().into(),
            "is_numeric" => self.is_numeric().into(),
            "is_float" => self.is_float().into(),
            "is_integer" => self.is_integer().into(),
            "is_number" => (self.is_integer() || self.is_numeric() || self.is_float()).into(),
            "string_size" if self.is_text() => self.text_size().into(),
            "string_size" => {
                let what = format!("column {}: string_size() of a {}, which is no text", self.name, self.kind);
                return Err(Error::new(ErrorKind::InvalidOperation, what));
            }
            "can_expand_to" => {
                let other = arguments.require(0, "other_column")?;
                let other = other
                    .downcast_object_ref::<Self>()
                    .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "can_expand_to() takes a column"))?;
                self.can_expand_to(other).into()
            }
            "literal" => format!("{}::{}", arguments.require(0, "value")?, self.data_type()).into(),
            _ => return of_class(method, &arguments),
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?;
        let key = |c: &Self| (c.name.clone(), c.data_type());
        Some(key(self).cmp(&key(other)))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Column {} ({})>", self.name, self.data_type())
    }
}

/// Methods that need no column: `api.Column.translate_type(…)`.
fn of_class(method: &str, arguments: &Arguments) -> Result<Value, Error> {
    Ok(match method {
        "translate_type" => translate(&arguments.text(0, "dtype")?).into(),
        "string_type" => format!("character varying({})", arguments.require(0, "size")?).into(),
        "numeric_type" => {
            let kind = arguments.text(0, "dtype")?;
            numeric(&kind, arguments.get(1, "precision"), arguments.get(2, "scale")).into()
        }
        "create" => {
            let kind = arguments.text(1, "label_or_dtype")?;
            let kind = translate(&kind).to_owned();
            ColumnValue { name: arguments.text(0, "name")?, kind, size: None, precision: None, scale: None }.value()
        }
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}

/// `api.Column`.
#[derive(Debug)]
pub(in crate::models) struct ColumnClass;

impl Object for ColumnClass {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    /// `api.Column(column, dtype, char_size, numeric_precision, numeric_scale)`.
    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of("api.Column", values);
        let bound = |place, name| arguments.get(place, name).and_then(Value::as_i64);
        Ok(ColumnValue {
            name: arguments.text(0, "column")?,
            kind: arguments.text(1, "dtype")?,
            size: bound(2, "char_size"),
            precision: bound(3, "numeric_precision"),
            scale: bound(4, "numeric_scale"),
        }
        .value())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        of_class(method, &Arguments::of("api.Column", values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: &str, size: Option<i64>, precision: Option<i64>, scale: Option<i64>) -> ColumnValue {
        ColumnValue { name: "c".into(), kind: kind.into(), size, precision, scale }
    }

    #[test]
    fn a_type_is_written_with_its_bounds() {
        for (column, expected) in [
            (column("text", None, None, None), "text"),
            (column("character varying", None, None, None), "character varying"),
            (column("character varying", Some(9), None, None), "character varying(9)"),
            (column("numeric", None, Some(10), Some(2)), "numeric(10,2)"),
            (column("numeric", None, None, None), "numeric"),
            (column("bigint", None, Some(64), Some(0)), "bigint"),
        ] {
            assert_eq!(column.data_type(), expected);
        }
    }

    #[test]
    fn only_longer_texts_are_expanded_to() {
        let of = |size| column("character varying", Some(size), None, None);
        assert!(of(9).can_expand_to(&of(10)));
        assert!(!of(10).can_expand_to(&of(10)));
        assert!(!column("integer", None, None, None).can_expand_to(&of(10)));
    }
}
