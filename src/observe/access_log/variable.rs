//! The table of `$context` variables that an access log may name.
//!
//! AWS: "Customizing HTTP API access logs" and, for REST APIs, "`$context` Variables for access
//! logging only". Variables of features that do not exist here yet are known and render `-`.

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
        let exact = NAMES.iter().find(|(one, _)| *one == name);
        let is_property =
            || PROPERTIES.iter().any(|prefix| name.strip_prefix(prefix).is_some_and(is_name));
        exact.map(|(_, variable)| *variable).or_else(|| is_property().then_some(Self::Absent))
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
    PROPERTIES.iter().any(|prefix| name.starts_with(prefix))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('.')
}

/// The name that is nearest to `name`, which is none.
pub(super) fn nearest(name: &str) -> &'static str {
    let near = NAMES.iter().min_by_key(|(one, _)| distance(one, name));
    near.map_or("requestId", |(one, _)| one)
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

const PROPERTIES: [&str; 6] = [
    "authorizer.claims.",
    "authorizer.",
    "requestOverride.header.",
    "requestOverride.path.",
    "requestOverride.querystring.",
    "responseOverride.header.",
];

/// Every variable, by name without `$context.`.
pub(super) const NAMES: &[(&str, Variable)] = &[
    ("accountId", Variable::Absent),
    ("apiId", Variable::ApiId),
    ("authenticate.error", Variable::Absent),
    ("authenticate.latency", Variable::Absent),
    ("authenticate.status", Variable::Absent),
    ("authorize.error", Variable::Absent),
    ("authorize.latency", Variable::Absent),
    ("authorize.status", Variable::Absent),
    ("authorizer.claims", Variable::Absent),
    ("authorizer.error", Variable::Absent),
    ("authorizer.integrationLatency", Variable::Absent),
    ("authorizer.integrationStatus", Variable::Absent),
    ("authorizer.latency", Variable::Absent),
    ("authorizer.principalId", Variable::Absent),
    ("authorizer.requestId", Variable::Absent),
    ("authorizer.status", Variable::Absent),
    ("awsEndpointRequestId", Variable::Absent),
    ("awsEndpointRequestId2", Variable::Absent),
    ("cipherSuite", Variable::CipherSuite),
    ("connectionId", Variable::ConnectionId),
    ("customDomain.basePathMatched", Variable::Absent),
    ("customDomain.routingRuleIdMatched", Variable::Absent),
    ("dataProcessed", Variable::DataProcessed),
    ("domainName", Variable::DomainName),
    ("domainPrefix", Variable::DomainPrefix),
    ("endpointType", Variable::Absent),
    ("error.message", Variable::ErrorMessage),
    ("error.messageString", Variable::ErrorMessageString),
    ("error.responseType", Variable::ErrorResponseType),
    ("error.validationErrorString", Variable::Absent),
    ("extendedRequestId", Variable::ExtendedRequestId),
    ("httpMethod", Variable::HttpMethod),
    ("identity.accountId", Variable::Absent),
    ("identity.apiKey", Variable::Absent),
    ("identity.apiKeyId", Variable::Absent),
    ("identity.caller", Variable::Absent),
    ("identity.clientCert.clientCertPem", Variable::ClientCertPem),
    ("identity.clientCert.issuerDN", Variable::ClientCertIssuer),
    ("identity.clientCert.serialNumber", Variable::ClientCertSerialNumber),
    ("identity.clientCert.subjectDN", Variable::ClientCertSubject),
    ("identity.clientCert.validity.notAfter", Variable::ClientCertNotAfter),
    ("identity.clientCert.validity.notBefore", Variable::ClientCertNotBefore),
    ("identity.cognitoAuthenticationProvider", Variable::Absent),
    ("identity.cognitoAuthenticationType", Variable::Absent),
    ("identity.cognitoIdentityId", Variable::Absent),
    ("identity.cognitoIdentityPoolId", Variable::Absent),
    ("identity.principalOrgId", Variable::Absent),
    ("identity.sourceIp", Variable::SourceIp),
    ("identity.user", Variable::Absent),
    ("identity.userAgent", Variable::UserAgent),
    ("identity.userArn", Variable::Absent),
    ("identity.vpcId", Variable::Absent),
    ("identity.vpceId", Variable::Absent),
    ("integration.error", Variable::IntegrationError),
    ("integration.integrationStatus", Variable::Absent),
    ("integration.latency", Variable::IntegrationLatency),
    ("integration.requestId", Variable::Absent),
    ("integration.status", Variable::IntegrationStatus),
    ("integrationErrorMessage", Variable::IntegrationError),
    ("integrationLatency", Variable::IntegrationLatency),
    // AWS: equivalent to integration.status for an HTTP integration.
    ("integrationStatus", Variable::IntegrationStatus),
    ("path", Variable::Path),
    ("protocol", Variable::Protocol),
    ("requestId", Variable::RequestId),
    ("requestTime", Variable::RequestTime),
    ("requestTimeEpoch", Variable::RequestTimeEpoch),
    ("resourceId", Variable::Absent),
    ("resourcePath", Variable::ResourcePath),
    ("responseLatency", Variable::ResponseLatency),
    ("responseLength", Variable::ResponseLength),
    ("responseOverride.status", Variable::Absent),
    ("routeKey", Variable::RouteKey),
    ("stage", Variable::Stage),
    ("status", Variable::Status),
    ("tlsVersion", Variable::TlsVersion),
    ("waf.error", Variable::Absent),
    ("waf.latency", Variable::Absent),
    ("waf.status", Variable::Absent),
    ("wafResponseCode", Variable::Absent),
    ("webaclArn", Variable::Absent),
    ("xrayTraceId", Variable::Absent),
    // Not AWS's: what operators of a proxy ask for, under a name that AWS will not take.
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
    fn names_are_distinct() {
        for (index, (name, _)) in NAMES.iter().enumerate() {
            assert!(NAMES[index + 1..].iter().all(|(other, _)| other != name), "{name} twice");
        }
    }

    #[test]
    fn a_wrong_name_is_led_to_the_nearest() {
        assert_eq!(nearest("requestid"), "requestId");
        assert_eq!(nearest("identity.sourceIP"), "identity.sourceIp");
        assert_eq!(nearest("statusCode"), "status");
        assert_eq!(nearest("ruoteKey"), "routeKey");
    }
}
