//! One client and one target that do nothing but exchange fixed messages, without allocating.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use super::counting::exempt_this_thread;

/// The routes of all measurements: answers made here, and an upstream at `folder/target.sock`.
pub fn configuration(folder: &Path) -> String {
    format!(
        r#"
[[upstream]]
name = "backend"
targets = ["unix:{}"]

[[api]]
name = "main"
throttle = {{ rate_per_second = 1000000, burst_count = 1000000 }}

[[api.route]]
key = "ANY /mock"
mock = {{ body = "mocked" }}

[[api.route]]
key = "ANY /old/{{id}}"
redirect = {{ location = "https://new.example{{path}}{{query}}" }}

[[api.route]]
key = "ANY /limited"
mock = {{ body = "mocked" }}
throttle = {{ rate_per_second = 0, burst_count = 0 }}

[[api.route]]
key = "$default"
upstream = "backend"
"#,
        folder.join("target.sock").display()
    )
}

/// Starts a target that gives `answer` to each empty line, on connections that persist: bodies of
/// requests must have none.
pub fn start_target(folder: &Path, answer: &'static [u8]) {
    start_target_at(&folder.join("target.sock"), answer);
}

/// The same at a path of the caller's.
pub fn start_target_at(path: &Path, answer: &'static [u8]) {
    let listener = UnixListener::bind(path).expect("bound");
    thread::spawn(move || {
        exempt_this_thread();
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                exempt_this_thread();
                serve(stream, answer);
            });
        }
    });
}

fn serve(mut stream: UnixStream, answer: &[u8]) {
    let mut input = Vec::with_capacity(64 * 1024);
    let mut buffer = [0; 16 * 1024];
    loop {
        let end = input.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        if let Some(end) = end {
            input.drain(..end + 4);
            if stream.write_all(answer).is_err() {
                return;
            }
            continue;
        }
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => input.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
}

/// Sends `request` and reads an answer that ends in `end`.
pub fn exchange(stream: &mut UnixStream, request: &[u8], end: &[u8]) {
    let mut buffer = [0; 4 * 1024];
    let mut filled = 0;
    stream.write_all(request).expect("sent");
    while !buffer[..filled].ends_with(end) {
        let count = stream.read(&mut buffer[filled..]).expect("an answer");
        assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&buffer[..filled]));
        filled += count;
    }
}
