//! The management API as the real AWS clients see it: boto3 and the AWS CLI drive the real binary.
//!
//! `tests/run` installs the clients; `SHARDGATE_AWS_PYTHON` names a Python that has them.

#[path = "harness/mod.rs"]
mod harness;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::{env, fs};

use base64::Engine as _;
use harness::Gateway;
use serde_json::{Value as Json, json};

const CREDENTIAL: &str = r#"
[[management.credential]]
access_key_id = "AKIDEXAMPLE"
secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
name = "deployer"
"#;

/// A gateway with a management API whose store is in `folder`.
fn configuration(folder: &Path, more: &str) -> String {
    let folder = folder.display();
    format!(
        r#"
[admin]
address = "127.0.0.1:0"

[management]
address = "127.0.0.1:0"
store = "{folder}/state.redb"
audit_log = "{folder}/audit.jsonl"
account_id = "111111111111"
test_mode = true
{more}
[[listener]]
name = "public"
address = "127.0.0.1:0"

[[api]]
name = "main"

[[api.route]]
key = "$default"
mock = {{ body = "mocked" }}
"#
    )
}

fn management(gateway: &Gateway) -> SocketAddr {
    let line = gateway.wait_for_log("its readiness", |line| line["message"] == "serving");
    line["management"].as_str().and_then(|text| text.parse().ok()).expect("an address")
}

/// A Python with boto3 and awscli.
fn python() -> PathBuf {
    if let Some(python) = env::var_os("SHARDGATE_AWS_PYTHON") {
        return python.into();
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_shardgate"));
    let target = binary.ancestors().nth(2).expect("the target folder");
    let python = target.join("aws-clients/bin/python");
    assert!(python.exists(), "{} is missing: tests/run installs it", python.display());
    python
}

/// Runs a script of `tests/aws_clients/` against the gateway.
fn run(script: &str, gateway: &Gateway, folder: &Path) {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws_clients");
    let output = Command::new(python())
        .arg("-B")
        .arg(scripts.join(script))
        .env("SHARDGATE_MANAGEMENT", format!("http://{}", management(gateway)))
        .env("SHARDGATE_PUBLIC", format!("http://{}", gateway.address("public")))
        .env("SHARDGATE_AUDIT_LOG", folder.join("audit.jsonl"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", folder.join("no-config"))
        .env("AWS_SHARED_CREDENTIALS_FILE", folder.join("no-credentials"))
        .output()
        .expect("python runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}:\n{said}");
}

fn run_on_a_new_gateway(script: &str, more: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = Gateway::start(&configuration(folder.path(), more));
    run(script, &gateway, folder.path());
}

#[test]
fn boto3_drives_rest_apis() {
    run_on_a_new_gateway("rest_apis.py", "");
}

#[test]
fn boto3_drives_http_and_websocket_apis() {
    run_on_a_new_gateway("http_apis.py", "");
}

#[test]
fn answers_hold_what_those_of_aws_do() {
    run_on_a_new_gateway("answers.py", "");
}

#[test]
fn refusals_are_those_recorded_on_aws() {
    run_on_a_new_gateway("refusals.py", "");
}

#[test]
fn boto3_and_the_cli_drive_functions() {
    run_on_a_new_gateway("functions.py", "");
}

#[test]
fn the_aws_cli_runs_the_commands_of_the_guides() {
    run_on_a_new_gateway("cli.py", "");
}

#[test]
fn the_quick_starts_end_with_a_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = configuration(folder.path(), "");
    let (without_apis, _) = text.split_once("[[api]]").expect("an API");
    let gateway = Gateway::start(without_apis);
    run("quick_starts.py", &gateway, folder.path());
}

#[test]
fn requests_are_signed_with_a_known_credential() {
    run_on_a_new_gateway("signatures.py", CREDENTIAL);
}

#[test]
fn functions_are_made_with_a_known_credential() {
    run_on_a_new_gateway("functions.py", CREDENTIAL);
}

#[test]
fn quotas_are_those_of_the_settings() {
    run_on_a_new_gateway("quotas.py", "quotas = { routes_count_max = 2, resources_count_max = 3 }");
}

/// Ends a process when it is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_commands_of_the_demo_make_another_function() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_shardgate"));
    demo.args(["demo", "--listen", "127.0.0.1:0", "--shards", "1"]);
    demo.env("TMPDIR", folder.path()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut demo = Ended(demo.spawn().expect("it starts"));
    let said = BufReader::new(demo.0.stdout.take().expect("piped"));
    let said: Vec<String> =
        said.lines().map_while(Result::ok).take_while(|line| !line.contains("Ctrl-C")).collect();
    let commands = said.iter().skip_while(|line| !line.contains("export AWS")).cloned();
    let commands = commands.collect::<Vec<_>>().join("\n");
    let clients = python().parent().expect("a folder").display().to_string();
    let path = env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-e", "-c", &commands])
        .env("PATH", format!("{clients}:{path}"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", folder.path().join("no-config"))
        .env("AWS_SHARED_CREDENTIALS_FILE", folder.path().join("no-credentials"))
        .output()
        .expect("sh runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{commands}\n{printed}{errors}");
    assert!(printed.contains("hello from the function another, in "), "{commands}\n{printed}");
}

/// Sends a request and reads the whole answer; `None` if the connection breaks.
fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Option<(u16, Json)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).unwrap_or_default()))
}

