//! `Method` and `MethodResponse`.

use super::{RestApi, RestIntegration};
use crate::model::fields::{Fields, Result, STATUS_WANTED, parse_status};
use crate::model::{Authorization, RouteMethod, TextMap};

/// What a resource answers to one HTTP method, or to ANY.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    /// Which requests it takes.
    pub http_method: RouteMethod,
    /// Who may call it.
    pub authorization: Authorization,
    /// Whether a key of a usage plan must come with the request.
    pub api_key_required: bool,
    /// What SDKs call it.
    pub operation_name: Option<String>,
    /// The parameters that it declares.
    pub request_parameters: Vec<RequestParameter>,
    /// Names of models by media type.
    pub request_models: TextMap,
    /// The validator, which is in the same deployment.
    pub request_validator_id: Option<String>,
    /// What it may answer, by status.
    pub method_responses: Vec<MethodResponse>,
    /// What answers.
    pub integration: RestIntegration,
}

/// A parameter that a method declares.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestParameter {
    /// As it is written: `method.request.header.X-Version`.
    pub name: String,
    /// Whether a request without it is refused, where a validator asks for that.
    pub is_required: bool,
}

/// An answer that a method declares.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MethodResponse {
    /// Its status.
    pub status_code: u16,
    /// Names of the headers that it may have, without `method.response.header.`.
    pub headers: Vec<String>,
    /// Names of models by media type.
    pub response_models: TextMap,
}

impl Method {
    pub(super) fn read(fields: &Fields<'_>, name: &str, api: &RestApi) -> Result<Self> {
        let Ok(http_method) = RouteMethod::parse(name) else {
            return Err(fields.error("httpMethod", "is no method"));
        };
        let parameters = fields.flag_map("requestParameters")?.into_iter();
        let request_validator_id = fields.owned_text("requestValidatorId")?;
        if let Some(id) = &request_validator_id
            && api.request_validator(id).is_none()
        {
            let id = id.escape_debug();
            let reason = format!("names validator `{id}`, which the deployment does not have");
            return Err(fields.error("requestValidatorId", reason));
        }
        let integration =
            fields.part("methodIntegration", |fields| RestIntegration::read(&fields))?;
        Ok(Self {
            http_method,
            authorization: Authorization::read(fields, |id| api.authorizer(id).is_some())?,
            api_key_required: fields.flag("apiKeyRequired")?,
            operation_name: fields.owned_text("operationName")?,
            request_parameters: parameters
                .map(|(name, is_required)| RequestParameter { name, is_required })
                .collect(),
            request_models: fields.text_map("requestModels")?,
            request_validator_id,
            method_responses: fields.each(
                "methodResponses",
                "method response",
                MethodResponse::read,
            )?,
            integration: integration
                .ok_or_else(|| fields.error("methodIntegration", "is missing"))?,
        })
    }

    /// The declared answer of this status.
    #[must_use]
    pub fn method_response(&self, status_code: u16) -> Option<&MethodResponse> {
        self.method_responses.iter().find(|one| one.status_code == status_code)
    }
}

impl MethodResponse {
    fn read(fields: Fields<'_>, status: &str) -> Result<Self> {
        let status_code = status_of(&fields, status)?;
        let headers = fields.flag_map("responseParameters")?.into_iter();
        let headers = headers.filter_map(|(name, _)| {
            name.strip_prefix("method.response.header.").map(str::to_owned)
        });
        Ok(Self {
            status_code,
            headers: headers.collect(),
            response_models: fields.text_map("responseModels")?,
        })
    }
}

/// The status that a response lies under.
pub(super) fn status_of(fields: &Fields<'_>, status: &str) -> Result<u16> {
    parse_status(status).ok_or_else(|| {
        let status = status.escape_debug();
        fields.error("statusCode", format!("is `{status}`, {STATUS_WANTED}"))
    })
}
