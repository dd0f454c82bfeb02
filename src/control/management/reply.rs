//! An answer of the management API on its way out: a status, an error's type, fields, bytes.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::error::{ApiError, Code};
use super::lambda::InvokeReply;
use crate::store::Document;

/// An answer before it has the fields that all have.
pub(super) struct Reply {
    status: u16,
    pub(super) error: Option<Code>,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    pub(super) fn new(status: u16, body: Vec<u8>) -> Self {
        Self { status, error: None, headers: Vec::new(), body }
    }

    pub(super) fn of_zip(zip: Vec<u8>) -> Self {
        let headers = vec![("content-type", "application/zip".to_owned())];
        Self { headers, ..Self::new(200, zip) }
    }

    pub(super) fn of_call(InvokeReply { status, headers, body }: InvokeReply) -> Self {
        Self { status, error: None, headers, body }
    }

    pub(super) fn document(status: u16, document: Option<Document>) -> Self {
        let body = document.map(|document| Value::Object(document).to_string());
        Self::new(status, body.unwrap_or_default().into_bytes())
    }

    pub(super) fn refusal(error: &ApiError) -> Self {
        let body = error.body().to_string().into_bytes();
        Self { error: Some(error.code), ..Self::new(error.code.status(), body) }
    }

    pub(super) fn internal_failure() -> Self {
        let body = json!({ "message": "Internal server error" }).to_string().into_bytes();
        Self::new(500, body)
    }

    pub(super) fn into_response(self, request_id: &str) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("x-amzn-requestid", id);
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        if let Some(code) = self.error {
            headers.insert("x-amzn-errortype", HeaderValue::from_static(code.name()));
        }
        response
    }
}

const JSON: &str = "application/json";
