//! `GatewayResponse`: what is answered where no integration answers, and AWS's defaults of it
//! ("Gateway response types for API Gateway").

use crate::model::TextMap;
use crate::model::fields::{Fields, Result};
use crate::model::named::{Named as _, named};

named! {
    /// Why the gateway answers itself.
    pub enum GatewayResponseType {
        /// An authorizer said no.
        AccessDenied = "ACCESS_DENIED",
        /// The API is set up wrongly.
        ApiConfigurationError = "API_CONFIGURATION_ERROR",
        /// The authorizer is set up wrongly, or its answer cannot be read.
        AuthorizerConfigurationError = "AUTHORIZER_CONFIGURATION_ERROR",
        /// The authorizer failed.
        AuthorizerFailure = "AUTHORIZER_FAILURE",
        /// The body does not fit its model.
        BadRequestBody = "BAD_REQUEST_BODY",
        /// Required parameters are missing.
        BadRequestParameters = "BAD_REQUEST_PARAMETERS",
        /// Whatever 4XX has no response of its own.
        Default4xx = "DEFAULT_4XX",
        /// Whatever 5XX has no response of its own.
        Default5xx = "DEFAULT_5XX",
        /// The signature is too old.
        ExpiredToken = "EXPIRED_TOKEN",
        /// The backend cannot be reached.
        IntegrationFailure = "INTEGRATION_FAILURE",
        /// The backend did not answer in time.
        IntegrationTimeout = "INTEGRATION_TIMEOUT",
        /// No key of a usage plan came.
        InvalidApiKey = "INVALID_API_KEY",
        /// The signature is wrong.
        InvalidSignature = "INVALID_SIGNATURE",
        /// No signature came, or there is no such resource or method.
        MissingAuthenticationToken = "MISSING_AUTHENTICATION_TOKEN",
        /// The quota of the usage plan is spent.
        QuotaExceeded = "QUOTA_EXCEEDED",
        /// The request is too long.
        RequestTooLarge = "REQUEST_TOO_LARGE",
        /// The resource was not found although the request was authorized.
        ResourceNotFound = "RESOURCE_NOT_FOUND",
        /// A limit on rates is reached.
        Throttled = "THROTTLED",
        /// The caller did not say who it is.
        Unauthorized = "UNAUTHORIZED",
        /// No template takes the media type, and it may not pass.
        UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE",
        /// The firewall refused.
        WafFiltered = "WAF_FILTERED",
    }
}

/// What `$context.error.message` is where nothing else was said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DefaultMessage {
    /// This text.
    Text(&'static str),
    /// JSON's `null`.
    Null,
    /// It is made of the request; AWS has no text for all.
    OfRequest,
}

impl GatewayResponseType {
    /// AWS's status of it; `None` for the two defaults, which leave each type its own.
    ///
    /// For INTEGRATION_FAILURE the guide says 504; 500 was seen for backends that are named wrongly.
    #[must_use]
    pub const fn default_status(self) -> Option<u16> {
        Some(match self {
            Self::Default4xx | Self::Default5xx => return None,
            Self::BadRequestBody | Self::BadRequestParameters => 400,
            Self::Unauthorized => 401,
            Self::AccessDenied
            | Self::ExpiredToken
            | Self::InvalidApiKey
            | Self::InvalidSignature
            | Self::MissingAuthenticationToken
            | Self::WafFiltered => 403,
            Self::ResourceNotFound => 404,
            Self::RequestTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::QuotaExceeded | Self::Throttled => 429,
            Self::ApiConfigurationError
            | Self::AuthorizerConfigurationError
            | Self::AuthorizerFailure => 500,
            Self::IntegrationFailure | Self::IntegrationTimeout => 504,
        })
    }

