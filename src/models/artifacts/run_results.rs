//! `run_results.json`: how each node of a command ended.

use super::{ListOf, RESULTS, metadata, write};
use crate::{
    domain::ModelId,
    error::Result,
    models::{Models, NodeResult, manifest::relation_name, results::Described},
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
        let artifact = Artifact {
            metadata: metadata(&self.manifest, "run-results/v6", self.clock.now()),
            results: ListOf(|| results.iter().map(|result| self.described_result(result))),
            elapsed_time: seconds,
            args: arguments,
        };
        write(&self.manifest, RESULTS, &artifact)
    }

    fn described_result<'a>(&self, result: &'a NodeResult) -> Described<'a> {
        let node = self.manifest.nodes.get(&ModelId::new(result.id.as_str()));
        let built = node.filter(|node| node.resource.is_built());
        Described { result, relation_name: built.map(|node| relation_name(&node.relation, node.quoting)) }
    }
}
