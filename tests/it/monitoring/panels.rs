//! The dashboards by themselves: what each panel has to have, and what provisions them.

use super::{dashboards, list, read, text, yaml};
use amalgam::telemetry::Metrics;
use std::collections::BTreeSet;

#[test]
fn every_panel_says_what_it_shows_in_which_unit_and_from_a_source_that_can_be_chosen() {
    let mut ids = BTreeSet::new();
    for (path, dashboard) in dashboards() {
        let path = path.display();
        assert!(ids.insert(text(&dashboard, "uid").to_owned()), "{path}: another has this uid");
        assert!(!text(&dashboard, "title").is_empty() && !text(&dashboard, "description").is_empty(), "{path}");
        let variables = list(&dashboard["templating"], "list");
        assert!(variables.iter().any(|v| v["name"] == "datasource" && v["type"] == "datasource"), "{path}");
        assert!(variables.iter().any(|v| v["name"] == "job"), "{path}: warehouses can't be chosen");
        let panels = list(&dashboard, "panels");
        assert!(panels.len() > 5, "{path}");
        for panel in panels {
            let title = text(panel, "title");
            let place = format!("{path}: {title}");
            assert!(!title.is_empty() && text(panel, "description").ends_with('.'), "{place}");
            assert!(!text(&panel["fieldConfig"]["defaults"], "unit").is_empty(), "{place} has no unit");
            assert_eq!(text(&panel["datasource"], "uid"), "${datasource}", "{place}");
            let targets = list(panel, "targets");
            assert!(!targets.is_empty(), "{place} shows nothing");
            for target in targets {
                assert!(!text(target, "expr").is_empty(), "{place}");
                assert_eq!(text(&target["datasource"], "uid"), "${datasource}", "{place}");
            }
        }
    }
    assert_eq!(ids.len(), 5);
}

/// What can be chosen in a dashboard comes from metrics that there are.
#[test]
fn variables_are_read_from_metrics_that_there_are() {
    let known: BTreeSet<&str> = Metrics::FAMILIES.iter().map(|family| family.name).collect();
    for (path, dashboard) in dashboards() {
        for variable in list(&dashboard["templating"], "list").iter().filter(|v| v["type"] == "query") {
            let query = text(variable, "definition");
            let metric = query.strip_prefix("label_values(").and_then(|rest| rest.split(['{', ',']).next());
            assert!(metric.is_some_and(|metric| known.contains(metric)), "{}: {query}", path.display());
        }
    }
}

#[test]
fn provisioning_finds_the_data_source_and_the_dashboards() {
    let sources = yaml(&read("deploy/grafana/provisioning/datasources/prometheus.yml"));
    let source = &list(&sources, "datasources")[0];
    assert_eq!((text(source, "type"), text(source, "url")), ("prometheus", "http://127.0.0.1:9090"));
    let providers = yaml(&read("deploy/grafana/provisioning/dashboards/amalgam.yml"));
    let provider = &list(&providers, "providers")[0];
    let page = read("docs/monitoring.md");
    let folder = text(&provider["options"], "path");
    assert!(text(provider, "type") == "file" && page.contains(&format!(".json {folder}/")), "{folder}");
}
