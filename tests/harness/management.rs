//! A client of the management API.

use std::net::SocketAddr;

use serde_json::Value as Json;

use super::{Client, Request};

/// Speaks JSON to a management API without signing, so in the region of the settings (us-east-1).
#[derive(Clone, Copy, Debug)]
pub struct Management {
    address: SocketAddr,
    region: Option<&'static str>,
}

impl Management {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, region: None }
    }

    /// The same in another region: calls name it as a signature would, which nobody checks where
    /// there are no credentials.
    pub fn in_region(self, region: &'static str) -> Self {
        Self { region: Some(region), ..self }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Any call: the status and the body of the answer (null if there is none).
    pub fn call(&self, method: &str, path: &str, body: Option<&Json>) -> (u16, Json) {
        let mut request = Request::new(method, path);
        if let Some(region) = self.region {
            let scope = format!("AKIDEXAMPLE/20260101/{region}/apigateway/aws4_request");
            let signature = "0".repeat(64);
            let signature = format!(
                "AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={signature}"
            );
            request = request.header("X-Amz-Date", "20260101T000000Z");
            request = request.header("Authorization", &signature);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_string());
        }
        let answer = request.ask_on(&mut Client::connect(self.address));
        let json = if answer.body.is_empty() {
            Json::Null
        } else {
            serde_json::from_slice(&answer.body).expect("an answer of JSON")
        };
        (answer.status, json)
    }

    /// A call that succeeds.
    #[track_caller]
    fn succeed(&self, method: &str, path: &str, body: Option<&Json>) -> Json {
        let (status, said) = self.call(method, path, body);
        assert!((200..300).contains(&status), "{method} {path} {body:?}: {status} {said}");
        said
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Json {
        self.succeed("GET", path, None)
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &Json) -> Json {
        self.succeed("POST", path, Some(body))
    }

    #[track_caller]
    pub fn put(&self, path: &str, body: &Json) -> Json {
        self.succeed("PUT", path, Some(body))
    }

    /// PATCH with a document, as the second generation has it.
    #[track_caller]
    pub fn update(&self, path: &str, body: &Json) -> Json {
        self.succeed("PATCH", path, Some(body))
    }

    /// PATCH with operations, as the first generation has it.
    #[track_caller]
    pub fn patch(&self, path: &str, operations: &[Json]) -> Json {
        self.update(path, &serde_json::json!({ "patchOperations": operations }))
    }

    #[track_caller]
    pub fn delete(&self, path: &str) {
        self.succeed("DELETE", path, None);
    }
}

/// One operation of a patch: `replace("/deploymentId", "abc123")`.
pub fn replace(path: &str, value: &str) -> Json {
    serde_json::json!({ "op": "replace", "path": path, "value": value })
}

/// One operation of a patch.
pub fn copy(from: &str, path: &str) -> Json {
    serde_json::json!({ "op": "copy", "from": from, "path": path })
}

/// One operation of a patch.
pub fn remove(path: &str) -> Json {
    serde_json::json!({ "op": "remove", "path": path })
}