    /// AWS's message of it.
    #[must_use]
    pub const fn default_message(self) -> DefaultMessage {
        DefaultMessage::Text(match self {
            Self::AuthorizerConfigurationError | Self::AuthorizerFailure => {
                return DefaultMessage::Null;
            }
            Self::BadRequestParameters
            | Self::Default4xx
            | Self::Default5xx
            | Self::ResourceNotFound => return DefaultMessage::OfRequest,
            Self::AccessDenied => "User is not authorized to access this resource",
            Self::ApiConfigurationError | Self::IntegrationFailure => "Internal server error",
            Self::BadRequestBody => "Invalid request body",
            Self::ExpiredToken => "The security token included in the request is expired",
            Self::IntegrationTimeout => "Endpoint request timed out",
            Self::InvalidApiKey | Self::WafFiltered => "Forbidden",
            Self::InvalidSignature => {
                "The request signature we calculated does not match the signature you provided. \
                 Check your AWS Secret Access Key and signing method. Consult the service \
                 documentation for details."
            }
            Self::MissingAuthenticationToken => "Missing Authentication Token",
            Self::QuotaExceeded => "Limit Exceeded",
            Self::RequestTooLarge => "Request Too Long",
            Self::Throttled => "Too Many Requests",
            Self::Unauthorized => "Unauthorized",
            Self::UnsupportedMediaType => "Unsupported Media Type",
        })
    }

    /// The value of `x-amzn-ErrorType`, where AWS sends one.
    #[must_use]
    pub const fn error_type(self) -> Option<&'static str> {
        Some(match self {
            Self::Default4xx | Self::Default5xx | Self::ResourceNotFound => return None,
            Self::AccessDenied => "AccessDeniedException",
            Self::ApiConfigurationError | Self::IntegrationFailure | Self::IntegrationTimeout => {
                "InternalServerErrorException"
            }
            Self::AuthorizerConfigurationError => "AuthorizerConfigurationException",
            Self::AuthorizerFailure => "AuthorizerFailureException",
            Self::BadRequestBody | Self::BadRequestParameters | Self::UnsupportedMediaType => {
                "BadRequestException"
            }
            Self::ExpiredToken => "ExpiredTokenException",
            Self::InvalidApiKey | Self::WafFiltered => "ForbiddenException",
            Self::InvalidSignature => "InvalidSignatureException",
            Self::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Self::QuotaExceeded => "LimitExceededException",
            Self::RequestTooLarge => "RequestTooLargeException",
            Self::Throttled => "TooManyRequestsException",
            Self::Unauthorized => "UnauthorizedException",
        })
    }

    /// The template of its body where none is set. Most say `message`; ACCESS_DENIED says `Message`.
    #[must_use]
    pub const fn default_template(self) -> &'static str {
        match self {
            Self::AccessDenied => "{\"Message\":$context.error.messageString}",
            _ => DEFAULT_TEMPLATE,
        }
    }

    /// Which of the two defaults it falls back to; `None` for those two.
    #[must_use]
    pub const fn fallback(self) -> Option<Self> {
        match self.default_status() {
            None => None,
            Some(status) if status < 500 => Some(Self::Default4xx),
            Some(_) => Some(Self::Default5xx),
        }
    }

    /// Whether an API may change it. AWS answers a request that is too long before it knows the API.
    #[must_use]
    pub const fn is_customizable(self) -> bool {
        !matches!(self, Self::RequestTooLarge)
    }
}

/// What an API set for one type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GatewayResponse {
    /// The type.
    pub response_type: GatewayResponseType,
    /// The status; `None` keeps AWS's.
    pub status_code: Option<u16>,
    /// `gatewayresponse.header.Name` to sources, in their order.
    pub response_parameters: TextMap,
    /// Templates by media type.
    pub response_templates: TextMap,
}

/// What an API set for the types; the others have AWS's defaults.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GatewayResponses(Vec<GatewayResponse>);

/// What a type is answered with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ResolvedGatewayResponse<'a> {
    /// Whether the API set the type itself, or only a default for it, or nothing.
    pub set: Option<&'a GatewayResponse>,
    /// The status; `None` only for the two defaults.
    pub status_code: Option<u16>,
}

