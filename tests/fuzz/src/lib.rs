//! Fuzz targets of shardgate, a package of its own so that libFuzzer never enters the gateway's
//! build. See `README.md` beside this folder.

mod expr;
mod lambda;
mod laws;
mod runtime;
mod tls;

pub use expr::{
    gateway_template, http_mapping, integration_uri, json_path, mock_template, rest_mapping,
    selection_pattern,
};
pub use lambda::{event_stream, function_answer, source_arn, stream_prelude};
pub use laws::{
    LAWS, Law, chunked, gateway_toml, http2_frames, http2_request, http2_response, proxy_protocol,
    request_head, response_head, route_key, uri,
};
pub use runtime::{function_zip, runtime_event, runtime_request};
pub use tls::{tls_hello, tls_session};
