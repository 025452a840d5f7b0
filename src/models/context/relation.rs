//! A relation as templates see it: `ref()`, `this`, `api.Relation.create(…)`.
//!
//! Rendered as dbt does: the parts that are included, each quoted as its policy says, joined by dots. A value: every
//! method that changes something gives another relation.

use super::super::{jinja::Arguments, relation::Relation};
use minijinja::{
    Error, ErrorKind, State,
    value::{DynObject, Enumerator, Object, ObjectRepr, Value},
};
use std::{cmp::Ordering, fmt, sync::Arc};

/// What stands before the name of an ephemeral model in the query of its reader.
pub(in crate::models) const PART_PREFIX: &str = "__dbt__cte__";

const FIELDS: &[&str] = &["database", "schema", "identifier", "name", "table", "type"];

/// One yes or no for each part of a name: whether it is quoted, or whether it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::models) struct Policy {
    /// For the database.
    pub database: bool,
    /// For the schema.
    pub schema: bool,
    /// For the name.
    pub identifier: bool,
}

impl Policy {
    /// Yes for all.
    pub(in crate::models) const ALL: Self = Self { database: true, schema: true, identifier: true };

    /// With what the arguments of `quote()` and `include()` say.
    fn with(self, arguments: &Arguments) -> Self {
        let said = |place, name, was| {
            arguments.get(place, name).filter(|v| !v.is_none() && !v.is_undefined()).map_or(was, Value::is_true)
        };
        Self {
            database: said(0, "database", self.database),
            schema: said(1, "schema", self.schema),
            identifier: said(2, "identifier", self.identifier),
        }
    }

    /// With what `quoting` says in a file of the project.
    pub(in crate::models) fn said(self, said: &serde_json::Value) -> Self {
        let flag = |key: &str, was: bool| said.get(key).and_then(serde_json::Value::as_bool).unwrap_or(was);
        Self {
            database: flag("database", self.database),
            schema: flag("schema", self.schema),
            identifier: flag("identifier", self.identifier),
        }
    }

    /// Names that are not quoted in SQL are in small letters in PostgreSQL.
    pub(in crate::models) fn fold(self, relation: &mut Relation) {
        for (is_quoted, name) in [(self.schema, &mut relation.schema), (self.identifier, &mut relation.name)] {
            if !is_quoted {
                *name = name.to_lowercase();
            }
        }
    }

    /// With what a dictionary says.
    fn with_map(self, map: &Value) -> Self {
        let said = |name: &str, was| {
            map.get_attr(name).ok().filter(|v| !v.is_none() && !v.is_undefined()).map_or(was, |v| v.is_true())
        };
        Self {
            database: said("database", self.database),
            schema: said("schema", self.schema),
            identifier: said("identifier", self.identifier),
        }
    }

    pub(super) fn value(self) -> Value {
        Value::from_pairs([
            ("database", Value::from(self.database)),
            ("schema", self.schema.into()),
            ("identifier", self.identifier.into()),
        ])
    }
}

/// A relation, or what is left of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::models) struct RelationValue {
    /// The database.
    pub database: Option<String>,
    /// The schema.
    pub schema: Option<String>,
    /// The name.
    pub identifier: Option<String>,
    /// `table`, `view`, `materialized_view`, `cte`, `external` …; unknown where nobody looked.
    pub kind: Option<String>,
    /// Which parts are quoted.
    pub quote: Policy,
    /// Which parts are there.
    pub include: Policy,
    /// A bound on the rows that a reader sees: `--empty` gives 0.
    pub limit: Option<u64>,
    /// The rows of one batch: a condition that readers see the relation through.
    pub batch: Option<String>,
}

impl RelationValue {
    /// Of a place in the warehouse.
    pub(in crate::models) fn of(relation: &Relation, kind: Option<&str>) -> Self {
        Self {
            database: Some(relation.database.clone()),
            schema: Some(relation.schema.clone()),
            identifier: Some(relation.name.clone()),
            kind: kind.map(str::to_owned),
            quote: Policy::ALL,
            include: Policy::ALL,
            limit: None,
            batch: None,
        }
    }

    /// Of an ephemeral model: the name of its part in the reader's query.
    pub(in crate::models) fn part(alias: &str) -> Self {
        Self {
            database: None,
            schema: None,
            identifier: Some(format!("{PART_PREFIX}{alias}")),
            kind: Some("cte".to_owned()),
            quote: Policy { identifier: false, ..Policy::ALL },
            include: Policy::ALL,
            limit: None,
            batch: None,
        }
    }

    /// As a value of Jinja.
    pub(in crate::models) fn value(self) -> Value {
        Value::from_object(self)
    }

