//! Functions: what they are called, and where their calls go.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::diagnostics::{Mistake, Span};
use super::function_signing::build_signing;
use super::keys::{RawFunction, RawFunctions};
use super::reading::{Field, Node, Reading};
use super::table::{Bound, Shape, Value};
use super::unique::Unique;
use super::values::{TextForm, Unformed};
use crate::control::{BoundEndpoint, BoundFunction, FunctionWay};
use crate::function::{FunctionDefinition, FunctionProgram, FunctionUser, HandlerCode};
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

/// A word of a command line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Word(pub(super) String);

impl TextForm for Word {
    const EXPECTED: &'static str = "a program or an argument, without NUL";

    fn parse(text: &str) -> Result<Self, Unformed> {
        if text.contains('\0') { Err(Unformed::Form) } else { Ok(Self(text.into())) }
    }
}

/// What of a function's code is called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct HandlerName(pub(super) String);

impl TextForm for HandlerName {
    const EXPECTED: &'static str = "a file without its ending, a dot and what it exports \
                                    (`index.handler`, `src/app.get`)";
    const PATTERN: Option<&'static str> = Some(r"^[^\s/][^\s]*\.[^\s./]+$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        let is_word = !text.chars().any(|one| one.is_whitespace() || one.is_control());
        let parts = text.rsplit_once('.');
        let has_both = parts.is_some_and(|(file, export)| {
            !file.is_empty() && !export.is_empty() && !export.contains('/')
        });
        if text.split('/').any(|part| part == "..") || text.starts_with('/') {
            return Err(Unformed::because("its file lies in the folder of the code"));
        }
        if is_word && has_both { Ok(Self(text.into())) } else { Err(Unformed::Form) }
    }
}

/// Who processes run as.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct FunctionUserName(pub(super) FunctionUser);

impl Value for FunctionUserName {
    fn shape(_: Option<Bound>) -> Shape {
        let name = Shape::Text { expected: "the name of a user", pattern: Some(r"^[^\s:]+$") };
        Shape::OneOf(vec![name, u32::shape(None)])
    }

    fn read(node: Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        match node.value {
            DeValue::Integer(_) => u32::read(node, reading).map(FunctionUser::Id).map(Self),
            DeValue::String(name) => {
                let is_name = !name.is_empty()
                    && !name
                        .chars()
                        .any(|one| one.is_whitespace() || one.is_control() || one == ':');
                if !is_name {
                    node.wrong_value(&Self::shape(None), reading);
                }
                is_name.then(|| Self(FunctionUser::Name(name.to_string())))
            }
            _ => {
                node.wrong_type(&Self::shape(None), reading);
                None
            }
        }
    }
}

/// Variables of a function's processes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Environment(pub(super) BTreeMap<String, String>);

impl Value for Environment {
    fn shape(_: Option<Bound>) -> Shape {
        Shape::Map(Box::new(Word::shape(None)))
    }

    fn read(node: Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let Some(entries) = node.entries() else {
            node.wrong_type(&Self::shape(None), reading);
            return None;
        };
        let mut variables = BTreeMap::new();
        for (span, value) in entries {
            let name = value.name.to_owned();
            if name.is_empty() || name.contains(['=', '\0']) {
                let message = format!("`{}` is no name of a variable", name.escape_debug());
                reading.record(Mistake::new(span, message).label("without `=` and NUL"));
            } else if let Some(Word(text)) = Word::read(value, reading) {
                variables.insert(name, text);
            }
        }
        Some(Self(variables))
    }
}

/// Builds the functions, each there once.
pub(super) fn build_functions(
    raw: Vec<Field<RawFunction>>,
    all: &Field<RawFunctions>,
    reading: &mut Reading<'_>,
) -> Vec<BoundFunction> {
    let mut seen = Unique::new("function");
    let mut functions = Vec::new();
    let mut reserved: Vec<(u32, Span)> = Vec::new();
    for Field { value: mut raw, .. } in raw {
        reserved.extend(raw.reserved_concurrency.as_ref().map(|one| (one.value, one.span)));
        let Some(name) = &raw.name else { continue };
        seen.add(name.value.0.clone(), name.span, reading);
        let name = name.value.0.clone();
        let permissions = raw.permissions.take();
        let permissions =
            permissions.map(|list| list.value.into_iter().map(|one| one.value.0).collect());
        let way = build_way(&name, raw, reading);
        functions.extend(way.map(|way| BoundFunction { name, way, permissions }));
    }
    check_reserved(&reserved, all, reading);
    functions
}

