//! A request for the tests of events: AWS's sample, an empty one, any bytes.

use base64::Engine as _;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{EventBody, Flavour, Identity, ProxyRequest, render_stage_variables};
use crate::tls::ClientCertificate;

type Bytes = Vec<u8>;

#[derive(Clone, Debug)]
pub(super) struct Parts {
    headers: Vec<(Bytes, Bytes)>,
    path: Bytes,
    query: Bytes,
    path_parameters: Vec<(Bytes, Bytes)>,
    stage_variables: Vec<(String, String)>,
    body: Bytes,
    is_binary: bool,
}

impl Parts {
    /// The request of AWS's sample with values that come more than once.
    pub(super) fn sample() -> Self {
        let mut parts = Self::empty();
        parts.header("Accept", "*/*");
        parts.header("headerName", "headerValue");
        parts.header("headerName", "headerValue2");
        parts.query = b"name=me&name=me2".to_vec();
        parts.path_parameters.push((b"proxy".to_vec(), b"hello%2Fworld".to_vec()));
        parts.stage_variables.push(("stageVariableName".into(), "stageVariableValue".into()));
        parts.body = b"{\r\n\t\"a\": 1\r\n}".to_vec();
        parts
    }

    pub(super) fn empty() -> Self {
        Self {
            headers: Vec::new(),
            path: b"/hello/world".to_vec(),
            query: Vec::new(),
            path_parameters: Vec::new(),
            stage_variables: Vec::new(),
            body: Vec::new(),
            is_binary: false,
        }
    }

    pub(super) fn header(&mut self, name: &str, value: &str) {
        self.headers.push((name.into(), value.into()));
    }

