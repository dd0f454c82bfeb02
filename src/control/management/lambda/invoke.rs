//! `Invoke` and `InvokeWithResponseStream`: what is asked of whoever runs functions, and what is answered.

use std::future::Future;
use std::pin::Pin;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde_json::json;

use super::name::not_found;
use super::stored::{LATEST, StoredFunction, find_function};
use super::stream::{EVENT_STREAM, in_frames};
use crate::control::management::answer::Answer;
use crate::control::management::call::Realm;
use crate::control::management::error::{ApiError, Code};
use crate::control::management::resource::{Context, Result};
use crate::model::{FunctionName, FunctionPlace};

/// Calls functions: those of the boot file and those of the store. The future ends with the answer,
/// or once an event was taken.
pub(crate) type InvokeFunction = Box<dyn Fn(FunctionCall) -> Invoking + Send + Sync>;

/// A call that is being made.
pub(crate) type Invoking =
    Pin<Box<dyn Future<Output = std::result::Result<FunctionAnswer, InvokeRefusal>> + Send>>;

/// A function that is to be called.
#[derive(Clone, Debug)]
pub(crate) struct FunctionCall {
    /// Its ARN in the region and account of the request, with a qualifier if that names one.
    pub(crate) name: FunctionName,
    /// What the store has by this name; the boot file comes before it.
    pub(crate) stored: Option<StoredFunction>,
    pub(crate) kind: InvocationType,
    /// JSON.
    pub(crate) event: Vec<u8>,
    /// JSON.
    pub(crate) client_context: Option<String>,
    /// Whether the end of its log is wanted.
    pub(crate) wants_log: bool,
    /// Whether its answer is wanted as an event stream.
    pub(crate) wants_stream: bool,
    /// The id of the request that asks for it.
    pub(crate) request_id: String,
}

/// Whether the answer of a function is waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum InvocationType {
    RequestResponse,
    Event,
    /// It is not called at all.
    DryRun,
}

/// What came of a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FunctionAnswer {
    pub(crate) outcome: FunctionOutcome,
    /// The version that was called.
    pub(crate) version: String,
    /// The end of its log, if it is at hand.
    pub(crate) log_tail: Vec<u8>,
}

/// How a call ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum FunctionOutcome {
    /// Its event was taken, and its answer goes nowhere.
    Accepted,
    /// The function answered.
    Answered(Vec<u8>),
    /// The function said that it failed, or its runtime did: the JSON of the error.
    Failed(Vec<u8>),
    /// More calls than may run at once.
    Throttled,
    /// No answer within the function's time.
    TimedOut { timeout_ms: u64 },
}

/// Why a call was not made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum InvokeRefusal {
    /// Neither the boot file nor the store has the function.
    NotFound,
    /// It cannot be called just now; why.
    Unavailable(String),
}

/// An answer of `Invoke`.
#[derive(Debug)]
pub(in crate::control::management) struct InvokeReply {
    pub(in crate::control::management) status: u16,
    pub(in crate::control::management) headers: Vec<(&'static str, String)>,
    pub(in crate::control::management) body: Vec<u8>,
}

/// How long the body of a request may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::control::management) struct BodyLimit {
    pub(in crate::control::management) bytes: usize,
    /// The operation, where its limit is one of Lambda's.
    pub(in crate::control::management) operation: &'static str,
    /// Whether it is so long that few are taken at once.
    pub(in crate::control::management) is_upload: bool,
}

/// The limit of a request of Lambda's that has one of its own.
pub(in crate::control::management) fn body_limit(method: &str, path: &str) -> Option<BodyLimit> {
    let event = |operation| BodyLimit { bytes: EVENT_BYTES_MAX, operation, is_upload: false };
    if let Some(rest) = path.strip_prefix("/2021-11-15/functions/") {
        let is_call = rest.trim_end_matches('/').ends_with("/response-streaming-invocations");
        return (method == "POST" && is_call).then(|| event("InvokeWithResponseStream"));
    }
    let rest = path.strip_prefix("/2015-03-31/functions")?.trim_end_matches('/');
    let upload =
        |operation| Some(BodyLimit { bytes: UPLOAD_BYTES_MAX, operation, is_upload: true });
    match method {
        "POST" if rest.is_empty() => upload("CreateFunction"),
        "PUT" if rest.ends_with("/code") => upload("UpdateFunctionCode"),
        "POST" if rest.ends_with("/invocations") => Some(event("InvokeFunction")),
        _ => None,
    }
}

