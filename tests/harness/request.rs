//! A request as a test writes it.

use std::net::SocketAddr;

use super::{Answer, Client};

/// One request with everything that goes over the wire. Header lines go out as they are given, in
/// order and case.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    host: Option<String>,
    lines: Vec<String>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub fn new(method: &str, target: &str) -> Self {
        let (method, target) = (method.to_owned(), target.to_owned());
        Self { method, target, host: None, lines: Vec::new(), body: None }
    }

    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", target).body(body)
    }

    /// Adds a header line.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.lines.push(format!("{name}: {value}"));
        self
    }

    /// Sets the body, whose length is told.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Says which host is asked, where the test wants another than that of its API.
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// The same for `host`, unless it says one itself.
    pub fn for_host(self, host: &str) -> Self {
        if self.host.is_some() { self } else { self.host(host) }
    }

    /// Sends it on a connection of its own and reads the answer.
    pub fn ask(&self, address: SocketAddr) -> Answer {
        let mut client = Client::connect(address);
        self.ask_on(&mut client)
    }

    /// Sends it on this connection and reads the answer.
    pub fn ask_on(&self, client: &mut Client) -> Answer {
        client.send(self.bytes());
        client.answer_to(&self.method)
    }

    fn bytes(&self) -> Vec<u8> {
        let host = self.host.as_deref().unwrap_or("localhost");
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.target);
        for line in &self.lines {
            head += &format!("{line}\r\n");
        }
        if let Some(body) = &self.body {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        let mut bytes = (head + "\r\n").into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}
