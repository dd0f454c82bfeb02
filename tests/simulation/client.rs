//! A client that sends a connection's script in random pieces, and judges what comes back.

use std::io::{self, BufReader, ErrorKind, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use super::message::{HANG_GUARD, Length, Message};
use super::random::Random;
use super::script::{Connection, Ending, Fate, Kind, Request, pattern};

/// Plays one connection; what went wrong, if anything did.
pub(crate) fn play(socket: &Path, connection: &Connection) -> Result<Answered, String> {
    let stream = UnixStream::connect(socket).map_err(|error| error.to_string())?;
    let guarded = stream
        .set_read_timeout(Some(HANG_GUARD))
        .and_then(|()| stream.set_write_timeout(Some(HANG_GUARD)));
    guarded.map_err(|error| error.to_string())?;
    thread::scope(|scope| {
        let writer = &stream;
        scope.spawn(move || write(writer, connection));
        let answered = read(&stream, connection);
        if answered.is_err() {
            // The writer may be waiting for a gateway that waits for this reader.
            let _ = stream.shutdown(Shutdown::Both);
        }
        answered
    })
}

/// How many requests were answered, by kind of answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Answered {
    pub(crate) whole: usize,
    pub(crate) faults: usize,
    pub(crate) cut: usize,
}

fn write(stream: &UnixStream, connection: &Connection) {
    let mut random = connection.random.clone();
    let mut bytes: Vec<u8> = connection.requests.iter().flat_map(Request::bytes).collect();
    let last_bytes = connection.requests.last().map_or(0, |last| last.bytes().len());
    if let Ending::CutsLast(kept) | Ending::Vanishes(kept) = connection.ending {
        bytes.truncate(bytes.len() - last_bytes + kept);
    }
    // A gateway that has closed takes no more: what it answered until then is judged all the same.
    let _ = send(stream, &bytes, &mut random);
    match connection.ending {
        Ending::Waits => {}
        Ending::HalfCloses | Ending::CutsLast(_) => drop(stream.shutdown(Shutdown::Write)),
        Ending::Vanishes(_) => drop(stream.shutdown(Shutdown::Both)),
    }
}

fn send(mut stream: &UnixStream, bytes: &[u8], random: &mut Random) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let bytes_max = random.pick(&[1, 40, 500, 20_000, 1_000_000, 1_000_000]);
        let (piece, after) = rest.split_at((1 + random.below(bytes_max)).min(rest.len()));
        stream.write_all(piece)?;
        random.pause();
        rest = after;
    }
    Ok(())
}

fn read(stream: &UnixStream, connection: &Connection) -> Result<Answered, String> {
    let mut input = BufReader::new(stream);
    let mut answered = Answered::default();
    let last = connection.requests.len().saturating_sub(1);
    let mut judged = String::from("nothing");
    for (index, request) in connection.requests.iter().enumerate() {
        let is_cut = index == last && matches!(connection.ending, Ending::CutsLast(_));
        let vanishes = matches!(connection.ending, Ending::Vanishes(_));
        let answer = match read_answer(&mut input, request) {
            Ok(answer) => answer,
            Err(Broken::Framing(what)) => return Err(format!("{}: {what}", request.token)),
            Err(_) if is_cut || vanishes => return Ok(answered),
            Err(Broken::Cut) if request.may_be_cut() => {
                answered.cut += 1;
                return Ok(answered);
            }
            Err(broken) => return Err(format!("{request:?} got no whole answer: {broken:?}")),
        };
        if !is_cut {
            judge(request, &answer)?;
        }
        judged = format!("{:?} to {request:?}", answer.head);
        if answer.status() == 200 {
            answered.whole += 1;
        } else {
            answered.faults += 1;
        }
        if answer.ended_with_connection || answer.field("connection") == Some("close") {
            break;
        }
    }
    if connection.ending == Ending::Waits {
        let _ = stream.shutdown(Shutdown::Write);
    }
    match Message::read_head(&mut input) {
        Err(error) if error.kind() == ErrorKind::ConnectionAborted => Ok(answered),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(answered),
        other => Err(format!("{other:?} came after {judged}")),
    }
}

#[derive(Debug)]
enum Broken {
    /// The connection ended before an answer began.
    NoAnswer,
    /// Or within it.
    Cut,
    Framing(String),
}

fn read_answer(input: &mut BufReader<&UnixStream>, request: &Request) -> Result<Message, Broken> {
    loop {
        let mut answer = Message::read_head(input).map_err(|error| match error.kind() {
            ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset => Broken::NoAnswer,
            ErrorKind::UnexpectedEof => Broken::Cut,
            _ => Broken::Framing(error.to_string()),
        })?;
        match answer.status() {
            100..=199 => continue,
            204 | 304 => return Ok(answer),
            _ if request.method == "HEAD" => return Ok(answer),
            _ => {}
        }
        let body = answer.read_body(input, Length::ToTheEnd);
        return body.map(|()| answer).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => Broken::Cut,
            _ => Broken::Framing(error.to_string()),
        });
    }
}

/// Whether `answer` is one that `request` may get, and no other request's.
fn judge(request: &Request, answer: &Message) -> Result<(), String> {
    let status = answer.status();
    let token = &request.token;
    let wrong = |what: &str| Err(format!("{what}: {:?} to {request:?}", answer.head));
    let is_head = request.method == "HEAD";
    match (request.kind, status) {
        (Kind::Mock, 200) if is_head || answer.body == b"mocked" => Ok(()),
        (Kind::Redirect, 308) => {
            let location = format!("https://new.example/old/{token}");
            let is_own = answer.field("location") == Some(&location);
            if is_own { Ok(()) } else { wrong("another location") }
        }
        (Kind::Malformed, 400) => Ok(()),
        (Kind::Proxied(Fate::Early), 200) if answer.field("x-token") == Some("early") => Ok(()),
        (Kind::Proxied(fate), 200) if fate.may_answer() => {
            let body = if is_head { Vec::new() } else { pattern(token, request.answer_bytes) };
            if answer.field("x-token") != Some(token) {
                return wrong("another's answer");
            }
            if answer.ended_with_connection && fate == Fate::HalfBody {
                return Ok(()); // to HTTP/1.0 there is no telling
            }
            if answer.body == body { Ok(()) } else { wrong("another body") }
        }
        (Kind::Proxied(fate), 502) => {
            let expected = fate.may_fail() || request.may_fail_on_a_stale_connection();
            if expected { Ok(()) } else { wrong("a failure that a retry could save") }
        }
        _ => wrong("an answer that this request cannot get"),
    }
}

impl Request {
    /// Whether the target breaks the answer off.
    fn may_be_cut(&self) -> bool {
        self.kind == Kind::Proxied(Fate::HalfBody)
    }
}

impl Fate {
    fn may_answer(self) -> bool {
        !matches!(self, Self::Die | Self::HalfHead | Self::Malformed)
    }

    fn may_fail(self) -> bool {
        !matches!(
            self,
            Self::EchoLength
                | Self::EchoChunked
                | Self::EchoUntilClose
                | Self::EchoAfterInterim
                | Self::EchoThenClose
                | Self::EchoThenSurplus
        )
    }
}