fn create_api(address: SocketAddr, name: &str) -> Option<String> {
    let (status, api) = ask(address, "POST", "/restapis", &format!("{{\"name\": \"{name}\"}}"))?;
    assert_eq!(status, 201, "{api}");
    api["id"].as_str().map(str::to_owned)
}

#[test]
fn what_was_answered_survives_kill_9() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut made: Vec<String> = Vec::new();
    for round in 0..10 {
        let mut gateway = Gateway::start(&configuration(folder.path(), ""));
        let address = management(&gateway);
        for id in &made {
            let (status, api) =
                ask(address, "GET", &format!("/restapis/{id}"), "").expect("answered");
            assert_eq!(status, 200, "round {round}: {id} is gone: {api}");
            // The API, its root resource and its models came to be together.
            let path = format!("/restapis/{id}/resources");
            let (_, resources) = ask(address, "GET", &path, "").expect("answered");
            assert_eq!(resources["item"][0]["id"], api["rootResourceId"]);
        }
        let (answered, answers) = mpsc::channel();
        let writer = std::thread::spawn(move || {
            let mut made = Vec::new();
            while let Some(id) = create_api(address, "n") {
                made.push(id);
                let _ = answered.send(()); // after three nobody listens
            }
            made
        });
        // Of what is stored some was never answered: only answers tell that there is something to lose.
        for _ in 0..3 {
            answers.recv().expect("the writer goes on");
        }
        gateway.signal("KILL");
        gateway.wait();
        made.extend(writer.join().expect("no panic"));
    }
    assert!(made.len() >= 30, "{made:?}");
}

/// A zip with one file that says `text`.
fn zip_of(text: &str) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    writer.start_file("index.js", options).expect("started");
    writer.write_all(text.as_bytes()).expect("written");
    writer.finish().expect("finished").into_inner()
}

/// A function whose code is its name.
fn create_function(address: SocketAddr, name: &str) -> Option<()> {
    create_function_of(address, name, name)
}

fn create_function_of(address: SocketAddr, name: &str, code: &str) -> Option<()> {
    let code = base64::engine::general_purpose::STANDARD.encode(zip_of(code));
    let request = json!({
        "FunctionName": name,
        "Runtime": "nodejs22.x",
        "Handler": "index.handler",
        "Role": "arn:aws:iam::111111111111:role/r",
        "Code": {"ZipFile": code},
    });
    let (status, said) = ask(address, "POST", "/2015-03-31/functions", &request.to_string())?;
    assert_eq!(status, 201, "{said}");
    Some(())
}

/// The zip of a function, by the link that the gateway gives.
fn download(address: SocketAddr, name: &str) -> Vec<u8> {
    let path = format!("/2015-03-31/functions/{name}");
    let (status, function) = ask(address, "GET", &path, "").expect("answered");
    assert_eq!(status, 200, "{name} is gone: {function}");
    let location = function["Code"]["Location"].as_str().expect("a link");
    let path = location.strip_prefix("http://localhost").expect("as the request said");
    let mut stream = TcpStream::connect(address).expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answered");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    answer.split_off(end + 4)
}

