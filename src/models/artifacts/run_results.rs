//! `run_results.json`: how each node of a command ended.

use super::{ListOf, RESULTS, metadata, write};
use crate::{
    domain::ModelId,
    error::Result,
    models::{Models, NodeResult, manifest::relation_name},
};
use serde::Serialize;
use serde_json::Value as Json;

#[derive(Serialize)]
struct Artifact<'a, R> {
    metadata: Json,
    results: R,
    elapsed_time: f64,
    args: &'a Json,
}

impl Models {
    /// Writes how the nodes of a command ended. `arguments`: what the command was given, in dbt's words.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn write_results(&self, results: &[NodeResult], seconds: f64, arguments: &Json) -> Result<()> {
        let described = |result: &NodeResult| {
            let mut described = result.described();
            let node = self.manifest.nodes.get(&ModelId::new(result.id.as_str()));
            described["relation_name"] =
                node.filter(|node| node.resource.is_built()).map(|n| relation_name(&n.relation, n.quoting)).into();
            described
        };
        let artifact = Artifact {
            metadata: metadata(&self.manifest, "run-results/v6", self.clock.now()),
            results: ListOf(|| results.iter().map(described)),
            elapsed_time: seconds,
            args: arguments,
        };
        write(&self.manifest, RESULTS, &artifact)
    }
}
