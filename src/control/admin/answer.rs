//! How the admin listener answers what it cannot do: a status and `{"error", "message"}`.

use axum::Json;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a request was not done.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    /// For machines, in snake case.
    error: &'static str,
    /// For people.
    message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: &'static str, message: impl Into<String>) -> Self {
        Self { status, error, message: message.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "message": self.message });
        (self.status, Json(body)).into_response()
    }
}

pub(super) async fn not_found(uri: Uri) -> Refusal {
    let message = format!("nothing is at {}; GET / lists what there is", uri.path());
    Refusal::new(StatusCode::NOT_FOUND, "not_found", message)
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Refusal {
    let message = format!("{method} is not for {}; see the Allow header", uri.path());
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}