#[test]
fn functions_and_their_code_survive_kill_9() {
    let folder = tempfile::tempdir().expect("a folder");
    let folders = folder.path().join("state.redb.functions");
    let mut made: Vec<String> = Vec::new();
    for round in 0..6 {
        let mut gateway = Gateway::start(&configuration(folder.path(), ""));
        let address = management(&gateway);
        for name in &made {
            assert_eq!(download(address, name), zip_of(name), "round {round}: {name}");
        }
        if let Ok(entries) = fs::read_dir(&folders) {
            let names = entries.flatten().map(|one| one.file_name().into_string().expect("text"));
            let unfinished: Vec<_> = names.filter(|name| name.len() != 64).collect();
            assert!(unfinished.is_empty(), "a start removes what a crash left: {unfinished:?}");
        }
        let (answered, answers) = mpsc::channel();
        let writer = std::thread::spawn(move || {
            let names = (0..).map(|number| format!("f-{round}-{number}"));
            let answered = names.take_while(|name| {
                let is_made = create_function(address, name).is_some();
                let _ = answered.send(()); // after three nobody listens
                is_made
            });
            answered.collect::<Vec<_>>()
        });
        for _ in 0..3 {
            answers.recv().expect("the writer goes on");
        }
        gateway.signal("KILL");
        gateway.wait();
        made.extend(writer.join().expect("no panic"));
    }
    assert!(made.len() >= 18, "{made:?}");
}

#[test]
fn a_stage_is_made_anew_when_a_function_that_it_names_comes() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = Gateway::start(&configuration(folder.path(), ""));
    let address = management(&gateway);
    let arn = "arn:aws:lambda:us-east-1:111111111111:function:named";
    let api = json!({"name": "a", "protocolType": "HTTP", "target": arn}).to_string();
    assert_eq!(ask(address, "POST", "/v2/apis", &api).expect("answered").0, 201);
    create_function(address, "other").expect("answered");
    let handler = "exports.handler = async (event) => ({path: event.rawPath})";
    create_function_of(address, "named", handler).expect("answered");
    let (_, apis) = ask(address, "GET", "/v2/apis", "").expect("answered");
    let id = apis["items"][0]["apiId"].as_str().expect("an id").to_owned();
    let public = gateway.address("public");
    let (status, said) =
        ask(public, "GET", &format!("/_aws/execute-api/{id}/$default/x"), "").expect("answered");
    assert_eq!((status, &said), (200, &json!({"path": "/x"})), "{said}");
}

#[test]
fn concurrent_clients_lose_no_update() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = Gateway::start(&configuration(folder.path(), ""));
    let address = management(&gateway);
    let id = create_api(address, "shared").expect("answered");
    let tags = format!("/tags/arn:aws:apigateway:us-east-1::/restapis/{id}");
    std::thread::scope(|scope| {
        for client in 0..4 {
            let tags = &tags;
            scope.spawn(move || {
                for round in 0..10 {
                    let body = format!("{{\"tags\": {{\"c{client}r{round}\": \"v\"}}}}");
                    let (status, said) = ask(address, "PUT", tags, &body).expect("answered");
                    assert_eq!(status, 204, "{said}");
                }
            });
        }
    });
    let (_, answer) = ask(address, "GET", &tags, "").expect("answered");
    assert_eq!(answer["tags"].as_object().map(serde_json::Map::len), Some(40));
}

fn command(name: &str, gateway: &Gateway, config: &Path, backup: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_shardgate"))
        .args([name, "--config"])
        .arg(config)
        .arg(backup)
        .output()
        .expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} of {}: {said}", gateway.pid());
}

