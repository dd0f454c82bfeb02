//! Why an exchange ends while its mappings are evaluated.

use crate::base::Blame;

/// Why an expression has neither a value nor the right to be passed over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MappingFault {
    /// The request's body begins like JSON and is none.
    InvalidRequestJson,
    /// The answer's body begins like JSON and is none.
    InvalidAnswerJson,
    /// The request's body has more JSON values than an expression looks at.
    RequestJsonTooLarge,
    /// The same of the answer's body.
    AnswerJsonTooLarge,
    /// What the request gave for a header has a control character in it.
    UnfitRequestHeader,
    /// What the answer gave for a header has one.
    UnfitAnswerHeader,
    /// What the request gave for a part of a path would change which path it is.
    UnfitPath,
    /// A placeholder of the integration's URI has no value.
    MissingPathValue,
}

impl MappingFault {
    /// The status that the client sees where no gateway response says otherwise.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequestJson | Self::UnfitRequestHeader | Self::UnfitPath => 400,
            Self::RequestJsonTooLarge => 413,
            Self::InvalidAnswerJson
            | Self::AnswerJsonTooLarge
            | Self::UnfitAnswerHeader
            | Self::MissingPathValue => 500,
        }
    }

    /// `$context.error.message`.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::InvalidRequestJson => "Invalid JSON in request body",
            Self::UnfitRequestHeader | Self::UnfitPath => "Bad Request",
            Self::RequestJsonTooLarge => "Request Too Long",
            Self::InvalidAnswerJson
            | Self::AnswerJsonTooLarge
            | Self::UnfitAnswerHeader
            | Self::MissingPathValue => "Internal server error",
        }
    }

    /// Who must act on it.
    #[must_use]
    pub const fn blame(self) -> Blame {
        match self {
            Self::InvalidRequestJson
            | Self::RequestJsonTooLarge
            | Self::UnfitRequestHeader
            | Self::UnfitPath => Blame::Client,
            Self::InvalidAnswerJson | Self::AnswerJsonTooLarge | Self::UnfitAnswerHeader => {
                Blame::Upstream
            }
            Self::MissingPathValue => Blame::Gateway,
        }
    }
}
