//! The gateway ends, is killed, or hands over, while functions of this machine work.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};

use serde_json::json;

use crate::harness::{Client, HANG_GUARD, RestApi, eventually};
use crate::local::{Local, get};

/// A handler that says its process id to the test at `/wait`, and waits there for a byte.
const WAITING: &str = r#"
import os, socket, subprocess
def handler(event, context):
    if event['path'] == '/wait':
        gate = socket.socket(socket.AF_UNIX)
        gate.connect(os.environ['GATE'])
        kept = [gate.fileno()]
        daemon = subprocess.Popen(['sleep', '600'], start_new_session=True, pass_fds=kept)
        gate.sendall(b'%d %d %d\n' % (os.getppid(), os.getpid(), daemon.pid))
        gate.recv(1)
    return {'body': 'answered'}
"#;

struct Site {
    local: Local,
    gate: UnixListener,
}

/// A call under way.
struct Call {
    client: Client,
    function: UnixStream,
    /// Keeper, function, and a daemon of it.
    pids: Vec<u32>,
}

impl Site {
    fn start() -> Self {
        let settings = "environment = { GATE = \"{code}/gate.tmp\" }\ntimeout_ms = 60_000";
        let local = Local::python(WAITING, settings);
        let gate = UnixListener::bind(local.folder().join("gate.tmp")).expect("bound");
        Self { local, gate }
    }

    fn call(&self, api: &RestApi<'_>) -> Call {
        let mut client = Client::connect(self.local.gateway.public());
        client.send(format!("GET /prod/wait HTTP/1.1\r\nHost: {}\r\n\r\n", api.host()));
        let (mut function, _) = self.gate.accept().expect("the function waits");
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            function.read_exact(&mut byte).expect("pids");
            line.push(byte[0]);
        }
        let line = String::from_utf8(line).expect("text");
        let pids = line.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect();
        Call { client, function, pids }
    }
}

impl Call {
    #[track_caller]
    fn end(&mut self) {
        self.function.write_all(b"!").expect("the function is there");
        let answer = self.client.answer();
        assert_eq!((answer.status, answer.text()), (200, "answered"), "{}", answer.head);
    }

    /// Waits until none of its processes is there: function and daemon have the socket, which is at its
    /// end without them, and their keeper is next.
    #[track_caller]
    fn all_gone(&mut self) {
        self.function.set_read_timeout(Some(HANG_GUARD)).expect("a socket");
        let ended = self.function.read(&mut [0]);
        assert!(!ended.is_ok_and(|count| count > 0), "nothing more is said");
        for pid in &self.pids {
            let status = format!("/proc/{pid}/stat");
            // One that has ended and is not reaped yet, by whoever takes in orphans, is no more.
            let is_gone = || match fs::read_to_string(&status) {
                Err(_) => Ok(()),
                Ok(text) if text.contains(") Z ") => Ok(()),
                Ok(text) => Err(text),
            };
            eventually(is_gone);
        }
    }
}

#[test]
fn a_call_under_way_ends_before_the_gateway_does() {
    let site = Site::start();
    let api = site.local.rest_api(json!({}));
    let mut call = site.call(&api);
    let gateway = site.local.gateway.gateway();
    gateway.signal("TERM");
    gateway.wait_for_log("the drain", |line| line.to_string().contains("drain"));
    call.end();
    gateway.wait_for_log("the end", |line| line["message"] == "ended");
    call.all_gone();
}

#[test]
fn nothing_is_left_when_the_gateway_is_killed() {
    let site = Site::start();
    let api = site.local.rest_api(json!({}));
    let mut call = site.call(&api);
    assert_eq!(call.pids.len(), 3);
    for pid in &call.pids {
        assert!(fs::exists(format!("/proc/{pid}")).expect("readable"), "{pid} runs");
    }
    site.local.gateway.gateway().signal("KILL");
    call.all_gone();
}

#[test]
fn a_hand_over_loses_no_call() {
    let site = Site::start();
    let api = site.local.rest_api(json!({}));
    let mut call = site.call(&api);
    let gateway = site.local.gateway.gateway();
    gateway.signal("USR2");
    gateway.wait_for_log("the hand-over", |line| {
        line["message"].as_str().is_some_and(|text| text.contains("the successor serves"))
    });
    // The successor calls the function by a process of its own.
    let answer = get(&api, "/now");
    assert_eq!((answer.status, answer.text()), (200, "answered"), "{}", answer.head);
    call.end();
    gateway.wait_for_log("the end of the first", |line| line["message"] == "ended");
    call.all_gone();
    assert_eq!(get(&api, "/now").text(), "answered");
}
