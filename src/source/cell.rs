//! One cell of a row, as the source has sent it.

use mysql_async::Value;

/// A value that lies in the packet it came in: nothing is copied, nothing is on the heap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'p> {
    /// Nothing.
    Null,
    /// An integer with a sign, or one without that is shorter than 64 bits.
    Int(i64),
    /// An integer of 64 bits without a sign.
    UInt(u64),
    /// A single.
    Float(f32),
    /// A double.
    Double(f64),
    /// All that is sent as bytes: texts, decimals, bits.
    Bytes(&'p [u8]),
    /// Year, month, day, hour, minute, second, microseconds.
    Date(u16, u8, u8, u8, u8, u8, u32),
    /// Whether it is negative, days, hours, minutes, seconds, microseconds.
    Time(bool, u32, u8, u8, u8, u32),
}

impl Cell<'_> {
    /// What it takes on its way, about.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => 4 + bytes.len() as u64,
            _ => 12,
        }
    }

    /// As SQL writes it.
    pub fn literal(self) -> String {
        self.to_value().as_sql(true)
    }

    /// The same as a parameter of a statement.
    pub(super) fn to_value(self) -> Value {
        match self {
            Self::Null => Value::NULL,
            Self::Int(n) => Value::Int(n),
            Self::UInt(n) => Value::UInt(n),
            Self::Float(x) => Value::Float(x),
            Self::Double(x) => Value::Double(x),
            Self::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
            Self::Date(y, m, d, h, mi, s, us) => Value::Date(y, m, d, h, mi, s, us),
            Self::Time(negative, d, h, m, s, us) => Value::Time(negative, d, h, m, s, us),
        }
    }

    /// Whether it is that value, in form and content.
    pub(super) fn is(self, value: &Value) -> bool {
        Cell::from(value) == self
    }

    /// The integer that it is.
    pub fn integer(self) -> Option<i128> {
        match self {
            Self::Int(n) => Some(i128::from(n)),
            Self::UInt(n) => Some(i128::from(n)),
            _ => None,
        }
    }

    /// The whole number that it holds, in whatever form the server sends it.
    pub(super) fn number<N: TryFrom<i128>>(self) -> Option<N> {
        let number = match self {
            Self::Bytes(digits) => std::str::from_utf8(digits).ok()?.parse().ok()?,
            _ => self.integer()?,
        };
        N::try_from(number).ok()
    }
}

impl<'v> From<&'v Value> for Cell<'v> {
    fn from(value: &'v Value) -> Self {
        match value {
            Value::NULL => Self::Null,
            Value::Int(n) => Self::Int(*n),
            Value::UInt(n) => Self::UInt(*n),
            Value::Float(x) => Self::Float(*x),
            Value::Double(x) => Self::Double(*x),
            Value::Bytes(bytes) => Self::Bytes(bytes),
            &Value::Date(y, m, d, h, mi, s, us) => Self::Date(y, m, d, h, mi, s, us),
            &Value::Time(negative, d, h, m, s, us) => Self::Time(negative, d, h, m, s, us),
        }
    }
}
