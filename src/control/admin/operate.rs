//! The verbs of an operator.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminView;
use super::answer::Refusal;
use crate::control::process::Event;
use crate::control::reload::{ReloadError, Reloaded};
use crate::control::status::Phase;
use crate::coord::PublishError;
use crate::observe::process_log;

/// Reads the boot file again. Answers once the plan is in force, or with every reason why not.
pub(super) async fn reload(State(view): State<AdminView>) -> Result<Json<Reloaded>, Refusal> {
    if view.status.phase() == Phase::Draining {
        return Err(Refusal::new(StatusCode::CONFLICT, "draining", "the process is draining"));
    }
    // A caller that goes away must not leave a reload half done: it goes on by itself.
    let reload = tokio::spawn(async move { view.reloader.lock().await.reload().await });
    let result = reload.await.map_err(|error| {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "reload_failed", error.to_string())
    })?;
    result.map(Json).map_err(|error| {
        let (status, name) = match &error {
            ReloadError::Configuration(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "configuration_invalid")
            }
            ReloadError::Listen(_) => (StatusCode::CONFLICT, "listener_unavailable"),
            ReloadError::Log { .. } => (StatusCode::CONFLICT, "access_log_unavailable"),
            ReloadError::Publish(PublishError::Stale { .. }) => {
                (StatusCode::CONFLICT, "stale_epoch")
            }
            ReloadError::Publish(_) => (StatusCode::SERVICE_UNAVAILABLE, "shards_refused"),
        };
        Refusal::new(status, name, error.to_string())
    })
}

/// Begins the drain, as SIGTERM does.
pub(super) async fn drain(
    State(view): State<AdminView>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    if view.status.phase() != Phase::Draining && view.events.send(Event::Drain).await.is_err() {
        let message = "the process is ending";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "ending", message));
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "draining": true }))))
}

/// The level of the process log.
pub(super) async fn log_level() -> Json<Value> {
    Json(json!({ "level": process_log::level().map(|level| level.to_string()) }))
}

#[derive(Deserialize)]
struct LogLevel {
    level: String,
}

/// Sets the level until the next reload that changes it: `{"level": "debug"}`, or the bare word.
pub(super) async fn set_log_level(body: Bytes) -> Result<Json<Value>, Refusal> {
    let refuse =
        |message: String| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "level_unknown", message);
    let text = std::str::from_utf8(&body).map_err(|error| refuse(error.to_string()))?.trim();
    let level = match serde_json::from_str::<LogLevel>(text) {
        Ok(body) => body.level,
        Err(_) => text.to_owned(),
    };
    let level = process_log::parse_level(&level).map_err(|error| refuse(error.to_string()))?;
    process_log::set_level(level).map_err(|error| {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "log_unavailable", error.to_string())
    })?;
    tracing::info!(level = %level, "the level of the process log was set");
    Ok(log_level().await)
}
