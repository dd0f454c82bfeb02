//! The `$context` variables of REST and HTTP APIs.
//!
//! AWS: "API Gateway mapping template and access logging variable reference" and "Customizing HTTP
//! API access logs".

macro_rules! variables {
    ($( $variant:ident = $name:literal; )*) => {
        /// A `$context` variable.
        #[derive(Clone, Debug, Eq, Hash, PartialEq)]
        pub enum ContextVariable {
            $( #[doc = concat!("`$context.", $name, "`")] $variant, )*
            /// `$context.authorizer.claims.name`: a claim of the caller's token.
            AuthorizerClaim(Box<str>),
            /// `$context.authorizer.name`: a property that an authorizer gave.
            AuthorizerProperty(Box<str>),
            /// `$context.requestOverride.header.name`
            RequestOverrideHeader(Box<str>),
            /// `$context.requestOverride.path.name`
            RequestOverridePath(Box<str>),
            /// `$context.requestOverride.querystring.name`
            RequestOverrideQuery(Box<str>),
            /// `$context.responseOverride.header.name`
            ResponseOverrideHeader(Box<str>),
        }

        /// Every variable that is no member of a family, by its name.
        static NAMES: &[(&str, ContextVariable)] = &[$( ($name, ContextVariable::$variant), )*];
    };
}

impl ContextVariable {
    /// The variable of this name, which follows `$context.` or `context.`.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let exact = NAMES.iter().find(|(one, _)| *one == name);
        exact.map(|(_, variable)| variable.clone()).or_else(|| Self::find_member(name))
    }

    fn find_member(name: &str) -> Option<Self> {
        FAMILIES.iter().find_map(|(prefix, member)| {
            let rest = name.strip_prefix(prefix)?;
            (!rest.is_empty() && !rest.starts_with('.')).then(|| member(rest.into()))
        })
    }

    /// The names of all variables outside families, for whoever suggests one.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// What the names of families begin with; their rest is a name of the user's.
    pub fn families() -> impl Iterator<Item = &'static str> {
        FAMILIES.iter().map(|(prefix, _)| *prefix)
    }
}

type Member = fn(Box<str>) -> ContextVariable;

/// A longer prefix stands before the one it begins with.
static FAMILIES: [(&str, Member); 6] = [
    ("authorizer.claims.", ContextVariable::AuthorizerClaim),
    ("authorizer.", ContextVariable::AuthorizerProperty),
    ("requestOverride.header.", ContextVariable::RequestOverrideHeader),
    ("requestOverride.path.", ContextVariable::RequestOverridePath),
    ("requestOverride.querystring.", ContextVariable::RequestOverrideQuery),
    ("responseOverride.header.", ContextVariable::ResponseOverrideHeader),
];