/// `Invoke`: finds what is to be called.
pub(in crate::control::management) fn invoke(context: &mut Context<'_>) -> Result<Answer> {
    call_of(context, false)
}

/// `InvokeWithResponseStream`: the same, but an answer is always waited for.
pub(in crate::control::management) fn invoke_with_response_stream(
    context: &mut Context<'_>,
) -> Result<Answer> {
    call_of(context, true)
}

fn call_of(context: &mut Context<'_>, wants_stream: bool) -> Result<Answer> {
    let call = context.call;
    let header = |name: &str| call.headers.get(name).map(String::as_str);
    let kind = match header("X-Amz-Invocation-Type") {
        None | Some("RequestResponse") => InvocationType::RequestResponse,
        Some("Event") if !wants_stream => InvocationType::Event,
        Some("DryRun") => InvocationType::DryRun,
        Some(other) => {
            let of_all = "Event, RequestResponse, DryRun";
            let choices = if wants_stream { "RequestResponse, DryRun" } else { of_all };
            return Err(invalid_choice(other, "invocationType", choices));
        }
    };
    let wants_log = match header("X-Amz-Log-Type") {
        None | Some("None") => false,
        Some("Tail") => true,
        Some(other) => return Err(invalid_choice(other, "logType", "None, Tail")),
    };
    let event = if call.payload.is_empty() { b"{}".to_vec() } else { call.payload.clone() };
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(&event) {
        let message = format!("Could not parse request body into json: {error}");
        return Err(ApiError::new(Code::InvalidRequestContent, message));
    }
    let client_context = header("X-Amz-Client-Context").map(decode_context).transpose()?;
    let Realm { region, account_id } = &call.realm;
    let name = FunctionName {
        place: Some(FunctionPlace {
            partition: "aws".to_owned(),
            region: region.clone(),
            account_id: account_id.clone(),
        }),
        name: call.value(0).to_owned(),
        qualifier: call.query("Qualifier").map(str::to_owned),
    };
    let found = find_function(|key| context.document(key), (region, account_id), &name)?;
    Ok(Answer::Call(Box::new(FunctionCall {
        name,
        stored: found.map(|found| found.function),
        kind,
        event,
        client_context,
        wants_log,
        wants_stream,
        request_id: String::new(),
    })))
}

fn decode_context(text: &str) -> Result<String> {
    let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let decoded = decoded.filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    decoded.ok_or_else(|| {
        let message = "Client context must be a valid Base64-encoded JSON object.";
        ApiError::new(Code::InvalidRequestContent, message)
    })
}

fn invalid_choice(value: &str, member: &str, choices: &str) -> ApiError {
    let message = format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: \
         Member must satisfy enum value set: [{choices}]"
    );
    ApiError::new(Code::Validation, message)
}

impl FunctionCall {
    /// There is no such function.
    pub(super) fn not_found(&self) -> ApiError {
        let FunctionName { place, name, qualifier } = &self.name;
        let (region, account_id) = match place {
            Some(place) => (place.region.clone(), place.account_id.clone()),
            None => (String::new(), String::new()),
        };
        not_found(&Realm { region, account_id }, name, qualifier.as_deref())
    }

    /// What is needed of it once it is made, for [`answered`].
    pub(super) fn expectation(&self) -> Expectation {
        Expectation {
            wants_log: self.wants_log,
            wants_stream: self.wants_stream,
            request_id: self.request_id.clone(),
        }
    }
}

impl InvokeReply {
    /// The answer of a call that is only tried.
    pub(super) fn of_dry_run() -> Self {
        Self { status: 204, headers: Vec::new(), body: Vec::new() }
    }
}

/// What of a call its answer depends on.
#[derive(Debug)]
pub(super) struct Expectation {
    wants_log: bool,
    wants_stream: bool,
    request_id: String,
}