/// `None` where a mistake was recorded.
fn build_way(
    name: &FunctionName,
    raw: RawFunction,
    reading: &mut Reading<'_>,
) -> Option<FunctionWay> {
    if let Some(endpoint) = raw.endpoint {
        let EndpointUrl { host, port, is_https } = endpoint.value;
        let remote_name = raw.remote_name.map(|name| name.value.0);
        let signing = raw.sign.and_then(|sign| build_signing(sign, reading));
        let endpoint = BoundEndpoint { host, port, is_https, remote_name, signing };
        return Some(FunctionWay::Endpoint(endpoint));
    }
    let program = match (raw.command, raw.code) {
        (Some(command), _) => {
            let words = command.value.0.into_iter().map(|word| word.value.0);
            FunctionProgram::Command(words.collect())
        }
        (None, code) => FunctionProgram::Handler(HandlerCode {
            folder: code?.value.0,
            handler: raw.handler.map(|one| one.value.0),
            runtime: raw.runtime.map(|one| one.value),
        }),
    };
    Some(FunctionWay::Local(Box::new(FunctionDefinition {
        name: name.clone(),
        program,
        working_directory: raw.working_directory.map(|one| one.value.0),
        environment: raw.environment.value.0,
        user: raw.user.map(|one| one.value.0),
        timeout_ms: raw.timeout_ms.value,
        memory_bytes_max: raw.memory_bytes_max.value,
        idle_ms: raw.idle_ms.value,
        init_timeout_ms: raw.init_timeout_ms.value,
        reserved_concurrency: raw.reserved_concurrency.map(|one| one.value),
    })))
}

/// What is reserved is taken from what all have.
fn check_reserved(reserved: &[(u32, Span)], all: &Field<RawFunctions>, reading: &mut Reading<'_>) {
    let max = u64::from(all.value.concurrency.value);
    let mut sum = 0;
    for (count, span) in reserved {
        sum += u64::from(*count);
        if sum > max {
            let message =
                format!("functions reserve {sum} processes, and there may be {max} at once");
            let mistake = Mistake::new(*span, message).label("more than there may be");
            let help = "raise `concurrency` of [functions], or reserve less";
            return reading.record(mistake.help(help));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::SigningSource;
    use crate::function::HandlerRuntime;
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

    fn local(keys: &str) -> Result<FunctionDefinition, String> {
        let function = format!("[[function]]\nname = \"orders\"\n{keys}\n");
        parse(&function, MANAGEMENT).map(|mut built| match built.remove(0).way {
            FunctionWay::Local(definition) => *definition,
            FunctionWay::Endpoint(_) => panic!("it runs on this machine"),
        })
    }

    #[test]
    fn functions_of_this_machine_have_lambdas_defaults() {
        let command = local("command = [\"./run\", \"x\"]").expect("right");
        let words = vec!["./run".to_owned(), "x".to_owned()];
        let name = FunctionName::parse("orders").expect("a name");
        let expected = FunctionDefinition::new(name, FunctionProgram::Command(words));
        assert_eq!(command, expected);
        let keys = "code = \"/f\"\nhandler = \"src/app.get\"\nruntime = \"python\"\nuser = 7\n\
                    environment = { A = \"b\" }\nmemory_bytes_max = 20_000_000";
        let code = local(keys).expect("right");
        let handler = Some("src/app.get".to_owned());
        let runtime = Some(HandlerRuntime::Python);
        let program = HandlerCode { folder: "/f".into(), handler, runtime };
        assert_eq!(code.program, FunctionProgram::Handler(program));
        assert_eq!((code.user, code.memory_bytes_max), (Some(FunctionUser::Id(7)), 20_000_000));
        assert_eq!(code.environment["A"], "b");
    }

    #[test]
    fn wrong_combinations_are_said() {
        for (keys, said) in [
            ("", "none of `endpoint`, `command`, `code`"),
            ("code = \"/f\"\ncommand = [\"a\"]", "more than one of"),
            ("command = []", "empty list"),
            ("command = [\"a\"]\nhandler = \"a.b\"", "`handler` has no meaning without `code`"),
            (
                "code = \"/f\"\nremote_name = \"a\"",
                "`remote_name` has no meaning without `endpoint`",
            ),
            (
                "endpoint = \"http://a\"\ntimeout_ms = 5",
                "`timeout_ms` has no meaning without `command` or `code`",
            ),
            ("endpoint = \"http://a\"\nuser = \"a\"", "`user` has no meaning without"),
            ("code = \"/f\"\nhandler = \"handler\"", "a file without its ending"),
            ("code = \"/f\"\nhandler = \"../a.b\"", "lies in the folder of the code"),
            ("code = \"/f\"\nenvironment = { \"A=B\" = \"1\" }", "is no name of a variable"),
            ("code = \"/f\"\nenvironment = { A = 1 }", "expected a program or an argument"),
            ("code = \"/f\"\nuser = \"a b\"", "the name of a user"),
            ("code = \"/f\"\nreserved_concurrency = 101", "reserve 101 processes"),
        ] {
            let mistakes = local(keys).expect_err(keys).replace('\n', " ");
            let words: Vec<_> = mistakes.split_whitespace().filter(|word| *word != "│").collect();
            assert!(words.join(" ").contains(said), "{keys}: {mistakes}");
        }
    }

    #[test]
    fn the_number_of_all_processes_is_set() {
        let functions = "[functions]\nconcurrency = 7\n";
        let text = format!(
            "{functions}[[function]]\nname = \"a\"\ncode = \"/f\"\nreserved_concurrency = 8\n"
        );
        assert!(parse(&text, MANAGEMENT).expect_err("too many").contains("there may be 7"));
        let seven = text.replace("= 8", "= 7");
        assert!(parse(&seven, MANAGEMENT).is_ok());
    }
}
