//! `Integration` and `IntegrationResponse` of HTTP and WebSocket APIs.

use super::{PayloadFormatVersion, ProtocolType};
use crate::model::fields::{Fields, Result, STATUS_WANTED, parse_status};
use crate::model::integration_choice::TIMEOUT_MS;
use crate::model::{
    ConnectionType, ContentHandling, IntegrationType, PassthroughBehavior, TextMap,
};

/// What answers routes, and how requests and answers are mapped.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpIntegration {
    /// Unique in its API; routes name it so.
    pub id: String,
    /// What answers. HTTP APIs have HTTP_PROXY and AWS_PROXY alone.
    pub integration_type: IntegrationType,
    /// The action of a service: `SQS-SendMessage`.
    pub integration_subtype: Option<String>,
    /// The method of the request to the backend; `ANY` is that of the client.
    pub integration_method: Option<String>,
    /// A URL or ARN.
    pub integration_uri: Option<String>,
    /// How the backend is reached.
    pub connection_type: ConnectionType,
    /// The VPC link.
    pub connection_id: Option<String>,
    /// The role to act as.
    pub credentials_arn: Option<String>,
    /// The form of events for functions.
    pub payload_format_version: PayloadFormatVersion,
    /// From the request's last byte sent to the answer's first byte.
    pub timeout_ms: u32,
    /// Mappings of the request, `overwrite:header.Name` and the like, in their order.
    pub request_parameters: TextMap,
    /// Of each status of the backend the mappings of its answer, in their order.
    pub response_parameters: Vec<(u16, TextMap)>,
    /// The name that the backend's certificate must have, if not that of its address.
    pub server_name_to_verify: Option<String>,
    /// Templates by their keys, of WebSocket APIs.
    pub request_templates: TextMap,
    /// What chooses the template, of WebSocket APIs.
    pub template_selection_expression: Option<String>,
    /// What becomes of a message that no template is for, of WebSocket APIs.
    pub passthrough_behavior: PassthroughBehavior,
    /// How a message is converted, of WebSocket APIs.
    pub content_handling: Option<ContentHandling>,
    /// What chooses the integration response, of WebSocket APIs.
    pub integration_response_selection_expression: Option<String>,
    /// What is made of answers, of WebSocket APIs.
    pub integration_responses: Vec<HttpIntegrationResponse>,
}

/// What is made of answers that a key selects.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpIntegrationResponse {
    /// `$default`, or a pattern as `/5\d\d/`.
    pub integration_response_key: String,
    /// Mappings in their order.
    pub response_parameters: TextMap,
    /// Templates by their keys.
    pub response_templates: TextMap,
    /// What chooses the template.
    pub template_selection_expression: Option<String>,
    /// How the answer is converted.
    pub content_handling: Option<ContentHandling>,
}

impl HttpIntegration {
    pub(super) fn read(fields: &Fields<'_>, id: &str, protocol: ProtocolType) -> Result<Self> {
        let integration_type = fields.required_choice("integrationType")?;
        let integration_subtype = fields.owned_text("integrationSubtype")?;
        let integration_uri = fields.owned_text("integrationUri")?;
        let is_mock = integration_type == IntegrationType::Mock;
        if integration_uri.is_none() && integration_subtype.is_none() && !is_mock {
            return Err(fields.error("integrationUri", "is missing"));
        }
        let tls = fields.part("tlsConfig", |tls| tls.owned_text("serverNameToVerify"))?;
        let timeout_ms = fields.integer("timeoutInMillis", TIMEOUT_MS)?;
        Ok(Self {
            id: id.to_owned(),
            integration_type,
            integration_subtype,
            integration_method: fields.owned_text("integrationMethod")?,
            integration_uri,
            connection_type: fields.choice("connectionType")?.unwrap_or(ConnectionType::Internet),
            connection_id: fields.owned_text("connectionId")?,
            credentials_arn: fields.owned_text("credentialsArn")?,
            payload_format_version: fields
                .choice("payloadFormatVersion")?
                .unwrap_or(PayloadFormatVersion::V1),
            timeout_ms: timeout_ms.unwrap_or(timeout_ms_default(protocol)),
            request_parameters: fields.text_map("requestParameters")?,
            response_parameters: response_parameters(fields)?,
            server_name_to_verify: tls.flatten(),
            request_templates: fields.text_map("requestTemplates")?,
            template_selection_expression: fields.owned_text("templateSelectionExpression")?,
            passthrough_behavior: fields
                .choice("passthroughBehavior")?
                .unwrap_or(PassthroughBehavior::WhenNoMatch),
            content_handling: fields.choice("contentHandlingStrategy")?,
            integration_response_selection_expression: fields
                .owned_text("integrationResponseSelectionExpression")?,
            integration_responses: fields.each(
                "integrationresponses",
                "integration response",
                |response, _| HttpIntegrationResponse::read(&response),
            )?,
        })
    }

    /// The mappings of an answer with this status.
    #[must_use]
    pub fn response_parameters_for(&self, status: u16) -> Option<&TextMap> {
        self.response_parameters.iter().find(|(one, _)| *one == status).map(|(_, map)| map)
    }
}

fn response_parameters(fields: &Fields<'_>) -> Result<Vec<(u16, TextMap)>> {
    let names = fields.names("responseParameters")?;
    let mappings = names.map(|status| {
        let wrong = || {
            let status = status.escape_debug();
            fields.error("responseParameters", format!("has `{status}`, {STATUS_WANTED}"))
        };
        let number = parse_status(status).ok_or_else(wrong)?;
        let map = fields.part("responseParameters", |all| all.text_map(status))?;
        Ok((number, map.unwrap_or_default()))
    });
    mappings.collect()
}

impl HttpIntegrationResponse {
    fn read(fields: &Fields<'_>) -> Result<Self> {
        Ok(Self {
            integration_response_key: fields.required_text("integrationResponseKey")?,
            response_parameters: fields.text_map("responseParameters")?,
            response_templates: fields.text_map("responseTemplates")?,
            template_selection_expression: fields.owned_text("templateSelectionExpression")?,
            content_handling: fields.choice("contentHandlingStrategy")?,
        })
    }
}

const fn timeout_ms_default(protocol: ProtocolType) -> u32 {
    match protocol {
        ProtocolType::Http => 30_000,
        ProtocolType::WebSocket => 29_000,
    }
}
