//! The phases of a request in one ordered function, [`serve()`]: route, throttle, integrate.
//!
//! Knows plans, not configuration; sockets only through `rt`. A route is matched once, and nothing
//! later may change which route it is.

mod acme;
mod answer_body;
mod answer_head;
mod body;
mod chunk_frames;
mod client;
mod collect;
mod deployed;
mod exchange;
mod forward;
mod grpc;
mod pass_on;
mod relay;
mod request;
mod respond;
mod send;
mod serve;
mod state;
mod trace_id;
mod tunnel;
mod upload;
#[cfg(test)]
mod upload_tests;

pub use client::{Client, ClientLink, Http1Link, ListenerContext, ListenerTlsContext};
pub use request::Request;
pub use serve::{PHASES, Served, serve};
pub use state::{PlanSources, ShardPlan, ShardState};

pub use body::{BodyFate, RequestBody};
pub(crate) use body::{DISCARD_BYTES_MAX, DISCARD_TIMEOUT};
pub(crate) use chunk_frames::chunks_of;
pub(crate) use grpc::GrpcForm;
pub use respond::fault_message;
pub(crate) use respond::{Persistence, write_fault};
pub use upload::Upload;