    /// The place in the warehouse; `None` where a part is missing.
    pub(in crate::models) fn place(&self) -> Option<Relation> {
        Some(Relation {
            database: self.database.clone().unwrap_or_default(),
            schema: self.schema.clone()?,
            name: self.identifier.clone()?,
        })
    }

    /// The name alone, without the bounds of `--empty` and of batches.
    pub(in crate::models) fn plain(&self) -> String {
        let parts = [
            (&self.database, self.include.database, self.quote.database),
            (&self.schema, self.include.schema, self.quote.schema),
            (&self.identifier, self.include.identifier, self.quote.identifier),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(_, is_included, _)| *is_included)
            .filter_map(|(part, _, is_quoted)| {
                let part = part.as_ref()?;
                Some(if is_quoted { format!("\"{part}\"") } else { part.clone() })
            })
            .collect();
        parts.join(".")
    }

    /// `api.Relation.create(database, schema, identifier, type, quote_policy, include_policy)`.
    pub(in crate::models) fn create(arguments: &Arguments) -> Result<Self, Error> {
        let part = |place, name| {
            arguments.get(place, name).filter(|v| !v.is_none() && !v.is_undefined()).map(ToString::to_string)
        };
        let policy = |name| arguments.get(usize::MAX, name).map_or(Policy::ALL, |map| Policy::ALL.with_map(map));
        Ok(Self {
            database: part(0, "database"),
            schema: part(1, "schema"),
            identifier: part(2, "identifier"),
            kind: part(3, "type"),
            quote: policy("quote_policy"),
            include: policy("include_policy"),
            limit: None,
            batch: None,
        })
    }

    /// With the parts of a path that a dictionary gives; a part that is null is taken away.
    fn with_path(mut self, path: &Value) -> Self {
        for (name, part) in
            [("database", &mut self.database), ("schema", &mut self.schema), ("identifier", &mut self.identifier)]
        {
            if let Ok(given) = path.get_attr(name)
                && !given.is_undefined()
            {
                *part = (!given.is_none()).then(|| given.to_string());
            }
        }
        self
    }

    fn incorporate(&self, arguments: &Arguments) -> Self {
        let mut changed = self.clone();
        if let Some(path) = arguments.get(usize::MAX, "path") {
            changed = changed.with_path(path);
        }
        if let Some(kind) = arguments.get(usize::MAX, "type").filter(|v| !v.is_undefined()) {
            changed.kind = (!kind.is_none()).then(|| kind.to_string());
        }
        if let Some(map) = arguments.get(usize::MAX, "quote_policy") {
            changed.quote = changed.quote.with_map(map);
        }
        if let Some(map) = arguments.get(usize::MAX, "include_policy") {
            changed.include = changed.include.with_map(map);
        }
        changed
    }

    /// `information_schema.x` of the relation's database.
    fn information_schema(&self, view: Option<String>) -> Self {
        Self {
            schema: Some("information_schema".to_owned()),
            kind: Some("view".to_owned()),
            quote: Policy { schema: false, identifier: false, ..self.quote },
            include: Policy { identifier: view.is_some(), ..Policy::ALL },
            identifier: view,
            ..self.clone()
        }
    }

    fn matches(&self, arguments: &Arguments) -> bool {
        let fits = |place, name, part: &Option<String>| {
            let asked = arguments.get(place, name).filter(|v| !v.is_none() && !v.is_undefined());
            asked.is_none_or(|asked| part.as_deref() == asked.as_str())
        };
        fits(0, "database", &self.database)
            && fits(1, "schema", &self.schema)
            && fits(2, "identifier", &self.identifier)
    }

    fn is_of_kind(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }
}

impl fmt::Display for RelationValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.identifier.as_deref().unwrap_or_default();
        match (self.limit, &self.batch) {
            (Some(0), _) => write!(f, "(select * from {} where false limit 0) _dbt_limit_subq_{name}", self.plain()),
            (Some(limit), _) => write!(f, "(select * from {} limit {limit}) _dbt_limit_subq_{name}", self.plain()),
            (None, Some(batch)) => {
                write!(f, "(select * from {} where {batch}) _dbt_et_filter_subq_{name}", self.plain())
            }
            (None, None) => f.write_str(&self.plain()),
        }
    }
}

