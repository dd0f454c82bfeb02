//! `demo`: a gateway that needs nothing, to look at.
//!
//! Its routes are a boot file's. Where Node or Python is installed it has a function too, with an API
//! in front of it that it makes by its own management API, as users make theirs.

mod function;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use tempfile::TempDir;

use super::arguments::DemoOptions;
use super::gateway::{Gateway, reread};
use super::{Exit, complain, echo, fail, print, refuse};
use crate::control::Ready;
use crate::rt::DriverChoice;
use crate::settings;
use function::{ACCOUNT, Key, Language, NAME, REGION, another, make_api};

pub(super) fn perform(options: &DemoOptions) -> Exit {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let backend = match echo::start(any_port, &[], DriverChoice::Auto) {
        Ok(backend) => backend,
        Err(error) => return fail(&format!("the backend cannot be started: {error}")),
    };
    let functions = match Functions::prepare() {
        Ok(functions) => functions,
        Err(error) => return fail(&format!("the function cannot be written: {error}")),
    };
    let file = file(options, backend, functions.as_ref());
    let parse = move || settings::parse("demo.toml", &file);
    match parse().and_then(Gateway::here) {
        Err(mistakes) => refuse(&mistakes.render()),
        Ok(gateway) => {
            let load = Arc::new(move || reread(parse(), None));
            let shown = functions.as_ref().map(Functions::shown);
            let invite = move |ready: &Ready| invite(ready.clone(), shown);
            let exit = gateway.run(None, load, Box::new(invite));
            if exit == Exit::Failed {
                complain("if the address is taken, `--listen 127.0.0.1:0` takes any free port");
            }
            exit
        }
    }
}

/// What the demo needs for functions; their folder goes with it.
struct Functions {
    folder: TempDir,
    shown: Shown,
}

/// What is told of it.
#[derive(Clone, Debug)]
struct Shown {
    language: Language,
    code: Box<Path>,
    key: Key,
}

impl Functions {
    /// `None` where no language of plain handlers is installed.
    fn prepare() -> io::Result<Option<Self>> {
        let Some(language) = Language::installed() else { return Ok(None) };
        let folder = tempfile::Builder::new().prefix("shardgate-demo-").tempdir()?;
        let code = folder.path().join("hello");
        std::fs::create_dir(&code)?;
        language.write_code(&code)?;
        let shown = Shown { language, code: code.into(), key: Key::new() };
        Ok(Some(Self { folder, shown }))
    }

    fn shown(&self) -> Shown {
        self.shown.clone()
    }

    /// Its part of the boot file.
    fn tables(&self) -> String {
        let store = toml_text(&self.folder.path().join("state.redb"));
        let (code, key) = (toml_text(&self.shown.code), &self.shown.key);
        let (id, secret) = (key.access_key_id, &key.secret_access_key);
        format!(
            r#"
[management]
address = "127.0.0.1:0"
store = {store}
region = "{REGION}"
account_id = "{ACCOUNT}"
function_folders = true

[[management.credential]]
name = "demo"
access_key_id = "{id}"
secret_access_key = "{secret}"

[[function]]
name = "{NAME}"
code = {code}
"#
        )
    }
}

/// A path as a text of TOML.
fn toml_text(path: &Path) -> String {
    toml_escaped(&path.display().to_string())
}

