//! A kind of resource: where its documents lie, and what is said and done about them.

use super::context::{Context, Result};
use crate::control::management::call::Call;
use crate::control::management::error::{ApiError, Code};
use crate::control::management::service::Service;
use crate::model::{Patch, PatchStyle};
use crate::store::{Document, Key};

/// A kind of resource. The verbs are the same for all; what differs stands here.
pub(in crate::control::management) struct Kind {
    /// What it belongs to.
    pub(in crate::control::management) parent: Option<&'static Kind>,
    /// The segments between its parent's id and its own.
    pub(in crate::control::management) path: &'static [&'static str],
    /// What is said where there is none of this id: `{id}`, `{account}`, `{region}` and `{parent}`,
    /// the id of what the request names first, are filled in.
    pub(in crate::control::management) missing: &'static str,
    /// Whether this is said as well where what it belongs to is not there.
    pub(in crate::control::management) hides_parent: bool,
    /// Whether it has tags of its own: `{}` where there are none.
    pub(in crate::control::management) has_tags: bool,
    /// Whether lists begin with the newest, by `createdOrder`, or are in the order of ids.
    pub(in crate::control::management) is_newest_first: bool,
    /// Its tables that an update of the second generation adds to.
    pub(in crate::control::management) grows: &'static [&'static str],
    /// What a patch may change.
    pub(in crate::control::management) patch: &'static Patch,
    /// Brings a stored document into the form that is answered.
    pub(in crate::control::management) view:
        fn(&mut Context<'_>, &Key, Document) -> Result<Document>,
    /// Checks a document that was changed, against the one before.
    pub(in crate::control::management) check:
        fn(&mut Context<'_>, &Key, &Document, &mut Document) -> Result<()>,
    /// Refuses to remove what is in use.
    pub(in crate::control::management) remove: fn(&mut Context<'_>, &Key, &Document) -> Result<()>,
}

/// Nothing can be patched.
static NO_PATCH: Patch = Patch { style: PatchStyle::Plain, rows: &[] };

impl Kind {
    /// A kind about which nothing is special.
    pub(in crate::control::management) const PLAIN: Self = Self {
        parent: None,
        path: &[],
        missing: "Invalid identifier specified",
        hides_parent: false,
        has_tags: false,
        is_newest_first: false,
        grows: &[],
        patch: &NO_PATCH,
        view: |_, _, document| Ok(document),
        check: |_, _, _, _| Ok(()),
        remove: |_, _, _| Ok(()),
    };

    /// How many ids stand in its path, its own included.
    fn depth(&self) -> usize {
        1 + self.parent.map_or(0, Self::depth)
    }

    /// The key that resources of this kind lie under, for the ids in the request.
    pub(in crate::control::management) fn collection(&self, root: &Key, call: &Call) -> Key {
        let parent = match self.parent {
            Some(parent) => parent.key(root, call),
            None => root.clone(),
        };
        self.path.iter().fold(parent, |key, segment| key.child(segment))
    }

    /// The key of the resource that the request names.
    pub(in crate::control::management) fn key(&self, root: &Key, call: &Call) -> Key {
        self.collection(root, call).child(call.value(self.depth() - 1))
    }

    /// Says that there is none of this id.
    pub(in crate::control::management) fn missing(&self, call: &Call, id: &str) -> ApiError {
        let message = self.missing.replace("{account}", &call.realm.account_id);
        let message = message.replace("{region}", &call.realm.region);
        let message = message.replace("{parent}", call.value(0)).replace("{id}", id);
        let code = match call.operation.service {
            Service::Lambda => Code::ResourceNotFound,
            _ => Code::NotFound,
        };
        ApiError::new(code, message)
    }
}
