//! What is done with the nodes that a command means.

use super::{
    arguments::{Compiled, configured},
    build::perform,
    compile::{compile, generate},
    freshness::freshness,
    history::history,
    lineage::lineage,
    list::list,
    project::{found, loaded_for, meant, reached, tell_faults, warn},
    verb::{Docs, Source, Verb},
};
use crate::{
    cli::{Context, Outcome, failure::Unbegun, output},
    error::{Error, Kind},
    models::Selected,
    state::State,
    warehouse::Warehouse,
};
use std::collections::{BTreeMap, BTreeSet};
use tokio::task::JoinSet;

/// `only`: the nodes that are meant, whatever is selected.
pub(super) async fn run(verb: Verb, only: Option<BTreeSet<String>>, context: Context) -> anyhow::Result<Outcome> {
    let chosen = verb.chosen();
    let config = configured(&context, &chosen.place)?;
    let warehouse = Warehouse::new(&config.warehouse)?;
    let schema = State::new(&config.warehouse);
    let mut beside = JoinSet::new();
    if verb.works_on().is_some() {
        beside.spawn(ready(warehouse.clone(), schema.clone()));
    }
    let mut models = loaded_for(warehouse, &context, &config, verb.flags(context.clock().now())?)?;
    let found = match only {
        Some(ids) => meant(&mut models, chosen, Selected { ids, ..Selected::default() }).await?,
        None => found(&mut models, chosen).await?,
    };
    models.keep();
    if let Some((word, kinds)) = verb.works_on() {
        let pace = verb.pace();
        let kinds: Vec<&str> = kinds.iter().copied().filter(|kind| pace.is_none_or(|pace| pace.has(kind))).collect();
        let agenda = models.agenda(&found.ids, &kinds);
        if agenda.steps.is_empty() {
            warn(&models, "NothingToDo", "nothing is selected")?;
        }
        while let Some(ready) = beside.join_next().await {
            let (reached, is_migrated) = ready?;
            reached.map_err(Unbegun)?;
            if word != "test" && !is_migrated? {
                schema.migrate().await?;
            }
        }
        let manner = verb.manner(word, &config, &models)?;
        return perform(models, agenda, manner, &context).await;
    }
    match &verb {
        Verb::Compile(Compiled { inline: Some(text), .. }) => {
            output::write(&format!("{}\n", models.compile_inline(text)?.trim_end()))?;
            Ok(Outcome::Done)
        }
        Verb::Compile(_) => compile(&models, &found.ids, &verb.arguments("compile", &config, &models)).await,
        Verb::Parse(_) => {
            models.write_manifest(&BTreeMap::new())?;
            tell_faults(&models)
        }
        Verb::Docs(Docs::Generate(_)) => {
            reached(&models).await?;
            generate(&models, &found.ids, &schema, &verb.arguments("generate", &config, &models)).await
        }
        Verb::History(args) => {
            reached(&models).await?;
            let ids = models.in_order(&found.ids).iter().map(|id| id.as_str().to_owned()).collect();
            history(&schema, args, ids, &context).await
        }
        Verb::Lineage(args) => lineage(&models, args, &found.ids, &context).await,
        Verb::Source(Source::Freshness(_)) => {
            reached(&models).await?;
            freshness(&models, &found.ids, &context).await
        }
        Verb::Ls(listed) => {
            if found.ids.is_empty() {
                eprintln!("warning: nothing is selected");
            }
            list(&models, &found.ids, listed, &context)?;
            tell_faults(&models)
        }
        Verb::Build(_) | Verb::Run(_) | Verb::Seed(_) | Verb::Snapshot(_) | Verb::Test(_) => {
            Err(Error::new(Kind::Internal, "a verb that works on nodes was not carried out").into())
        }
    }
}

/// What is asked of the warehouse while the project is read: whether it can be reached, and whether what this program
/// keeps there is as it needs it.
async fn ready(warehouse: Warehouse, schema: State) -> (Result<(), Error>, Result<bool, Error>) {
    let (session, is_migrated) = tokio::join!(warehouse.session(), schema.is_migrated());
    (session.map(drop), is_migrated)
}
