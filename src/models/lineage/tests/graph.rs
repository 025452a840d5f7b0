//! The graph of a small project: a source, a model on it, a model on that, and an exposure.

use super::super::{ColumnRef, Graph, Known, NodeKind, RelationName, Way, of_query};
use std::collections::BTreeSet;

fn column(node: &str, column: &str) -> ColumnRef {
    ColumnRef { node: node.to_owned(), column: column.to_owned() }
}

fn names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|column| (*column).to_owned()).collect()
}

fn project() -> Graph {
    let mut graph = Graph::default();
    graph.add_node("source.p.od.visit", NodeKind::Source, "visit", names(&["VisitNum", "Fee", "Kind"]));
    graph.add_node("model.p.visits", NodeKind::Model, "visits", names(&["id", "fee"]));
    graph.add_node("model.p.income", NodeKind::Model, "income", Vec::new());
    graph.add_node("exposure.p.board", NodeKind::Exposure, "board", Vec::new());
    let lookup = |name: &RelationName| {
        let (id, columns) = match name.name.as_str() {
            "visit" => ("source.p.od.visit", names(&["VisitNum", "Fee", "Kind"])),
            "visits" => ("model.p.visits", names(&["id", "fee"])),
            _ => return None,
        };
        Some(Known { id: id.to_owned(), columns })
    };
    let visits = r#"select "VisitNum" as id, "Fee" as fee, 1 as since_dropped from raw.visit where "Kind" = 2"#;
    graph.add_query("model.p.visits", &of_query(visits, lookup, |_| None));
    graph.add_query(
        "model.p.income",
        &of_query("select sum(fee) as total, max(gone) as g, id from visits group by id", lookup, |_| None),
    );
    graph.add_edge("model.p.income", "exposure.p.board");
    graph
}

#[test]
fn values_are_followed_up_and_down_through_models() {
    let graph = project();
    let up = graph.upstream(&column("model.p.income", "total"));
    let expected =
        [(column("model.p.visits", "fee"), Way::Transformed), (column("source.p.od.visit", "Fee"), Way::Transformed)];
    assert_eq!(up.into_iter().collect::<Vec<_>>(), expected);
    let down = graph.downstream(&column("source.p.od.visit", "VisitNum"));
    let expected = [(column("model.p.income", "id"), Way::Direct), (column("model.p.visits", "id"), Way::Direct)];
    assert_eq!(down.into_iter().collect::<Vec<_>>(), expected);
    assert!(graph.upstream(&column("nobody", "x")).is_empty());
}

#[test]
fn rows_are_decided_near_and_far() {
    let graph = project();
    assert_eq!(graph.rows_decided(&column("source.p.od.visit", "Kind")), BTreeSet::from(["model.p.visits"]));
    assert_eq!(graph.rows_decided(&column("source.p.od.visit", "VisitNum")), BTreeSet::from(["model.p.income"]));
}

#[test]
fn exposures_are_those_of_what_has_the_column() {
    let graph = project();
    assert_eq!(graph.exposures(&column("source.p.od.visit", "Fee")), BTreeSet::from(["exposure.p.board"]));
    assert_eq!(graph.exposures(&column("source.p.od.visit", "Kind")), BTreeSet::new());
}

#[test]
fn nodes_know_their_neighbours_and_what_is_not_known() {
    let graph = project();
    assert_eq!(graph.parents("model.p.income").collect::<Vec<_>>(), ["model.p.visits"]);
    assert_eq!(graph.children("model.p.income").collect::<Vec<_>>(), ["exposure.p.board"]);
    let income = &graph.nodes()["model.p.income"];
    assert_eq!(income.columns, ["total", "g", "id"], "the query's, where the catalog has none");
    assert_eq!(income.unresolved_columns["g"].iter().collect::<Vec<_>>(), ["column gone isn't one of what is read"]);
    assert_eq!(graph.nodes()["model.p.visits"].columns, ["id", "fee"], "the catalog's");
}

#[test]
fn a_circle_of_columns_is_walked_once() {
    let mut graph = Graph::default();
    graph.add_node("m", NodeKind::Model, "m", names(&["x"]));
    let lookup = |_: &RelationName| Some(Known { id: "m".to_owned(), columns: names(&["x"]) });
    // An incremental model reads itself.
    graph.add_query("m", &of_query("select max(x) as x from m", lookup, |_| None));
    assert_eq!(graph.upstream(&column("m", "x")).len(), 1);
}

#[test]
fn json_has_it_all_and_is_read_again() {
    let graph = project();
    let json = serde_json::to_value(&graph).expect("it is plain data");
    assert_eq!(json["edges"][0]["from"], "model.p.income");
    let edge = serde_json::json!({
        "from": {"node": "model.p.visits", "column": "fee"},
        "to": {"node": "model.p.income", "column": "total"},
        "way": "transformed",
    });
    assert!(json["columns"].as_array().expect("a list").contains(&edge), "{json}");
    assert_eq!(json["rows"][1]["to"], "model.p.visits");
    assert_eq!(serde_json::from_value::<Graph>(json).expect("what was written is read"), graph);
}
