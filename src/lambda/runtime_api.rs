//! What runtimes ask of the Lambda Runtime API, and what they are answered (AWS Lambda Developer
//! Guide, "Using the Lambda runtime API"; version 2018-06-01).

use std::io::Write as _;

use crate::base::{Method, write_json_string};

/// What a runtime asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RuntimeRequest<'p> {
    /// For the next event: `GET /runtime/invocation/next`.
    Next,
    /// To take its answer: `POST /runtime/invocation/{id}/response`.
    Response { request_id: &'p str },
    /// To take the error that its handler ended with: `POST /runtime/invocation/{id}/error`.
    InvocationError { request_id: &'p str },
    /// To know that it cannot start: `POST /runtime/init/error`.
    InitError,
}

impl<'p> RuntimeRequest<'p> {
    /// Reads the method and the path of a request. `None` is what the API does not have.
    #[must_use]
    pub fn parse(method: Method, path: &'p [u8]) -> Option<Self> {
        let path = std::str::from_utf8(path).ok()?;
        let rest = path.strip_prefix("/2018-06-01/runtime/")?;
        match (method, rest.strip_prefix("invocation/")) {
            (Method::Get, Some("next")) => return Some(Self::Next),
            (Method::Post, None) if rest == "init/error" => return Some(Self::InitError),
            (Method::Post, Some(rest)) => {
                let (request_id, action) = rest.split_once('/')?;
                if request_id.is_empty() {
                    return None;
                }
                match action {
                    "response" => return Some(Self::Response { request_id }),
                    "error" => return Some(Self::InvocationError { request_id }),
                    _ => {}
                }
            }
            _ => {}
        }
        None
    }
}

/// What a runtime is told of an event beside the event.
#[derive(Clone, Copy, Debug)]
pub struct EventHead<'e> {
    pub request_id: &'e str,
    /// When its time is up, in milliseconds since 1970.
    pub deadline_unix_ms: u64,
    pub function_arn: &'e str,
    /// `X-Amzn-Trace-Id`, if the call is traced.
    pub trace_id: Option<&'e [u8]>,
    /// JSON of the caller's own, if it sent some.
    pub client_context: Option<&'e str>,
}

impl EventHead<'_> {
    /// Appends the head of the answer to [`RuntimeRequest::Next`]; the event of `event_bytes` bytes
    /// follows it.
    pub fn write(&self, event_bytes: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: ",
        );
        out.extend_from_slice(self.request_id.as_bytes());
        out.extend_from_slice(b"\r\nLambda-Runtime-Deadline-Ms: ");
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(digits.format(self.deadline_unix_ms).as_bytes());
        line(out, b"Lambda-Runtime-Invoked-Function-Arn", self.function_arn.as_bytes());
        if let Some(trace_id) = self.trace_id {
            line(out, b"Lambda-Runtime-Trace-Id", trace_id);
        }
        if let Some(context) = self.client_context {
            line(out, b"Lambda-Runtime-Client-Context", context.as_bytes());
        }
        out.extend_from_slice(b"\r\nContent-Length: ");
        out.extend_from_slice(digits.format(event_bytes).as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
    }
}

/// Ends the line before, and appends one whose value is made fit for a line.
fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend(value.iter().map(|byte| if byte.is_ascii_control() { b' ' } else { *byte }));
}

/// What a runtime is answered to anything but [`RuntimeRequest::Next`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RuntimeReply {
    /// It was taken.
    Accepted,
    /// No call of that id is under way: it was answered already, or given up.
    UnknownRequest,
    /// What it sent is longer than an answer may be.
    TooLarge { bytes_max: usize },
    /// The API has no such thing.
    NotFound,
    /// What it sent cannot be read as HTTP.
    Malformed,
}

