//! `RequestValidator`.

use crate::model::fields::{Fields, Result};

/// What of a request is validated before it goes on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestValidator {
    /// Unique in its API.
    pub id: String,
    /// The name that people gave it.
    pub name: String,
    /// Whether the body must fit its model.
    pub validate_request_body: bool,
    /// Whether required parameters must be there.
    pub validate_request_parameters: bool,
}

impl RequestValidator {
    pub(super) fn read(fields: Fields<'_>, id: &str) -> Result<Self> {
        Ok(Self {
            id: id.to_owned(),
            name: fields.owned_text("name")?.unwrap_or_default(),
            validate_request_body: fields.flag("validateRequestBody")?,
            validate_request_parameters: fields.flag("validateRequestParameters")?,
        })
    }
}
