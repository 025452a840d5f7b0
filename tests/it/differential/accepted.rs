//! The differences that are meant. `docs/dbt-compatibility.md` tells them to users, in the same words.

/// One of them.
pub(super) struct Accepted {
    /// The project where it shows.
    pub(super) project: &'static str,
    /// The places in it; `*` stands for anything.
    pub(super) place: &'static str,
    /// Why, in a sentence.
    pub(super) why: &'static str,
}

const ACCEPTED: &[Accepted] = &[
    Accepted {
        project: "publishing",
        place: "[1] relation analytics.over",
        why: "dbt drops the views that hang on a table when it is made anew; Amalgam makes them again over the new one.",
    },
    Accepted {
        project: "publishing",
        place: "[2] relation analytics.over",
        why: "As before: the view is still there.",
    },
    Accepted {
        project: "publishing",
        place: "[2] relation analytics.tested: rows",
        why: "A test of error severity failed: dbt has published the new rows by then, Amalgam keeps the last good ones.",
    },
    Accepted {
        project: "publishing",
        place: "[2] build --select tested+ --vars '{rows: 3}': model.publishing.tested",
        why: "Its test failed, so it was not published: an error here, and with dbt a success.",
    },
    Accepted {
        project: "packages_local",
        place: "[0] relation elsewhere.another_name",
        why: "A view of another package's that dbt drops with the table it reads; Amalgam makes it again.",
    },
    Accepted {
        project: "config_inheritance",
        place: "[1] relation *: comments",
        why: "Without persist_docs dbt makes a relation anew and loses its comments; Amalgam keeps what people wrote.",
    },
    Accepted {
        project: "tests_everything",
        place: "[0] manifest: test.tests_everything.no_red_without_score",
        why: "A test that keeps its failures in a relation has its name in the manifest at once, with dbt only when a command has run it.",
    },
    Accepted {
        project: "hooks_operations",
        place: "* relation analytics_late.second",
        why: "A view that dbt drops with the table it reads; Amalgam makes it again.",
    },
    Accepted {
        project: "macros_jinja",
        place: "[0] relation analytics.queried: rows",
        why: "A decimal that a query gave prints as 1.5 in a template, and with dbt as 1.50.",
    },
    Accepted {
        project: "on_schema_change",
        place: "[1] relation analytics.*",
        why: "A column whose type is widened keeps its place in the table; dbt makes it anew behind the others.",
    },
    Accepted {
        project: "dbt-utils",
        place: "[0] manifest: test.dbt_utils_integration_tests.dbt_utils_equality_test_unpivot_original_api_*",
        why: "A test of a model that is nowhere: dbt keeps it among its nodes, turned off; Amalgam has no such test.",
    },
    Accepted {
        project: "jaffle-shop",
        place: "[0] build: saved_query.*",
        why: "Saved queries belong to dbt's semantic layer, which Amalgam has not; dbt tells that it did nothing with them.",
    },
];

impl Accepted {
    pub(super) fn covers(&self, place: &str) -> bool {
        let mut rest = place;
        let mut pieces = self.place.split('*');
        let first = pieces.next().unwrap_or_default();
        let Some(after) = rest.strip_prefix(first) else { return false };
        rest = after;
        let mut last = None;
        for piece in pieces {
            let Some(at) = rest.find(piece) else { return false };
            rest = &rest[at + piece.len()..];
            last = Some(piece);
        }
        rest.is_empty() || last.is_some_and(|piece| piece.is_empty() || place.ends_with(piece))
    }
}

/// Those of a project; none where two dbts are compared.
pub(super) fn of(project: &str, is_amalgam: bool) -> Vec<&'static Accepted> {
    ACCEPTED.iter().filter(|entry| is_amalgam && entry.project == project).collect()
}

#[test]
fn a_star_stands_for_anything() {
    let covers = |pattern, place| Accepted { project: "", place: pattern, why: "" }.covers(place);
    assert!(
        covers("a", "a") && !covers("a", "ab") && covers("a*", "ab") && covers("*b", "ab") && covers("a*c*e", "abcde")
    );
    assert!(!covers("a*c", "abcd") && !covers("*x*", "ab") && covers("*: rows", "[2] relation a.b: rows"));
}

#[test]
fn the_page_tells_every_accepted_difference() {
    let page = std::fs::read_to_string("docs/dbt-compatibility.md").expect("the page is there");
    let section = page.split("## Differences that the suite accepts\n").nth(1).expect("the page has the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let told: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
    let listed: Vec<String> =
        ACCEPTED.iter().map(|entry| format!("| `{}` | `{}` | {} |", entry.project, entry.place, entry.why)).collect();
    assert_eq!(told, listed);
}
