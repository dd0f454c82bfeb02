//! The gateway as a process.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{env, fs, thread};

use serde_json::Value as Json;

use super::{Client, HANG_GUARD};

/// `shardgate run`, ended when dropped (as is a successor that it started).
///
/// In the configuration, `{dir}` stands for a folder of its own that is removed at the end. The
/// harness adds `log_format = "json"` to `[process]`, and `io_driver` where the environment
/// variable `SHARDGATE_TEST_DRIVER` names one; and `shards = 1` unless the text says how many.
#[derive(Debug)]
pub struct Gateway {
    process: Child,
    log: Arc<Log>,
    folder: tempfile::TempDir,
}

impl Gateway {
    /// Starts it and waits until it serves.
    pub fn start(configuration: &str) -> Self {
        let gateway = Self::launch(configuration, |_| {});
        gateway.wait_for_log("its readiness", |line| line["message"] == "serving");
        gateway
    }

    /// Starts it in front of `upstream`: `ANY /mock` answers "mocked" and `ANY /moved` redirects
    /// itself, `ANY /limited` has no tokens at all, `POST /small` takes 10 bytes, and everything
    /// else goes to the upstream, which has a second to begin its answer. `tables` is appended to
    /// the configuration.
    pub fn before(upstream: SocketAddr, tables: &str) -> Self {
        Self::start(&format!(
            r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"

[[upstream]]
name = "backend"
targets = ["{upstream}"]

[[api]]
name = "main"

[[api.route]]
key = "ANY /mock"
mock = {{ body = "mocked" }}

[[api.route]]
key = "ANY /moved"
redirect = {{ location = "https://b.example/elsewhere" }}

[[api.route]]
key = "ANY /limited"
upstream = "backend"
throttle = {{ rate_per_second = 0.25, burst_count = 0 }}

[[api.route]]
key = "POST /small"
upstream = "backend"
body_bytes_max = 10

[[api.route]]
key = "$default"
upstream = "backend"

{tables}
"#
        ))
    }

    /// Starts it, after `prepare` has changed the command (environment, inherited sockets). Waits
    /// for nothing.
    pub fn launch(configuration: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("gateway.toml");
        fs::write(&path, complete(configuration, folder.path())).expect("the file is written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_shardgate"));
        command.arg("run").arg("--config").arg(&path).current_dir(folder.path());
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        prepare(&mut command);
        let mut process = command.spawn().expect("the binary runs");
        let log = Arc::new(Log::default());
        let lines = process.stderr.take().expect("piped");
        let reader = Arc::clone(&log);
        thread::spawn(move || reader.collect(lines));
        Self { process, log, folder }
    }

    /// The process id of the process that the test started.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The folder that `{dir}` stands for.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.folder.path().join("gateway.toml")
    }

    /// Writes another configuration, and does not tell the gateway.
    pub fn rewrite(&self, configuration: &str) {
        let text = complete(configuration, self.folder.path());
        fs::write(self.config_path(), text).expect("the file is written");
    }

    /// The address of the listener of this name, with the port that port 0 became.
    pub fn address(&self, listener: &str) -> SocketAddr {
        let line = self.wait_for_log("a listener", |line| {
            line["message"] == "listening" && line["name"] == listener
        });
        line["address"].as_str().and_then(|text| text.parse().ok()).expect("an IP address")
    }

    /// The address of the admin listener, if it is not a unix socket.
    pub fn admin(&self) -> SocketAddr {
        let line = self.wait_for_log("its readiness", |line| line["message"] == "serving");
        line["admin"].as_str().and_then(|text| text.parse().ok()).expect("an admin address")
    }

    /// A client of the listener called "public".
    pub fn connect(&self) -> Client {
        Client::connect(self.address("public"))
    }

    /// Sends a signal, named without "SIG".
    pub fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs");
        assert!(sent.success(), "{name} was not sent");
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self) -> ExitStatus {
        self.process.wait().expect("a child")
    }

    /// The lines of the process log so far, those of a successor included. A line that is not JSON
    /// is `{"text": line}`.
    pub fn log(&self) -> Vec<Json> {
        self.log.lock().lines.clone()
    }

    /// Waits for the first line of the process log that `matches`.
    ///
    /// # Panics
    ///
    /// If the log ends without one.
    pub fn wait_for_log(&self, what: &str, matches: impl Fn(&Json) -> bool) -> Json {
        self.log.wait(what, 1, &matches)
    }

    /// Waits for as many matching lines, and returns the last of them.
    pub fn wait_for_log_times(&self, times: usize, matches: impl Fn(&Json) -> bool) -> Json {
        self.log.wait("a line of the log", times, &matches)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let mine = self.process.id();
        if self.process.kill().is_ok() {
            let _ = self.process.wait();
        }
        let log = self.log();
        let successors = log.iter().filter(|line| line["message"] == "serving");
        for pid in successors.filter_map(|line| line["pid"].as_u64()) {
            if pid != u64::from(mine) {
                let _ = Command::new("kill")
                    .args(["-s", "KILL", &pid.to_string()])
                    .stderr(Stdio::null())
                    .status();
            }
        }
        if thread::panicking() {
            for line in log {
                eprintln!("gateway: {line}");
            }
        }
    }
}

/// Adds what the harness needs to `[process]`.
fn complete(configuration: &str, folder: &Path) -> String {
    let text = configuration.replace("{dir}", &folder.display().to_string());
    let mut process = String::from("[process]\nlog_format = \"json\"\n");
    let has_key = |key: &str| text.lines().any(|line| line.starts_with(key));
    if let Ok(driver) = env::var("SHARDGATE_TEST_DRIVER")
        && !has_key("io_driver")
    {
        process += &format!("io_driver = \"{driver}\"\n");
    }
    if !has_key("shards") {
        process += "shards = 1\n";
    }
    match text.split_once("[process]\n") {
        Some((before, after)) => format!("{before}{process}{after}"),
        None => format!("{text}\n{process}"),
    }
}

/// The process log as it comes.
#[derive(Debug, Default)]
struct Log {
    collected: Mutex<Collected>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Collected {
    lines: Vec<Json>,
    has_ended: bool,
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn collect(&self, stderr: ChildStderr) {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let parsed = serde_json::from_str(&line);
            let value = parsed.unwrap_or_else(|_| serde_json::json!({ "text": line }));
            self.lock().lines.push(value);
            self.changed.notify_all();
        }
        self.lock().has_ended = true;
        self.changed.notify_all();
    }

    fn wait(&self, what: &str, times: usize, matches: &dyn Fn(&Json) -> bool) -> Json {
        let mut collected = self.lock();
        loop {
            let found = collected.lines.iter().filter(|line| matches(line)).nth(times - 1).cloned();
            if let Some(line) = found {
                return line;
            }
            assert!(!collected.has_ended, "the log ended without {what}: {:#?}", collected.lines);
            let waited = self.changed.wait_timeout(collected, HANG_GUARD);
            let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            assert!(!timeout.timed_out(), "no {what} in the log: {:#?}", guard.lines);
            collected = guard;
        }
    }
}
