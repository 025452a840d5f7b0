//! What the entries of a properties file must look like, as far as dbt 1.10 is strict: which keys hold texts, lists or
//! maps, and which entries take no other keys. Follows dbt-core's `contracts/graph/unparsed.py`.

use super::{Fields, MAPS, MAYBE_TEXT, Shape, TEXTS};

const TESTS: Shape = Shape::List(&Shape::Either(&Shape::Text, &Shape::Map));
const VERSIONS: Shape = Shape::Maybe(&Shape::List(&Shape::Version));
const DOCS: Shape =
    Shape::Fields(&Fields { keys: &[("show", Shape::Flag), ("node_color", MAYBE_TEXT)], needed: &[], is_open: false });
const QUOTING: Shape = Shape::Fields(&Fields {
    keys: &[
        ("database", Shape::Maybe(&Shape::Flag)),
        ("schema", Shape::Maybe(&Shape::Flag)),
        ("identifier", Shape::Maybe(&Shape::Flag)),
        ("column", Shape::Maybe(&Shape::Flag)),
    ],
    needed: &[],
    is_open: false,
});
const AGE: Shape = Shape::Maybe(&Shape::Fields(&Fields {
    keys: &[
        ("count", Shape::Maybe(&Shape::Whole)),
        ("period", Shape::Maybe(&Shape::OneOf(&["minute", "hour", "day"]))),
    ],
    needed: &[],
    is_open: false,
}));
const FRESHNESS: Shape = Shape::Maybe(&Shape::Fields(&Fields {
    keys: &[("warn_after", AGE), ("error_after", AGE), ("filter", MAYBE_TEXT)],
    needed: &[],
    is_open: false,
}));
const OWNER: Shape = Shape::Fields(&Fields {
    keys: &[("name", MAYBE_TEXT), ("email", Shape::Maybe(&Shape::Either(&Shape::Text, &TEXTS)))],
    needed: &[],
    is_open: true,
});

const CONSTRAINTS: Shape = Shape::List(&Shape::Fields(&Fields {
    keys: &[("type", Shape::OneOf(&["check", "not_null", "unique", "primary_key", "foreign_key", "custom"]))],
    needed: &["type"],
    is_open: true,
}));
const ACCESS: Shape = Shape::OneOf(&["private", "protected", "public"]);

const COLUMN: Shape = Shape::Fields(&Fields {
    keys: &[
        ("name", Shape::Text),
        ("description", Shape::Text),
        ("meta", Shape::Map),
        ("data_type", MAYBE_TEXT),
        ("constraints", CONSTRAINTS),
        ("docs", DOCS),
        ("config", Shape::Map),
        ("data_tests", TESTS),
        ("tests", TESTS),
        ("quote", Shape::Maybe(&Shape::Flag)),
        ("tags", TEXTS),
        ("granularity", MAYBE_TEXT),
    ],
    needed: &["name"],
    is_open: true,
});
const NAMES: Shape = Shape::Either(&Shape::Text, &TEXTS);
/// A column of a version, or the rule which of the model's it has.
const VERSION_COLUMN: Shape = Shape::Either(
    &Shape::Fields(&Fields { keys: &[("include", NAMES), ("exclude", TEXTS)], needed: &["include"], is_open: false }),
    &COLUMN,
);
const VERSION: Shape = Shape::Fields(&Fields {
    keys: &[
        ("v", Shape::Version),
        ("defined_in", MAYBE_TEXT),
        ("description", Shape::Text),
        ("access", MAYBE_TEXT),
        ("config", Shape::Map),
        ("constraints", CONSTRAINTS),
        ("docs", DOCS),
        ("data_tests", Shape::Maybe(&TESTS)),
        ("tests", Shape::Maybe(&TESTS)),
        ("columns", Shape::List(&VERSION_COLUMN)),
        ("deprecation_date", Shape::Maybe(&Shape::Moment)),
    ],
    needed: &["v"],
    is_open: false,
});

