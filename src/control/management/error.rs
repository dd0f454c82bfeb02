//! How the management API refuses: codes, statuses and messages as AWS has them.

use serde_json::{Value, json};

use crate::store::StoreError;

/// Why an operation was not done; nothing was changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ApiError {
    pub(super) code: Code,
    pub(super) message: String,
}

/// The error codes of the services, which SDKs turn into exceptions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Code {
    BadRequest,
    Conflict,
    FunctionThrottled,
    Gone,
    InvalidParameterValue,
    InvalidRequestContent,
    InvalidSignature,
    LimitExceeded,
    MissingAuthenticationToken,
    NotFound,
    NotImplemented,
    PayloadTooLarge,
    PolicyLengthExceeded,
    PreconditionFailed,
    RequestEntityTooLarge,
    RequestTimeout,
    ResourceConflict,
    ResourceNotFound,
    Serialization,
    Service,
    ServiceUnavailable,
    TooManyRequests,
    UnknownOperation,
    UnrecognizedClient,
    Validation,
}

impl Code {
    /// What `x-amzn-ErrorType` says.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequestException",
            Self::Conflict => "ConflictException",
            Self::FunctionThrottled | Self::TooManyRequests => "TooManyRequestsException",
            Self::Gone => "GoneException",
            Self::InvalidParameterValue => "InvalidParameterValueException",
            Self::InvalidRequestContent => "InvalidRequestContentException",
            Self::InvalidSignature => "InvalidSignatureException",
            Self::LimitExceeded => "LimitExceededException",
            Self::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Self::NotFound => "NotFoundException",
            Self::NotImplemented => "NotImplementedException",
            Self::PayloadTooLarge => "PayloadTooLargeException",
            Self::PolicyLengthExceeded => "PolicyLengthExceededException",
            Self::PreconditionFailed => "PreconditionFailedException",
            Self::RequestEntityTooLarge => "RequestEntityTooLargeException",
            Self::RequestTimeout => "RequestTimeoutException",
            Self::ResourceConflict => "ResourceConflictException",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::Serialization => "SerializationException",
            Self::Service => "ServiceException",
            Self::ServiceUnavailable => "ServiceUnavailableException",
            Self::UnknownOperation => "UnknownOperationException",
            Self::UnrecognizedClient => "UnrecognizedClientException",
            Self::Validation => "ValidationException",
        }
    }

    pub(super) const fn status(self) -> u16 {
        match self {
            Self::BadRequest
            | Self::InvalidParameterValue
            | Self::InvalidRequestContent
            | Self::PolicyLengthExceeded
            | Self::Serialization
            | Self::Validation => 400,
            Self::InvalidSignature
            | Self::MissingAuthenticationToken
            | Self::UnrecognizedClient => 403,
            Self::NotFound | Self::ResourceNotFound | Self::UnknownOperation => 404,
            Self::RequestTimeout => 408,
            Self::Conflict | Self::ResourceConflict => 409,
            Self::Gone => 410,
            Self::PreconditionFailed => 412,
            Self::PayloadTooLarge | Self::RequestEntityTooLarge => 413,
            Self::FunctionThrottled | Self::LimitExceeded | Self::TooManyRequests => 429,
            Self::Service => 500,
            Self::NotImplemented => 501,
            Self::ServiceUnavailable => 503,
        }
    }
}

impl ApiError {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message)
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(Code::Conflict, message)
    }

    /// A parameter that Lambda does not take.
    pub(super) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidParameterValue, message)
    }

    /// What is answered. Lambda says whose fault it is, and has two spellings for what it says.
    pub(super) fn body(&self) -> Value {
        match self.code {
            Code::FunctionThrottled => json!({
                "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
                "Type": "User",
                "message": self.message,
            }),
            Code::ResourceNotFound => json!({"Type": "User", "Message": self.message}),
            Code::Service => json!({"Type": "Service", "Message": self.message}),
            Code::InvalidParameterValue
            | Code::InvalidRequestContent
            | Code::PolicyLengthExceeded
            | Code::PreconditionFailed
            | Code::ResourceConflict => json!({"Type": "User", "message": self.message}),
            _ => json!({"message": self.message}),
        }
    }

    /// What is wrong with parameter mappings, in the words of both generations.
    pub(super) fn invalid_mapping(error: &str) -> Self {
        Self::bad_request(format!(
            "Invalid mapping expression specified: Validation Result: warnings : [], errors : [{error}]"
        ))
    }

    /// An operation that belongs to a later version.
    pub(super) fn not_available(what: &str) -> Self {
        Self::new(Code::NotImplemented, format!("{what}: not available in this version"))
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::conflict(
                "Unable to complete operation due to concurrent modification. Please try again later.",
            ),
            error => Self::new(Code::ServiceUnavailable, error.to_string()),
        }
    }
}
