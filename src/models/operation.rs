//! What a project runs before and after everything: `on-run-start` and `on-run-end`.

use super::{
    Models, NodeResult, NodeStatus, compile,
    context::connection::{On, with_connection},
    jinja,
    manifest::{Manifest, Node, Resource},
};
use crate::{
    domain::ModelId,
    error::{Error, Kind, Result},
    warehouse::Session,
};
use minijinja::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// When.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the first node.
    Start,
    /// After the last one.
    End,
}

impl Moment {
    /// dbt's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "on-run-start",
            Self::End => "on-run-end",
        }
    }

    /// The moment of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Start, Self::End].into_iter().find(|moment| moment.as_str() == word)
    }
}

impl Models {
    /// When the project or one of its packages wants something done.
    pub fn moments(&self) -> Vec<Moment> {
        let all = [Moment::Start, Moment::End].into_iter();
        all.filter(|moment| self.operations(*moment).next().is_some()).collect()
    }

    fn operations(&self, moment: Moment) -> impl Iterator<Item = &Node> {
        let wanted = move |node: &&Node| node.resource == Resource::Operation && node.path == moment.as_str();
        self.manifest.nodes.values().filter(wanted)
    }

    /// Runs the statements of the project and of its packages, each by itself, in their order, up to the first that
    /// fails: how each ended, and that failure.
    ///
    /// # Errors
    /// The warehouse can't be reached.
    pub async fn operate(&self, moment: Moment, results: &[NodeResult]) -> Result<(Vec<NodeResult>, Option<Error>)> {
        let nodes: Vec<ModelId> = self.operations(moment).map(|node| node.id.clone()).collect();
        if nodes.is_empty() {
            return Ok(Default::default());
        }
        let session = self.warehouse.session().await?;
        session.ensure_schema(&self.manifest.setting.schema).await?;
        let (mut ended, mut failure) = (Vec::new(), None);
        for id in nodes {
            let status = if failure.is_some() {
                NodeStatus::Skipped
            } else {
                failure = self.operate_one(&session, &id, moment, results).await.err();
                if failure.is_some() { NodeStatus::Error } else { NodeStatus::Success }
            };
            let message = failure.as_ref().filter(|_| status == NodeStatus::Error).map(ToString::to_string);
            let failures = (status == NodeStatus::Success).then_some(0);
            let plain = NodeResult::plain(id.as_str(), status, message, self.clock.now());
            ended.push(NodeResult { failures, ..plain });
        }
        Ok((ended, failure))
    }

    async fn operate_one(&self, session: &Session, id: &ModelId, moment: Moment, results: &[NodeResult]) -> Result<()> {
        let (manifest, started, results, id) = (self.manifest.clone(), self.clock.now(), results.to_vec(), id.clone());
        with_connection(On::Session(session), move |connection| {
            let node = manifest.node(&id)?;
            node.sound()?;
            let manner = compile::Manner {
                as_new: false,
                ..compile::Manner::new(started, Some(connection.clone())).aloud(&manifest)
            };
            let extra = if moment == Moment::End { names_of_end(&manifest, &results) } else { BTreeMap::new() };
            let scope = compile::scope(&manifest, node, &manner, extra);
            let place = node.place();
            let rendered = manifest.setting.engine.render(&place, &node.source, scope.globals());
            let sql = rendered.map_err(|error| compile::failed(&scope, &error.without_line()))?;
            if sql.trim().is_empty() {
                return Ok(());
            }
            let asked = connection.ask(sql.trim(), false);
            asked.map(drop).map_err(|located| compile::refused(&place, sql.trim(), located))
        })
        .await?
        // No model is wrong, but that file.
        .map_err(|error| match error.kind {
            Kind::ModelSql | Kind::ModelRender => Error { kind: Kind::ModelProject, ..error },
            _ => error,
        })
    }
}

/// Names that statements at the end see besides: `results`, `schemas`, `database_schemas`.
fn names_of_end(manifest: &Manifest, results: &[NodeResult]) -> BTreeMap<&'static str, Value> {
    let described = |result: &NodeResult| {
        let mut described = result.described();
        described["node"] = manifest.describe(&result.id);
        described
    };
    let built = results.iter().filter(|result| result.status == NodeStatus::Success);
    let nodes = built.filter_map(|result| manifest.nodes.get(&ModelId::new(result.id.as_str())));
    let schemas: BTreeSet<&str> =
        nodes.filter(|node| node.resource.is_built()).map(|node| node.relation.schema.as_str()).collect();
    let database = manifest.setting.database.as_str();
    let both = schemas.iter().map(|s| jinja::tuple(vec![database.into(), Value::from(*s)])).collect();
    BTreeMap::from([
        ("results", jinja::from_json(&results.iter().map(described).collect())),
        ("schemas", jinja::list(schemas.iter().map(|s| Value::from(*s)).collect())),
        ("database_schemas", jinja::list(both)),
    ])
}
