//! Whether the process lives, and whether it wants requests.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::AdminView;
use super::answer::Refusal;
use crate::control::shards::stuck;
use crate::control::status::Phase;
use crate::rt;

/// 200 while every shard turns its loop: a process that fails this is to be restarted.
pub(super) async fn livez(State(view): State<AdminView>) -> Result<Json<Value>, Refusal> {
    let stuck = stuck(&view.shards, rt::now(), STUCK_AFTER);
    if stuck.is_empty() {
        return Ok(Json(json!({ "alive": true })));
    }
    let message = format!("shards {stuck:?} have not turned for {} s", STUCK_AFTER.as_secs());
    Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "stuck", message))
}

/// 200 while requests are wanted: a process that fails this is to be left out of balancing.
pub(super) async fn readyz(State(view): State<AdminView>) -> Result<Json<Value>, Refusal> {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    match view.status.phase() {
        Phase::Serving => Ok(Json(json!({ "ready": true, "epoch": view.status.epoch() }))),
        Phase::Starting => Err(Refusal::new(status, "starting", "the process is starting")),
        Phase::Draining => Err(Refusal::new(status, "draining", "the process is draining")),
    }
}

/// A shard's tick is 10 ms.
const STUCK_AFTER: Duration = Duration::from_secs(5);
