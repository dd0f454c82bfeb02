//! What Lambda functions are told and what they answer, as bytes: events of proxy integrations,
//! answers in both formats, errors of functions, the start of a streamed answer, event streams, the
//! Runtime API.
//!
//! AWS: "Set up Lambda proxy integrations in API Gateway", "Working with AWS Lambda proxy
//! integrations for HTTP APIs", "Handle Lambda errors in API Gateway", "Working with binary media
//! types for REST APIs". Knows nothing of how a function is reached, of connections or of plans.
//! The rule that a newcomer would break: what a function says is as foreign as what a client says.
//! No header leaves this module that could end its line or speak of the connection.

mod answer;
mod answer_json;
mod answer_v1;
mod answer_v2;
mod event_fields;
mod event_frame;
mod event_stream;
mod event_v1;
mod event_v2;
mod function_error;
mod media_types;
mod members;
mod proxy_request;
mod runtime_api;
mod stream_prelude;
#[cfg(test)]
mod test_request;

pub use answer::{Answer, Malformed};
pub use answer_v1::{AnswerRules, answer_v1};
pub use answer_v2::answer_v2;
pub use event_fields::EventScratch;
pub use event_stream::{
    EventStreamDecoder, InvokeComplete, MalformedStream, StreamEvent, StreamException,
    append_exception, append_invoke_complete, append_payload_chunk,
};
pub use event_v1::event_v1;
pub use event_v2::event_v2;
pub use function_error::{FunctionError, bare_error_message, error_message, function_error};
pub use media_types::{BinaryMediaTypes, is_http_api_text};
pub use proxy_request::{EachField, EventBody, Identity, ProxyRequest, render_stage_variables};
pub use runtime_api::{EventHead, RuntimeReply, RuntimeRequest};
pub use stream_prelude::{PreludeStep, StreamPrelude};

/// Which kind of API an integration is of: the formats differ in small things.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flavour {
    Rest,
    Http,
}
