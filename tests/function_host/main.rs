//! Processes of functions on this machine: the keeper, the host without shards, and the clients that
//! speak the Runtime API for plain handlers, each against a scripted other side.

mod host;
mod interpreter;
mod keeper;
mod node;
mod python;
mod runtime_api;
mod site;
