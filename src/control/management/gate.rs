//! One request of the management API, from bytes to an answer: guard, identity, operation,
//! transaction, audit.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;

use super::answer::{Answer, project};
use super::audit::{Audit, Record};
use super::call::{Call, Realm};
use super::changes::Progress;
use super::error::{ApiError, Code};
use super::identity::{Caller, identify};
use super::ids;
use super::lambda::{
    BodyLimit, CodeFolders, CodeLinks, FunctionCall, FunctionCalls, FunctionStore, UploadedCode,
    body_limit,
};
use super::operations;
use super::options::ManagementOptions;
use super::reply::Reply;
use super::resource::Context;
use super::rest::Invocation;
use super::service::{Service, route};
use crate::control::admin::Guard;
use crate::coord::TrialReport;
use crate::model::ListenerAddress;
use crate::proto::uri::percent_decode;
use crate::sign::SignedRequest;
use crate::store::Store;

/// Makes the calls of `TestInvokeMethod`; blocks. The error says why one was not made.
pub(crate) type Invoke = Box<dyn Fn(&Invocation) -> Result<Invoked, String> + Send + Sync>;

/// A call that was made.
#[derive(Debug)]
pub(crate) struct Invoked {
    pub(crate) report: TrialReport,
    /// `http` or `https`: how its endpoint was reached.
    pub(crate) scheme: &'static str,
    pub(crate) started: SystemTime,
    pub(crate) latency: Duration,
}

/// What answers requests.
pub(super) struct Gate {
    options: ManagementOptions,
    pub(super) store: Store,
    progress: Arc<Progress>,
    audit: Audit,
    /// Requests that are worked on at once; the others wait.
    turns: Semaphore,
    /// Set once there are shards.
    pub(super) invoke: OnceLock<Invoke>,
    /// Calls that are made for tests at once; one more is refused.
    invocations: Semaphore,
    pub(super) functions: FunctionStore,
    code_folders: Arc<CodeFolders>,
    code_links: CodeLinks,
    pub(super) function_calls: FunctionCalls,
    /// Requests with code that are read and worked on at once; the others wait.
    uploads: Semaphore,
    /// Keeps web pages out where nobody has to sign.
    guard: Option<Guard>,
}

/// A request as it came, all of it.
struct Arrival {
    peer: String,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// What the work on a request came to.
enum Work {
    Done(Reply),
    /// A function is to be called for it.
    Call(Box<FunctionCall>),
}

impl Gate {
    pub(super) fn new(
        options: ManagementOptions,
        store: Store,
        progress: Arc<Progress>,
        bound: &ListenerAddress,
    ) -> io::Result<Self> {
        let audit = Audit::open(options.audit_log.as_deref())?;
        let code_folders = Arc::new(CodeFolders::beside(&options.store));
        let function_calls = FunctionCalls::new(&options);
        let account_id = options.account_id.clone();
        let functions = FunctionStore::new(account_id, store.clone(), Arc::clone(&code_folders));
        let guard = options.credentials.is_empty().then(|| Guard::of(bound));
        Ok(Self {
            options,
            store,
            progress,
            audit,
            turns: Semaphore::new(TURNS_COUNT),
            invoke: OnceLock::new(),
            invocations: Semaphore::new(INVOCATIONS_COUNT_MAX),
            functions,
            code_folders,
            code_links: CodeLinks::new(),
            function_calls,
            uploads: Semaphore::new(UPLOADS_COUNT),
            guard,
        })
    }

