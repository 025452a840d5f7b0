//! Tests that are counted together, and the one statement that does it.

use super::{asks::Asks, shape::Shape};

/// Tests of one statement, at most: each takes four columns, and PostgreSQL gives 1,664.
const TESTS_MAX: usize = 200;

/// A test that can be counted with others.
#[derive(Clone, Debug)]
pub(super) struct Countable {
    /// Its place among all.
    pub(super) place: usize,
    pub(super) shape: Shape,
    pub(super) asks: Asks,
}

/// Tests over the same rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub(super) tests: Vec<Countable>,
}

/// Puts tests over the same rows together. What sorts stands by itself: the server scans the rest side by side.
pub(super) fn batches(tests: Vec<Countable>) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut open: std::collections::HashMap<(String, bool), usize> = std::collections::HashMap::new();
    for test in tests {
        let key = (test.shape.from.clone(), test.shape.sorts);
        match open.get(&key).and_then(|at| batches.get_mut(*at)).filter(|batch| batch.tests.len() < TESTS_MAX) {
            Some(batch) => batch.tests.push(test),
            None => {
                open.insert(key, batches.len());
                batches.push(Batch { tests: vec![test] });
            }
        }
    }
    batches
}

impl Batch {
    /// Both halves of it; none where it is one test.
    pub(super) fn halves(mut self) -> Vec<Self> {
        if self.tests.len() < 2 {
            return Vec::new();
        }
        let rest = self.tests.split_off(self.tests.len() / 2);
        vec![self, Self { tests: rest }]
    }

    /// Whether the server sorts for it.
    pub(super) fn sorts(&self) -> bool {
        self.tests.iter().any(|test| test.shape.sorts)
    }

    /// What is counted, each once.
    pub(super) fn counts(&self) -> Vec<&str> {
        let mut counts: Vec<&str> = Vec::new();
        for test in &self.tests {
            if !counts.contains(&test.shape.count.as_str()) {
                counts.push(&test.shape.count);
            }
        }
        counts
    }

    /// What counts them: of each test the count, and the three columns of [`Asks::columns`].
    pub(super) fn sql(&self) -> String {
        let counts = self.counts();
        let mut columns = Vec::new();
        for test in &self.tests {
            let at = counts.iter().position(|count| *count == test.shape.count).unwrap_or_default();
            let number = format!("n{at}");
            let [failures, warns, errs] = test.asks.columns(&number);
            columns.push(format!("{number}, {failures}, {warns}, {errs}"));
        }
        let counts: Vec<String> = counts.iter().enumerate().map(|(at, count)| format!("{count} as n{at}")).collect();
        let from = self.tests.first().map_or("", |test| test.shape.from.as_str());
        format!("select {}\nfrom (select {}\nfrom {from}) as counted", columns.join(",\n"), counts.join(",\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::shape::shape, *};

    fn test(place: usize, sql: &str) -> Countable {
        let asks = Asks::of("count(*)", "> 1", "> 2", None).expect("plain");
        Countable { place, shape: shape(sql).expect("plain"), asks }
    }

    #[test]
    fn tests_of_one_relation_take_one_scan_and_equal_conditions_one_count() {
        let all = batches(vec![
            test(0, "select * from t where a is null"),
            test(1, "select * from u where a is null"),
            test(2, "select * from t where b < 0"),
            test(3, "select a from t where a is null"),
        ]);
        let places: Vec<Vec<usize>> = all.iter().map(|b| b.tests.iter().map(|t| t.place).collect()).collect();
        assert_eq!(places, [vec![0, 2, 3], vec![1]]);
        let sql = all[0].sql();
        assert_eq!(sql.matches("filter").count(), 2);
        assert!(
            sql.starts_with("select n0, (n0)::text, coalesce(n0 > 1, false), coalesce(n0 > 2, false),\nn1,"),
            "{sql}"
        );
    }

    #[test]
    fn what_is_refused_is_halved_down_to_one_test() {
        let mut open = batches((0..5).map(|at| test(at, "select * from t where a is null")).collect());
        let mut alone = 0;
        while let Some(batch) = open.pop() {
            let halves = batch.clone().halves();
            assert_eq!(halves.is_empty(), batch.tests.len() == 1);
            alone += usize::from(halves.is_empty());
            open.extend(halves);
        }
        assert_eq!(alone, 5);
    }

    #[test]
    fn a_statement_takes_a_bounded_number_of_tests() {
        let all = batches((0..450).map(|at| test(at, "select * from t where a is null")).collect());
        assert_eq!(all.iter().map(|batch| batch.tests.len()).collect::<Vec<_>>(), [200, 200, 50]);
    }
}
