//! What an access log renders for each `$context` variable.
//!
//! Which variables there are is told by `expr`, for logs as for mappings. Variables of features
//! that do not exist here yet are known and render `-`.

use crate::expr::ContextVariable;

/// What a variable renders.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Variable {
    /// Known, and never has a value here.
    Absent,
    ApiId,
    ConnectionId,
    DataProcessed,
    DomainName,
    DomainPrefix,
    ErrorMessage,
    ErrorMessageString,
    ErrorResponseType,
    HttpMethod,
    SourceIp,
    UserAgent,
    IntegrationError,
    IntegrationLatency,
    IntegrationStatus,
    Path,
    Protocol,
    RequestId,
    ExtendedRequestId,
    RequestTime,
    RequestTimeEpoch,
    ResourcePath,
    ResponseLatency,
    ResponseLength,
    RouteKey,
    Stage,
    Status,
    Cause,
    Query,
    RequestLength,
    Target,
    TlsVersion,
    CipherSuite,
    ClientCertPem,
    ClientCertSubject,
    ClientCertIssuer,
    ClientCertSerialNumber,
    ClientCertNotBefore,
    ClientCertNotAfter,
}

impl Variable {
    /// The variable of this name, which follows `$context.`.
    pub(super) fn find(name: &str) -> Option<Self> {
        let own = OWN.iter().find(|(one, _)| *one == name).map(|(_, variable)| *variable);
        own.or_else(|| ContextVariable::find(name).map(|variable| Self::of(&variable)))
    }

    fn of(variable: &ContextVariable) -> Self {
        match variable {
            ContextVariable::ApiId => Self::ApiId,
            ContextVariable::CipherSuite => Self::CipherSuite,
            ContextVariable::ConnectionId => Self::ConnectionId,
            ContextVariable::DataProcessed => Self::DataProcessed,
            ContextVariable::DomainName => Self::DomainName,
            ContextVariable::DomainPrefix => Self::DomainPrefix,
            ContextVariable::ErrorMessage => Self::ErrorMessage,
            ContextVariable::ErrorMessageString => Self::ErrorMessageString,
            ContextVariable::ErrorResponseType => Self::ErrorResponseType,
            ContextVariable::RequestId => Self::RequestId,
            ContextVariable::ExtendedRequestId => Self::ExtendedRequestId,
            ContextVariable::HttpMethod => Self::HttpMethod,
            ContextVariable::ClientCertPem => Self::ClientCertPem,
            ContextVariable::ClientCertIssuer => Self::ClientCertIssuer,
            ContextVariable::ClientCertSerialNumber => Self::ClientCertSerialNumber,
            ContextVariable::ClientCertSubject => Self::ClientCertSubject,
            ContextVariable::ClientCertNotAfter => Self::ClientCertNotAfter,
            ContextVariable::ClientCertNotBefore => Self::ClientCertNotBefore,
            ContextVariable::IdentitySourceIp => Self::SourceIp,
            ContextVariable::IdentityUserAgent => Self::UserAgent,
            ContextVariable::IntegrationError | ContextVariable::IntegrationErrorMessage => {
                Self::IntegrationError
            }
            ContextVariable::IntegrationLatency | ContextVariable::IntegrationLatencyPlain => {
                Self::IntegrationLatency
            }
            // AWS: the plain one is equivalent to the other for an HTTP integration.
            ContextVariable::IntegrationStatus | ContextVariable::IntegrationStatusPlain => {
                Self::IntegrationStatus
            }
            ContextVariable::Path => Self::Path,
            ContextVariable::Protocol => Self::Protocol,
            ContextVariable::RequestTime => Self::RequestTime,
            ContextVariable::RequestTimeEpoch => Self::RequestTimeEpoch,
            ContextVariable::ResourcePath => Self::ResourcePath,
            ContextVariable::ResponseLatency => Self::ResponseLatency,
            ContextVariable::ResponseLength => Self::ResponseLength,
            ContextVariable::RouteKey => Self::RouteKey,
            ContextVariable::Stage => Self::Stage,
            ContextVariable::Status => Self::Status,
            ContextVariable::TlsVersion => Self::TlsVersion,
            _ => Self::Absent,
        }
    }

