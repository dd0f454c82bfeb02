//! `TestInvokeMethod`: a method is called before it is deployed, and tells what became of the call.
//!
//! What the method and its integration are is frozen as a deployment would be, without what guards
//! the method: AWS asks neither authorizers nor API keys for a test. The call itself is made outside
//! of the transaction, by whoever can compile a stage ([`Invocation`] says of what).

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::api::REST_API;
use super::deployment::freeze;
use super::invocation_log::InvocationLog;
use super::path_resource::RESOURCE;
use crate::base::Fault;
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::resource::document::{table, text};
use crate::control::management::resource::{Context, Result, load, require};
use crate::coord::{TrialReport, TrialStep};
use crate::store::Document;

/// A call that is to be made.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) region: String,
    pub(crate) api_id: String,
    /// The API with this one method, as a deployment would have it.
    pub(crate) frozen: Document,
    /// The stage that it is called in.
    pub(crate) stage: Document,
    method: String,
    resource_path: String,
    /// With its query.
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// The name of the stage that there is for the time of a test.
pub(crate) const TEST_STAGE: &str = "test-invoke-stage";

/// Checks a request for a test.
pub(in crate::control::management) fn test_invoke(context: &mut Context<'_>) -> Result<Answer> {
    let (api, _) = load(context, &REST_API)?;
    let (resource_key, resource) = load(context, &RESOURCE)?;
    let asked = context.call.value(2).to_owned();
    let own = context.document(&resource_key.child("methods").child(&asked))?;
    let name = if own.is_some() { asked.as_str() } else { "ANY" };
    let missing = || ApiError::not_found(METHOD_MISSING);
    let mut method = require(context, &resource_key.child("methods"), name, missing)?;
    if !method.contains_key("methodIntegration") {
        return Err(ApiError::bad_request("No integration defined for method"));
    }
    method.insert("authorizationType".into(), "NONE".into());
    method.insert("apiKeyRequired".into(), false.into());
    let body = &context.call.body;
    let mut stage = Map::new();
    stage.insert("stageName".into(), TEST_STAGE.into());
    stage.insert("deploymentId".into(), "test".into());
    if let Some(variables) = body.get("stageVariables") {
        stage.insert("variables".into(), variables.clone());
    }
    if let Some(id) = context.call.text("clientCertificateId").filter(|id| !id.is_empty()) {
        let missing = || ApiError::bad_request("Invalid client certificate identifier specified");
        let certificates = context.root().child("clientcertificates");
        require(context, &certificates, id, missing)?;
        stage.insert("clientCertificateId".into(), id.into());
    }
    let resource_path = text(&resource, "path").unwrap_or("/").to_owned();
    let target = match context.call.text("pathWithQueryString").filter(|path| !path.is_empty()) {
        Some(path) => checked_target(path)?.to_owned(),
        // Placeholders stand for themselves.
        None => resource_path.replace('{', "%7B").replace('}', "%7D"),
    };
    let headers = headers(body)?;
    let mut frozen = freeze(context, &api)?;
    keep_method(&mut frozen, resource_key.last(), &resource, name, method);
    Ok(Answer::Invocation(Box::new(Invocation {
        region: context.call.realm.region.clone(),
        api_id: api.last().to_owned(),
        frozen,
        stage,
        method: if asked == "ANY" { "GET".to_owned() } else { asked },
        resource_path,
        target,
        headers,
        body: context.call.text("body").unwrap_or_default().to_owned(),
    })))
}

/// Leaves nothing of the API but the one method, and nothing that keeps callers out.
fn keep_method(frozen: &mut Document, id: &str, resource: &Document, name: &str, method: Document) {
    let mut resource = resource.clone();
    resource.insert("resourceMethods".into(), json!({ name: method }));
    frozen.insert("resources".into(), json!({ id: resource }));
    if let Some(Value::Object(api)) = frozen.get_mut("api") {
        api.remove("policy");
    }
}

/// A path with its query as it may stand in a request line.
fn checked_target(target: &str) -> Result<&str> {
    let is_fit = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    match target.starts_with('/') && target.bytes().all(is_fit) {
        true => Ok(target),
        false => Err(ApiError::bad_request(format!(
            "Invalid pathWithQueryString specified: {target}. It must begin with / and be encoded"
        ))),
    }
}