fn toml_escaped(text: &str) -> String {
    // A text of JSON is one of TOML, but for DEL, which JSON does not escape.
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// Says what to try. The management API is asked for the function's API first, from a thread of its
/// own: it is served by the thread that calls this.
fn invite(ready: Ready, functions: Option<Shown>) {
    thread::spawn(move || {
        let (called, another) = about_functions(&ready, functions.as_ref());
        // A reader that went away does not end the demo.
        let _ = print(&invitation(&ready, &called, &another));
    });
}

/// The line that calls the function, and those that make another; or why there is none.
fn about_functions(ready: &Ready, functions: Option<&Shown>) -> (String, String) {
    let Some(Shown { language, code, key }) = functions else {
        return (String::new(), NO_LANGUAGE.to_owned());
    };
    let gateway = address_of(ready);
    let management = ready.management.as_deref().unwrap_or_default();
    let made = management.parse().map_err(|_| "it has no address".to_owned());
    match made.and_then(|management| make_api(management, key)) {
        Err(why) => (String::new(), format!("No function: its API cannot be made: {why}\n\n")),
        Ok(id) => {
            let url = format!("http://{gateway}/_aws/execute-api/{id}/hello");
            let called = format!("\x20 curl -i {url}   # a function\n");
            (called, another(*language, code, (gateway, management), key))
        }
    }
}

/// The boot file of the demo.
fn file(options: &DemoOptions, backend: SocketAddr, functions: Option<&Functions>) -> String {
    let functions = functions.map(Functions::tables).unwrap_or_default();
    let shards = options.shards.map_or("\"auto\"".to_owned(), |count| count.to_string());
    let listen = options.listen;
    format!(
        r#"
[process]
shards = {shards}
log_level = "warn"
drain_timeout_ms = 2000

[admin]
address = "127.0.0.1:0"

[[listener]]
name = "demo"
address = "{listen}"

[[upstream]]
name = "backend"
targets = ["{backend}"]

[[api]]
name = "demo"

[[api.route]]
key = "GET /hello"
mock = {{ headers = {{ content-type = "application/json" }}, body = '{{"message":"hello from shardgate"}}' }}

[[api.route]]
key = "ANY /backend/{{proxy+}}"
upstream = "backend"
path = "/{{proxy}}"

[[api.route]]
key = "GET /items/{{id}}"
upstream = "backend"
path = "/headers"

[[api.route]]
key = "GET /limited"
mock = {{ status = 204 }}
throttle = {{ rate_per_second = 1, burst_count = 2 }}

[[api.route]]
key = "ANY /old/{{proxy+}}"
redirect = {{ location = "/backend/{{proxy}}{{query}}" }}
{functions}"#
    )
}

fn address_of(ready: &Ready) -> &str {
    ready.listeners.first().map_or("", |(_, address)| address)
}

/// What to try, with the addresses that were bound.
fn invitation(ready: &Ready, called: &str, another: &str) -> String {
    let gateway = address_of(ready);
    let admin = ready.admin.as_deref().unwrap_or_default();
    format!(
        "shardgate listens on {gateway}. Try:\n\n\
         \x20 curl -i http://{gateway}/hello                          # answered by the gateway itself\n\
         \x20 curl -i http://{gateway}/items/42                       # what the backend sees of a request\n\
         \x20 curl -i http://{gateway}/backend/echo -d 'some text'    # the backend sends it back\n\
         \x20 curl -i http://{gateway}/backend/delay/300              # a slow backend\n\
         \x20 curl -i 'http://{gateway}/limited?n=[1-4]'              # two pass, then 429\n\
         \x20 curl -iL http://{gateway}/old/bytes/100                 # redirected\n\
         \x20 curl -i http://{gateway}/nothing                        # no route: 404\n\
         {called}\
         \x20 curl -s http://{admin}/metrics | grep requests_total\n\
         \x20 curl -s http://{admin}/stats\n\n\
         {another}\
         Ctrl-C ends it.\n"
    )
}

const NO_LANGUAGE: &str = "No function: neither Node (18 or newer, `node`) nor Python (3.8 or newer, \
                           `python3`) is installed.\n\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_demo_has_no_mistakes() {
        let options = DemoOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            shards: std::num::NonZeroU16::new(1),
        };
        let file = file(&options, SocketAddr::from((Ipv4Addr::LOCALHOST, 9)), None);
        let settings =
            settings::parse("demo.toml", &file).unwrap_or_else(|error| panic!("{error}"));
        let gateway = Gateway::here(settings).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(gateway.cores.len(), 1);
        let plan = gateway.compile().unwrap_or_else(|error| panic!("{error}"));
        let ready = Ready {
            listeners: vec![("demo".to_owned(), "127.0.0.1:8080".to_owned())],
            admin: Some("127.0.0.1:9901".to_owned()),
            management: None,
        };
        let (called, another) = about_functions(&ready, None);
        assert!(called.is_empty() && another.starts_with("No function: neither Node"));
        // Every path that is invited to, but one, has a route.
        for line in invitation(&ready, &called, &another)
            .lines()
            .filter(|line| line.contains("127.0.0.1:8080/"))
        {
            let path =
                line.split("8080").nth(1).and_then(|rest| rest.split([' ', '\'', '?']).next());
            let path = path.expect("a path");
            let method = if line.contains(" -d ") { "POST" } else { "GET" };
            let method = crate::base::Method::from_token(method.as_bytes());
            let found = plan.explain(b"127.0.0.1:8080", method, path.as_bytes());
            let found = found.stage.is_some_and(|stage| stage.route.route.is_some());
            assert_eq!(found, path != "/nothing", "{path}");
        }
    }

    #[test]
    fn the_file_with_a_function_has_no_mistakes() {
        let folder = tempfile::tempdir().expect("a folder");
        let code = folder.path().join("hello");
        std::fs::create_dir(&code).expect("made");
        Language::Python.write_code(&code).expect("written");
        let shown = Shown { language: Language::Python, code: code.into(), key: Key::new() };
        let functions = Functions { folder, shown };
        let options =
            DemoOptions { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), shards: None };
        let backend = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let file = file(&options, backend, Some(&functions));
        let settings =
            settings::parse("demo.toml", &file).unwrap_or_else(|error| panic!("{error}"));
        let management = settings.management.expect("it has a management API");
        assert_eq!(management.functions.len(), 1);
        assert_eq!(management.credentials.len(), 1, "nobody else may make functions");
    }

    #[test]
    fn texts_of_toml_are_what_they_were() {
        let text = "/tmp/a \"b\"\\c\n\u{7f}\u{e9}";
        let file = format!("text = {}", toml_escaped(text));
        let read = toml::de::DeTable::parse(&file).expect("TOML");
        let read = read.get_ref().get("text").and_then(|value| value.get_ref().as_str());
        assert_eq!(read, Some(text));
    }
}
