//! `Authorizer` of HTTP and WebSocket APIs.

use crate::model::fields::{Fields, Result};
use crate::model::named::named;

/// Who is asked whether a request may pass.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpAuthorizer {
    /// Unique in its API.
    pub id: String,
    /// The name that people gave it.
    pub name: String,
    /// What identifies a caller: `$request.header.Authorization` and the like, in order.
    pub identity_source: Vec<String>,
    /// What kind it is.
    pub kind: HttpAuthorizerKind,
}

/// What kind of authorizer it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HttpAuthorizerKind {
    /// A function that sees the request.
    Request {
        /// The function, as the URI of its invocation.
        authorizer_uri: String,
        /// The role to invoke it as.
        credentials_arn: Option<String>,
        /// The form of what it sees.
        payload_format_version: PayloadFormatVersion,
        /// How long an answer is kept; zero keeps none.
        result_ttl_s: u32,
        /// Whether it answers yes or no in place of a policy.
        enable_simple_responses: bool,
        /// A regular expression that an identity must match, of WebSocket APIs.
        identity_validation_expression: Option<String>,
    },
    /// Tokens of one issuer.
    Jwt {
        /// Its URL, as tokens name it.
        issuer: String,
        /// Whom tokens must be for: one of these.
        audience: Vec<String>,
    },
}

named! {
    /// The form of events for functions.
    pub enum PayloadFormatVersion {
        /// That of REST APIs.
        V1 = "1.0",
        /// That of HTTP APIs.
        V2 = "2.0",
    }
}

named! {
    /// `authorizerType`.
    pub enum HttpAuthorizerType {
        /// A function.
        Request = "REQUEST",
        /// Tokens.
        Jwt = "JWT",
    }
}

impl HttpAuthorizer {
    pub(super) fn read(fields: Fields<'_>, id: &str) -> Result<Self> {
        let kind = match fields.required_choice("authorizerType")? {
            HttpAuthorizerType::Request => HttpAuthorizerKind::read_function(&fields)?,
            HttpAuthorizerType::Jwt => {
                let jwt = fields.part("jwtConfiguration", |jwt| {
                    let (issuer, audience) = (jwt.required_text("issuer")?, jwt.texts("audience")?);
                    Ok(HttpAuthorizerKind::Jwt { issuer, audience })
                })?;
                jwt.ok_or_else(|| fields.error("jwtConfiguration", "is missing"))?
            }
        };
        Ok(Self {
            id: id.to_owned(),
            name: fields.owned_text("name")?.unwrap_or_default(),
            identity_source: fields.texts("identitySource")?,
            kind,
        })
    }
}

impl HttpAuthorizerKind {
    /// AWS's name of it.
    #[must_use]
    pub const fn authorizer_type(&self) -> HttpAuthorizerType {
        match self {
            Self::Request { .. } => HttpAuthorizerType::Request,
            Self::Jwt { .. } => HttpAuthorizerType::Jwt,
        }
    }

    fn read_function(fields: &Fields<'_>) -> Result<Self> {
        Ok(Self::Request {
            authorizer_uri: fields.required_text("authorizerUri")?,
            credentials_arn: fields.owned_text("authorizerCredentialsArn")?,
            payload_format_version: fields
                .choice("authorizerPayloadFormatVersion")?
                .unwrap_or(PayloadFormatVersion::V1),
            result_ttl_s: fields
                .integer("authorizerResultTtlInSeconds", 0..=TTL_S_MAX)?
                .unwrap_or(0),
            enable_simple_responses: fields.flag("enableSimpleResponses")?,
            identity_validation_expression: fields.owned_text("identityValidationExpression")?,
        })
    }
}

const TTL_S_MAX: i64 = 3_600;