/// What is said of a column where nobody tests it.
const UNTESTED_COLUMN: Shape = Shape::Fields(&Fields {
    keys: &[
        ("name", Shape::Text),
        ("description", Shape::Text),
        ("meta", Shape::Map),
        ("data_type", MAYBE_TEXT),
        ("constraints", MAPS),
        ("docs", DOCS),
        ("config", Shape::Map),
    ],
    needed: &["name"],
    is_open: true,
});
const ANALYSIS: Fields = Fields {
    keys: &[
        ("name", Shape::Text),
        ("description", Shape::Text),
        ("meta", Shape::Map),
        ("data_type", MAYBE_TEXT),
        ("constraints", MAPS),
        ("docs", DOCS),
        ("config", Shape::Map),
        ("columns", Shape::List(&UNTESTED_COLUMN)),
        ("access", MAYBE_TEXT),
    ],
    needed: &["name"],
    is_open: true,
};
const SINGULAR_TEST: Fields = Fields {
    keys: &[
        ("name", Shape::Text),
        ("description", Shape::Text),
        ("meta", Shape::Map),
        ("data_type", MAYBE_TEXT),
        ("constraints", MAPS),
        ("docs", DOCS),
        ("config", Shape::Map),
    ],
    needed: &["name"],
    is_open: true,
};
/// Seeds and snapshots.
const SEED: Fields = Fields {
    keys: &[
        ("name", Shape::Text),
        ("description", Shape::Text),
        ("meta", Shape::Map),
        ("data_type", MAYBE_TEXT),
        ("constraints", CONSTRAINTS),
        ("docs", DOCS),
        ("config", Shape::Map),
        ("columns", Shape::List(&COLUMN)),
        ("data_tests", TESTS),
        ("tests", TESTS),
        ("quote_columns", Shape::Maybe(&Shape::Flag)),
        ("access", MAYBE_TEXT),
        // Means nothing, and dbt looks through it all the same.
        ("versions", Shape::List(&Shape::Any)),
    ],
    needed: &["name"],
    is_open: true,
};
const TIME_SPINE: Shape = Shape::Fields(&Fields {
    keys: &[("standard_granularity_column", Shape::Text), ("custom_granularities", MAPS)],
    needed: &["standard_granularity_column"],
    is_open: false,
});
const MODEL: Fields = Fields {
    keys: &[
        ("name", Shape::Text),
        ("description", Shape::Text),
        ("meta", Shape::Map),
        ("data_type", MAYBE_TEXT),
        ("constraints", CONSTRAINTS),
        ("docs", DOCS),
        ("config", Shape::Map),
        ("columns", Shape::List(&COLUMN)),
        ("data_tests", TESTS),
        ("tests", TESTS),
        ("quote_columns", Shape::Maybe(&Shape::Flag)),
        ("access", ACCESS),
        ("time_spine", Shape::Maybe(&TIME_SPINE)),
        ("latest_version", Shape::Maybe(&Shape::Version)),
        ("versions", Shape::List(&VERSION)),
        ("deprecation_date", Shape::Maybe(&Shape::Moment)),
    ],
    needed: &["name"],
    is_open: true,
};

const PARTITION: Shape = Shape::Fields(&Fields {
    keys: &[("name", Shape::Text), ("description", Shape::Text), ("data_type", Shape::Text), ("meta", Shape::Map)],
    needed: &[],
    is_open: true,
});
const EXTERNAL: Shape = Shape::Fields(&Fields {
    keys: &[
        ("location", MAYBE_TEXT),
        ("file_format", MAYBE_TEXT),
        ("row_format", MAYBE_TEXT),
        ("tbl_properties", MAYBE_TEXT),
        ("partitions", Shape::Maybe(&Shape::Either(&TEXTS, &Shape::List(&PARTITION)))),
    ],
    needed: &[],
    is_open: true,
});
const TABLE: Shape = Shape::Fields(&Fields {
    keys: &[
        ("name", Shape::Text),
        ("description", Shape::Text),
        ("meta", Shape::Map),
        ("docs", DOCS),
        ("config", Shape::Map),
        ("columns", Shape::List(&COLUMN)),
        ("data_tests", TESTS),
        ("tests", TESTS),
        ("loaded_at_field", MAYBE_TEXT),
        ("loaded_at_query", MAYBE_TEXT),
        ("identifier", MAYBE_TEXT),
        ("quoting", QUOTING),
        ("freshness", FRESHNESS),
        ("external", Shape::Maybe(&EXTERNAL)),
        ("tags", TEXTS),
    ],
    needed: &["name"],
    is_open: true,
});
const SOURCE: Fields = Fields {
    keys: &[
        ("name", Shape::Text),
        ("description", Shape::Text),
        ("meta", Shape::Map),
        ("database", MAYBE_TEXT),
        ("schema", MAYBE_TEXT),
        ("loader", Shape::Text),
        ("quoting", QUOTING),
        ("freshness", FRESHNESS),
        ("loaded_at_field", MAYBE_TEXT),
        ("loaded_at_query", MAYBE_TEXT),
        ("tables", Shape::List(&TABLE)),
        ("tags", TEXTS),
        ("config", Shape::Map),
        ("overrides", Shape::Text),
    ],
    needed: &["name"],
    is_open: false,
};

