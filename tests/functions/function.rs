//! A function that a test answers for, and APIs that call it.

use serde_json::{Value as Json, json};

use crate::harness::{HttpApi, Managed, Received, RestApi, Upstream};

pub(crate) const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:orders";

/// A server of the Invoke API, and a gateway whose function `orders` it is.
pub(crate) struct Site {
    pub(crate) server: Upstream,
    pub(crate) gateway: Managed,
}

impl Site {
    /// The function answers each event with `answer`.
    pub(crate) fn start(answer: impl Fn(&Json) -> Json + Send + Sync + 'static) -> Self {
        Self::start_raw(move |received| {
            let event = serde_json::from_slice(&received.body).expect("an event");
            ok("", &answer(&event).to_string())
        })
    }

    /// The server answers each invocation with the bytes that `answer` makes.
    pub(crate) fn start_raw(answer: impl Fn(&Received) -> String + Send + Sync + 'static) -> Self {
        Self::start_set("", answer)
    }

    /// The same with more `settings` of the function.
    pub(crate) fn start_set(
        settings: &str,
        answer: impl Fn(&Received) -> String + Send + Sync + 'static,
    ) -> Self {
        let server = Upstream::answering_by(answer);
        let tables = format!(
            "[[function]]\nname = \"orders\"\nendpoint = \"http://{}\"\n{settings}\n",
            server.address()
        );
        Self { server, gateway: Managed::start_with(&tables) }
    }

    /// The event that the function got last.
    #[track_caller]
    pub(crate) fn event(&self) -> Json {
        let requests = self.server.requests();
        let last = requests.last().expect("an invocation");
        serde_json::from_slice(&last.body).expect("an event")
    }

    /// An API whose method `method` of `path` is the function's, deployed to `prod`.
    #[track_caller]
    pub(crate) fn rest_api(&self, path: &str, method: &str, more: Json) -> RestApi<'_> {
        let api = self.gateway.create_rest_api();
        api.put_method(path, method, json!({}));
        let mut body = json!({ "type": "AWS_PROXY", "httpMethod": "POST", "uri": uri() });
        body.as_object_mut().expect("one").extend(more.as_object().expect("one").clone());
        api.put_integration(path, method, body);
        api.deploy("prod");
        api
    }

    /// An API whose route `key` is the function's, by this format, on the stage `$default`.
    #[track_caller]
    pub(crate) fn http_api(&self, key: &str, format: &str) -> HttpApi<'_> {
        let api = self.gateway.create_http_api(json!({}));
        let integration = api.create_integration(json!({
            "integrationType": "AWS_PROXY", "integrationUri": ARN, "payloadFormatVersion": format,
        }));
        api.create_route(key, &integration);
        api.create_default_stage();
        api
    }
}

/// The URI of the action that invokes the function.
pub(crate) fn uri() -> String {
    format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{ARN}/invocations")
}

/// An answer of the Invoke API.
pub(crate) fn ok(more: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{more}Content-Length: {}\r\n\r\n{body}", body.len())
}
