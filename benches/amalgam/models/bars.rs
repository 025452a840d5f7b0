//! The page of figures, and the bars they are held to.

use super::{
    super::{
        Result,
        places::ROOT,
        report::{machine, median},
    },
    Pair, Round,
};
use crate::measure::Measured;
use std::path::Path;

const PARSE_RATIO_MIN: f64 = 30.0;
const BUILD_RATIO_MIN: f64 = 4.0;
const TEST_RATIO_MIN: f64 = 10.0;
const AGAIN_SECONDS_MAX: f64 = 0.3;
const LARGE_TEST_RATIO_MIN: f64 = 5.0;

/// All that was measured.
pub(super) struct Figures {
    pub(super) rounds: Vec<Round>,
    /// Tests of the small project.
    pub(super) tests: usize,
    pub(super) large_tests: usize,
    /// Which dbt; `None` where there was nobody to be compared with.
    pub(super) dbt: Option<String>,
}

impl Figures {
    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(of).collect())
    }

    /// How many times as long dbt takes.
    fn ratio(&self, of: impl Fn(&Round) -> Pair) -> Option<f64> {
        let ratios = self.rounds.iter().map(|r| Some(of(r).theirs?.seconds / of(r).ours.seconds));
        ratios.collect::<Option<Vec<f64>>>().map(median)
    }

    fn line(&self, work: &str, bar: &str, of: impl Fn(&Round) -> Pair) -> String {
        let theirs = |what: fn(Measured) -> f64| {
            let all: Option<Vec<f64>> = self.rounds.iter().map(|r| of(r).theirs.map(what)).collect();
            all.map_or_else(String::new, |all| format!("{:.2}", median(all)))
        };
        format!(
            "| {work} | {:.2} | {} | {} | {bar} | {:.0} | {} |\n",
            self.median(|r| of(r).ours.seconds),
            theirs(|m| m.seconds),
            self.ratio(&of).map_or_else(String::new, |ratio| format!("{ratio:.1}")),
            self.median(|r| of(r).ours.peak_mebibytes),
            theirs(|m| m.peak_mebibytes).split('.').next().unwrap_or_default(),
        )
    }

    fn page(&self) -> String {
        let (tests, large_tests) = (self.tests, self.large_tests);
        let mut page = format!(
            "# How fast a dbt project is built, on one machine\n\n\
             Written by `make bench ARGS=models`. `benches/models/generate` writes the projects: 160 models, 900 macros and \
             {tests} tests on small data; a fact of ten million rows with {large_tests} tests. Both tools work with four \
             threads on one server of this machine, one after the other; medians of {} round(s). The rows of all \
             relations of the small project, and the verdicts and failures of all tests of both, were compared, and were equal. Compared with: {}. {}\n\n\
             | work | Amalgam, s | dbt, s | ratio | bar | Amalgam, MiB | dbt, MiB |\n|---|---|---|---|---|---|---|\n",
            self.rounds.len(),
            self.dbt.as_deref().unwrap_or("nobody, there is no Python here"),
            machine(),
        );
        page += &self.line("cold parse", &format!("{PARSE_RATIO_MIN}"), |r| r.parse);
        page += &self.line("parse after one model was edited", "", |r| r.parse_again);
        page += &self
            .line("`build` of seeds, models and tests, empty database", &format!("{BUILD_RATIO_MIN}"), |r| r.build);
        page += &self.line("`test`", &format!("{TEST_RATIO_MIN}"), |r| r.test);
        page += &self.line("`build` again, with nothing to do", &format!("{AGAIN_SECONDS_MAX} s"), |r| Pair {
            ours: r.again,
            theirs: None,
        });
        page += &self.line("`test` of the large project", &format!("{LARGE_TEST_RATIO_MIN}"), |r| r.large_test);
        page + "\nMemory is the highest of the program alone. A cold parse finds nothing that an earlier command left; the build with nothing to do is the median of five; the parse after one model was edited finds all of it.\n"
    }

    /// What is not as it should be.
    fn bars_not_held(&self) -> Vec<&'static str> {
        let held = |ratio: Option<f64>, min: f64| ratio.is_none_or(|ratio| ratio >= min);
        [
            (held(self.ratio(|r| r.parse), PARSE_RATIO_MIN), "the cold parse"),
            (held(self.ratio(|r| r.build), BUILD_RATIO_MIN), "the build"),
            (held(self.ratio(|r| r.test), TEST_RATIO_MIN), "the tests"),
            (self.median(|r| r.again.seconds) < AGAIN_SECONDS_MAX, "a build with nothing to do"),
            (held(self.ratio(|r| r.large_test), LARGE_TEST_RATIO_MIN), "the tests of the large project"),
        ]
        .into_iter()
        .filter_map(|(held, bar)| (!held).then_some(bar))
        .collect()
    }

    /// Prints the figures, writes them into `docs/benchmarks-models.md` where there was somebody to compare with, and
    /// fails where a bar is not held.
    pub(super) fn written(&self) -> Result<()> {
        let page = self.page();
        println!("\n{page}");
        if self.dbt.is_some() {
            std::fs::write(Path::new(ROOT).join("docs/benchmarks-models.md"), page)?;
        }
        match self.bars_not_held().as_slice() {
            [] => Ok(()),
            bars => Err(format!("bars that are not held: {}", bars.join(", ")).into()),
        }
    }
}
