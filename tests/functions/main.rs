//! Lambda functions behind deployed APIs, by the real binary. Here a function is a server of Lambda's
//! Invoke API that a test answers for, so that what the gateway says and takes can be seen to the byte.
//!
//! Expectations are those of AWS's documentation and of recordings.

mod custom;
mod failures;
mod function;
#[path = "../harness/mod.rs"]
mod harness;
mod http_proxy;
mod permissions;
mod refusals;
mod rest_proxy;
mod settings;
mod signed;
