//! `Cors`: what pages of other origins may do.

use crate::model::fields::{Fields, Result};

/// What pages of other origins may do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CorsConfiguration {
    /// Whether requests may carry credentials.
    pub allow_credentials: bool,
    /// Header names, or `*`.
    pub allow_headers: Vec<String>,
    /// Methods, or `*`.
    pub allow_methods: Vec<String>,
    /// Origins, with `*` for any, or patterns as `https://*`.
    pub allow_origins: Vec<String>,
    /// Header names that pages may read, or `*`.
    pub expose_headers: Vec<String>,
    /// How long browsers may keep the answer; -1 forbids it. `None` says nothing.
    pub max_age_s: Option<i32>,
}

impl CorsConfiguration {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self> {
        Ok(Self {
            allow_credentials: fields.flag("allowCredentials")?,
            allow_headers: fields.texts("allowHeaders")?,
            allow_methods: fields.texts("allowMethods")?,
            allow_origins: fields.texts("allowOrigins")?,
            expose_headers: fields.texts("exposeHeaders")?,
            max_age_s: fields.integer("maxAge", -1..=86_400)?,
        })
    }
}
