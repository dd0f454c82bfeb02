//! Backups of the store, taken and restored while it is in use.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::task;

use super::AdminView;
use super::answer::Refusal;
use crate::store::{BACKUP_MEDIA_TYPE, Store, StoreError};

/// Everything in the store as it is now.
pub(super) async fn back_up(State(view): State<AdminView>) -> Result<Response, Refusal> {
    let backup = on_pool(&view, |store| {
        let mut backup = Vec::new();
        store.back_up(&mut backup).map(|_| backup)
    });
    let backup = backup.await?;
    Ok(([(header::CONTENT_TYPE, BACKUP_MEDIA_TYPE)], backup).into_response())
}

/// Replaces everything in the store by a backup.
pub(super) async fn restore(
    State(view): State<AdminView>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let restored = on_pool(&view, move |store| store.restore(&body)).await?;
    tracing::info!(documents_count = restored.documents_count, "a backup was restored");
    Ok(Json(json!({ "documents_count": restored.documents_count })))
}

/// Does work that waits for the disk where it keeps nobody waiting.
async fn on_pool<T: Send + 'static>(
    view: &AdminView,
    work: impl FnOnce(Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Refusal> {
    let Some(store) = view.store.clone() else {
        let message = "the boot file has no [management], so there is no store";
        return Err(Refusal::new(StatusCode::NOT_FOUND, "no_store", message));
    };
    let done = task::spawn_blocking(move || work(store)).await.map_err(|error| {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "store_failed", error.to_string())
    })?;
    done.map_err(|error| match error {
        StoreError::Backup { .. } => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Refusal::new(status, "backup_invalid", error.to_string())
        }
        error => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Refusal::new(status, "store_unavailable", error.to_string())
        }
    })
}
