//! Health and metrics over HTTP, and who asks for runs.
//!
//! | path | answers |
//! |---|---|
//! | `/livez` | 200 while the process lives |
//! | `/startupz` | 200 once the control plane was there for the first time |
//! | `/readyz` | 200 while both databases answer and the schema is up to date, else 503, with the reason |
//! | `/healthz` | what there is to know, as JSON |
//! | `/metrics` | Prometheus' text format |
//! | `POST /schedules/{name}/fire` | asks for a run of a schedule, by whoever shows `http.token` |
//!
//! Owns no knowledge of its own: it asks the orchestrator and the control plane. Guarantee: whoever connects, how often
//! and however slowly, neither the descriptors nor the control plane's connections that the daemon needs are taken.

mod connections;
mod fire;
mod freshness;
mod summary;

use crate::orchestrator::{Health, Orchestrator};
use axum::{
    Json, Router,
    extract::{MatchedPath, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use connections::Bounded;
use serde_json::json;
use std::sync::Arc;
use tokio::{
    net::TcpListener,
    sync::{Mutex, watch},
};
use tokio_util::sync::CancellationToken;
use tracing::error;

/// The content type of Prometheus' text format, as its docs have it.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

struct Shared {
    orchestrator: Orchestrator,
    health: watch::Receiver<Health>,
    /// One at a time reads from the control plane: the daemon's own work needs its few connections.
    reading: Mutex<()>,
}

type App = Arc<Shared>;

/// Serves until told to stop.
pub async fn serve(
    listener: TcpListener,
    orchestrator: Orchestrator,
    health: watch::Receiver<Health>,
    stop: CancellationToken,
) {
    let app = Arc::new(Shared { orchestrator, health, reading: Mutex::default() });
    let router = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/startupz", get(startupz))
        .route("/readyz", get(readyz))
        .route("/healthz", get(summary::healthz))
        .route("/metrics", get(metrics))
        .route("/schedules/{name}/fire", post(fire::fire))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), count))
        .with_state(app);
    let served = axum::serve(Bounded::new(listener), router).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        error!(%error, "health and metrics are served no longer");
    }
}

async fn startupz(State(app): State<App>) -> Response {
    let health = app.health.borrow().clone();
    if health.was_ready { "started\n".into_response() } else { not_yet(&health) }
}

async fn readyz(State(app): State<App>) -> Response {
    let health = app.health.borrow().clone();
    if health.is_ready() { Json(json!({ "ready": true })).into_response() } else { not_yet(&health) }
}

fn not_yet(health: &Health) -> Response {
    let body =
        json!({ "ready": false, "source": health.source, "warehouse": health.warehouse, "migrated": health.migrated });
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

async fn metrics(State(app): State<App>) -> Response {
    let _one = app.reading.lock().await;
    freshness::renew(&app.orchestrator).await;
    ([(header::CONTENT_TYPE, METRICS_TYPE)], app.orchestrator.metrics().text()).into_response()
}

/// Counts what is answered. What no route knows shares one label, so that nobody can fill the metrics.
async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    // The route, and not what was asked for.
    let path = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    app.orchestrator.metrics().http_requests.with_label_values(&[&path, response.status().as_str()]).inc();
    response
}
