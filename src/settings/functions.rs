//! Functions: what they are called, and where their calls go.

use super::function_signing::build_signing;
use super::keys::RawFunction;
use super::reading::{Field, Reading};
use super::unique::Unique;
use super::values::{TextForm, Unformed};
use crate::control::{BoundEndpoint, BoundFunction, FunctionWay};
use crate::model::FunctionName;

/// The name or the ARN of a function.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct FunctionArn(FunctionName);

impl TextForm for FunctionArn {
    const EXPECTED: &'static str = "the name of a function, or its ARN, perhaps with `:ALIAS`";
    const PATTERN: Option<&'static str> = Some(
        r"^(arn:[A-Za-z0-9-]+:lambda:[a-z0-9-]+:[0-9]+:function:)?[A-Za-z0-9_-]+(:[$A-Za-z0-9_-]+)?$",
    );

    fn parse(text: &str) -> Result<Self, Unformed> {
        FunctionName::parse(text).map(Self).ok_or(Unformed::Form)
    }
}

/// What an endpoint calls a function.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct RemoteName(String);

impl TextForm for RemoteName {
    const EXPECTED: &'static str = "the name of a function, or its ARN";
    const PATTERN: Option<&'static str> = FunctionArn::PATTERN;

    fn parse(text: &str) -> Result<Self, Unformed> {
        FunctionName::parse(text).map(|_| Self(text.to_owned())).ok_or(Unformed::Form)
    }
}

/// Where an endpoint is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct EndpointUrl {
    host: String,
    port: u16,
    is_https: bool,
}

impl TextForm for EndpointUrl {
    const EXPECTED: &'static str = "the URL of a server, without a path (`http://127.0.0.1:9001`)";
    const PATTERN: Option<&'static str> = Some(r"^https?://[^/\s@?#]+/?$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        let uri = text.parse::<hyper::Uri>().map_err(|_| Unformed::Form)?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(Unformed::Form),
        };
        if uri.path() != "/" || uri.query().is_some() || text.contains('#') {
            return Err(Unformed::because("the API has a path of its own: leave it out"));
        }
        let authority = uri.authority().ok_or(Unformed::Form)?;
        if authority.as_str().contains('@') {
            return Err(Unformed::because("a user has no place here"));
        }
        let host = authority.host().to_ascii_lowercase();
        let port = authority.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let is_bare = authority.port().is_none() && authority.as_str().ends_with(':');
        if host.is_empty() || port == 0 || is_bare {
            return Err(Unformed::Form);
        }
        Ok(Self { host, port, is_https })
    }
}