/// The headers of the call: `headers`, and `multiValueHeaders` in place of those of the same name.
fn headers(body: &Document) -> Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    let many = table(body, "multiValueHeaders");
    for (name, value) in table(body, "headers").into_iter().flatten() {
        if many.is_none_or(|many| !many.contains_key(name)) {
            headers.push((name.clone(), value.as_str().unwrap_or_default().to_owned()));
        }
    }
    for (name, values) in many.into_iter().flatten() {
        let values = values.as_array().into_iter().flatten().filter_map(Value::as_str);
        headers.extend(values.map(|value| (name.clone(), value.to_owned())));
    }
    for (name, value) in &headers {
        let is_value = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        if !is_token(name) || !value.bytes().all(is_value) {
            return Err(ApiError::bad_request(format!("Invalid header specified: {name}")));
        }
    }
    Ok(headers)
}

/// RFC 9110 section 5.6.2.
fn is_token(name: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_fit)
}

impl Invocation {
    /// The call as it comes over a connection.
    pub(crate) fn request(&self) -> Vec<u8> {
        let Self { region, api_id, method, target, body, .. } = self;
        let mut request = format!(
            "{method} /{TEST_STAGE}{target} HTTP/1.1\r\nHost: {api_id}.execute-api.{region}.amazonaws.com\r\n"
        );
        for (name, value) in &self.headers {
            if !OF_THE_CONNECTION.iter().any(|one| name.eq_ignore_ascii_case(one)) {
                request.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        if !body.is_empty() {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("Connection: close\r\n\r\n");
        request.push_str(body);
        request.into_bytes()
    }

    /// What the caller is told. `scheme` is that of the endpoint, `started` and `latency` when the
    /// call was made and how long it took.
    pub(in crate::control::management) fn answer(
        &self,
        report: &TrialReport,
        scheme: &str,
        started: SystemTime,
        latency: Duration,
    ) -> Result<Document> {
        let is_elsewhere =
            |step: &TrialStep| matches!(step, TrialStep::Refused { fault: Fault::NotFound, .. });
        if report.steps.iter().any(is_elsewhere) {
            let (target, path) = (&self.target, &self.resource_path);
            return Err(ApiError::bad_request(format!(
                "Invalid pathWithQueryString specified: {target} is no path of the resource {path}"
            )));
        }
        let answer = Answered::parse(&report.answer);
        let log = InvocationLog {
            method: &self.method,
            resource_path: &self.resource_path,
            target: &self.target,
            headers: &self.headers,
            body: &self.body,
            scheme,
            started,
            latency,
        };
        let mut single = Map::new();
        let mut many = Map::<String, Value>::new();
        for (name, value) in answer.told_headers() {
            single.insert(name.to_owned(), value.into());
            if let Value::Array(values) = many.entry(name).or_insert_with(|| json!([])) {
                values.push(value.into());
            }
        }
        let told = json!({
            "status": answer.status,
            "body": String::from_utf8_lossy(answer.body),
            "headers": single,
            "multiValueHeaders": many,
            "log": log.text(&report.steps, &answer),
            "latency": u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
        });
        Ok(match told {
            Value::Object(told) => told,
            _ => Map::new(),
        })
    }
}

/// An answer in its parts.
pub(super) struct Answered<'a> {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) body: &'a [u8],
}

impl<'a> Answered<'a> {
    fn parse(answer: &'a [u8]) -> Self {
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
        let (head, rest) = answer.split_at(end);
        let head = std::str::from_utf8(head).unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let headers = header_lines(head);
        Self { status: status.unwrap_or(0), headers, body: rest.get(4..).unwrap_or_default() }
    }

    /// The headers without those that only a call from outside has.
    pub(super) fn told_headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let is_own = |name: &str| OF_THE_GATEWAY.iter().any(|one| name.eq_ignore_ascii_case(one));
        self.headers.iter().copied().filter(move |(name, _)| !is_own(name))
    }

    /// What the gateway calls the request.
    pub(super) fn request_id(&self) -> &'a str {
        let id =
            self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-amzn-requestid"));
        id.map_or("test-invoke-request", |(_, id)| id)
    }
}

/// Names and values of the lines behind the first.
pub(super) fn header_lines(head: &str) -> Vec<(&str, &str)> {
    let lines = head.split("\r\n").skip(1);
    lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim()))
        .collect()
}

const METHOD_MISSING: &str = "Invalid Method identifier specified";
/// Headers that say how a message comes: the gateway writes them itself.
const OF_THE_CONNECTION: [&str; 8] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
];
const OF_THE_GATEWAY: [&str; 5] =
    ["connection", "content-length", "date", "x-amzn-requestid", "x-amz-apigw-id"];
