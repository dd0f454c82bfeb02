//! The runtime clients of AWS for Python and for Rust, and AWS's runtime interface emulator.
//!
//! `tests/run` installs and builds them; `SHARDGATE_AWS_PYTHON` names a Python beside which they are.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::function::ARN;
use crate::harness::eventually;
use crate::local::{Local, get, request_id};

const APP: &str = "def handler(event, context):\n\
    \x20   if event['path'] == '/bad': raise ValueError('no')\n\
    \x20   return {'statusCode': 201, 'body': context.aws_request_id}\n";

/// A Python that has awslambdaric.
fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("SHARDGATE_AWS_PYTHON") {
        return python.into();
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_shardgate"));
    let python =
        binary.ancestors().nth(2).expect("the target folder").join("aws-clients/bin/python");
    assert!(python.exists(), "{} is missing: tests/run installs it", python.display());
    python
}

#[test]
fn the_python_client_of_aws_runs_a_handler() {
    let settings = format!(
        "command = [\"{}\", \"-m\", \"awslambdaric\", \"app.handler\"]\nworking_directory = \"{{code}}\"",
        python().display()
    );
    let site = Local::start(&[("app.py", APP)], &settings);
    let api = site.rest_api(json!({}));
    for _ in 0..2 {
        let answer = get(&api, "/good");
        assert_eq!((answer.status, answer.text()), (201, &*request_id(&answer)), "{}", answer.head);
        let answer = get(&api, "/bad");
        assert_eq!(answer.status, 502, "{}", answer.head);
    }
    assert_eq!(get(&api, "/good").status, 201);
}

/// The command of a function on AWS's client for Rust, with an argument.
fn rust_function(argument: &str) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_shardgate"));
    let target = binary.ancestors().nth(2).expect("the target folder");
    let function = target.join("rust-function/debug/rust-function");
    assert!(function.exists(), "{} is missing: tests/run builds it", function.display());
    format!("command = [\"{}\", \"{argument}\"]", function.display())
}

#[test]
fn the_rust_client_of_aws_runs_a_handler() {
    let site = Local::start(&[], &rust_function("whole"));
    let api = site.rest_api(json!({}));
    for _ in 0..2 {
        let answer = get(&api, "/good");
        assert_eq!((answer.status, answer.text()), (201, &*request_id(&answer)), "{}", answer.head);
        assert_eq!(answer.header("x-path"), Some("/good"));
        let answer = get(&api, "/bad");
        assert_eq!(answer.status, 502, "{}", answer.head);
    }
}

#[test]
fn the_rust_client_of_aws_streams() {
    let site = Local::start(&[], &rust_function("stream"));
    let uri = format!(
        "arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/{ARN}/response-streaming-invocations"
    );
    let api = site.rest_api(json!({ "uri": uri, "responseTransferMode": "STREAM" }));
    for _ in 0..2 {
        let answer = get(&api, "/good");
        assert_eq!((answer.status, answer.text()), (200, "one two three"), "{}", answer.head);
    }
}

/// The emulator, on free ports.
struct Emulator {
    process: Child,
    address: SocketAddr,
}

impl Emulator {
    /// Its Runtime API listens where it says in its log, but it tells its runtime port 0: the runtime, which
    /// starts with the first call, reads the port from a file.
    fn start(folder: &Path) -> Self {
        let script = "AWS_LAMBDA_RUNTIME_API=127.0.0.1:$(cat runtime-port) exec \"$0\" -m awslambdaric app.handler";
        let emulator = python().with_file_name("aws-lambda-rie");
        assert!(emulator.exists(), "{} is missing: tests/run installs it", emulator.display());
        let mut process = Command::new(emulator)
            .args(["--runtime-interface-emulator-address", "127.0.0.1:0"])
            .args(["--runtime-api-address", "127.0.0.1:0", "/bin/sh", "-c", script])
            .arg(python())
            .current_dir(folder)
            .env("LAMBDA_TASK_ROOT", folder)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the emulator runs");
        let mut lines = BufReader::new(process.stderr.take().expect("piped")).lines();
        let runtime_port: u16 = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_once("allocated port=")?
                    .1
                    .strip_prefix("%!s(int=")?
                    .strip_suffix(')')?
                    .parse()
                    .ok()
            })
            .expect("it says its port");
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        fs::write(folder.join("runtime-port"), runtime_port.to_string()).expect("written");
        let port = eventually(|| {
            let ports = listening_ports(process.id());
            ports.into_iter().find(|port| *port != runtime_port).ok_or_else(|| "no port".to_owned())
        });
        Self { process, address: ([127, 0, 0, 1], port).into() }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Its runtime ends with the connection to it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The ports on which a process listens: of its descriptors, those that the kernel's table of sockets
/// has as listening (proc(5), `/proc/net/tcp`).
fn listening_ports(pid: u32) -> Vec<u16> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").flatten();
    let sockets: Vec<_> = descriptors
        .filter_map(|entry| fs::read_link(entry.path()).ok()?.into_os_string().into_string().ok())
        .collect();
    let table = fs::read_to_string("/proc/net/tcp").expect("readable");
    let listening = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (port, inode) = (fields.get(1)?.split_once(':')?.1, fields.get(9)?);
        let is_its_own = fields[3] == "0A" && sockets.contains(&format!("socket:[{inode}]"));
        is_its_own.then(|| u16::from_str_radix(port, 16).ok())?
    });
    listening.collect()
}

/// What the emulator answers of a function that failed is 200 without the header that says so.
#[test]
fn the_emulator_of_aws_is_an_endpoint() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("app.py"), APP).expect("written");
    let emulator = Emulator::start(folder.path());
    let settings =
        format!("endpoint = \"http://{}\"\nremote_name = \"function\"", emulator.address);
    let site = Local::start(&[], &settings);
    let api = site.rest_api(json!({}));
    for _ in 0..2 {
        let answer = get(&api, "/good");
        assert_eq!((answer.status, answer.text().len()), (201, 36), "{}", answer.head);
        let answer = get(&api, "/bad");
        assert_eq!(answer.status, 502, "{}", answer.head);
    }
    assert_eq!(get(&api, "/good").status, 201);
}
