//! `Model`: a schema of bodies.

use crate::model::fields::{Fields, Result};

/// A schema of bodies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiModel {
    /// Unique in its API; methods name it so.
    pub name: String,
    /// The media type of the bodies.
    pub content_type: String,
    /// The schema as it was written.
    pub schema: String,
}

impl ApiModel {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self> {
        Ok(Self {
            name: fields.required_text("name")?,
            content_type: fields.required_text("contentType")?,
            schema: fields.owned_text("schema")?.unwrap_or_default(),
        })
    }
}
