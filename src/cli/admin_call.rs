//! One request to the admin listener of a gateway that runs, or to its management API.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::model::ListenerAddress;

/// What was answered.
pub(super) struct AdminAnswer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Sends a request and reads the whole answer. `None` if nobody listens.
pub(super) fn ask(
    address: &ListenerAddress,
    method: &str,
    path: &str,
    body: &[u8],
) -> io::Result<Option<AdminAnswer>> {
    ask_with(address, (method, path), "", body)
}

/// The same with more lines in the head, each with its end. The host is [`HOST`].
pub(super) fn ask_with(
    address: &ListenerAddress,
    (method, path): (&str, &str),
    lines: &str,
    body: &[u8],
) -> io::Result<Option<AdminAnswer>> {
    let connected: io::Result<Box<dyn Connection>> = match address {
        ListenerAddress::Tcp(address) => TcpStream::connect_timeout(address, CONNECT_LIMIT)
            .and_then(|stream| {
                stream.set_read_timeout(Some(ANSWER_LIMIT))?;
                Ok(Box::new(stream) as Box<dyn Connection>)
            }),
        ListenerAddress::Unix(path) => UnixStream::connect(path).and_then(|stream| {
            stream.set_read_timeout(Some(ANSWER_LIMIT))?;
            Ok(Box::new(stream) as Box<dyn Connection>)
        }),
    };
    let mut connection = match connected {
        Ok(connection) => connection,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let length = body.len();
    write!(
        connection,
        "{method} {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\ncontent-length: {length}\r\n{lines}\r\n"
    )?;
    connection.write_all(body)?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    parse(&answer).map(Some)
}

trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}

/// An answer of these listeners has a length, so one that was cut off is found out.
fn parse(answer: &[u8]) -> io::Result<AdminAnswer> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not whole");
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(at) = head.parse(answer).map_err(|_| invalid())? else {
        return Err(invalid());
    };
    let mut lengths =
        head.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length =
        lengths.next().and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok());
    let body = answer.get(at..).unwrap_or_default();
    if length != Some(body.len()) {
        return Err(invalid());
    }
    Ok(AdminAnswer { status: head.code.unwrap_or(0), body: body.to_vec() })
}

/// The host that requests name.
pub(super) const HOST: &str = "localhost";
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// A large store takes its time.
const ANSWER_LIMIT: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_cut_off_is_found_out() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc";
        let answer = parse(whole).expect("whole");
        assert_eq!((answer.status, &answer.body[..]), (200, &b"abc"[..]));
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).is_err(), "{end}");
        }
    }
}