    /// Answers a request. The work is done on the pool for blocking calls: it waits for the disk.
    pub(super) async fn answer(self: Arc<Self>, peer: String, request: Request) -> Response {
        if let Some(guard) = self.guard
            && let Err(reason) = guard.judge(request.uri(), request.headers())
        {
            return (StatusCode::FORBIDDEN, reason).into_response();
        }
        let (head, body) = request.into_parts();
        let request_id = ids::uuid();
        let may_change = !head.method.is_safe();
        let limit = body_limit(head.method.as_str(), head.uri.path());
        let upload = match limit {
            // It is never closed either.
            Some(limit) if limit.is_upload => self.uploads.acquire().await.ok(),
            _ => None,
        };
        let bytes_max = limit.map_or(BODY_BYTES_MAX, |limit| limit.bytes);
        let patience = if upload.is_some() { UPLOAD_LIMIT } else { BODY_LIMIT };
        let body = tokio::time::timeout(patience, to_bytes(body, bytes_max)).await;
        let work = match body {
            Err(_) => Work::refusal(&ApiError::new(Code::RequestTimeout, "Request timed out")),
            Ok(Err(_)) => Work::refusal(&too_long(limit)),
            Ok(Ok(body)) => {
                // It is never closed, so that there is always a turn to wait for.
                let _turn = self.turns.acquire().await;
                let arrival = Arrival {
                    peer,
                    method: head.method,
                    uri: head.uri,
                    headers: head.headers,
                    body,
                };
                let id = request_id.clone();
                let gate = Arc::clone(&self);
                let work = tokio::task::spawn_blocking(move || gate.handle(&arrival, &id));
                work.await.unwrap_or_else(|error| {
                    tracing::error!(%error, request_id, "a request of the management API failed");
                    Work::Done(Reply::internal_failure())
                })
            }
        };
        let reply = match work {
            Work::Done(reply) => {
                if may_change && reply.error.is_none() {
                    self.progress.all_in_force().await;
                }
                reply
            }
            Work::Call(mut call) => {
                request_id.clone_into(&mut call.request_id);
                let reply = self.function_calls.make(*call).await;
                reply.map_or_else(|error| Reply::refusal(&error), Reply::of_call)
            }
        };
        drop(upload);
        reply.into_response(&request_id)
    }

    fn handle(&self, arrival: &Arrival, request_id: &str) -> Work {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = since.as_secs();
        let query = parse_query(arrival.uri.query().unwrap_or_default());
        let Some(query) = query else {
            let message = "The query string is not encoded as it should be";
            return Work::refusal(&ApiError::bad_request(message));
        };
        if arrival.uri.path() == RESET_PATH {
            return Work::Done(self.reset(arrival, &query, now));
        }
        if let Some(zip) = self.code_links.follow(&self.store, arrival.uri.path(), &query, now) {
            return Work::Done(zip.map_or_else(|error| Reply::refusal(&error), Reply::of_zip));
        }
        let Some(routed) = route(arrival.method.as_str(), arrival.uri.path(), &query) else {
            let message = format!("Unknown operation: {} {}", arrival.method, arrival.uri.path());
            return Work::refusal(&ApiError::new(Code::UnknownOperation, message));
        };
        let operation = routed.operation;
        let (mut call, mut caller, mut region) = (None, None, self.options.region.clone());
        let result = self.identify(arrival, &query, operation.service, now).and_then(|known| {
            region = known.region.clone().unwrap_or(region.clone());
            caller = Some(known);
            let realm =
                Realm { region: region.clone(), account_id: self.options.account_id.clone() };
            let mut parsed = Call::parse(routed, realm, query, &arrival.body)?;
            parsed.read_headers(|name| arrival.headers.get(name)?.to_str().ok());
            let allows_folders = self.options.allows_function_folders;
            let code = UploadedCode::take(&mut parsed, &self.code_folders, allows_folders);
            let call = call.insert(parsed);
            self.perform(call, code?.as_ref(), since).and_then(|answer| self.invoked(answer))
        });
        let leaves_code = match operation.name {
            "DeleteFunction" | "UpdateFunctionCode" => true,
            "CreateFunction" => result.is_err(),
            _ => false,
        };
        if leaves_code {
            self.functions.sweep();
        }
        let result = result.map(|answer| self.with_link(answer, operation.name, arrival, now));
        let document = match &result {
            Ok(Answer::Document(document)) => Some(project(operation, document)),
            _ => None,
        };
        // CloudTrail has none of them ("Logging API calls with CloudTrail").
        let is_test = ["TestInvoke", "Invoke"].iter().any(|one| operation.name.starts_with(one));
        let audit = (!is_test).then_some(&self.audit);
        let record = Record {
            request_id,
            now_seconds: now,
            caller: caller.as_ref(),
            region: &region,
            account_id: &self.options.account_id,
            source_ip: &arrival.peer,
            user_agent: text_of(&arrival.headers, "user-agent"),
            operation,
            call: call.as_ref(),
            result: result.as_ref().map(|_| document.as_ref()),
        };
        if let Some(audit) = audit {
            audit.record(&record);
        }
        Work::Done(match result {
            Err(error) => Reply::refusal(&error),
            Ok(Answer::Call(call)) => return Work::Call(call),
            Ok(Answer::Empty) => Reply::new(operation.status, Vec::new()),
            Ok(Answer::Document(_) | Answer::Invocation(_)) => {
                Reply::document(operation.status, document)
            }
        })
    }

