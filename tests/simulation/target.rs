//! A target that does to each request what its script says, and checks that every request is
//! whole and has its own body.

use std::collections::HashSet;
use std::io::{self, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::message::{HANG_GUARD, Length, Message};
use super::random::Random;
use super::script::{FATES, Fate, pattern, write_chunks};

/// What all targets of a run know.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    /// Tokens of requests that died once.
    died: Mutex<HashSet<String>>,
    wrong: Mutex<Vec<String>>,
}

impl Targets {
    /// Starts a target at `path`.
    pub(crate) fn start(self: &Arc<Self>, path: &Path, random: Random) {
        let listener = UnixListener::bind(path).expect("bound");
        let (targets, mut random) = (Arc::clone(self), random);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (targets, random) = (Arc::clone(&targets), random.fork());
                thread::spawn(move || {
                    // The gateway may go away at any point; what it said until then was checked.
                    let _ = serve(&targets, stream, random);
                });
            }
        });
    }

    /// What should not have come.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn check(&self, is_right: bool, what: impl FnOnce() -> String) {
        if !is_right {
            self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(what());
        }
    }

    fn died_before(&self, token: &str) -> bool {
        !self.died.lock().unwrap_or_else(PoisonError::into_inner).insert(token.to_owned())
    }
}

fn serve(targets: &Targets, stream: UnixStream, mut random: Random) -> io::Result<()> {
    stream.set_read_timeout(Some(HANG_GUARD))?;
    stream.set_write_timeout(Some(HANG_GUARD))?;
    let mut input = BufReader::new(stream.try_clone()?);
    loop {
        let mut request = Message::read_head(&mut input)?;
        let fate = request.field("x-fate").and_then(fate_of);
        targets.check(fate.is_some(), || format!("no request of the script: {:?}", request.head));
        let Some(fate) = fate else { return Ok(()) };
        if fate == Fate::Early {
            let answer = b"HTTP/1.1 200 OK\r\nx-token: early\r\ncontent-length: 0\r\n\r\n";
            send(&stream, answer, &mut random)?;
            return Ok(());
        }
        request.read_body(&mut input, Length::Nothing)?;
        let token = request.field("x-token").unwrap_or_default().to_owned();
        let expected = pattern(&token, request.body.len());
        targets.check(request.body == expected, || format!("{token} has another body"));
        targets.check(request.line().contains(&token), || format!("{token} at {}", request.line()));
        random.pause();
        if !answer(targets, &stream, &request, &token, fate, &mut random)? {
            return Ok(());
        }
    }
}

fn fate_of(name: &str) -> Option<Fate> {
    FATES.into_iter().find(|fate| format!("{fate:?}") == name)
}

/// Whether the connection goes on.
fn answer(
    targets: &Targets,
    mut stream: &UnixStream,
    request: &Message,
    token: &str,
    fate: Fate,
    random: &mut Random,
) -> io::Result<bool> {
    let bytes = request.field("x-answer-bytes").and_then(|text| text.parse().ok());
    let body = pattern(token, bytes.unwrap_or(0));
    let is_head = request.line().starts_with("HEAD ");
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nx-token: {token}\r\n");
    let with_length = format!("{head}content-length: {length}\r\n\r\n").into_bytes();
    let sent_body: &[u8] = if is_head { b"" } else { &body };
    let echo = [&with_length[..], sent_body].concat();
    match fate {
        Fate::EchoLength | Fate::Early => send(stream, &echo, random)?,
        Fate::EchoChunked => {
            let mut answer = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
            if !is_head {
                write_chunks(&body, &mut answer);
            }
            send(stream, &answer, random)?;
        }
        Fate::EchoUntilClose => {
            let head = format!("{head}connection: close\r\n\r\n").into_bytes();
            send(stream, &[&head[..], sent_body].concat(), random)?;
            return Ok(false);
        }
        Fate::EchoAfterInterim => {
            let hint = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
            send(stream, &[&hint[..], &echo].concat(), random)?;
        }
        Fate::EchoThenClose => {
            send(stream, &echo, random)?;
            random.pause();
            return Ok(false);
        }
        Fate::EchoThenSurplus => {
            // In one write, so that one read brings it all: what comes later cannot be told from
            // an answer to the next request.
            let surplus = b"HTTP/1.1 200 OK\r\nx-token: nobody\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(&[&echo[..], surplus].concat())?;
        }
        Fate::DieOnce if targets.died_before(token) => send(stream, &echo, random)?,
        Fate::DieOnce | Fate::Die => return Ok(false),
        Fate::HalfHead => {
            send(stream, &with_length[..1 + random.below(with_length.len() - 1)], random)?;
            return Ok(false);
        }
        Fate::HalfBody => {
            // Without a body there is no half of one.
            let end = if sent_body.is_empty() {
                echo.len() - 1
            } else {
                echo.len() - 1 - random.below(length)
            };
            send(stream, &echo[..end], random)?;
            return Ok(false);
        }
        Fate::Malformed => {
            let nonsense: &[&[u8]] = &[
                b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
                b"HTTP/1.1 OK\r\n\r\n",
                b"HTTP/1.1 200 OK\r\nno field\r\n\r\n",
                b"\0\0\0\0\r\n\r\n",
            ];
            send(stream, random.pick(nonsense), random)?;
            // Waits for the gateway to close: it must not use this connection again.
            stream.read_to_end(&mut Vec::new())?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// Sends in pieces.
fn send(mut stream: &UnixStream, bytes: &[u8], random: &mut Random) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let bytes_max = random.pick(&[3, 100, 10_000, 1_000_000, 1_000_000]);
        let (piece, after) = rest.split_at((1 + random.below(bytes_max)).min(rest.len()));
        stream.write_all(piece)?;
        random.pause();
        rest = after;
    }
    Ok(())
}
