//! An upstream that answers when the test says so.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;

/// Takes requests and holds them.
pub(crate) struct HeldUpstream {
    pub(crate) address: SocketAddr,
    requests: Receiver<HeldRequest>,
}

/// A request that has arrived whole and has no answer.
pub(crate) struct HeldRequest(TcpStream);

impl HeldUpstream {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("an address");
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("accepted");
                let mut lines = BufReader::new(stream.try_clone().expect("copied")).lines();
                let is_whole = lines.any(|line| line.is_ok_and(|line| line.is_empty()));
                if is_whole && sender.send(HeldRequest(stream)).is_err() {
                    return;
                }
            }
        });
        Self { address, requests }
    }

    pub(crate) fn wait_for_request(&self) -> HeldRequest {
        self.requests.recv().expect("a request comes")
    }
}

impl HeldRequest {
    pub(crate) fn answer(mut self, body: &str) {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        self.0.write_all(answer.as_bytes()).expect("the gateway reads");
    }
}