/// What a call is answered that came to `answer`.
pub(super) fn answered(answer: FunctionAnswer, expected: &Expectation) -> Result<InvokeReply> {
    let FunctionAnswer { outcome, version, log_tail } = answer;
    let version = if version.is_empty() { LATEST.to_owned() } else { version };
    let (is_failed, body) = match outcome {
        FunctionOutcome::Accepted => {
            return Ok(InvokeReply { status: 202, headers: Vec::new(), body: Vec::new() });
        }
        FunctionOutcome::Throttled => {
            return Err(ApiError::new(Code::FunctionThrottled, "Rate Exceeded."));
        }
        FunctionOutcome::Answered(body) => (false, body),
        FunctionOutcome::Failed(body) => (true, body),
        FunctionOutcome::TimedOut { timeout_ms } => {
            let (request_id, ms) = (&expected.request_id, timeout_ms % 1_000 / 10);
            let message = format!(
                "RequestId: {request_id} Error: Task timed out after {}.{ms:02} seconds",
                timeout_ms / 1_000
            );
            let body = json!({"errorType": "Sandbox.Timedout", "errorMessage": message});
            (true, body.to_string().into_bytes())
        }
    };
    let mut headers = vec![("x-amz-executed-version", version)];
    let log_result = expected.wants_log.then(|| STANDARD.encode(log_tail));
    if expected.wants_stream {
        headers.push(("content-type", EVENT_STREAM.to_owned()));
        let body = in_frames(&body, is_failed, log_result);
        return Ok(InvokeReply { status: 200, headers, body });
    }
    if is_failed {
        headers.push(("x-amz-function-error", "Unhandled".to_owned()));
    }
    headers.extend(log_result.map(|log| ("x-amz-log-result", log)));
    Ok(InvokeReply { status: 200, headers, body })
}

/// What AWS takes: 50 MB of zip as base64, and the rest of the request.
const UPLOAD_BYTES_MAX: usize = 70_167_211;
/// "Lambda quotas": invocation payload.
const EVENT_BYTES_MAX: usize = 6_291_556;

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(outcome: FunctionOutcome) -> Result<InvokeReply> {
        let answer = FunctionAnswer { outcome, version: "3".into(), log_tail: b"END".to_vec() };
        let expected =
            Expectation { wants_log: true, wants_stream: false, request_id: "r-1".into() };
        answered(answer, &expected)
    }

    #[test]
    fn every_outcome_has_its_answer() {
        let ok = reply(FunctionOutcome::Answered(b"1".to_vec())).expect("answered");
        assert_eq!((ok.status, &ok.body[..]), (200, &b"1"[..]));
        let log = ("x-amz-log-result", "RU5E".to_owned());
        assert_eq!(ok.headers, [("x-amz-executed-version", "3".to_owned()), log]);
        let failed = reply(FunctionOutcome::Failed(b"{}".to_vec())).expect("answered");
        assert!(failed.headers.contains(&("x-amz-function-error", "Unhandled".to_owned())));
        let late = reply(FunctionOutcome::TimedOut { timeout_ms: 3_050 }).expect("answered");
        let text = String::from_utf8(late.body).expect("text");
        assert!(text.contains("RequestId: r-1 Error: Task timed out after 3.05 seconds"), "{text}");
        assert_eq!(reply(FunctionOutcome::Accepted).expect("taken").status, 202);
        let refused = reply(FunctionOutcome::Throttled).expect_err("throttled");
        assert_eq!((refused.code.status(), refused.body()["Type"].as_str()), (429, Some("User")));
    }

    #[test]
    fn requests_with_code_may_be_long() {
        let limit = |method, path| body_limit(method, path).map(|limit| limit.bytes);
        for (method, path) in [
            ("POST", "/2015-03-31/functions"),
            ("POST", "/2015-03-31/functions/"),
            ("PUT", "/2015-03-31/functions/f/code"),
        ] {
            assert_eq!(limit(method, path), Some(UPLOAD_BYTES_MAX), "{path}");
        }
        let invoke = "/2015-03-31/functions/f/invocations";
        assert_eq!(limit("POST", invoke), Some(EVENT_BYTES_MAX));
        let stream = "/2021-11-15/functions/f/response-streaming-invocations";
        assert_eq!(limit("POST", stream), Some(EVENT_BYTES_MAX));
        for (method, path) in [
            ("GET", invoke),
            ("GET", stream),
            ("POST", "/2021-11-15/functions/f"),
            ("POST", "/restapis"),
            ("PUT", "/2015-03-31/functions/f/configuration"),
        ] {
            assert_eq!(limit(method, path), None, "{path}");
        }
    }
}
