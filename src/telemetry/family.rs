//! What a family of metrics is declared by, and how it is made.

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Result,
    core::Collector,
};

/// Bounds of every histogram of seconds: from an unchanged table to a first load of hours.
pub(super) const SECONDS: &[f64] = &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0];

/// A family as it is declared: what `docs/metrics.md` tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// counter, gauge or histogram.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it counts or tells, in a sentence.
    pub help: &'static str,
    /// Who sets it, and when.
    pub set: &'static str,
}

impl Family {
    /// What its numbers are counted in, by its name: Prometheus docs, "Metric and label naming".
    pub fn unit(&self) -> &'static str {
        let name = self.name.trim_end_matches("_total");
        match name {
            _ if name.ends_with("_timestamp_seconds") => "seconds since 1970",
            _ if name.ends_with("_seconds") => "seconds",
            _ if name.ends_with("_bytes") => "bytes",
            _ => "",
        }
    }

    /// Series of one set of labels: a histogram has its bounds, the one without, sum and count.
    pub fn series_each(&self) -> usize {
        if self.kind == "histogram" { SECONDS.len() + 3 } else { 1 }
    }
}

/// A kind of family, made from its declaration.
pub(super) trait Declared: Collector + Clone + 'static {
    const KIND: &'static str;

    fn declared(family: &Family) -> Result<Self>;
}

macro_rules! declared {
    ($($type:ty: $kind:literal = |$family:ident| $make:expr;)+) => { $(
        impl Declared for $type {
            const KIND: &'static str = $kind;

            fn declared($family: &Family) -> Result<Self> {
                $make
            }
        }
    )+ };
}

declared! {
    IntCounter: "counter" = |f| Self::with_opts(Opts::new(f.name, f.help));
    IntCounterVec: "counter" = |f| Self::new(Opts::new(f.name, f.help), f.labels);
    IntGauge: "gauge" = |f| Self::with_opts(Opts::new(f.name, f.help));
    IntGaugeVec: "gauge" = |f| Self::new(Opts::new(f.name, f.help), f.labels);
    GaugeVec: "gauge" = |f| Self::new(Opts::new(f.name, f.help), f.labels);
    Histogram: "histogram" = |f| Self::with_opts(HistogramOpts::new(f.name, f.help).buckets(SECONDS.to_vec()));
    HistogramVec: "histogram" = |f| Self::new(HistogramOpts::new(f.name, f.help).buckets(SECONDS.to_vec()), f.labels);
}
