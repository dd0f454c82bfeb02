//! AWS's mapping expressions: compiled once with a plan, evaluated for each exchange.
//!
//! Owns the languages in which an API says how a request becomes an integration's request and an
//! answer the client's: REST parameter mappings, HTTP API parameter mappings, integration URIs,
//! gateway response templates, the templates of mock integrations, selection patterns. Knows
//! nothing of connections, buffers or plans: what an expression reads comes through [`Facts`], and
//! what it says is appended to a `Vec<u8>` of the caller's. The rule that a newcomer would break:
//! what a client or a target sent never reaches a header, a path or a query as it stands. Header
//! values are checked for control characters, and values in a target are percent-encoded.

mod compile_error;
mod context;
mod facts;
mod gateway_template;
mod header;
mod http_key;
mod http_request;
mod http_response;
mod http_value;
mod json_path;
mod lenient_json;
mod mapping_fault;
mod mock_template;
mod path_parser;
mod percent;
mod rest_mapping;
mod rest_value;
mod scope;
mod scratch;
mod selection;
mod source;
#[cfg(test)]
mod test_facts;
mod uri;
mod uri_host;

pub use compile_error::CompileError;
pub use context::ContextVariable;
pub use facts::{Facts, NameCase, Pick};
pub use gateway_template::GatewayTemplate;
pub(crate) use header::is_value as is_header_value;
pub use http_key::{Action, is_reserved_header};
pub use http_request::{HttpRequestMapping, RequestOperation, RequestTarget};
pub use http_response::{
    HttpResponseMapping, HttpResponseMappings, ResponseOperation, ResponseTarget,
};
pub use json_path::{Found, JsonPath};
pub use mapping_fault::MappingFault;
pub use mock_template::{TemplateError, answer_text, mock_status, status_of_body};
pub use rest_mapping::{
    GatewayResponseMapping, HeaderMapping, IntegrationFamily, QueryMapping, RestRequestMapping,
    RestResponseMapping,
};
pub use scope::{Scope, StageVariables};
pub use scratch::Scratch;
pub use selection::ResponseSelection;
pub use uri::{HttpUri, Scheme};