#[test]
fn a_running_gateway_is_backed_up_and_restored_by_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = Gateway::start(&configuration(folder.path(), ""));
    let address = management(&gateway);
    let kept = create_api(address, "kept").expect("answered");
    // The port that port 0 became, for the commands.
    let config = folder.path().join("commands.toml");
    let text = configuration(folder.path(), "");
    let admin = format!("[admin]\naddress = \"{}\"", gateway.admin());
    fs::write(&config, text.replace("[admin]\naddress = \"127.0.0.1:0\"", &admin))
        .expect("written");
    let backup = folder.path().join("backup.jsonl");
    command("backup", &gateway, &config, &backup);
    let later = create_api(address, "later").expect("answered");
    command("restore", &gateway, &config, &backup);
    let status =
        |id: &str| ask(address, "GET", &format!("/restapis/{id}"), "").expect("answered").0;
    assert_eq!((status(&kept), status(&later)), (200, 404));

    let text = fs::read_to_string(&backup).expect("text");
    fs::write(&backup, &text[..text.len() / 2]).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_shardgate"))
        .args(["restore", "--config"])
        .arg(&config)
        .arg(&backup)
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(status(&kept), 200, "half a backup changes nothing");
}

#[test]
fn a_gateway_that_does_not_run_is_backed_up_by_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut gateway = Gateway::start(&configuration(folder.path(), ""));
    let kept = create_api(management(&gateway), "kept").expect("answered");
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let (config, backup) = (gateway.config_path(), folder.path().join("backup.jsonl"));
    command("backup", &gateway, &config, &backup);
    fs::remove_file(folder.path().join("state.redb")).expect("removed");
    command("restore", &gateway, &config, &backup);
    let gateway = Gateway::start(&configuration(folder.path(), ""));
    let path = format!("/restapis/{kept}");
    assert_eq!(ask(management(&gateway), "GET", &path, "").expect("answered").0, 200);
}

#[test]
fn a_successor_takes_the_store_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut gateway = Gateway::start(&configuration(folder.path(), ""));
    let address = management(&gateway);
    let before = create_api(address, "before").expect("answered");
    gateway.signal("USR2");
    gateway.wait_for_log_times(2, |line| line["message"] == "serving");
    assert!(gateway.wait().success());
    assert_eq!(ask(address, "GET", &format!("/restapis/{before}"), "").expect("answered").0, 200);
    create_api(address, "after").expect("answered");
}

#[test]
fn everything_is_removed_in_test_mode_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = Gateway::start(&configuration(folder.path(), ""));
    let address = management(&gateway);
    let id = create_api(address, "n").expect("answered");
    assert_eq!(ask(address, "GET", "/_shardgate/reset", "").expect("answered").0, 404);
    assert_eq!(ask(address, "POST", "/_shardgate/reset", "").expect("answered").0, 200);
    assert_eq!(ask(address, "GET", &format!("/restapis/{id}"), "").expect("answered").0, 404);

    let folder = tempfile::tempdir().expect("a folder");
    let text = configuration(folder.path(), "").replace("test_mode = true", "");
    let gateway = Gateway::start(&text);
    assert_eq!(
        ask(management(&gateway), "POST", "/_shardgate/reset", "").expect("answered").0,
        404
    );
}

#[test]
fn without_credentials_other_machines_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = |text: &str| {
        text.replacen(
            "[management]\naddress = \"127.0.0.1:0\"",
            "[management]\naddress = \"0.0.0.0:0\"",
            1,
        )
    };
    let mut gateway = Gateway::launch(&open(&configuration(folder.path(), "")), |_| {});
    assert_eq!(gateway.wait().code(), Some(2));
    gateway.wait_for_log("the refusal", |line| {
        line["text"].as_str().is_some_and(|text| text.contains("has no credentials"))
    });

    let gateway = Gateway::start(&open(&configuration(folder.path(), CREDENTIAL)));
    let (status, _) = ask(management(&gateway), "GET", "/restapis", "").expect("answered");
    assert_eq!(status, 403);
}

#[test]
fn pages_in_a_browser_are_kept_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = Gateway::start(&configuration(folder.path(), ""));
    for field in ["host: evil.example", "host: localhost\r\norigin: http://evil.example"] {
        let mut stream = TcpStream::connect(management(&gateway)).expect("connected");
        let request = format!("GET /restapis HTTP/1.1\r\n{field}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
}
