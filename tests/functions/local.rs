//! Functions that run on this machine, and APIs that call them.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::function::{ARN, uri};
use crate::harness::{Answer, HttpApi, Managed, Request, RestApi};

/// A gateway whose function `orders` is of a folder of its own.
pub(crate) struct Local {
    pub(crate) gateway: Managed,
    code: tempfile::TempDir,
}

impl Local {
    /// `app.py` of this text, with more `settings` of the function.
    pub(crate) fn python(text: &str, settings: &str) -> Self {
        Self::start(&[("app.py", text)], &format!("code = \"{{code}}\"\n{settings}"))
    }

    /// `index.mjs` of this text.
    pub(crate) fn node(text: &str, settings: &str) -> Self {
        Self::start(&[("index.mjs", text)], &format!("code = \"{{code}}\"\n{settings}"))
    }

    /// A program in Python that speaks the Runtime API by itself, with [`RUNTIME`] before it.
    pub(crate) fn runtime(text: &str, settings: &str) -> Self {
        let program = format!("{RUNTIME}\n{text}");
        let command = "command = [\"python3\", \"-u\", \"{code}/runtime.py\"]";
        Self::start(&[("runtime.py", &program)], &format!("{command}\n{settings}"))
    }

    /// These files, and these keys of the function, in which `{code}` stands for their folder. The
    /// boot file may go on with other tables.
    pub(crate) fn start(files: &[(&str, &str)], settings: &str) -> Self {
        let code = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            write(code.path(), name, text);
        }
        let gateway = Managed::start_with(&tables(settings, code.path()));
        Self { gateway, code }
    }

    /// The folder of the code.
    pub(crate) fn folder(&self) -> &Path {
        self.code.path()
    }

    /// Writes a file of the code.
    pub(crate) fn write(&self, name: &str, text: &str) {
        write(self.code.path(), name, text);
    }

    /// Gives the function other keys, and waits until they are in force.
    pub(crate) fn reload(&self, settings: &str) {
        let path = self.gateway.gateway().config_path();
        let text = fs::read_to_string(&path).expect("the boot file");
        let (before, _) = text.split_once("[[function]]").expect("a function");
        let process = "\n[process]\nlog_format = \"json\"\nshards = 1\n";
        let tables = tables(settings, self.code.path());
        let driver = text.lines().find(|line| line.starts_with("io_driver")).unwrap_or_default();
        fs::write(&path, format!("{before}{tables}{process}{driver}\n")).expect("written");
        self.gateway.gateway().signal("HUP");
    }

    /// An API whose method `ANY /{path+}` is the function's, deployed to `prod`.
    #[track_caller]
    pub(crate) fn rest_api(&self, more: Json) -> RestApi<'_> {
        let api = self.gateway.create_rest_api();
        api.put_method("/{path+}", "ANY", json!({}));
        let mut body = json!({ "type": "AWS_PROXY", "httpMethod": "POST", "uri": uri() });
        body.as_object_mut().expect("one").extend(more.as_object().expect("one").clone());
        api.put_integration("/{path+}", "ANY", body);
        api.deploy("prod");
        api
    }

    /// An API whose route `$default` is the function's, by this format, on the stage `$default`.
    #[track_caller]
    pub(crate) fn http_api(&self, format: &str) -> HttpApi<'_> {
        let api = self.gateway.create_http_api(json!({}));
        let integration = api.create_integration(json!({
            "integrationType": "AWS_PROXY", "integrationUri": ARN, "payloadFormatVersion": format,
        }));
        api.create_route("$default", &integration);
        api.create_default_stage();
        api
    }

    /// Waits for a line of the log with all these words somewhere in it.
    #[track_caller]
    pub(crate) fn wait_for_line(&self, words: &[&str]) -> Json {
        self.gateway.gateway().wait_for_log(&format!("{words:?}"), |line| {
            let line = line.to_string();
            words.iter().all(|word| line.contains(word))
        })
    }
}

/// The id that the function and the log have of a request, as the client is told.
#[track_caller]
pub(crate) fn request_id(answer: &Answer) -> String {
    answer.header("x-amzn-requestid").expect("an id").to_owned()
}

/// Asks for a path of the API of [`Local::rest_api`].
pub(crate) fn get(api: &RestApi<'_>, path: &str) -> Answer {
    api.ask(&Request::get(&format!("/prod{path}")))
}

fn tables(settings: &str, code: &Path) -> String {
    let settings = settings.replace("{code}", &code.display().to_string());
    format!("[[function]]\nname = \"orders\"\n{settings}\n")
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}

/// The Runtime API by bare sockets, so that a program may get it wrong: `ask` is one request on a
/// connection of its own, `next_event` waits for an event, and `answer` answers it.
const RUNTIME: &str = r#"
import json, os, socket, sys, time
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
API = "/2018-06-01/runtime/"

def connect():
    stream = socket.create_connection((host, int(port)))
    return stream, stream.makefile("rb")

def send(stream, method, path, body=b"", more=""):
    head = f"{method} {API}{path} HTTP/1.1\r\nHost: {host}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    stream.sendall(head.encode() + body)

def receive(file):
    status = file.readline()
    if not status:
        return 0, {}, b""
    fields = {}
    while (line := file.readline().strip()):
        name, value = line.decode().split(":", 1)
        fields[name.lower()] = value.strip()
    return int(status.split()[1]), fields, file.read(int(fields.get("content-length", 0)))

stream, file = connect()

def ask(method, path, body=b"", more=""):
    send(stream, method, path, body, more)
    return receive(file)

def next_event():
    status, fields, body = ask("GET", "invocation/next")
    if status != 200:
        sys.exit(0)
    return fields["lambda-runtime-aws-request-id"], json.loads(body)

def say(text):
    return json.dumps({"statusCode": 200, "body": text}).encode()

def answer(id, text):
    return ask("POST", f"invocation/{id}/response", say(text))[0]
"#;