impl Object for RelationValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let part = |part: &Option<String>| part.as_deref().map_or(Value::from(()), Value::from);
        Some(match key {
            "database" => part(&self.database),
            "schema" => part(&self.schema),
            "identifier" | "name" | "table" => part(&self.identifier),
            "type" => part(&self.kind),
            "is_table" => self.is_of_kind("table").into(),
            "is_view" => self.is_of_kind("view").into(),
            "is_cte" => self.is_of_kind("cte").into(),
            "is_materialized_view" => self.is_of_kind("materialized_view").into(),
            "is_pointer" => self.is_of_kind("pointer_table").into(),
            "can_be_renamed" | "can_be_replaced" => (self.is_of_kind("table") || self.is_of_kind("view")).into(),
            "quote_policy" => self.quote.value(),
            "include_policy" => self.include.value(),
            "quote_character" => "\"".into(),
            "limit" => self.limit.map_or(Value::from(()), Value::from),
            "path" => Value::from_pairs([
                ("database", part(&self.database)),
                ("schema", part(&self.schema)),
                ("identifier", part(&self.identifier)),
            ]),
            // What packages ask to tell a relation from a text.
            "metadata" => Value::from_pairs([("type", "PostgresRelation")]),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(FIELDS)
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, values: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::of(format!("relation.{method}"), values);
        let this = || self.as_ref().clone();
        Ok(match method {
            "include" => Self { include: self.include.with(&arguments), ..this() }.value(),
            "quote" => Self { quote: self.quote.with(&arguments), ..this() }.value(),
            "incorporate" => self.incorporate(&arguments).value(),
            "replace_path" => {
                let path = Value::from_pairs(arguments.named().iter().map(|(k, v)| (k.clone(), v.clone())));
                this().with_path(&path).value()
            }
            "without_identifier" => {
                Self { identifier: None, include: Policy { identifier: false, ..self.include }, ..this() }.value()
            }
            "information_schema" => {
                let view = arguments.get(0, "view_name").and_then(|v| v.as_str().map(str::to_owned));
                self.information_schema(view).value()
            }
            "information_schema_only" => self.information_schema(None).value(),
            "render" => self.plain().into(),
            "render_limited" => self.to_string().into(),
            "quoted" => format!("\"{}\"", arguments.text(0, "identifier")?).into(),
            "matches" => self.matches(&arguments).into(),
            "add_ephemeral_prefix" => format!("{PART_PREFIX}{}", arguments.text(0, "name")?).into(),
            "relation_max_name_length" => crate::domain::name::WAREHOUSE_NAME_BYTES_MAX.into(),
            "get" => {
                let key = arguments.text(0, "key")?;
                let default = arguments.get(1, "default").cloned().unwrap_or_else(|| Value::from(()));
                self.get_value_by_str(&key).unwrap_or(default)
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?;
        // Any order will do for relations that differ, as long as it is one.
        let key = |r: &Self| format!("{r:?}");
        Some(self.plain().cmp(&other.plain()).then_with(|| key(self).cmp(&key(other))))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::Environment;

    #[test]
    fn what_is_said_nearer_counts_and_names_without_quotes_are_small() {
        let policy = Policy::ALL.said(&serde_json::json!({"schema": false, "identifier": false}));
        assert_eq!(policy, Policy { database: true, schema: false, identifier: false });
        let policy = policy.said(&serde_json::json!({"schema": true}));
        let mut place = Relation { database: "Db".into(), schema: "S".into(), name: "Tab".into() };
        policy.fold(&mut place);
        assert_eq!([place.database, place.schema, place.name], ["Db", "S", "tab"]);
    }

    fn rendered(template: &str) -> String {
        let place = Relation { database: "db".into(), schema: "s".into(), name: "t".into() };
        let this = RelationValue::of(&place, Some("table")).value();
        let part = RelationValue::part("m").value();
        Environment::new()
            .render_str(template, minijinja::context! { this, part })
            .unwrap_or_else(|error| panic!("{template}: {error}"))
    }

    #[test]
    fn every_part_that_is_included_is_quoted_as_the_policy_says() {
        for (template, expected) in [
            ("{{ this }}", "\"db\".\"s\".\"t\""),
            ("{{ part }}", "__dbt__cte__m"),
            ("{{ this.include(database=false) }}", "\"s\".\"t\""),
            ("{{ this.include(database=false, schema=false).quote(identifier=false) }}", "t"),
            ("{{ this.without_identifier() }}", "\"db\".\"s\""),
            ("{{ this.incorporate(path={'identifier': 'u'}, type='view') }}", "\"db\".\"s\".\"u\""),
            ("{{ this.incorporate(path={'schema': none}) }}", "\"db\".\"t\""),
            ("{{ this.information_schema('columns') }}", "\"db\".information_schema.columns"),
            ("{{ this.replace_path(identifier='u').name }}", "u"),
        ] {
            assert_eq!(rendered(template), expected, "{template}");
        }
    }

    #[test]
    fn a_relation_tells_its_kind_and_equals_itself_alone() {
        assert_eq!(rendered("{{ this.is_table }} {{ this.is_view }} {{ part.is_cte }}"), "True False True");
        assert_eq!(rendered("{{ this == this.include() }} {{ this == this.incorporate(type='view') }}"), "True False");
        assert_eq!(
            rendered("{{ this.matches(schema='s', identifier='t') }} {{ this.matches(schema='S') }}"),
            "True False"
        );
    }
}
