//! Nouns and verbs: what a kind of resource is, and what get, list, create, update and delete do
//! with any of them.
//!
//! Keys of documents follow the paths of the API: `us-east-1 / restapis / a1b2 / models / User`.

mod context;
mod kind;
mod page;
mod update;
mod verbs;

pub(super) use context::{Context, Result};
pub(super) use kind::Kind;
pub(super) use page::page;
pub(super) use update::bring_in;
pub(super) use verbs::{
    delete, get, list, list_in, list_where, load, load_parent, load_parent_or, merge, patch,
    patch_with, refused, require,
};

/// Helpers for members of documents.
pub(super) mod document;
