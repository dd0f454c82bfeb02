//! A gateway whose APIs come from the management API alone.

use std::net::SocketAddr;

use serde_json::json;

use super::{Answer, Gateway, HttpApi, Management, Request, RestApi, eventually};

/// The gateway, with one listener, a store in its folder, and no API in its boot file.
#[derive(Debug)]
pub struct Managed {
    gateway: Gateway,
    public: SocketAddr,
    management: Management,
}

impl Managed {
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts it with more tables in the boot file.
    pub fn start_with(tables: &str) -> Self {
        Self::of(Gateway::start(&format!(
            r#"
[management]
address = "127.0.0.1:0"
store = "{{dir}}/state.redb"
audit_log = "{{dir}}/audit.jsonl"
account_id = "111111111111"
test_mode = true

[[listener]]
name = "public"
address = "127.0.0.1:0"

{tables}
"#
        )))
    }

    /// The same for a gateway with a management API and a listener called "public".
    pub fn of(gateway: Gateway) -> Self {
        let line = gateway.wait_for_log("its readiness", |line| line["message"] == "serving");
        let management = line["management"].as_str().and_then(|text| text.parse().ok());
        Self {
            public: gateway.address("public"),
            management: Management::new(management.expect("an address")),
            gateway,
        }
    }

    /// Asks it to end, and waits.
    pub fn end(mut self) {
        self.gateway.signal("TERM");
        assert!(self.gateway.wait().success());
    }

    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Where requests go.
    pub fn public(&self) -> SocketAddr {
        self.public
    }

    pub fn management(&self) -> &Management {
        &self.management
    }

    /// A REST API with nothing but its root resource.
    #[track_caller]
    pub fn create_rest_api(&self) -> RestApi<'_> {
        RestApi::create(self, &json!({ "name": "test" }))
    }

    /// A REST API with `more` members of CreateRestApi.
    #[track_caller]
    pub fn create_rest_api_with(&self, more: serde_json::Value) -> RestApi<'_> {
        RestApi::create(self, &super::rest_api::merged(json!({ "name": "test" }), more))
    }

    /// An HTTP API; `more` members of CreateApi may be `json!({})`.
    #[track_caller]
    pub fn create_http_api(&self, more: serde_json::Value) -> HttpApi<'_> {
        HttpApi::create(self, more)
    }

    /// Asks once.
    pub fn ask(&self, request: &Request) -> Answer {
        request.ask(self.public)
    }

    /// Asks until the answer has this status.
    #[track_caller]
    pub fn ask_for(&self, status: u16, request: &Request) -> Answer {
        self.ask_until(request, |answer| answer.status == status)
    }

    /// Asks until the answer is as wanted.
    #[track_caller]
    pub fn ask_until(&self, request: &Request, is_wanted: impl Fn(&Answer) -> bool) -> Answer {
        eventually(|| {
            let answer = self.ask(request);
            if is_wanted(&answer) {
                return Ok(answer);
            }
            let body = String::from_utf8_lossy(&answer.body);
            Err(format!("{request:?} is answered\n{}\n\n{body}", answer.head))
        })
    }
}
