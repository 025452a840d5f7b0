//! What keeps tables in step, put together as the program does it.

use amalgam::{
    config::Config, domain::Clock, source::Source, state::State, sync::Syncer, telemetry::Metrics, warehouse::Warehouse,
};
use std::sync::Arc;

/// A syncer as configured, with a control plane.
pub(crate) async fn syncer(config: Config, clock: &Clock, metrics: &Arc<Metrics>) -> Syncer {
    State::new(&config.warehouse).migrate().await.expect("the control plane can be made");
    let source = Source::new(&config.source).expect("the source's settings are right").by_clock(clock.clone());
    let warehouse = Warehouse::new(&config.warehouse).expect("the warehouse's settings are right");
    Syncer::new(source, warehouse, Arc::new(config), Arc::clone(metrics))
}
