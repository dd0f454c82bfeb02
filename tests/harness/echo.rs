//! The test backend as a process, which a test may kill.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// `shardgate echo` on a free port, ended when dropped.
#[derive(Debug)]
pub struct Echo {
    process: Mutex<Child>,
    address: SocketAddr,
}

impl Echo {
    /// Starts it and waits until it listens.
    pub fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_shardgate"))
            .args(["echo", "--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut line = String::new();
        let output = process.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on ").expect("its address");
        Self { address: address.parse().expect("an address"), process: Mutex::new(process) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it: its connections are reset, its port refuses.
    pub fn kill(&self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if process.kill().is_ok() {
            let _ = process.wait();
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.kill();
    }
}
