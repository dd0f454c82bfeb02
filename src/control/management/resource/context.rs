//! What a handler works with.

use crate::control::management::call::Call;
use crate::control::management::error::ApiError;
use crate::control::management::lambda::UploadedCode;
use crate::control::management::options::Quotas;
use crate::store::{Document, Key, Transaction};

/// What handlers return.
pub(in crate::control::management) type Result<T> = std::result::Result<T, ApiError>;

/// A request in its transaction. It may run more than once, so handlers do nothing else.
pub(in crate::control::management) struct Context<'a> {
    pub(in crate::control::management) transaction: &'a mut Transaction,
    pub(in crate::control::management) call: &'a Call,
    /// Seconds since 1970.
    pub(in crate::control::management) now: u64,
    /// Tells what was made first within one second.
    pub(in crate::control::management) order: u64,
    pub(in crate::control::management) quotas: &'a Quotas,
    /// The code that the request brought, if it did.
    pub(in crate::control::management) code: Option<&'a UploadedCode>,
}

impl Context<'_> {
    /// The key that everything of the request's region lies under.
    pub(in crate::control::management) fn root(&self) -> Key {
        Key::new(&[&self.call.realm.region])
    }

    pub(in crate::control::management) fn document(
        &mut self,
        key: &Key,
    ) -> Result<Option<Document>> {
        Ok(self.transaction.get(key)?)
    }

    pub(in crate::control::management) fn put(&mut self, key: &Key, document: &Document) {
        self.transaction.put(key.clone(), document.clone());
    }

    pub(in crate::control::management) fn children(
        &mut self,
        parent: &Key,
    ) -> Result<Vec<(String, Document)>> {
        Ok(self.transaction.all_children(parent)?)
    }

    /// Refuses one more resource than `max`. `noun` is AWS's word for many of them.
    pub(in crate::control::management) fn check_quota(
        &mut self,
        parent: &Key,
        max: u64,
        noun: &str,
        of: &str,
    ) -> Result<()> {
        let limit = usize::try_from(max).unwrap_or(usize::MAX);
        if self.transaction.count_children(parent, limit)? < limit {
            return Ok(());
        }
        let message = format!(
            "Maximum number of {noun} for this {of} has been reached. Please contact AWS if you need \
             additional {noun}."
        );
        Err(ApiError::new(crate::control::management::error::Code::LimitExceeded, message))
    }
}
