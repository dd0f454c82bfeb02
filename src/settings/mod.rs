//! The boot file `gateway.toml`: one table of keys drives parsing, defaults, bounds, the JSON
//! Schema and the commented example.
//!
//! Owns the way from text to a [`Model`](crate::model::Model) and a [`Process`]. Knows nothing of sockets, plans or
//! shards: whether routes conflict is for the plan compiler to find, and [`Settings::diagnose`]
//! then draws it at the route's place. Reads the whole file before it answers, so that every
//! mistake is reported at once.

mod acme;
mod addresses;
mod apis;
mod diagnostics;
mod domains;
mod example;
mod fields;
mod file;
mod function_signing;
mod functions;
mod hosts;
mod keys;
mod listeners;
mod management;
mod names;
mod nearest;
mod process;
mod reading;
mod schema;
mod secrets;
mod syntax;
mod table;
mod templates;
mod tls;
mod unique;
mod upstreams;
mod values;

pub use diagnostics::{Diagnostic, Diagnostics};
pub use example::commented_example;
pub use file::{Place, Settings, load, parse, parse_bytes};
pub use process::{Admin, CoreOverride, LogFormat, LogLevel, Process, Shards};
pub use schema::json_schema;
