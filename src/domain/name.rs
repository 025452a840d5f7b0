//! Names that must not be mixed up, each a type of its own.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            /// Takes the name as it is spelled at its origin.
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name as it is spelled at its origin.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $type {
            fn from(name: &str) -> Self {
                Self(name.to_owned())
            }
        }
    };
}

name!(
    /// A table of the source, and its twin in the raw schema, in the source's own case.
    TableName
);
name!(
    /// A schema of the warehouse.
    SchemaName
);
name!(
    /// A model's unique id, as dbt writes it: `model.<project>.<name>`.
    ModelId
);
name!(
    /// A schedule's name, as in the configuration.
    ScheduleName
);
