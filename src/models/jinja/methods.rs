//! Python's methods on values that the engine itself makes: texts, numbers, tuples, maps.
//!
//! The commonest come from the engine's own collection; here is what it lacks.

use super::{Arguments, list, texts};
use minijinja::{
    Error, ErrorKind, State,
    value::{Value, ValueKind},
};

/// That a method was called on what is undefined.
pub(super) fn of_nothing(method: &str) -> String {
    format!("'{method}' of what is undefined")
}

/// Called by the engine for a method that a value doesn't have.
pub(super) fn call(state: &mut State<'_, '_>, value: &Value, method: &str, values: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::of("method", values);
    let own = match value.kind() {
        ValueKind::String => texts::call(value.as_str().unwrap_or_default(), method, &arguments)?,
        ValueKind::Number => number(value, method),
        ValueKind::Seq | ValueKind::Iterable => sequence(value, method, &arguments)?,
        ValueKind::Map => map(value, method)?,
        // What is undefined stays so, whatever is asked of it.
        ValueKind::Undefined => {
            return Err(Error::new(ErrorKind::UndefinedError, of_nothing(method)));
        }
        ValueKind::None => {
            let what = format!("none has no method '{method}'; does the macro or query before it give something?");
            return Err(Error::new(ErrorKind::InvalidOperation, what));
        }
        _ => None,
    };
    match own {
        Some(value) => Ok(value),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, values),
    }
}

fn number(value: &Value, method: &str) -> Option<Value> {
    match method {
        "is_integer" => {
            Some((value.is_integer() || f64::try_from(value.clone()).is_ok_and(|n| n.fract() == 0.0)).into())
        }
        "bit_length" => {
            let number = i128::try_from(value.clone()).ok()?.unsigned_abs();
            Some((128 - number.leading_zeros()).into())
        }
        _ => None,
    }
}

fn sequence(value: &Value, method: &str, arguments: &Arguments) -> Result<Option<Value>, Error> {
    Ok(match method {
        "index" => {
            let item = arguments.require(0, "value")?;
            let at = value.try_iter()?.position(|i| i == *item);
            let missing = || Error::new(ErrorKind::InvalidOperation, "index(): there is no such item");
            Some(at.map(Value::from).ok_or_else(missing)?)
        }
        "copy" => Some(list(value.try_iter()?.collect())),
        "append" | "extend" | "insert" | "pop" | "remove" | "sort" | "reverse" => {
            let what = format!("{method}(): this sequence can't be changed; make a list of it first, by | list");
            return Err(Error::new(ErrorKind::InvalidOperation, what));
        }
        _ => None,
    })
}

fn map(value: &Value, method: &str) -> Result<Option<Value>, Error> {
    Ok(match method {
        "copy" => {
            let mut pairs = Vec::new();
            for key in value.try_iter()? {
                let of_key = value.get_item(&key)?;
                pairs.push((key, of_key));
            }
            Some(super::dict(pairs))
        }
        "update" | "pop" | "setdefault" => {
            let what = format!("{method}(): this dictionary can't be changed; copy it first, by copy()");
            return Err(Error::new(ErrorKind::InvalidOperation, what));
        }
        _ => None,
    })
}