impl RuntimeReply {
    /// Appends the whole answer. `closes` says that the connection ends with it.
    pub fn write(self, closes: bool, out: &mut Vec<u8>) {
        let (status, kind, message) = match self {
            Self::Accepted => ("202 Accepted", None, String::new()),
            Self::UnknownRequest => (
                "400 Bad Request",
                Some("InvalidRequestID"),
                "no invocation of this request id is under way".to_owned(),
            ),
            Self::TooLarge { bytes_max } => (
                "413 Request Entity Too Large",
                Some("RequestEntityTooLarge"),
                format!("the answer is longer than {bytes_max} bytes"),
            ),
            Self::NotFound => (
                "404 Not Found",
                Some("NotFound"),
                "the Runtime API has no such method and path".to_owned(),
            ),
            Self::Malformed => {
                ("400 Bad Request", Some("MalformedRequest"), "this is no HTTP".to_owned())
            }
        };
        let mut body = Vec::with_capacity(128);
        match kind {
            None => body.extend_from_slice(b"{\"status\":\"OK\"}\n"),
            Some(kind) => {
                body.extend_from_slice(b"{\"errorMessage\":");
                write_json_string(&mut body, message.as_bytes());
                body.extend_from_slice(b",\"errorType\":");
                write_json_string(&mut body, kind.as_bytes());
                body.extend_from_slice(b"}\n");
            }
        }
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(status.as_bytes());
        out.extend_from_slice(b"\r\nContent-Type: application/json\r\n");
        if closes {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        // A Vec takes all that is written to it.
        let _ = write!(out, "Content-Length: {}\r\n\r\n", body.len());
        out.extend_from_slice(&body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_requests_are_known() {
        let base = "/2018-06-01/runtime/";
        let parse = |method, path: &'static str| {
            RuntimeRequest::parse(method, format!("{base}{path}").leak().as_bytes())
        };
        assert_eq!(parse(Method::Get, "invocation/next"), Some(RuntimeRequest::Next));
        assert_eq!(
            parse(Method::Post, "invocation/a-1/response"),
            Some(RuntimeRequest::Response { request_id: "a-1" })
        );
        assert_eq!(
            parse(Method::Post, "invocation/a-1/error"),
            Some(RuntimeRequest::InvocationError { request_id: "a-1" })
        );
        assert_eq!(parse(Method::Post, "init/error"), Some(RuntimeRequest::InitError));
        for (method, path) in [
            (Method::Post, "invocation/next"),
            (Method::Get, "invocation/a/response"),
            (Method::Post, "invocation//response"),
            (Method::Post, "invocation/a/b/response"),
            (Method::Get, "init/error"),
            (Method::Get, ""),
        ] {
            assert_eq!(parse(method, path), None, "{path}");
        }
        assert_eq!(
            RuntimeRequest::parse(Method::Get, b"/2015-03-31/runtime/invocation/next"),
            None
        );
        assert_eq!(RuntimeRequest::parse(Method::Get, b"/\xff"), None);
    }

    #[test]
    fn an_event_has_a_head_that_nothing_breaks_out_of() {
        let mut out = Vec::new();
        let head = EventHead {
            request_id: "id",
            deadline_unix_ms: 1_700_000_000_000,
            function_arn: "arn:aws:lambda:us-east-1:1:function:f",
            trace_id: Some(b"Root=1"),
            client_context: Some("{\"a\":\r\n1}"),
        };
        head.write(2, &mut out);
        let text = String::from_utf8(out).expect("text");
        assert_eq!(
            text,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
             Lambda-Runtime-Aws-Request-Id: id\r\nLambda-Runtime-Deadline-Ms: 1700000000000\r\n\
             Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:1:function:f\r\n\
             Lambda-Runtime-Trace-Id: Root=1\r\nLambda-Runtime-Client-Context: {\"a\":  1}\r\n\
             Content-Length: 2\r\n\r\n"
        );
    }

    #[test]
    fn replies_are_whole_answers() {
        for (reply, status, says) in [
            (RuntimeReply::Accepted, "202", "OK"),
            (RuntimeReply::UnknownRequest, "400", "InvalidRequestID"),
            (RuntimeReply::TooLarge { bytes_max: 10 }, "413", "10 bytes"),
            (RuntimeReply::NotFound, "404", "NotFound"),
            (RuntimeReply::Malformed, "400", "MalformedRequest"),
        ] {
            let mut out = Vec::new();
            reply.write(true, &mut out);
            let text = String::from_utf8(out).expect("text");
            let (head, body) = text.split_once("\r\n\r\n").expect("a head");
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
            assert!(head.contains("Connection: close"), "{head}");
            assert!(body.contains(says), "{body}");
        }
    }
}
