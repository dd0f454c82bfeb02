//! `Invoke` from its request to its answer, with functions that the test runs.

use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::changes::changes;
use super::gate::Gate;
use super::lambda::{FunctionAnswer, FunctionCall, FunctionOutcome, InvocationType, InvokeRefusal};
use super::options::{BoundEndpoint, BoundFunction, FunctionWay, ManagementOptions, Quotas};
use crate::lambda::{EventStreamDecoder, InvokeComplete, StreamEvent};
use crate::model::{FunctionName, ListenerAddress};
use crate::store::Store;

type Outcome = Result<FunctionOutcome, InvokeRefusal>;

/// A gate whose functions all come to the same, with what they were asked.
struct Api {
    gate: Arc<Gate>,
    calls: Arc<Mutex<Vec<FunctionCall>>>,
    _folder: tempfile::TempDir,
}

impl Api {
    fn new(outcome: Option<Outcome>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let address = ListenerAddress::Unix(folder.path().join("m.sock"));
        let bound = BoundFunction {
            name: FunctionName::parse("of-the-boot-file").expect("a name"),
            way: FunctionWay::Endpoint(BoundEndpoint {
                host: "localhost".into(),
                port: 1,
                is_https: false,
                remote_name: None,
                signing: None,
            }),
            permissions: None,
        };
        let options = ManagementOptions {
            address: address.clone(),
            store: folder.path().join("state"),
            audit_log: None,
            region: "us-east-1".into(),
            account_id: "000000000000".into(),
            credentials: Vec::new(),
            certificates: Vec::new(),
            trust_stores: Vec::new(),
            vpc_links: Vec::new(),
            functions: vec![bound],
            functions_concurrency: 10,
            allows_function_folders: true,
            needs_function_permissions: false,
            canary_is_sticky: false,
            test_mode: false,
            quotas: Quotas::default(),
        };
        let (teller, _) = changes();
        let store = Store::in_memory(Box::new(|_| {})).expect("a store");
        let gate = Gate::new(options, store, teller.progress(), &address).expect("a gate");
        let calls = Arc::<Mutex<Vec<FunctionCall>>>::default();
        if let Some(outcome) = outcome {
            let noted = Arc::clone(&calls);
            let set = gate.function_calls.invoke.set(Box::new(move |call| {
                noted.lock().expect("not poisoned").push(call);
                let answer = outcome.clone().map(|outcome| FunctionAnswer {
                    outcome,
                    version: "7".into(),
                    log_tail: b"END".to_vec(),
                });
                Box::pin(async move { answer })
            }));
            assert!(set.is_ok());
        }
        Self { gate: Arc::new(gate), calls, _folder: folder }
    }

