//! The real binary with a boot file in a folder of its own, and as much of an HTTP client as the
//! tests of its life need.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

use serde_json::Value as Json;
use tempfile::TempDir;

/// A running gateway. Ended when dropped, with its successors.
pub(crate) struct Gateway {
    child: Child,
    folder: TempDir,
    log: BufReader<ChildStderr>,
    /// Where the listener `public` is.
    pub(crate) address: SocketAddr,
    /// Processes that took over.
    successors: Vec<u32>,
}

/// One answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A boot file before it is written: what every test has, and what one adds.
pub(crate) struct File<'a> {
    /// Lines for `[process]`.
    pub(crate) process: &'a str,
    /// Everything after the listeners.
    pub(crate) rest: &'a str,
}

pub(crate) const HELLO: &str = r#"
[[api]]
name = "a"
route = [{ key = "GET /hello", mock = { body = "one" } }]
"#;

impl File<'_> {
    pub(crate) const HELLO: File<'static> = File { process: "", rest: HELLO };

    pub(crate) fn text(&self, folder: &Path) -> String {
        let driver = std::env::var("SHARDGATE_TEST_DRIVER").unwrap_or_else(|_| "auto".to_owned());
        format!(
            "[process]\nio_driver = \"{driver}\"\nlog_format = \"json\"\n{}\n\
             [admin]\naddress = \"unix:{}\"\n\
             [[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n{}\n",
            self.process,
            folder.join("admin.sock").display(),
            self.rest,
        )
    }
}

impl Gateway {
    /// Starts it and waits until it serves.
    pub(crate) fn start(file: &File<'_>) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let config = folder.path().join("gateway.toml");
        fs::write(&config, file.text(folder.path())).expect("written");
        Self::start_by(binary().arg("run").arg("--config").arg(&config), folder)
    }

    /// Starts it by a command of the caller's.
    pub(crate) fn start_by(command: &mut Command, folder: TempDir) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("started");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let address = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut gateway = Self { child, folder, log, address, successors: Vec::new() };
        let listening = gateway.wait_for_line(|line| line["message"] == "listening");
        gateway.address = listening["address"].as_str().expect("text").parse().expect("an address");
        gateway.wait_for("serving");
        gateway
    }

    /// Reads the log up to a line with this message, and answers with it.
    pub(crate) fn wait_for(&mut self, message: &str) -> Json {
        self.wait_for_line(|line| {
            line["message"].as_str().is_some_and(|text| text.starts_with(message))
        })
    }

    fn wait_for_line(&mut self, is_it: impl Fn(&Json) -> bool) -> Json {
        let mut before = String::new();
        loop {
            let start = before.len();
            let length = self.log.read_line(&mut before).expect("the log is text");
            assert!(length > 0, "the log ended without the line that was waited for:\n{before}");
            match serde_json::from_str(&before[start..]) {
                Ok(line) if is_it(&line) => return line,
                _ => {}
            }
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the boot file anew.
    pub(crate) fn write(&self, file: &File<'_>) {
        self.write_text(&file.text(self.folder.path()));
    }

    pub(crate) fn write_text(&self, text: &str) {
        fs::write(self.path("gateway.toml"), text).expect("written");
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Notes a process that took over, so that it is ended with the test.
    pub(crate) fn adopt(&mut self, pid: u32) {
        self.successors.push(pid);
    }

    /// Waits for the process that was started first.
    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        get(self.address, path).expect("answered")
    }

    /// Asks the admin listener.
    pub(crate) fn admin(&self, method: &str, path: &str, body: &str) -> Answer {
        let stream = UnixStream::connect(self.path("admin.sock")).expect("connected");
        exchange(stream, method, path, body).expect("answered")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        for pid in &self.successors {
            signal(*pid, "KILL");
        }
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_shardgate"))
}

/// `kill` of the shell: there is no safe wrapper of kill(2) among the dependencies.
pub(crate) fn signal(pid: u32, name: &str) {
    let mut command = Command::new("kill");
    // A process that has ended needs no signal.
    let _ = command.args(["-s", name, &pid.to_string()]).stderr(Stdio::null()).status();
}

/// One request on a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<Answer> {
    exchange(TcpStream::connect(address)?, "GET", path, "")
}

fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    body: &str,
) -> io::Result<Answer> {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes())?;
    read_answer(stream)
}

/// Reads an answer up to the end of the connection.
pub(crate) fn read_answer(mut stream: impl Read) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let broken = || io::Error::new(io::ErrorKind::InvalidData, format!("not an answer: {text:?}"));
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(broken)?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
