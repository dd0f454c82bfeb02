//! How a method or route is authorized.

use super::fields::{Fields, Result};
use super::named::named;

/// Who may call a method or route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Authorization {
    /// Anyone.
    None,
    /// Whoever signs and is allowed to.
    AwsIam,
    /// Whom a function lets in.
    Custom {
        /// The authorizer; it is in the same deployment.
        authorizer_id: String,
    },
    /// Whoever has a token of a user pool.
    CognitoUserPools {
        /// The authorizer; it is in the same deployment.
        authorizer_id: String,
        /// One of them must be in the token; none asks for an identity token.
        scopes: Vec<String>,
    },
    /// Whoever has a token of an issuer.
    Jwt {
        /// The authorizer; it is in the same deployment.
        authorizer_id: String,
        /// One of them must be in the token, if there are any.
        scopes: Vec<String>,
    },
}

named! {
    /// `authorizationType`.
    pub enum AuthorizationType {
        /// Anyone.
        None = "NONE",
        /// Signature Version 4.
        AwsIam = "AWS_IAM",
        /// A function.
        Custom = "CUSTOM",
        /// A user pool of Cognito, of REST APIs alone.
        CognitoUserPools = "COGNITO_USER_POOLS",
        /// A JSON Web Token.
        Jwt = "JWT",
    }
}

impl Authorization {
    /// Reads what a method or route says of it. An authorizer that is not `known` is refused: a
    /// check that cannot run must not be left out.
    pub(super) fn read(fields: &Fields<'_>, known: impl Fn(&str) -> bool) -> Result<Self> {
        let kind = fields.choice("authorizationType")?.unwrap_or(AuthorizationType::None);
        if matches!(kind, AuthorizationType::None | AuthorizationType::AwsIam) {
            return Ok(if kind == AuthorizationType::None { Self::None } else { Self::AwsIam });
        }
        let authorizer_id = fields.required_text("authorizerId")?;
        if !known(&authorizer_id) {
            let id = authorizer_id.escape_debug();
            let reason = format!("names authorizer `{id}`, which the deployment does not have");
            return Err(fields.error("authorizerId", reason));
        }
        let scopes = fields.texts("authorizationScopes")?;
        Ok(match kind {
            AuthorizationType::CognitoUserPools => Self::CognitoUserPools { authorizer_id, scopes },
            AuthorizationType::Jwt => Self::Jwt { authorizer_id, scopes },
            _ => Self::Custom { authorizer_id },
        })
    }

    /// AWS's name of it.
    #[must_use]
    pub const fn authorization_type(&self) -> AuthorizationType {
        match self {
            Self::None => AuthorizationType::None,
            Self::AwsIam => AuthorizationType::AwsIam,
            Self::Custom { .. } => AuthorizationType::Custom,
            Self::CognitoUserPools { .. } => AuthorizationType::CognitoUserPools,
            Self::Jwt { .. } => AuthorizationType::Jwt,
        }
    }

    /// The authorizer that it asks.
    #[must_use]
    pub fn authorizer_id(&self) -> Option<&str> {
        match self {
            Self::None | Self::AwsIam => None,
            Self::Custom { authorizer_id }
            | Self::CognitoUserPools { authorizer_id, .. }
            | Self::Jwt { authorizer_id, .. } => Some(authorizer_id),
        }
    }
}