    async fn ask(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> (u16, HeaderMap, Value) {
        let (status, headers, body) = self.ask_for_bytes(path, fields, body).await;
        (status, headers, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn ask_for_bytes(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> (u16, HeaderMap, Vec<u8>) {
        let mut request = Request::builder().method("POST").uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let answer = Arc::clone(&self.gate).answer("unix".into(), request).await;
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, 1 << 20).await.expect("a body");
        (head.status.as_u16(), head.headers, body.to_vec())
    }

    async fn invoke(
        &self,
        name: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> (u16, HeaderMap, Value) {
        self.ask(&format!("/2015-03-31/functions/{name}/invocations"), fields, body).await
    }

    /// The same by `InvokeWithResponseStream`.
    async fn invoke_with_stream(
        &self,
        name: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> (u16, HeaderMap, Vec<u8>) {
        let path = format!("/2021-11-15/functions/{name}/response-streaming-invocations");
        self.ask_for_bytes(&path, fields, body).await
    }

    async fn create(&self, name: &str) {
        let request = json!({
            "FunctionName": name, "Runtime": "python3.12", "Handler": "app.handler",
            "Role": "arn:aws:iam::000000000000:role/r",
            "Code": {"S3Bucket": "hot-reload", "S3Key": "/"},
        });
        let (status, _, said) = self.ask("/2015-03-31/functions", &[], &request.to_string()).await;
        assert_eq!(status, 201, "{said}");
    }
}

#[tokio::test]
async fn a_call_has_what_the_request_says() {
    let api = Api::new(Some(Ok(FunctionOutcome::Answered(b"{\"a\":1}".to_vec()))));
    api.create("f").await;
    let fields = [("x-amz-client-context", "e30="), ("x-amz-log-type", "Tail")];
    let (status, headers, body) = api.invoke("f:$LATEST", &fields, "{\"e\":1}").await;
    assert_eq!((status, body), (200, json!({"a": 1})));
    assert_eq!(headers["x-amz-executed-version"], "7");
    assert_eq!(headers["x-amz-log-result"], "RU5E");
    assert_eq!(headers.get("x-amz-function-error"), None);
    let (_, headers, _) = api.invoke("f", &[("x-amz-invocation-type", "Event")], "").await;
    let (status, _, _) = api.invoke("of-the-boot-file", &[], "2").await;
    assert_eq!(status, 200);
    let calls = api.calls.lock().expect("not poisoned").clone();
    let [first, second, third] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!(first.name.to_string(), "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST");
    assert_eq!(first.stored.as_ref().map(|one| &*one.handler), Some("app.handler"));
    assert_eq!(
        (&first.event[..], first.client_context.as_deref()),
        (&b"{\"e\":1}"[..], Some("{}"))
    );
    assert!(first.wants_log);
    assert_eq!((second.kind, &second.event[..]), (InvocationType::Event, &b"{}"[..]));
    assert_eq!(headers["x-amzn-requestid"], second.request_id);
    assert_eq!(third.stored, None, "the boot file has it");
}

#[tokio::test]
async fn failures_are_told_in_lambdas_words() {
    for (outcome, status, field, said) in [
        (
            Ok(FunctionOutcome::Failed(b"{\"errorMessage\":\"x\"}".to_vec())),
            200,
            "x-amz-function-error",
            "x",
        ),
        (
            Ok(FunctionOutcome::TimedOut { timeout_ms: 3_000 }),
            200,
            "x-amz-function-error",
            "after 3.00 s",
        ),
        (Ok(FunctionOutcome::Throttled), 429, "x-amzn-errortype", "Rate Exceeded."),
        (
            Err(InvokeRefusal::NotFound),
            404,
            "x-amzn-errortype",
            "Function not found: arn:aws:lambda",
        ),
        (
            Err(InvokeRefusal::Unavailable("it is full".into())),
            500,
            "x-amzn-errortype",
            "it is full",
        ),
    ] {
        let api = Api::new(Some(outcome));
        let (found, headers, body) = api.invoke("f", &[], "{}").await;
        assert_eq!(found, status, "{said}: {body}");
        assert!(headers.contains_key(field), "{headers:?}");
        assert!(body.to_string().contains(said), "{body}");
    }
}

#[tokio::test]
async fn what_nobody_runs_is_told_from_what_is_not_there() {
    let api = Api::new(None);
    api.create("f").await;
    let kind = |headers: &HeaderMap| headers["x-amzn-errortype"].to_str().expect("text").to_owned();
    for name in ["f", "of-the-boot-file"] {
        let (status, headers, _) = api.invoke(name, &[], "{}").await;
        assert_eq!((status, kind(&headers).as_str()), (500, "ServiceException"), "{name}");
        let (status, _, _) = api.invoke(name, &[("x-amz-invocation-type", "DryRun")], "{}").await;
        assert_eq!(status, 204, "{name}");
    }
    for name in ["g", "f:9", "arn:aws:lambda:eu-west-1:000000000000:function:f"] {
        let (status, headers, _) = api.invoke(name, &[], "{}").await;
        assert_eq!((status, kind(&headers).as_str()), (404, "ResourceNotFoundException"), "{name}");
    }
    let (status, headers, _) = api.invoke("f", &[], "no json").await;
    assert_eq!((status, kind(&headers).as_str()), (400, "InvalidRequestContentException"));
    let (status, headers, _) =
        api.invoke("f", &[], &format!("\"{}\"", "x".repeat(6_291_556))).await;
    assert_eq!((status, kind(&headers).as_str()), (413, "RequestEntityTooLargeException"));
}

/// The pieces of an event stream together, and its end.
fn events_of(frames: &[u8]) -> (Vec<u8>, InvokeComplete) {
    let (mut decoder, mut rest, mut payload) = (EventStreamDecoder::new(), frames, Vec::new());
    loop {
        let (taken, event) = decoder.feed(rest).expect("frames");
        rest = &rest[taken..];
        match event.expect("whole frames") {
            StreamEvent::Payload(piece) => payload.extend_from_slice(piece),
            StreamEvent::Complete(complete) => return (payload, complete),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_streamed_call_is_answered_with_events() {
    let api = Api::new(Some(Ok(FunctionOutcome::Answered(b"one two".to_vec()))));
    api.create("f").await;
    let fields = [("x-amz-log-type", "Tail")];
    let (status, headers, body) = api.invoke_with_stream("f:$LATEST", &fields, "{\"e\":1}").await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-type"], "application/vnd.amazon.eventstream");
    assert_eq!(headers["x-amz-executed-version"], "7");
    let (payload, complete) = events_of(&body);
    assert_eq!((&payload[..], complete.log_result.as_deref()), (&b"one two"[..], Some("RU5E")));
    assert_eq!(complete.error_code, None);
    let (status, _, body) =
        api.invoke_with_stream("f", &[("x-amz-invocation-type", "DryRun")], "").await;
    assert_eq!((status, &body[..]), (204, &b""[..]));
    let calls = api.calls.lock().expect("not poisoned").clone();
    let [call] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!((&call.event[..], call.kind), (&b"{\"e\":1}"[..], InvocationType::RequestResponse));
}

#[tokio::test]
async fn a_streamed_call_fails_as_any_other_before_its_stream() {
    let api = Api::new(Some(Ok(FunctionOutcome::Failed(b"{\"errorMessage\":\"x\"}".to_vec()))));
    let (status, _, body) = api.invoke_with_stream("of-the-boot-file", &[], "").await;
    let (payload, complete) = events_of(&body);
    assert_eq!((status, payload.len()), (200, 0));
    assert_eq!(complete.error_code.as_deref(), Some("Unhandled"));
    assert_eq!(complete.error_details.as_deref(), Some("{\"errorMessage\":\"x\"}"));
    let event = [("x-amz-invocation-type", "Event")];
    for (fields, event, status, kind) in [
        (&event[..], "", 400, "ValidationException"),
        (&[], "no json", 400, "InvalidRequestContentException"),
    ] {
        let (found, headers, body) = api.invoke_with_stream("f", fields, event).await;
        assert_eq!(found, status, "{}", body.escape_ascii());
        assert_eq!(headers["x-amzn-errortype"], kind);
        assert_eq!(headers["content-type"], "application/json");
    }
    for (outcome, status) in
        [(Ok(FunctionOutcome::Throttled), 429), (Err(InvokeRefusal::NotFound), 404)]
    {
        let api = Api::new(Some(outcome));
        assert_eq!(api.invoke_with_stream("f", &[], "").await.0, status);
    }
}
