//! `Integration` and `IntegrationResponse` of REST APIs.

use super::method::status_of;
use crate::model::fields::{Fields, Result};
use crate::model::integration_choice::TIMEOUT_MS;
use crate::model::named::named;
use crate::model::{
    ConnectionType, ContentHandling, IntegrationType, PassthroughBehavior, TextMap,
};

/// What answers a method, and how requests and answers are mapped.
#[derive(Clone, Debug, PartialEq)]
pub struct RestIntegration {
    /// What answers.
    pub integration_type: IntegrationType,
    /// The method of the request to the backend; mocks have none.
    pub http_method: Option<String>,
    /// A URL or ARN, with `{name}` of mapped parameters and `${stageVariables.name}`.
    pub uri: Option<String>,
    /// How the backend is reached.
    pub connection_type: ConnectionType,
    /// The VPC link, perhaps a stage variable.
    pub connection_id: Option<String>,
    /// The load balancer or listener behind the link.
    pub integration_target: Option<String>,
    /// The role to act as.
    pub credentials: Option<String>,
    /// Mappings `integration.request...` to sources, in their order.
    pub request_parameters: TextMap,
    /// Templates by media type.
    pub request_templates: TextMap,
    /// What becomes of a body that no template is for.
    pub passthrough_behavior: PassthroughBehavior,
    /// How the request's body is converted.
    pub content_handling: Option<ContentHandling>,
    /// From the request's last byte sent to the answer's first byte.
    pub timeout_ms: u32,
    /// Parameters that tell cached answers apart.
    pub cache_key_parameters: Vec<String>,
    /// Which cached answers are shared.
    pub cache_namespace: Option<String>,
    /// Whether any certificate of the backend is taken.
    pub insecure_skip_verification: bool,
    /// Whether the answer is passed on while it comes.
    pub response_transfer_mode: ResponseTransferMode,
    /// What is made of answers, by status of the method's response.
    pub integration_responses: Vec<IntegrationResponse>,
}

/// What is made of answers that a pattern selects.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IntegrationResponse {
    /// The status that the client gets.
    pub status_code: u16,
    /// A regular expression for the backend's status or error; `None` takes all others.
    pub selection_pattern: Option<String>,
    /// Mappings `method.response.header...` to sources, in their order.
    pub response_parameters: TextMap,
    /// Templates by media type.
    pub response_templates: TextMap,
    /// How the answer's body is converted.
    pub content_handling: Option<ContentHandling>,
}

named! {
    /// Whether an answer is passed on while it comes.
    pub enum ResponseTransferMode {
        /// It is read whole first.
        Buffered = "BUFFERED",
        /// It is passed on as it comes.
        Stream = "STREAM",
    }
}

impl RestIntegration {
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self> {
        let integration_type = fields.required_choice("type")?;
        let has_backend = integration_type != IntegrationType::Mock;
        let uri = fields.owned_text("uri")?;
        if has_backend && uri.is_none() {
            return Err(fields.error("uri", "is missing"));
        }
        let tls = fields.part("tlsConfig", |tls| tls.flag("insecureSkipVerification"))?;
        Ok(Self {
            integration_type,
            http_method: fields.owned_text("httpMethod")?,
            uri,
            connection_type: fields.choice("connectionType")?.unwrap_or(ConnectionType::Internet),
            connection_id: fields.owned_text("connectionId")?,
            integration_target: fields.owned_text("integrationTarget")?,
            credentials: fields.owned_text("credentials")?,
            request_parameters: fields.text_map("requestParameters")?,
            request_templates: fields.text_map("requestTemplates")?,
            passthrough_behavior: fields
                .choice("passthroughBehavior")?
                .unwrap_or(PassthroughBehavior::WhenNoMatch),
            content_handling: fields.choice("contentHandling")?,
            timeout_ms: fields
                .integer("timeoutInMillis", TIMEOUT_MS)?
                .unwrap_or(TIMEOUT_MS_DEFAULT),
            cache_key_parameters: fields.texts("cacheKeyParameters")?,
            cache_namespace: fields.owned_text("cacheNamespace")?,
            insecure_skip_verification: tls.unwrap_or(false),
            response_transfer_mode: fields
                .choice("responseTransferMode")?
                .unwrap_or(ResponseTransferMode::Buffered),
            integration_responses: fields.each(
                "integrationResponses",
                "integration response",
                IntegrationResponse::read,
            )?,
        })
    }
}

impl IntegrationResponse {
    fn read(fields: Fields<'_>, status: &str) -> Result<Self> {
        Ok(Self {
            status_code: status_of(&fields, status)?,
            selection_pattern: fields.owned_text("selectionPattern")?,
            response_parameters: fields.text_map("responseParameters")?,
            response_templates: fields.text_map("responseTemplates")?,
            content_handling: fields.choice("contentHandling")?,
        })
    }
}

const TIMEOUT_MS_DEFAULT: u32 = 29_000;
