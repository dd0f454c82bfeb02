//! The life of the process, against the real binary: reloads, drains, hand-overs, activation,
//! exit codes. `SHARDGATE_TEST_DRIVER` chooses the I/O driver.

mod gateway;
mod upstream;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use gateway::{File, Gateway, HELLO, binary, get, read_answer};
use upstream::HeldUpstream;

const TWO: &str = r#"
[[api]]
name = "a"
route = [
    { key = "GET /hello", mock = { body = "two" } },
    { key = "GET /more", mock = { body = "more" } },
]
"#;

#[test]
fn a_reload_puts_the_file_in_force_and_a_broken_file_changes_nothing() {
    let mut gateway = Gateway::start(&File::HELLO);
    assert_eq!(gateway.get("/hello").body, "one");
    assert_eq!(gateway.get("/more").status, 404);

    gateway.write(&File { process: "", rest: TWO });
    gateway.signal("HUP");
    gateway.wait_for("the configuration was reloaded");
    assert_eq!(gateway.get("/hello").body, "two");
    assert_eq!(gateway.get("/more").status, 200);

    gateway.write_text("[process]\nshards = \"many\"\nnonsense = 1\n");
    gateway.signal("HUP");
    let refusal = gateway.wait_for("the configuration was not reloaded").to_string();
    assert!(refusal.contains("shards") && refusal.contains("nonsense"), "{refusal}");
    assert_eq!(gateway.get("/hello").body, "two");

    let answer = gateway.admin("POST", "/reload", "");
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("configuration_invalid") && answer.body.contains("nonsense"));
    let stats = gateway.admin("GET", "/stats", "").body;
    assert!(stats.contains(r#""reloads":{"done":1,"refused":2"#), "{stats}");
}

#[test]
fn settings_that_need_a_start_are_named() {
    let gateway = Gateway::start(&File::HELLO);
    gateway.write(&File { process: "rebalance_connections = false", rest: TWO });
    let answer = gateway.admin("POST", "/reload", "");
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains(r#"["process.rebalance_connections"]"#), "{}", answer.body);
    assert_eq!(gateway.get("/hello").body, "two", "the rest is in force");
}

#[test]
fn reloads_under_load_cost_no_request() {
    let gateway = Gateway::start(&File::HELLO);
    let load = Load::start(gateway.address);
    load.wait_for(50);
    for round in 0..10_u64 {
        let rest = if round % 2 == 0 { TWO } else { HELLO };
        gateway.write(&File { process: "", rest });
        assert_eq!(gateway.admin("POST", "/reload", "").status, 200);
        load.wait_for(50);
    }
    load.end();
}

#[test]
fn listeners_come_and_go_with_a_reload() {
    let gateway = Gateway::start(&File::HELLO);
    let path = gateway.path("second.sock");
    let second =
        format!("[[listener]]\nname = \"second\"\naddress = \"unix:{}\"\n{HELLO}", path.display());
    gateway.write(&File { process: "", rest: &second });
    assert_eq!(gateway.admin("POST", "/reload", "").status, 200);
    let mut stream = UnixStream::connect(&path).expect("it listens");
    stream
        .write_all(b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .expect("written");
    assert_eq!(read_answer(stream).expect("answered").body, "one");

    gateway.write(&File::HELLO);
    assert_eq!(gateway.admin("POST", "/reload", "").status, 200);
    assert!(UnixStream::connect(&path).is_err() && !path.exists());
    assert_eq!(gateway.get("/hello").body, "one", "the other one was kept");
}

#[test]
fn a_listener_that_cannot_be_had_refuses_the_reload() {
    let gateway = Gateway::start(&File::HELLO);
    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("an address");
    let rest = format!("[[listener]]\nname = \"b\"\naddress = \"{address}\"\n{TWO}");
    gateway.write(&File { process: "", rest: &rest });
    let answer = gateway.admin("POST", "/reload", "");
    assert_eq!(answer.status, 409);
    assert!(answer.body.contains("listener_unavailable") && answer.body.contains("\\\"b\\\""));
    assert_eq!(gateway.get("/hello").body, "one");
}

#[test]
fn a_watched_file_is_reloaded_when_it_changes() {
    let mut gateway = Gateway::start(&File { process: "watch = true", rest: HELLO });
    gateway.write(&File { process: "watch = true", rest: TWO });
    gateway.wait_for("the configuration was reloaded");
    assert_eq!(gateway.get("/hello").body, "two");
}

#[test]
fn a_drain_answers_what_has_begun() {
    let upstream = HeldUpstream::start();
    let mut gateway = Gateway::start(&File { process: "", rest: &proxied(&upstream) });
    let stream = begin_request(gateway.address);
    let held = upstream.wait_for_request();
    assert_eq!(gateway.admin("GET", "/readyz", "").status, 200);

    gateway.signal("TERM");
    gateway.wait_for("draining");
    // The shards have closed their listeners once each has said so.
    gateway.wait_for("draining");
    wait_until_refused(gateway.address);
    let answer = gateway.admin("GET", "/readyz", "");
    assert_eq!((answer.status, answer.body.contains("draining")), (503, true));

    held.answer("late");
    let answer = read_answer(stream).expect("answered");
    assert_eq!((answer.status, answer.body.as_str()), (200, "late"));
    assert_eq!(gateway.wait_for("ended")["cut_connections"], 0);
    assert_eq!(gateway.wait_for_end().code(), Some(0));
    assert!(!gateway.path("admin.sock").exists(), "it leaves nothing behind");
}

#[test]
fn the_admin_listener_begins_a_drain() {
    let mut gateway = Gateway::start(&File::HELLO);
    assert_eq!(gateway.admin("POST", "/drain", "").status, 202);
    assert_eq!(gateway.wait_for_end().code(), Some(0));
}

#[test]
fn a_drain_ends_at_its_deadline() {
    let upstream = HeldUpstream::start();
    let process = "drain_timeout_ms = 200";
    let mut gateway = Gateway::start(&File { process, rest: &proxied(&upstream) });
    let _stream = begin_request(gateway.address);
    let _held = upstream.wait_for_request();
    gateway.signal("TERM");
    assert_eq!(gateway.wait_for("ended")["cut_connections"], 1);
    assert_eq!(gateway.wait_for_end().code(), Some(3));
}

#[test]
fn a_second_signal_ends_a_drain_at_once() {
    let upstream = HeldUpstream::start();
    let process = "drain_timeout_ms = 3_600_000";
    let mut gateway = Gateway::start(&File { process, rest: &proxied(&upstream) });
    let _stream = begin_request(gateway.address);
    let _held = upstream.wait_for_request();
    gateway.signal("TERM");
    gateway.wait_for("draining");
    gateway.signal("INT");
    assert_eq!(gateway.wait_for_end().code(), Some(4));
}

#[test]
fn a_successor_takes_over_without_a_refused_connection() {
    let pid_file = |gateway: &Gateway| {
        let text = fs::read_to_string(gateway.path("gateway.pid")).expect("written");
        text.trim().parse::<u32>().expect("a number")
    };
    let folder = tempfile::tempdir().expect("temporary folder");
    let process = format!("pid_file = \"{}\"", folder.path().join("gateway.pid").display());
    let file = File { process: &process, rest: HELLO };
    fs::write(folder.path().join("gateway.toml"), file.text(folder.path())).expect("written");
    let config = folder.path().join("gateway.toml");
    let mut gateway = Gateway::start_by(binary().arg("run").arg("--config").arg(&config), folder);
    let load = Load::start(gateway.address);
    load.wait_for(50);
    let first = pid_file(&gateway);

    gateway.write(&File { process: &process, rest: TWO });
    gateway.signal("USR2");
    let handed_over = gateway.wait_for("the successor serves");
    let second = u32::try_from(handed_over["successor"].as_u64().expect("a pid")).expect("a pid");
    gateway.adopt(second);
    load.wait_for(50);
    assert_eq!(gateway.wait_for_end().code(), Some(0));
    load.wait_for(50);
    assert_ne!(first, second);
    assert_eq!(pid_file(&gateway), second, "the first left the file to the second");
    assert_eq!(gateway.get("/hello").body, "two", "the file was read anew");
    assert_eq!(gateway.admin("GET", "/readyz", "").status, 200);

    // The second hands over as well as the first did.
    gateway::signal(second, "USR2");
    let handed_over = gateway.wait_for("the successor serves");
    let third = u32::try_from(handed_over["successor"].as_u64().expect("a pid")).expect("a pid");
    gateway.adopt(third);
    gateway.wait_for("ended");
    load.wait_for(50);
    load.end();
    assert_eq!(pid_file(&gateway), third);
}

#[test]
fn a_successor_inherits_sockets_and_nothing_else() {
    let mut gateway = Gateway::start(&File::HELLO);
    // Connections that the first process holds while the second is started.
    let held: Vec<_> = (0..8).map(|_| keep_alive_connection(gateway.address)).collect();
    gateway.signal("USR2");
    let handed_over = gateway.wait_for("the successor serves");
    let second = u32::try_from(handed_over["successor"].as_u64().expect("a pid")).expect("a pid");
    gateway.adopt(second);
    assert_eq!(gateway.wait_for_end().code(), Some(0), "idle connections do not hold it up");
    // A leaked descriptor would keep these open after their owner has ended.
    for mut stream in held {
        assert_eq!(stream.read(&mut [0; 1]).expect("closed in order"), 0);
    }
}

#[test]
fn a_successor_that_cannot_start_changes_nothing() {
    let mut gateway = Gateway::start(&File::HELLO);
    gateway.write_text("nonsense = 1\n");
    gateway.signal("USR2");
    gateway.wait_for("no hand-over");
    assert_eq!(gateway.get("/hello").body, "one");
    assert_eq!(gateway.admin("GET", "/readyz", "").status, 200);
    // And it can be tried again.
    gateway.write(&File { process: "", rest: TWO });
    gateway.signal("USR2");
    let handed_over = gateway.wait_for("the successor serves");
    let second = u32::try_from(handed_over["successor"].as_u64().expect("a pid")).expect("a pid");
    gateway.adopt(second);
    assert_eq!(gateway.wait_for_end().code(), Some(0));
    assert_eq!(gateway.get("/hello").body, "two");
}

#[test]
fn a_socket_of_systemd_is_used() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let socket = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = socket.local_addr().expect("an address");
    // A client may connect before the gateway runs: that is what activation is for.
    let early = TcpStream::connect(address).expect("the socket listens already");
    let text = File::HELLO.text(folder.path()).replace("127.0.0.1:0", &address.to_string());
    fs::write(folder.path().join("gateway.toml"), text).expect("written");
    let passed = shardgate::sys::inheritable(socket.as_fd()).expect("copied");
    let script = format!(
        "exec 3<&{}; export LISTEN_FDS=1 LISTEN_FDNAMES=public LISTEN_PID=$$; \
         exec \"$0\" run --config \"$1\"",
        passed.as_raw_fd()
    );
    let mut command = Command::new("bash");
    command.arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_shardgate"));
    command.arg(folder.path().join("gateway.toml"));
    let gateway = Gateway::start_by(&mut command, folder);
    drop((passed, socket));
    assert_eq!(gateway.address, address);
    let mut early = early;
    early
        .write_all(b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .expect("written");
    assert_eq!(read_answer(early).expect("answered").body, "one");
}

#[test]
fn systemd_is_told_how_the_service_does() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let supervisor = UnixDatagram::bind(folder.path().join("notify")).expect("bound");
    let config = folder.path().join("gateway.toml");
    fs::write(&config, File::HELLO.text(folder.path())).expect("written");
    let mut command = binary();
    command.arg("run").arg("--config").arg(&config);
    command.env("NOTIFY_SOCKET", folder.path().join("notify"));
    command.env("WATCHDOG_USEC", "1000000");
    let mut gateway = Gateway::start_by(&mut command, folder);
    wait_for_state(&supervisor, "READY=1");
    wait_for_state(&supervisor, "WATCHDOG=1");
    gateway.signal("HUP");
    wait_for_state(&supervisor, "RELOADING=1");
    wait_for_state(&supervisor, "READY=1");
    gateway.signal("TERM");
    wait_for_state(&supervisor, "STOPPING=1");
    assert_eq!(gateway.wait_for_end().code(), Some(0));
}

#[test]
fn the_access_log_is_reopened() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let log = folder.path().join("access.log");
    let rest = format!(
        "[access_log]\npath = \"{}\"\nformat = \"$context.path $context.httpMethod $context.requestId\"\n{TWO}",
        log.display()
    );
    let mut gateway = Gateway::start(&File { process: "", rest: &rest });
    assert_eq!(gateway.get("/hello").status, 200);
    let rotated = folder.path().join("access.log.1");
    fs::rename(&log, &rotated).expect("renamed");
    gateway.signal("USR1");
    while !gateway.admin("GET", "/metrics", "").body.contains("access_log_reopens_total 1") {}
    assert_eq!(gateway.get("/more").status, 200);
    gateway.signal("TERM");
    assert_eq!(gateway.wait_for_end().code(), Some(0));
    let read = |path: &Path| fs::read_to_string(path).expect("there");
    assert!(read(&log).contains("/more GET"), "new lines are in the new file");
    assert!((read(&rotated) + &read(&log)).contains("/hello GET"), "no line was lost");
}

#[test]
fn the_admin_listener_keeps_pages_out_and_answers_in_json() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let config = folder.path().join("gateway.toml");
    let unix = format!("unix:{}", folder.path().join("admin.sock").display());
    let text = File::HELLO.text(folder.path()).replace(&unix, "127.0.0.1:0");
    fs::write(&config, text).expect("written");
    let mut command = binary();
    command.arg("run").arg("--config").arg(&config).stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    let log = std::io::BufReader::new(child.stderr.take().expect("piped"));
    let lines = std::io::BufRead::lines(log).map(|line| line.expect("text"));
    let serving = { lines }.find(|line| line.contains(r#""message":"serving""#)).expect("serves");
    let serving: serde_json::Value = serde_json::from_str(&serving).expect("JSON");
    let admin: SocketAddr = serving["admin"].as_str().expect("text").parse().expect("an address");
    let ask = |head: &str| {
        let mut stream = TcpStream::connect(admin).expect("connected");
        let request = format!("{head}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("written");
        read_answer(stream).expect("answered")
    };
    let local = ask(&format!("GET /readyz HTTP/1.1\r\nHost: {admin}"));
    let rebound = ask("GET /config HTTP/1.1\r\nHost: attacker.example");
    let page =
        ask(&format!("POST /drain HTTP/1.1\r\nHost: {admin}\r\nOrigin: http://attacker.example"));
    let missing = ask("GET /nothing HTTP/1.1\r\nHost: localhost");
    child.kill().expect("runs still");
    child.wait().expect("ended");
    assert_eq!((local.status, rebound.status, page.status, missing.status), (200, 403, 403, 404));
    for refusal in [rebound, page, missing] {
        let body: serde_json::Value = serde_json::from_str(&refusal.body).expect("JSON");
        assert!(body["error"].is_string() && body["message"].is_string());
        assert!(refusal.head.contains("application/json"));
    }
}

#[test]
fn exit_codes_tell_bad_files_from_failures() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let config = folder.path().join("gateway.toml");
    let run = |command: &str, text: &str| {
        fs::write(&config, text).expect("written");
        let output = binary().arg(command).arg("--config").arg(&config).output().expect("ran");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run("run", "nonsense = 1\n");
    assert_eq!((code, said.contains("nonsense")), (Some(2), true), "{said}");
    assert_eq!(run("check", "nonsense = 1\n").0, Some(2));
    assert_eq!(run("check", &File::HELLO.text(folder.path())).0, Some(0));

    let conflict = r#"
        [[api]]
        name = "a"
        route = [
            { key = "GET /{x}", mock = {} },
            { key = "GET /{y}", mock = {} },
        ]
    "#;
    let (code, said) = run("check", &File { process: "", rest: conflict }.text(folder.path()));
    assert_eq!(code, Some(2));
    assert!(said.contains("GET /{x}") && said.contains("GET /{y}"), "{said}");

    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("an address").to_string();
    let text = File::HELLO.text(folder.path()).replace("127.0.0.1:0", &address);
    let (code, said) = run("run", &text);
    assert_eq!((code, said.contains(&address)), (Some(1), true), "{said}");

    let usage = binary().arg("run").output().expect("ran");
    assert_eq!(usage.status.code(), Some(2));
}

/// Requests on connections of their own, from several threads, until told to end. Every one must
/// be answered with 200.
struct Load {
    ends: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(address: SocketAddr) -> Self {
        let (ends, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = (0..4).map(|_| {
            let (ends, answered) = (Arc::clone(&ends), Arc::clone(&answered));
            thread::spawn(move || {
                while !ends.load(Ordering::Relaxed) {
                    let answer = get(address, "/hello").expect("no connection is refused");
                    assert_eq!(answer.status, 200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        Self {
            ends: Arc::clone(&ends),
            answered: Arc::clone(&answered),
            threads: threads.collect(),
        }
    }

    /// Waits for so many more answers.
    fn wait_for(&self, count: u64) {
        let before = self.answered.load(Ordering::Relaxed);
        while self.answered.load(Ordering::Relaxed) < before + count {
            assert!(self.threads.iter().all(|thread| !thread.is_finished()), "a request failed");
            thread::yield_now();
        }
    }

    fn end(self) {
        self.ends.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("every request was answered with 200");
        }
    }
}

/// An API whose one route goes to `upstream`.
fn proxied(upstream: &HeldUpstream) -> String {
    format!(
        "[[upstream]]\nname = \"held\"\ntargets = [\"{}\"]\n\
         [[api]]\nname = \"a\"\nroute = [{{ key = \"$default\", upstream = \"held\" }}]\n",
        upstream.address
    )
}

fn begin_request(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").expect("written");
    stream
}

/// A connection that has had one answer and stays open.
fn keep_alive_connection(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.write_all(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").expect("written");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\none") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("answered");
        answer.push(byte[0]);
    }
    stream
}

/// Listeners are closed shard by shard.
fn wait_until_refused(address: SocketAddr) {
    while TcpStream::connect(address).is_ok() {
        thread::yield_now();
    }
}

fn wait_for_state(supervisor: &UnixDatagram, state: &str) {
    let mut buffer = [0; 4096];
    loop {
        let length = supervisor.recv(&mut buffer).expect("told");
        if buffer[..length].starts_with(state.as_bytes()) {
            return;
        }
    }
}
