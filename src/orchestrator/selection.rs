//! Which tables and models a selection means.
//!
//! Pure. A selection is a list of patterns; what any of them names is selected:
//!
//! | pattern | names |
//! |---|---|
//! | `*` | everything |
//! | `payment`, `stg_*` | tables and models of that name, `*` standing for anything, `?` for one character |
//! | `+name` | also all that it needs |
//! | `name+` | also all that needs it |
//! | `tag:daily`, `path:…` | models, as dbt selects them |
//!
//! A model is called by its short name or by its unique id. Upper and lower case are the same.

pub use crate::domain::short_name as short;
use crate::{
    dag::Dag,
    domain::{ModelId, pattern::fits},
    error::{Error, Kind, Result},
};
use std::{collections::BTreeSet, fmt};

/// A table or model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// A table of the source.
    Table(String),
    /// A model, by its unique id.
    Model(String),
}

impl Node {
    fn is_called(&self, pattern: &str) -> bool {
        match self {
            Self::Table(name) => matches(pattern, name),
            Self::Model(id) => matches(pattern, id) || matches(pattern, short(id)),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(name) => f.write_str(name),
            Self::Model(id) => f.write_str(short(id)),
        }
    }
}

/// The nodes that the patterns select. `by_method` finds models the way dbt does.
///
/// # Errors
/// A pattern that names nothing.
pub(super) fn select(
    patterns: &[String],
    graph: &Dag<Node>,
    by_method: &dyn Fn(&str) -> Result<Vec<ModelId>>,
) -> Result<BTreeSet<Node>> {
    let mut selected = BTreeSet::new();
    for pattern in patterns {
        let (above, rest) = pattern.strip_prefix('+').map_or((false, pattern.as_str()), |rest| (true, rest));
        let (below, name) = rest.strip_suffix('+').map_or((false, rest), |name| (true, name));
        let named: Vec<&Node> = if name.contains([':', ',', '@']) {
            let models = by_method(name)?;
            let is_meant = |node: &&Node| matches!(node, Node::Model(id) if models.iter().any(|m| m.as_str() == id));
            graph.order().iter().filter(is_meant).collect()
        } else {
            graph.order().iter().filter(|node| node.is_called(name)).collect()
        };
        if named.is_empty() && name != "*" {
            let said = format!("the selection {pattern} names no table and no model");
            return Err(Error::new(Kind::UnknownSelection, said));
        }
        for node in named {
            if above {
                selected.extend(graph.ancestors(node));
            }
            if below {
                selected.extend(graph.descendants(node));
            }
            selected.insert(node.clone());
        }
    }
    Ok(selected)
}

/// Whether a name fits a pattern, whatever its case.
fn matches(pattern: &str, name: &str) -> bool {
    fits(&pattern.to_lowercase(), &name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Dag<Node> {
        let table = |n: &str| Node::Table(n.to_owned());
        let model = |n: &str| Node::Model(format!("model.clinic.{n}"));
        Dag::new([
            (table("payment"), vec![]),
            (table("patient"), vec![]),
            (table("payplan"), vec![]),
            (model("stg_payment"), vec![table("payment")]),
            (model("stg_patient"), vec![table("patient")]),
            (model("mart_collections"), vec![model("stg_payment"), model("stg_patient")]),
        ])
        .expect("no cycle")
    }

    fn none(_: &str) -> Result<Vec<ModelId>> {
        Ok(Vec::new())
    }

    fn selected(patterns: &[&str]) -> Vec<String> {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        select(&patterns, &graph(), &none)
            .expect("the patterns name something")
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_star_selects_everything() {
        assert_eq!(selected(&["*"]).len(), 6);
    }

    #[test]
    fn a_name_selects_itself_alone_whatever_its_case() {
        assert_eq!(selected(&["Payment"]), ["payment"]);
        assert_eq!(selected(&["model.clinic.stg_payment"]), ["stg_payment"]);
    }

    #[test]
    fn a_wildcard_selects_tables_and_models() {
        assert_eq!(selected(&["pay*"]), ["payment", "payplan"]);
        assert_eq!(selected(&["*_pa*nt"]), ["stg_patient", "stg_payment"]);
    }

    #[test]
    fn a_plus_in_front_adds_what_is_needed() {
        assert_eq!(selected(&["+mart_collections"]).len(), 5);
        assert_eq!(selected(&["+stg_payment"]), ["payment", "stg_payment"]);
    }

    #[test]
    fn a_plus_behind_adds_what_needs_it() {
        assert_eq!(selected(&["payment+"]), ["payment", "mart_collections", "stg_payment"]);
    }

    #[test]
    fn what_dbt_selects_keeps_the_plus_signs() {
        let tagged = |_: &str| Ok(vec![ModelId::new("model.clinic.stg_payment")]);
        let found = select(&["+tag:daily".to_owned()], &graph(), &tagged).expect("there is one");
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["payment", "stg_payment"]);
    }

    #[test]
    fn a_pattern_that_names_nothing_is_an_error() {
        let error = select(&["paymnet".to_owned()], &graph(), &none).expect_err("there is none of that name");
        assert_eq!(error.kind, Kind::UnknownSelection);
        assert!(error.to_string().contains("paymnet"));
    }
}
