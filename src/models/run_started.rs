//! `run_started_at`: a moment with the methods of Python's `datetime` that models use.

use super::arguments::Arguments;
use chrono::{DateTime, Utc};
use minijinja::{
    Error, ErrorKind, State,
    value::{Object, ObjectRepr, Value},
};
use std::{
    fmt::{self, Write},
    sync::Arc,
};

/// The moment at which the run began, in UTC.
#[derive(Debug)]
pub(super) struct RunStarted(pub DateTime<Utc>);

impl Object for RunStarted {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of("strftime", values);
        match method {
            "strftime" => {
                let mut text = String::new();
                write!(text, "{}", self.0.format(&arguments.text(0, "format")?))
                    .map_err(|_| Error::new(ErrorKind::InvalidOperation, "strftime(): the format is not understood"))?;
                Ok(text.into())
            }
            "isoformat" => Ok(self.0.format("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string().into()),
            "date" => Ok(self.0.format("%Y-%m-%d").to_string().into()),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d %H:%M:%S%.6f+00:00"))
    }
}