impl GatewayResponses {
    pub(super) fn read(snapshot: &Fields<'_>) -> Result<Self> {
        snapshot.each("gatewayresponses", "gateway response", GatewayResponse::read).map(Self)
    }

    /// What the API set, type by type.
    pub fn iter(&self) -> impl Iterator<Item = &GatewayResponse> {
        self.0.iter()
    }

    /// What `response_type` is answered with: what was set for it, else for its default. A status
    /// that is set for a default is that of every type without one of its own.
    #[must_use]
    pub fn resolve(&self, response_type: GatewayResponseType) -> ResolvedGatewayResponse<'_> {
        let aws = response_type.default_status();
        if !response_type.is_customizable() {
            return ResolvedGatewayResponse { set: None, status_code: aws };
        }
        let own = self.get(response_type);
        let set = own.or_else(|| self.get(response_type.fallback()?));
        ResolvedGatewayResponse { set, status_code: set.and_then(|set| set.status_code).or(aws) }
    }

    fn get(&self, response_type: GatewayResponseType) -> Option<&GatewayResponse> {
        self.0.iter().find(|one| one.response_type == response_type)
    }
}

impl GatewayResponse {
    fn read(fields: Fields<'_>, name: &str) -> Result<Self> {
        let named = GatewayResponseType::ALL.iter().find(|one| one.name() == name);
        Ok(Self {
            response_type: *named.ok_or_else(|| fields.error("responseType", "is unknown"))?,
            status_code: fields.status("statusCode")?,
            response_parameters: fields.text_map("responseParameters")?,
            response_templates: fields.text_map("responseTemplates")?,
        })
    }
}

const DEFAULT_TEMPLATE: &str = "{\"message\":$context.error.messageString}";

#[cfg(test)]
mod tests {
    use super::*;

    fn set(response_type: GatewayResponseType, status_code: Option<u16>) -> GatewayResponse {
        let (response_parameters, response_templates) = Default::default();
        GatewayResponse { response_type, status_code, response_parameters, response_templates }
    }

    #[test]
    fn every_type_has_a_status_and_a_fallback_but_the_defaults() {
        use GatewayResponseType as Type;
        assert_eq!(Type::ALL.len(), 21);
        for one in Type::ALL {
            let is_default = matches!(one, Type::Default4xx | Type::Default5xx);
            assert_eq!(one.default_status().is_none(), is_default, "{one:?}");
            assert_eq!(one.fallback().is_none(), is_default, "{one:?}");
            assert!(one.default_template().ends_with("$context.error.messageString}"));
        }
        assert_eq!(Type::QuotaExceeded.fallback(), Some(Type::Default4xx));
        assert_eq!(Type::IntegrationTimeout.fallback(), Some(Type::Default5xx));
        let message = DefaultMessage::Text("Missing Authentication Token");
        assert_eq!(Type::MissingAuthenticationToken.default_message(), message);
    }

    #[test]
    fn what_is_set_goes_before_a_default_and_that_before_aws() {
        use GatewayResponseType as Type;
        let responses = GatewayResponses(vec![
            set(Type::Default4xx, Some(418)),
            set(Type::Throttled, None),
            set(Type::WafFiltered, Some(451)),
        ]);
        let status = |one| responses.resolve(one).status_code;
        assert_eq!(status(Type::Unauthorized), Some(418));
        assert_eq!(status(Type::Throttled), Some(429));
        assert_eq!(status(Type::WafFiltered), Some(451));
        assert_eq!(status(Type::IntegrationTimeout), Some(504));
        assert_eq!(status(Type::RequestTooLarge), Some(413));
        assert_eq!(status(Type::Default5xx), None);
        let set_for = |one| responses.resolve(one).set.map(|set| set.response_type);
        assert_eq!(set_for(Type::Unauthorized), Some(Type::Default4xx));
        assert_eq!(set_for(Type::Throttled), Some(Type::Throttled));
        assert_eq!(set_for(Type::IntegrationTimeout), None);
    }
}
