//! `Authorizer` of REST APIs.

use crate::model::fields::{Fields, Result};
use crate::model::named::named;

/// Who is asked whether a request may pass.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authorizer {
    /// Unique in its API.
    pub id: String,
    /// The name that people gave it.
    pub name: String,
    /// What kind it is.
    pub authorizer_type: AuthorizerType,
    /// The user pools whose tokens it takes.
    pub provider_arns: Vec<String>,
    /// The function, as the URI of its invocation.
    pub authorizer_uri: Option<String>,
    /// The role to invoke it as.
    pub authorizer_credentials: Option<String>,
    /// What identifies a caller: `method.request.header.Authorization` and the like, in order.
    pub identity_source: Vec<String>,
    /// A regular expression that a token must match before anyone is asked.
    pub identity_validation_expression: Option<String>,
    /// How long an answer is kept; zero keeps none.
    pub result_ttl_s: u32,
    /// Whose tokens it takes, of the type JWT.
    pub jwt_configuration: Option<JwtConfiguration>,
}

/// Whose tokens a JWT authorizer takes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JwtConfiguration {
    /// The issuers.
    pub issuers: Vec<JwtIssuer>,
    /// The algorithms of signatures, by their names.
    pub default_algorithms: Vec<String>,
}

/// One issuer of tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JwtIssuer {
    /// Its URL, as tokens name it.
    pub issuer: String,
    /// Whom its tokens must be for.
    pub audiences: Vec<String>,
    /// Where its keys are, if not where its discovery document says.
    pub jwks_uri: Option<String>,
    /// What else its tokens must say.
    pub additional_claims: Vec<JwtAdditionalClaim>,
}

/// What else a token must say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JwtAdditionalClaim {
    /// The claim.
    pub claim_name: String,
    /// Whether it must be there.
    pub is_required: bool,
    /// What it may be; none takes anything.
    pub expected_values: Vec<String>,
}

named! {
    /// What kind of authorizer it is.
    pub enum AuthorizerType {
        /// A function that sees a token.
        Token = "TOKEN",
        /// A function that sees the request.
        Request = "REQUEST",
        /// User pools of Cognito.
        CognitoUserPools = "COGNITO_USER_POOLS",
        /// Issuers of JSON Web Tokens.
        Jwt = "JWT",
    }
}

impl Authorizer {
    pub(super) fn read(fields: &Fields<'_>, id: &str) -> Result<Self> {
        let authorizer_type = fields.required_choice("type")?;
        let jwt_configuration =
            fields.part("jwtConfiguration", |fields| JwtConfiguration::read(&fields))?;
        if authorizer_type == AuthorizerType::Jwt && jwt_configuration.is_none() {
            return Err(fields.error("jwtConfiguration", "is missing"));
        }
        let is_function =
            matches!(authorizer_type, AuthorizerType::Token | AuthorizerType::Request);
        let authorizer_uri = fields.owned_text("authorizerUri")?;
        if is_function && authorizer_uri.is_none() {
            return Err(fields.error("authorizerUri", "is missing"));
        }
        let sources = fields.text("identitySource")?.unwrap_or_default().split(',').map(str::trim);
        let ttl = fields.integer("authorizerResultTtlInSeconds", 0..=TTL_S_MAX)?;
        Ok(Self {
            id: id.to_owned(),
            name: fields.owned_text("name")?.unwrap_or_default(),
            authorizer_type,
            provider_arns: fields.texts("providerARNs")?,
            authorizer_uri,
            authorizer_credentials: fields.owned_text("authorizerCredentials")?,
            identity_source: sources
                .filter(|source| !source.is_empty())
                .map(str::to_owned)
                .collect(),
            identity_validation_expression: fields.owned_text("identityValidationExpression")?,
            result_ttl_s: ttl.unwrap_or(if is_function { TTL_S_DEFAULT } else { 0 }),
            jwt_configuration,
        })
    }
}

impl JwtConfiguration {
    fn read(fields: &Fields<'_>) -> Result<Self> {
        Ok(Self {
            issuers: fields.list("issuers", |issuer| JwtIssuer::read(&issuer))?,
            default_algorithms: fields.texts("defaultAlgorithms")?,
        })
    }
}

impl JwtIssuer {
    fn read(fields: &Fields<'_>) -> Result<Self> {
        let claim = |claim: Fields<'_>| {
            Ok(JwtAdditionalClaim {
                claim_name: claim.required_text("claimName")?,
                is_required: claim.flag("required")?,
                expected_values: claim.texts("expectedValues")?,
            })
        };
        Ok(Self {
            issuer: fields.required_text("issuer")?,
            audiences: fields.texts("audiences")?,
            jwks_uri: fields.owned_text("jwksUri")?,
            additional_claims: fields.list("additionalClaims", claim)?,
        })
    }
}

const TTL_S_MAX: i64 = 3_600;
/// "Create an authorizer": what AWS takes where none is said.
const TTL_S_DEFAULT: u32 = 300;