variables! {
    AccountId = "accountId";
    ApiId = "apiId";
    AuthenticateError = "authenticate.error";
    AuthenticateLatency = "authenticate.latency";
    AuthenticateStatus = "authenticate.status";
    AuthorizeError = "authorize.error";
    AuthorizeLatency = "authorize.latency";
    AuthorizeStatus = "authorize.status";
    AuthorizerClaims = "authorizer.claims";
    AuthorizerError = "authorizer.error";
    AuthorizerIntegrationLatency = "authorizer.integrationLatency";
    AuthorizerIntegrationStatus = "authorizer.integrationStatus";
    AuthorizerLatency = "authorizer.latency";
    AuthorizerPrincipalId = "authorizer.principalId";
    AuthorizerRequestId = "authorizer.requestId";
    AuthorizerStatus = "authorizer.status";
    AwsEndpointRequestId = "awsEndpointRequestId";
    AwsEndpointRequestId2 = "awsEndpointRequestId2";
    CipherSuite = "cipherSuite";
    ConnectionId = "connectionId";
    BasePathMatched = "customDomain.basePathMatched";
    RoutingRuleIdMatched = "customDomain.routingRuleIdMatched";
    DataProcessed = "dataProcessed";
    DeploymentId = "deploymentId";
    DomainName = "domainName";
    DomainPrefix = "domainPrefix";
    EndpointType = "endpointType";
    ErrorMessage = "error.message";
    ErrorMessageString = "error.messageString";
    ErrorResponseType = "error.responseType";
    ErrorValidationErrorString = "error.validationErrorString";
    ExtendedRequestId = "extendedRequestId";
    HttpMethod = "httpMethod";
    IdentityAccountId = "identity.accountId";
    IdentityApiKey = "identity.apiKey";
    IdentityApiKeyId = "identity.apiKeyId";
    IdentityCaller = "identity.caller";
    ClientCertPem = "identity.clientCert.clientCertPem";
    ClientCertIssuer = "identity.clientCert.issuerDN";
    ClientCertSerialNumber = "identity.clientCert.serialNumber";
    ClientCertSubject = "identity.clientCert.subjectDN";
    ClientCertNotAfter = "identity.clientCert.validity.notAfter";
    ClientCertNotBefore = "identity.clientCert.validity.notBefore";
    CognitoAuthenticationProvider = "identity.cognitoAuthenticationProvider";
    CognitoAuthenticationType = "identity.cognitoAuthenticationType";
    CognitoIdentityId = "identity.cognitoIdentityId";
    CognitoIdentityPoolId = "identity.cognitoIdentityPoolId";
    IdentityPrincipalOrgId = "identity.principalOrgId";
    IdentitySourceIp = "identity.sourceIp";
    IdentityUser = "identity.user";
    IdentityUserAgent = "identity.userAgent";
    IdentityUserArn = "identity.userArn";
    IdentityVpcId = "identity.vpcId";
    IdentityVpceId = "identity.vpceId";
    IntegrationError = "integration.error";
    IntegrationIntegrationStatus = "integration.integrationStatus";
    IntegrationLatency = "integration.latency";
    IntegrationRequestId = "integration.requestId";
    IntegrationStatus = "integration.status";
    IntegrationErrorMessage = "integrationErrorMessage";
    IntegrationLatencyPlain = "integrationLatency";
    IntegrationStatusPlain = "integrationStatus";
    IsCanaryRequest = "isCanaryRequest";
    OperationName = "operationName";
    Path = "path";
    Protocol = "protocol";
    RequestId = "requestId";
    RequestTime = "requestTime";
    RequestTimeEpoch = "requestTimeEpoch";
    ResourceId = "resourceId";
    ResourcePath = "resourcePath";
    ResponseLatency = "responseLatency";
    ResponseLength = "responseLength";
    ResponseOverrideStatus = "responseOverride.status";
    RouteKey = "routeKey";
    Stage = "stage";
    Status = "status";
    TlsVersion = "tlsVersion";
    WafError = "waf.error";
    WafLatency = "waf.latency";
    WafStatus = "waf.status";
    WafResponseCode = "wafResponseCode";
    WebAclArn = "webaclArn";
    XrayTraceId = "xrayTraceId";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first column of "`$context` Variables for data models, authorizers, mapping templates,
    /// and CloudWatch access logging", with `property` standing for a name of the user's.
    const REST_API: &str = "accountId apiId authorizer.claims.property authorizer.principalId \
        authorizer.property awsEndpointRequestId domainName domainPrefix error.message \
        error.messageString error.responseType error.validationErrorString extendedRequestId \
        httpMethod identity.accountId identity.apiKey identity.apiKeyId identity.caller \
        identity.cognitoAuthenticationProvider identity.cognitoAuthenticationType \
        identity.cognitoIdentityId identity.cognitoIdentityPoolId identity.principalOrgId \
        identity.sourceIp identity.clientCert.clientCertPem identity.clientCert.subjectDN \
        identity.clientCert.issuerDN identity.clientCert.serialNumber \
        identity.clientCert.validity.notBefore identity.clientCert.validity.notAfter \
        identity.user identity.userAgent identity.userArn path protocol requestId \
        requestOverride.header.property requestOverride.path.property \
        requestOverride.querystring.property responseOverride.header.property \
        responseOverride.status requestTime requestTimeEpoch resourceId resourcePath stage \
        wafResponseCode webaclArn";

    #[test]
    fn every_variable_of_rest_apis_is_known() {
        for name in REST_API.split_whitespace() {
            assert!(ContextVariable::find(name).is_some(), "{name}");
        }
        for name in ["", "identity", "authorizer", "authorizer.", "authorizer..a", "Path", "x"] {
            assert_eq!(ContextVariable::find(name), None, "{name}");
        }
    }

    #[test]
    fn members_of_families_hold_their_names() {
        let find = |name: &str| ContextVariable::find(name);
        assert_eq!(
            find("authorizer.claims.cognito:groups"),
            Some(ContextVariable::AuthorizerClaim("cognito:groups".into()))
        );
        assert_eq!(
            find("authorizer.tenant"),
            Some(ContextVariable::AuthorizerProperty("tenant".into()))
        );
        assert_eq!(find("authorizer.principalId"), Some(ContextVariable::AuthorizerPrincipalId));
        assert_eq!(find("authorizer.claims"), Some(ContextVariable::AuthorizerClaims));
    }

    #[test]
    fn names_are_distinct() {
        let names: std::collections::BTreeSet<_> = ContextVariable::names().collect();
        assert_eq!(names.len(), ContextVariable::names().count());
    }
}