/// Builds the functions, each there once.
pub(super) fn build_functions(
    raw: Vec<Field<RawFunction>>,
    reading: &mut Reading<'_>,
) -> Vec<BoundFunction> {
    let mut seen = Unique::new("function");
    let mut functions = Vec::new();
    for Field { value: raw, .. } in raw {
        let (Some(name), Some(endpoint)) = (raw.name, raw.endpoint) else { continue };
        seen.add(name.value.0.clone(), name.span, reading);
        let EndpointUrl { host, port, is_https } = endpoint.value;
        let remote_name = raw.remote_name.map(|name| name.value.0);
        let signing = raw.sign.and_then(|sign| build_signing(sign, reading));
        let endpoint = BoundEndpoint { host, port, is_https, remote_name, signing };
        functions.push(BoundFunction {
            name: name.value.0,
            way: FunctionWay::Endpoint(endpoint),
            permissions: raw
                .permissions
                .map(|list| list.value.into_iter().map(|one| one.value.0).collect()),
        });
    }
    functions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::SigningSource;
    use crate::settings;

    fn parse(functions: &str, management: &str) -> Result<Vec<BoundFunction>, String> {
        let text = format!(
            "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n{management}{functions}\
             [[api]]\nname = \"a\"\n[[api.route]]\nkey = \"$default\"\nmock = {{}}\n"
        );
        let settings = settings::parse("gateway.toml", &text);
        let settings = settings.map_err(|mistakes| mistakes.to_string())?;
        Ok(settings.management.map(|management| management.functions).unwrap_or_default())
    }

    const MANAGEMENT: &str = "[management]\nstore = \"/state.redb\"\n";

    #[test]
    fn endpoints_are_servers() {
        let function = |endpoint: &str| {
            format!("[[function]]\nname = \"orders\"\nendpoint = \"{endpoint}\"\n")
        };
        let built = |endpoint: &str| {
            let built = parse(&function(endpoint), MANAGEMENT).expect("right").remove(0);
            let FunctionWay::Endpoint(endpoint) = built.way else { panic!("an endpoint") };
            (endpoint.host, endpoint.port)
        };
        let aws = built("https://lambda.us-east-1.amazonaws.com");
        assert_eq!(aws, ("lambda.us-east-1.amazonaws.com".to_owned(), 443));
        assert_eq!(built("http://[::1]:9001/"), ("[::1]".to_owned(), 9001));
        for bad in
            ["127.0.0.1:9001", "ftp://a", "http://a/b", "http://a?b", "http://u@a", "http://a:0"]
        {
            assert!(parse(&function(bad), MANAGEMENT).is_err(), "{bad}");
        }
    }

    #[test]
    fn credentials_are_in_one_place() {
        let signing = |sign: &str| {
            let function =
                format!("[[function]]\nname = \"a\"\nendpoint = \"http://a\"\nsign = {sign}\n");
            parse(&function, MANAGEMENT).map(|mut built| match built.remove(0).way {
                FunctionWay::Endpoint(endpoint) => endpoint.signing.expect("it"),
                FunctionWay::Local(_) => panic!("an endpoint"),
            })
        };
        let secret = "secret_access_key = \"wJalrXUtnFEMI/K7MDENG\"";
        let built = signing(&format!("{{ access_key_id = \"AKID\", {secret} }}")).expect("right");
        assert!(!format!("{built:?}").contains("wJalr"), "a secret is not shown: {built:?}");
        let source = |sign: &str| signing(sign).map(|built| built.source);
        assert_eq!(source("{}"), Ok(SigningSource::Environment));
        assert_eq!(
            source("{ credentials_file = \"/c\" }"),
            Ok(SigningSource::Profile { file: "/c".into(), profile: "default".into() })
        );
        assert_eq!(
            signing("{ region = \"eu-west-1\" }").map(|built| built.region),
            Ok(Some("eu-west-1".into()))
        );
        for bad in [
            "{ access_key_id = \"AKID\" }".to_owned(),
            format!("{{ {secret} }}"),
            "{ session_token_file = \"/t\" }".to_owned(),
            "{ access_key_id = \"AKID\", credentials_file = \"/c\" }".to_owned(),
            format!("{{ access_key_id = \"AKID\", {secret}, secret_access_key_file = \"/s\" }}"),
            format!("{{ {secret}, credentials_file = \"/c\" }}"),
        ] {
            let said = signing(&bad).expect_err(&bad);
            assert!(!said.contains("wJalr"), "a secret is not shown: {said}");
        }
    }

    #[test]
    fn permissions_are_arns() {
        let function = |permissions: &str| {
            format!(
                "[[function]]\nname = \"a\"\nendpoint = \"http://a\"\npermissions = {permissions}\n"
            )
        };
        let count = |permissions: &str| {
            let built = parse(&function(permissions), MANAGEMENT).expect(permissions);
            built[0].permissions.as_ref().map(Vec::len)
        };
        assert_eq!(count("[]"), Some(0));
        assert_eq!(count("[\"arn:aws:execute-api:*:*:a1/*/GET/x\", \"*\"]"), Some(2));
        assert!(parse(&function("[\"orders\"]"), MANAGEMENT).is_err());
    }

    #[test]
    fn a_function_is_there_once_and_for_deployed_apis() {
        let one = "[[function]]\nname = \"orders\"\nendpoint = \"http://a\"\n";
        let said = parse(&format!("{one}{one}"), MANAGEMENT).expect_err("twice");
        assert!(said.contains("there twice"), "{said}");
        let said = parse(one, "").expect_err("no management API");
        assert!(said.contains("[management]"), "{said}");
    }
}