    /// Whether the value is JSON as it stands: a number, `null` for none, or a string with quotes.
    pub(super) fn is_json(self) -> bool {
        matches!(
            self,
            Self::Absent
                | Self::ConnectionId
                | Self::DataProcessed
                | Self::ErrorMessageString
                | Self::IntegrationLatency
                | Self::IntegrationStatus
                | Self::RequestTimeEpoch
                | Self::ResponseLatency
                | Self::ResponseLength
                | Self::RequestLength
                | Self::Status
        )
    }

    /// Whether the value brings its own quotes.
    pub(super) fn is_quoted(self) -> bool {
        self == Self::ErrorMessageString
    }
}

/// Whether `name` belongs to a family whose last part is a name of the user's.
pub(super) fn is_family(name: &str) -> bool {
    ContextVariable::families().any(|prefix| name.starts_with(prefix))
}

/// The name that is nearest to `name`, which is none.
pub(super) fn nearest(name: &str) -> &'static str {
    let own = OWN.iter().map(|(one, _)| *one);
    let near = ContextVariable::names().chain(own).min_by_key(|one| distance(one, name));
    near.unwrap_or("requestId")
}

/// Insertions, deletions and replacements between two names; case costs nothing, because a wrong
/// case is the likeliest mistake.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, left) in left.bytes().enumerate() {
        let mut diagonal = line;
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
        for (column, right) in right.bytes().enumerate() {
            let replaced = diagonal + usize::from(!left.eq_ignore_ascii_case(&right));
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Not AWS's: what operators of a proxy ask for, under a name that AWS will not take.
const OWN: [(&str, Variable); 4] = [
    ("shardgate.cause", Variable::Cause),
    ("shardgate.query", Variable::Query),
    ("shardgate.requestLength", Variable::RequestLength),
    ("shardgate.target", Variable::Target),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The first column of the table in "Customizing HTTP API access logs", with `property`
    /// standing for a name of the user's.
    const HTTP_API: &str = "accountId apiId authorizer.claims.property authorizer.error \
        authorizer.principalId authorizer.property awsEndpointRequestId awsEndpointRequestId2 \
        customDomain.basePathMatched dataProcessed domainName domainPrefix error.message \
        error.messageString error.responseType extendedRequestId httpMethod identity.accountId \
        identity.caller identity.cognitoAuthenticationProvider \
        identity.cognitoAuthenticationType identity.cognitoIdentityId \
        identity.cognitoIdentityPoolId identity.principalOrgId identity.clientCert.clientCertPem \
        identity.clientCert.subjectDN identity.clientCert.issuerDN \
        identity.clientCert.serialNumber identity.clientCert.validity.notBefore \
        identity.clientCert.validity.notAfter identity.sourceIp identity.user identity.userAgent \
        identity.userArn integration.error integration.integrationStatus integration.latency \
        integration.requestId integration.status integrationErrorMessage integrationLatency \
        integrationStatus path protocol requestId requestTime requestTimeEpoch responseLatency \
        responseLength routeKey stage status";

    #[test]
    fn every_variable_of_http_apis_is_known() {
        assert_eq!(HTTP_API.split_whitespace().count(), 52);
        for name in HTTP_API.split_whitespace() {
            assert!(Variable::find(name).is_some(), "{name}");
        }
        assert!(Variable::find("authorizer.").is_none());
        assert!(Variable::find("identity").is_none());
    }

    #[test]
    fn every_variable_that_has_a_value_is_found_by_its_name() {
        let absent = |name: &str| Variable::find(name) == Some(Variable::Absent);
        let rendered = ContextVariable::names().filter(|name| !absent(name)).count();
        assert_eq!(rendered, 37, "as many as there are names with a value");
        for (name, wanted) in [
            ("requestId", Variable::RequestId),
            ("extendedRequestId", Variable::ExtendedRequestId),
            ("integrationStatus", Variable::IntegrationStatus),
            ("identity.clientCert.validity.notAfter", Variable::ClientCertNotAfter),
            ("shardgate.cause", Variable::Cause),
            ("authorizer.claims.sub", Variable::Absent),
        ] {
            assert_eq!(Variable::find(name), Some(wanted), "{name}");
        }
        assert!(OWN.iter().all(|(name, _)| ContextVariable::find(name).is_none()));
    }

    #[test]
    fn a_wrong_name_is_led_to_the_nearest() {
        assert_eq!(nearest("requestid"), "requestId");
        assert_eq!(nearest("identity.sourceIP"), "identity.sourceIp");
        assert_eq!(nearest("statusCode"), "status");
        assert_eq!(nearest("ruoteKey"), "routeKey");
    }
}
