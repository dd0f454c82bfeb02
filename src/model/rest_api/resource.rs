//! `Resource`: a path, with its methods.

use super::{Method, RestApi};
use crate::model::PathPattern;
use crate::model::fields::{Fields, ModelError, Place, Result};

/// A path of a REST API.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Unique in its API; the default cache namespace.
    pub id: String,
    /// The path as AWS shows it: `/pets/{id}`.
    pub path: String,
    /// The path parsed.
    pub pattern: PathPattern,
    /// Its methods; none for a resource that only leads to others.
    pub methods: Vec<Method>,
}

impl Resource {
    pub(super) fn read(fields: &Fields<'_>, id: &str, api: &RestApi) -> Result<Self> {
        let path = fields.required_text("path")?;
        // From here on the path says more to people than the id.
        let api_place = Place::api(&api.id);
        let place = Place::within(&api_place, "resource", &path);
        let fields = fields.at(&place);
        let pattern = PathPattern::parse(&path).map_err(|error| unfit(&fields, &path, &error))?;
        let methods = fields
            .each("resourceMethods", "method", |method, name| Method::read(&method, name, api))?;
        Ok(Self { id: id.to_owned(), pattern, methods, path: path.clone() })
    }
}

fn unfit(fields: &Fields<'_>, path: &str, error: &crate::model::RouteKeyError) -> ModelError {
    fields.error("path", format!("is `{}`: {error}", path.escape_debug()))
}