    /// `GetFunction` says where the code can be downloaded: here.
    fn with_link(&self, answer: Answer, operation: &str, arrival: &Arrival, now: u64) -> Answer {
        let Answer::Document(mut document) = answer else { return answer };
        if operation == "GetFunction"
            && let Some(location) = document.get_mut("Code").and_then(|one| one.get_mut("Location"))
            && let Some(path) = location.as_str()
        {
            let host = text_of(&arrival.headers, "host");
            *location = self.code_links.link(host, path, now).into();
        }
        Answer::Document(document)
    }

    /// Runs the operation as one transaction.
    fn perform(
        &self,
        call: &Call,
        code: Option<&UploadedCode>,
        since: Duration,
    ) -> Result<Answer, ApiError> {
        let order = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        self.store.transact(|transaction| {
            let (now, quotas) = (since.as_secs(), &self.options.quotas);
            operations::perform(&mut Context { transaction, call, now, order, quotas, code })
        })
    }

    /// Makes the call that `answer` asks for, if it does: what comes of it is the answer.
    fn invoked(&self, answer: Answer) -> Result<Answer, ApiError> {
        let Answer::Invocation(invocation) = answer else { return Ok(answer) };
        let unavailable = |reason: String| ApiError::new(Code::ServiceUnavailable, reason);
        let Ok(_place) = self.invocations.try_acquire() else {
            return Err(ApiError::new(Code::TooManyRequests, "Too Many Requests"));
        };
        let invoke = self.invoke.get();
        let invoke = invoke.ok_or_else(|| unavailable("The gateway is starting".to_owned()))?;
        let Invoked { report, scheme, started, latency } =
            invoke(&invocation).map_err(unavailable)?;
        invocation.answer(&report, scheme, started, latency).map(Answer::Document)
    }

    fn identify(
        &self,
        arrival: &Arrival,
        query: &[(String, String)],
        service: Service,
        now: u64,
    ) -> Result<Caller, ApiError> {
        let headers: Vec<(String, String)> = arrival
            .headers
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        let request = SignedRequest {
            method: arrival.method.as_str(),
            path: arrival.uri.path(),
            query,
            headers: &headers,
            body: &arrival.body,
        };
        identify(&self.options, &request, service.signing_name(), now)
    }

    /// Removes everything, in test mode alone.
    fn reset(&self, arrival: &Arrival, query: &[(String, String)], now: u64) -> Reply {
        let is_asked = self.options.test_mode && arrival.method == Method::POST;
        if !is_asked {
            let message = "There is a reset in test mode only, by POST";
            return Reply::refusal(&ApiError::new(Code::UnknownOperation, message));
        }
        let known = self.identify(arrival, query, Service::Rest, now);
        match known.and_then(|_| self.store.clear().map_err(ApiError::from)) {
            Ok(()) => {
                self.functions.sweep();
                Reply::new(200, b"{}".to_vec())
            }
            Err(error) => Reply::refusal(&error),
        }
    }
}

impl Work {
    fn refusal(error: &ApiError) -> Self {
        Self::Done(Reply::refusal(error))
    }
}

/// The body is longer than it may be.
fn too_long(limit: Option<BodyLimit>) -> ApiError {
    match limit {
        Some(BodyLimit { bytes, operation, .. }) => {
            let message =
                format!("Request must be smaller than {bytes} bytes for the {operation} operation");
            ApiError::new(Code::RequestEntityTooLarge, message)
        }
        None => ApiError::new(
            Code::PayloadTooLarge,
            format!("Request body is longer than {BODY_BYTES_MAX} bytes"),
        ),
    }
}

/// The pairs of a query, decoded; `None` if it cannot be.
fn parse_query(query: &str) -> Option<Vec<(String, String)>> {
    let decode = |text: &str| {
        let mut bytes = Vec::new();
        percent_decode(text.as_bytes(), &mut bytes).ok()?;
        String::from_utf8(bytes).ok()
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(name)?, decode(value)?))
    });
    pairs.collect()
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-")
}

const RESET_PATH: &str = "/_shardgate/reset";
/// AWS takes bodies of up to 6 MB; imports are the longest.
const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;
/// How long a client may take for its body.
const BODY_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take for one with code.
const UPLOAD_LIMIT: Duration = Duration::from_secs(120);
/// Writers share commits, and readers are quick: more would only take memory.
const TURNS_COUNT: usize = 64;
/// Each has a thread of its own for as long as it takes.
const INVOCATIONS_COUNT_MAX: usize = 8;
/// Each takes several times the 70 MB that it may be long.
const UPLOADS_COUNT: usize = 2;
