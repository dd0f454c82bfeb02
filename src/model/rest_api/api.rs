//! `RestApi`: what a deployment froze.

use super::{ApiModel, Authorizer, GatewayResponses, RequestValidator, Resource};
use crate::model::fields::{Fields, ModelError, Place, Result};
use crate::model::named::named;
use crate::model::{Document, EndpointAccessMode, EndpointType};

/// A REST API as one deployment froze it, with all its parts.
///
/// # Invariants
///
/// - Resources differ in their paths, up to the names of parameters.
/// - Authorizers and validators that methods name are among its own.
#[derive(Clone, Debug, PartialEq)]
pub struct RestApi {
    /// Unique.
    pub id: String,
    /// The name that people gave it.
    pub name: String,
    /// Where callers show their API key.
    pub api_key_source: ApiKeySource,
    /// Media types that are not text, with `*` for any.
    pub binary_media_types: Vec<String>,
    /// Answers of so many bytes are compressed; `None` compresses nothing.
    pub minimum_compression_bytes: Option<u32>,
    /// Whether the host of the API itself is closed.
    pub disable_execute_api_endpoint: bool,
    /// Where it may be reached from.
    pub endpoint_configuration: EndpointConfiguration,
    /// The resource policy, JSON as it was written.
    pub policy: Option<String>,
    /// The security policy of its own host, by AWS's name.
    pub security_policy: Option<String>,
    /// Whether a handshake for its own host must have named it.
    pub endpoint_access_mode: EndpointAccessMode,
    /// Its resources, those without methods too.
    pub resources: Vec<Resource>,
    /// Its models.
    pub models: Vec<ApiModel>,
    /// Its authorizers.
    pub authorizers: Vec<Authorizer>,
    /// Its request validators.
    pub request_validators: Vec<RequestValidator>,
    /// What is answered where no integration answers.
    pub gateway_responses: GatewayResponses,
}

/// Where an API may be reached from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EndpointConfiguration {
    /// Exactly one today; AWS has a list.
    pub types: Vec<EndpointType>,
    /// Which addresses it has.
    pub ip_address_type: Option<IpAddressType>,
    /// Of private APIs, the endpoints that may reach them.
    pub vpc_endpoint_ids: Vec<String>,
}

named! {
    /// Where callers show their API key.
    pub enum ApiKeySource {
        /// In `X-API-Key`.
        Header = "HEADER",
        /// In what the authorizer returns.
        Authorizer = "AUTHORIZER",
    }
}

named! {
    /// Which addresses an endpoint has.
    pub enum IpAddressType {
        /// IPv4 alone.
        Ipv4 = "ipv4",
        /// IPv4 and IPv6.
        Dualstack = "dualstack",
    }
}

impl RestApi {
    /// Reads the frozen copy of a deployment: `{"api": ..., "resources": {id: ...}, ...}`.
    pub fn read(snapshot: &Document) -> std::result::Result<Self, ModelError> {
        let api_id = snapshot.get("api").and_then(|api| api.get("id")).and_then(|id| id.as_str());
        let place = Place::api(api_id.unwrap_or_default());
        let snapshot = Fields::new(snapshot, &place);
        let api = snapshot.part("api", |api| Self::read_api(&api))?;
        let mut api = api.ok_or_else(|| snapshot.error("api", "is missing"))?;
        api.models = snapshot.each("models", "model", |one, _| ApiModel::read(&one))?;
        api.authorizers =
            snapshot.each("authorizers", "authorizer", |one, id| Authorizer::read(&one, id))?;
        api.request_validators =
            snapshot.each("requestvalidators", "request validator", RequestValidator::read)?;
        api.gateway_responses = GatewayResponses::read(&snapshot)?;
        api.resources =
            snapshot.each("resources", "resource", |one, id| Resource::read(&one, id, &api))?;
        Ok(api)
    }

    /// Reads an API as it is now, without its parts.
    pub fn read_alone(api: &Document) -> std::result::Result<Self, ModelError> {
        let id = api.get("id").and_then(|id| id.as_str()).unwrap_or_default();
        Self::read_api(&Fields::new(api, &Place::api(id)))
    }

    /// The API alone, without its parts.
    fn read_api(fields: &Fields<'_>) -> Result<Self> {
        Ok(Self {
            id: fields.required_text("id")?,
            name: fields.owned_text("name")?.unwrap_or_default(),
            api_key_source: fields.choice("apiKeySource")?.unwrap_or(ApiKeySource::Header),
            binary_media_types: fields.texts("binaryMediaTypes")?,
            minimum_compression_bytes: fields
                .integer("minimumCompressionSize", 0..=COMPRESSION_BYTES_MAX)?,
            disable_execute_api_endpoint: fields.flag("disableExecuteApiEndpoint")?,
            endpoint_configuration: EndpointConfiguration::read(fields)?,
            policy: fields.owned_text("policy")?,
            security_policy: fields.owned_text("securityPolicy")?,
            endpoint_access_mode: EndpointAccessMode::parse(
                &fields.owned_text("endpointAccessMode")?.unwrap_or_default(),
            ),
            resources: Vec::new(),
            models: Vec::new(),
            authorizers: Vec::new(),
            request_validators: Vec::new(),
            gateway_responses: GatewayResponses::default(),
        })
    }

    /// The authorizer with this id.
    #[must_use]
    pub fn authorizer(&self, id: &str) -> Option<&Authorizer> {
        self.authorizers.iter().find(|one| one.id == id)
    }

    /// The request validator with this id.
    #[must_use]
    pub fn request_validator(&self, id: &str) -> Option<&RequestValidator> {
        self.request_validators.iter().find(|one| one.id == id)
    }

    /// The model with this name.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&ApiModel> {
        self.models.iter().find(|one| one.name == name)
    }
}

impl EndpointConfiguration {
    fn read(api: &Fields<'_>) -> Result<Self> {
        let configuration = api.part("endpointConfiguration", |fields| {
            Ok(Self {
                types: fields.choices("types")?,
                ip_address_type: fields.choice("ipAddressType")?,
                vpc_endpoint_ids: fields.texts("vpcEndpointIds")?,
            })
        })?;
        let mut configuration = configuration.unwrap_or(Self {
            types: Vec::new(),
            ip_address_type: None,
            vpc_endpoint_ids: Vec::new(),
        });
        if configuration.types.is_empty() {
            configuration.types.push(EndpointType::Edge);
        }
        Ok(configuration)
    }
}

const COMPRESSION_BYTES_MAX: i64 = 10 * 1024 * 1024;
