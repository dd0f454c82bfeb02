//! Requests of deployed APIs: what Amazon API Gateway does with them once their route is known.
//!
//! [`rest`] and [`http_api`] write the request for an integration and read its answer; [`facts`] is
//! what expressions may read. A request that cannot be served ends with a [`Fault`], which
//! [`refusal`] tells in the words of the API's kind.

mod cors;
mod facts;
mod function;
mod function_answer;
mod function_custom;
mod function_endpoint;
mod function_endpoint_stream;
mod function_event;
mod function_local;
mod function_local_stream;
mod function_refusal;
mod function_stream;
mod headers;
mod http_api;
mod mock;
mod query;
mod refusal;
mod rest;
mod rest_answer;
mod rest_request;

pub(super) use cors::{is_preflight, write_preflight};
pub(super) use facts::Call;
pub(super) use function_event::FunctionScratch;
pub(super) use refusal::{Refusal, write_refusal};

use super::exchange::Relayed;
use super::request::Request;
use super::state::ShardState;
use super::trace_id::TraceId;
use crate::base::{Fault, Method};
use crate::plan::deployed::Dialect;
use crate::plan::{Address, IntegrationPlan};
use crate::proto::FieldName;

/// What is known of a request of a deployed API once its address is.
pub(super) struct Arrival {
    /// How it was addressed.
    pub(super) address: Address,
    /// `requestId` of REST APIs.
    pub(super) uuid: [u8; 36],
    /// What ties it to other hops.
    pub(super) trace_id: TraceId,
    /// What the client is told beside the fault, if there is more to say.
    pub(super) detail: Option<String>,
}

impl Arrival {
    /// Of a request that was addressed so.
    pub(super) fn new(state: &ShardState, request: &Request<'_>, address: Address) -> Self {
        let received = request.head.field(FieldName::XAmznTraceId);
        let received = received.map(|field| field.value.of(request.bytes));
        let trace_id = TraceId::of_request(state, received, request.started);
        Self { address, uuid: state.next_uuid(), trace_id, detail: None }
    }

    /// The request id as text.
    pub(super) fn uuid(&self) -> &str {
        std::str::from_utf8(&self.uuid).unwrap_or_default()
    }
}

/// What a request is routed by: its method, or what overrides it in a REST API.
pub(super) fn routed_method(dialect: &Dialect, request: &Request<'_>) -> Method {
    let head = request.head;
    if let Dialect::Http(_) = dialect {
        return head.method;
    }
    let field = head.field_by_name(request.bytes, b"x-http-method-override");
    let method = field.map(|field| Method::from_token(field.value.of(request.bytes)));
    let is_fit =
        |method: &Method| !matches!(method, Method::Other | Method::Connect | Method::Trace);
    method.filter(is_fit).unwrap_or(head.method)
}

/// How a request of a deployed API ended.
pub(super) enum Done {
    /// An integration answered.
    Relayed(Relayed),
    /// The gateway answered: the status, and how long the body was.
    Made(u16, usize),
}

/// The status of an answer whose head was written, and its body.
type Answered = (u16, Vec<u8>);

/// A fault, with what there is to say beside it.
pub(super) struct Failed {
    pub(super) fault: Fault,
    pub(super) detail: Option<String>,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { fault, detail: None }
    }
}

impl Failed {
    fn because(fault: Fault, detail: impl Into<String>) -> Self {
        Self { fault, detail: Some(detail.into()) }
    }
}

/// Serves a request whose route is of a deployed API.
pub(super) async fn serve(
    call: &Call<'_>,
    integration: &IntegrationPlan,
    work: Work<'_, '_>,
) -> Result<Done, Failed> {
    match integration {
        IntegrationPlan::Method(method) => rest::serve(call, method, work).await,
        IntegrationPlan::HttpRoute(route) => http_api::serve(call, route, work).await,
        IntegrationPlan::Proxy(_) | IntegrationPlan::Mock(_) | IntegrationPlan::Redirect(_) => {
            Err(Fault::ApiConfiguration.into())
        }
    }
}

/// What serving needs beside the request.
pub(super) struct Work<'w, 'b> {
    pub(super) state: &'w std::rc::Rc<super::ShardState>,
    pub(super) plan: &'w std::rc::Rc<super::ShardPlan>,
    pub(super) stage: &'w super::state::ShardStage,
    pub(super) body: &'w mut super::RequestBody<'b>,
    pub(super) out: &'w mut Vec<u8>,
    /// Where the latest try went, for the log.
    pub(super) target: &'w mut Option<std::rc::Rc<str>>,
    /// Whether the connection goes on after an answer that leaves the body unread.
    pub(super) persistence: super::Persistence,
}
