//! `POST /schedules/{name}/fire`: asks for a run of a schedule, by whoever shows the token.
//!
//! Without `http.token` nobody may. The answer comes when it is asked for; the run begins by itself.

use super::App;
use crate::domain::ScheduleName;
use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use sha2::{Digest, Sha256};

pub(super) async fn fire(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let token = app.orchestrator.token();
    if token.is_empty() {
        return refused(StatusCode::FORBIDDEN, "no [http] token is configured, so nobody may ask for runs");
    }
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    // Of equal length, and compared in a time that tells nothing of where they differ.
    let digest = |text: &str| Sha256::digest(text.as_bytes());
    if shown.is_none_or(|shown| digest(shown) != digest(token.reveal())) {
        return refused(StatusCode::UNAUTHORIZED, "show the [http] token as `Authorization: Bearer ...`");
    }
    let state = app.orchestrator.state();
    match state.ask(&ScheduleName::new(&name), "api", app.orchestrator.clock().now()).await {
        Ok(true) => (StatusCode::ACCEPTED, Json(json!({ "schedule": name, "asked": true }))).into_response(),
        Ok(false) => refused(StatusCode::NOT_FOUND, "there is no such schedule, or it is paused"),
        Err(error) => refused(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

fn refused(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}
