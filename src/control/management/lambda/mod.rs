//! Functions: the part of Lambda's API that tools call to have one there, and what the gateway
//! makes of them.
//!
//! A function is a document with its versions, aliases, policies and code under it: `us-east-1 /
//! functions / orders / versions / 3`. Refuses to know how a function runs: it tells of changes as
//! everything here does, says what is defined ([`FunctionStore`]), and has calls made by whoever
//! can ([`InvokeFunction`]). The rule a newcomer would break: code is in the store before a
//! function that has it is, and a folder is made of it whenever one is missing.

pub(super) mod account;
pub(super) mod alias;
mod calls;
mod code;
mod code_link;
pub(super) mod concurrency;
mod configuration;
mod folders;
pub(super) mod function;
pub(super) mod invoke;
mod name;
pub(super) mod policy;
mod stored;
mod stream;
pub(super) mod tags;
#[cfg(test)]
mod tests;
mod unzip;
pub(super) mod version;

pub(super) use calls::FunctionCalls;
pub(super) use code::UploadedCode;
pub(super) use code_link::CodeLinks;
pub(super) use folders::CodeFolders;
pub(super) use invoke::{BodyLimit, InvokeReply, body_limit};
pub(crate) use invoke::{
    FunctionAnswer, FunctionCall, FunctionOutcome, InvocationType, InvokeFunction, InvokeRefusal,
};
pub(super) use name::settle_name;
pub(super) use stored::find_function;
pub(crate) use stored::{
    FoundFunction, FunctionFolder, FunctionRuntime, FunctionStore, StoredFunction,
};
pub use unzip::{UNZIPPED_BYTES_MAX, UnzipError, unpack as unzip_code};