    /// Lends the request to `use_it`, after `change`.
    pub(super) fn with_request<T>(
        &self,
        certificate: &ClientCertificate,
        change: impl FnOnce(&mut ProxyRequest<'_>),
        use_it: impl FnOnce(&ProxyRequest<'_>) -> T,
    ) -> T {
        let variables = self.stage_variables.iter().map(|(name, value)| (&**name, &**value));
        let variables = render_stage_variables(variables);
        let path_with_stage = [b"/testStage", &*self.path].concat();
        let mut request = ProxyRequest {
            route_key: "ANY /{proxy+}",
            resource: "/{proxy+}",
            resource_id: Some("roq9wj"),
            method: b"POST",
            path: &self.path,
            path_with_stage: &path_with_stage,
            protocol: "HTTP/1.1",
            headers: &|visit| self.headers.iter().for_each(|(name, value)| visit(name, value)),
            query: &self.query,
            path_parameters: &|visit| {
                self.path_parameters.iter().for_each(|(name, value)| visit(name, value));
            },
            stage_variables: variables.as_deref(),
            account_id: "123456789012",
            api_id: "gy415nuibc",
            deployment_id: Some("d1"),
            domain_name: b"gy415nuibc.execute-api.us-east-1.amazonaws.com",
            domain_prefix: b"gy415nuibc",
            request_id: "id",
            extended_request_id: "extended=",
            stage: "testStage",
            operation_name: None,
            is_canary: None,
            time: "04/Mar/2020:19:15:17 +0000",
            time_epoch_ms: 1_583_349_317_135,
            identity: Identity {
                source_ip: "192.0.2.1",
                user_agent: Some(b"agent"),
                ..Identity::default()
            },
            client_certificate: Some(certificate),
            authorizer: None,
            body: EventBody::new(&self.body, self.is_binary),
        };
        change(&mut request);
        use_it(&request)
    }

    /// That the event has exactly the headers, parameters and body of this request.
    pub(super) fn check_v1(&self, event: &Value, flavour: Flavour) {
        let text = |name: &[u8]| match flavour {
            Flavour::Rest => lossy(name),
            Flavour::Http => lossy(&name.to_ascii_lowercase()),
        };
        let mut count = 0;
        for (name, list) in event["multiValueHeaders"].as_object().into_iter().flatten() {
            let named = self.headers.iter().filter(|(other, _)| text(other) == *name);
            let values: Vec<_> = named.map(|(_, value)| lossy(value)).collect();
            assert_eq!(*list, json!(values));
            assert_eq!(event["headers"][name], *values.last().expect("a value"));
            count += values.len();
        }
        assert_eq!(count, self.headers.len());
        assert_eq!(event["path"], lossy(&self.path));
        self.check_parameters(event);
        self.check_body(event);
    }

    pub(super) fn check_v2(&self, event: &Value) {
        let text = |name: &[u8]| lossy(&name.to_ascii_lowercase());
        for (name, _) in self.headers.iter().filter(|(name, _)| text(name) != "cookie") {
            let named = self.headers.iter().filter(|(other, _)| text(other) == text(name));
            let values: Vec<_> = named.map(|(_, value)| lossy(value)).collect();
            assert_eq!(event["headers"][text(name)], values.join(","));
        }
        assert_eq!(event["headers"]["cookie"], Value::Null);
        assert_eq!(event["rawQueryString"], lossy(&self.query));
        self.check_parameters(event);
        self.check_body(event);
    }

    fn check_parameters(&self, event: &Value) {
        let found = event["pathParameters"].as_object().map_or(0, serde_json::Map::len);
        let mut names: Vec<_> = self.path_parameters.iter().map(|(name, _)| lossy(name)).collect();
        names.sort();
        names.dedup();
        assert_eq!(found, names.len());
        for (name, _) in &self.stage_variables {
            let last = self.stage_variables.iter().rev().find(|(other, _)| other == name);
            assert_eq!(event["stageVariables"][name], last.expect("it is there").1);
        }
    }

    fn check_body(&self, event: &Value) {
        let is_base64 = self.is_binary && !self.body.is_empty();
        assert_eq!(event["isBase64Encoded"], is_base64);
        match (event["body"].as_str(), is_base64) {
            (None, _) => assert!(self.body.is_empty()),
            (Some(text), false) => assert_eq!(text, lossy(&self.body)),
            (Some(text), true) => {
                let decoded = base64::engine::general_purpose::STANDARD.decode(text);
                assert_eq!(decoded.expect("base64"), self.body);
            }
        }
    }
}

impl Arbitrary for Parts {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let bytes = || prop_oneof![vec(any::<u8>(), 0..40), ".{0,20}".prop_map(String::into_bytes)];
        let name = move || prop_oneof![Just(b"Cookie".to_vec()), Just(b"X-a".to_vec()), bytes()];
        let pairs = move || vec((name(), bytes()), 0..8);
        let query = prop_oneof![bytes(), "[a-c=&;+%20]{0,40}".prop_map(String::into_bytes)];
        let variables = vec((".{0,8}", ".{0,8}"), 0..4);
        (pairs(), bytes(), query, pairs(), variables, bytes(), any::<bool>())
            .prop_map(
                |(headers, path, query, path_parameters, stage_variables, body, is_binary)| Self {
                    headers,
                    path,
                    query,
                    path_parameters,
                    stage_variables,
                    body,
                    is_binary,
                },
            )
            .boxed()
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<_> =
        object.as_object().expect("an object").keys().map(|key| &**key).collect();
    keys.sort_unstable();
    keys
}

/// The certificate of AWS's sample.
pub(super) fn certificate() -> ClientCertificate {
    ClientCertificate {
        client_cert_pem: "CERT_CONTENT".to_owned(),
        subject_dn: "www.example.com".to_owned(),
        issuer_dn: "Example issuer".to_owned(),
        serial_number: "a1:a1".to_owned(),
        not_before: "May 28 12:30:02 2019 GMT".to_owned(),
        not_after: "Aug  5 09:36:04 2021 GMT".to_owned(),
    }
}