const EXPOSURE: Fields = Fields {
    keys: &[
        ("name", Shape::Text),
        ("type", Shape::OneOf(&["dashboard", "notebook", "analysis", "ml", "application"])),
        ("owner", OWNER),
        ("description", Shape::Text),
        ("label", MAYBE_TEXT),
        ("maturity", Shape::Maybe(&Shape::OneOf(&["low", "medium", "high"]))),
        ("meta", Shape::Map),
        ("tags", TEXTS),
        ("url", MAYBE_TEXT),
        ("depends_on", TEXTS),
        ("config", Shape::Map),
    ],
    needed: &["name", "type", "owner"],
    is_open: false,
};
const GROUP: Fields = Fields {
    keys: &[("name", Shape::Text), ("owner", OWNER), ("description", MAYBE_TEXT), ("config", Shape::Map)],
    needed: &["name", "owner"],
    is_open: false,
};

const FORMAT: Shape = Shape::OneOf(&["csv", "dict", "sql"]);
const ROWS: Shape = Shape::Maybe(&Shape::Either(&Shape::Text, &MAPS));
const GIVEN: Shape = Shape::Fields(&Fields {
    keys: &[("input", Shape::Text), ("rows", ROWS), ("format", FORMAT), ("fixture", MAYBE_TEXT)],
    needed: &["input"],
    is_open: false,
});
const EXPECTED: Shape = Shape::Fields(&Fields {
    keys: &[("rows", ROWS), ("format", FORMAT), ("fixture", MAYBE_TEXT)],
    needed: &[],
    is_open: false,
});
const OVERRIDES: Shape = Shape::Fields(&Fields {
    keys: &[("macros", Shape::Map), ("vars", Shape::Map), ("env_vars", Shape::Map)],
    needed: &[],
    is_open: false,
});
const UNIT_TEST: Fields = Fields {
    keys: &[
        ("name", Shape::Text),
        ("model", Shape::Text),
        ("given", Shape::List(&GIVEN)),
        ("expect", EXPECTED),
        ("description", Shape::Text),
        ("overrides", Shape::Maybe(&OVERRIDES)),
        ("config", Shape::Map),
        (
            "versions",
            Shape::Maybe(&Shape::Fields(&Fields {
                keys: &[("include", VERSIONS), ("exclude", VERSIONS)],
                needed: &[],
                is_open: false,
            })),
        ),
    ],
    needed: &["name", "model", "given", "expect"],
    is_open: false,
};

const MACRO: Fields = Fields {
    keys: &[
        ("name", Shape::Text),
        ("description", Shape::Text),
        ("meta", Shape::Map),
        ("docs", DOCS),
        ("config", Shape::Map),
        (
            "arguments",
            Shape::List(&Shape::Fields(&Fields {
                keys: &[("name", Shape::Text), ("type", MAYBE_TEXT), ("description", Shape::Text)],
                needed: &["name"],
                is_open: false,
            })),
        ),
    ],
    needed: &["name"],
    is_open: true,
};
const METRIC: Fields = Fields {
    keys: &[("name", Shape::Text), ("label", Shape::Text), ("type", Shape::Text), ("type_params", Shape::Map)],
    needed: &["name", "label", "type", "type_params"],
    is_open: true,
};
const SEMANTIC_MODEL: Fields =
    Fields { keys: &[("name", Shape::Text), ("model", Shape::Text)], needed: &["name", "model"], is_open: true };
const SAVED_QUERY: Fields = Fields {
    keys: &[("name", Shape::Text), ("query_params", Shape::Map)],
    needed: &["name", "query_params"],
    is_open: true,
};
/// What this version only passes on.
const NAMED: Fields = Fields { keys: &[("name", Shape::Text)], needed: &["name"], is_open: true };

/// The shape of the entries of a list.
pub(super) fn of(list: &str) -> &'static Fields {
    match list {
        "models" => &MODEL,
        "seeds" | "snapshots" => &SEED,
        "analyses" => &ANALYSIS,
        "data_tests" => &SINGULAR_TEST,
        "sources" => &SOURCE,
        "exposures" => &EXPOSURE,
        "groups" => &GROUP,
        "unit_tests" => &UNIT_TEST,
        "macros" => &MACRO,
        "metrics" => &METRIC,
        "semantic_models" => &SEMANTIC_MODEL,
        "saved_queries" => &SAVED_QUERY,
        _ => &NAMED,
    }
}

/// Keys that dbt passes over in an entry or a column, and that nobody has to be warned of: they mean something to other
/// versions, or to other parts of this program.
const SILENT: &[&str] = &["tags", "group", "contract", "relation", "policy_tags", "config", "docs", "meta", "quote"];

/// Whether somebody is to be told that a key means nothing.
pub(super) fn is_odd(key: &str) -> bool {
    !SILENT.contains(&key)
}
