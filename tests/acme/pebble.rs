//! Pebble as a process of the test: HTTPS with an authority of its own, on a port of the kernel's.

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::authority::{Authority, Files};
use crate::names::Names;

/// Where an authority comes to validate a name.
#[derive(Clone, Copy)]
pub(crate) struct ValidationPorts {
    pub(crate) http: u16,
    pub(crate) tls: u16,
}

pub(crate) struct Pebble {
    process: Child,
    files: Files,
    directory_url: String,
}

impl Pebble {
    /// `None` if it is not installed, and this is not CI.
    pub(crate) fn start(ports: ValidationPorts, names: &Names) -> Option<Self> {
        let (authority, files) = (Authority::root("of the directory"), Files::new());
        files.write("ca.pem", authority.pem());
        files.write_identity("server", &authority.server(&["127.0.0.1"]));
        let configuration = serde_json::json!({ "pebble": {
            "listenAddress": "127.0.0.1:0",
            "managementListenAddress": "",
            "certificate": files.path("server.pem"),
            "privateKey": files.path("server.key"),
            "httpPort": ports.http,
            "tlsPort": ports.tls,
            "certificateValidityPeriod": 90 * 86_400,
        }});
        files.write("pebble.json", &configuration.to_string());
        let started = Command::new("pebble")
            .args(["-strict", "-config"])
            .arg(files.path("pebble.json"))
            .args(["-dnsserver", &names.address().to_string()])
            .env("PEBBLE_VA_NOSLEEP", "1")
            // One of its refusals in a row is luck; more than the client forgives would be too.
            .env("PEBBLE_WFE_NONCEREJECT", "0")
            .env("PEBBLE_AUTHZREUSE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut process = match started {
            Err(error)
                if error.kind() == ErrorKind::NotFound && std::env::var_os("CI").is_none() =>
            {
                return None;
            }
            other => other.expect("pebble starts (Debian: apt-get install pebble)"),
        };
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let is_about_to_listen = |line: &String| line.contains("ACME directory available");
        lines.by_ref().map_while(Result::ok).find(is_about_to_listen).expect("pebble gets there");
        // Read to its end, or it would wait for room in the pipe.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                eprintln!("{line}");
            }
        });
        let port = listening_port(process.id());
        let directory_url = format!("https://127.0.0.1:{port}/dir");
        Some(Self { process, files, directory_url })
    }

    pub(crate) fn directory_url(&self) -> &str {
        &self.directory_url
    }

    /// Whose certificate it shows.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.files.path("ca.pem")
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        // It has ended if it cannot be killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The port that a process listens on, which is about to: the kernel lists sockets by inode.
fn listening_port(pid: u32) -> u16 {
    let start = Instant::now();
    while start.elapsed() < HANG_GUARD {
        if let Some(port) = find_port(pid) {
            return port;
        }
        std::thread::yield_now();
    }
    panic!("pebble does not listen");
}

fn find_port(pid: u32) -> Option<u16> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let links = descriptors.filter_map(|one| fs::read_link(one.ok()?.path()).ok());
    let inodes: Vec<_> = links.filter_map(|link| inode(&link)).collect();
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).ok()?;
    table.lines().skip(1).find_map(|line| {
        // proc(5): sl, local_address, rem_address, st, ..., inode as the tenth.
        let fields: Vec<_> = line.split_whitespace().collect();
        let is_listening = fields.get(3) == Some(&"0A");
        let is_own = inodes.iter().any(|inode| fields.get(9) == Some(&inode.as_str()));
        let (_, port) = fields.get(1)?.split_once(':')?;
        (is_listening && is_own).then(|| u16::from_str_radix(port, 16).ok())?
    })
}

fn inode(link: &Path) -> Option<String> {
    Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
}

const HANG_GUARD: Duration = Duration::from_secs(30);
