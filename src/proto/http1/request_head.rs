//! The head of a request.

use std::mem::MaybeUninit;

use httparse::Status;

use super::field::{Field, find_known, find_named};
use super::field_name::FieldName;
use super::field_section::{
    Expectation, SectionFacts, SectionFault, UpgradeOffer, read_section, span_within,
};
use super::framing::{BodyFraming, FramingFault, Version};
use super::head_scanner::{HeadLimits, METHOD_BYTES_MAX};
use super::is_token_byte;
use super::request_target::Target;
use super::span::Span;
use crate::base::limits::{HEAD_BYTES_CEILING, HEADERS_COUNT_MAX};
use crate::base::{Fault, Method};
use crate::proto::uri;

/// The head of a request: ranges of the buffer that it was parsed from, and what they mean.
///
/// One value is parsed into again and again, so that its table of fields is allocated once.
///
/// # Invariants
///
/// After [`RequestHead::parse`] has returned `Ok`:
/// - `path` begins with `/`, except in the asterisk form, where it is `*`. It is as received:
///   [`uri::normalise_path`] comes before any route is looked up.
/// - `authority` is a valid `host[:port]`, or empty for an HTTP/1.0 request without Host. A
///   forwarded head must carry it as its Host: where an absolute-form target and Host differ, the
///   target wins (RFC 9112 section 3.2.2).
/// - `framing` is the only truth about the body; it is never [`BodyFraming::UntilClose`]. A
///   forwarded head states it anew and copies neither Content-Length nor Transfer-Encoding.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The text of the method, which [`Method::Other`] needs.
    pub method_token: Span,
    /// The whole request target.
    pub target: Span,
    /// The path. `/` when the absolute form has none.
    pub path: Span,
    /// The query with its `?`, or empty.
    pub query: Span,
    /// `host[:port]` to route by: of the absolute-form target, else the value of Host.
    pub authority: Span,
    /// The request is about the gateway itself: `OPTIONS *` or `OPTIONS http://host`.
    pub asterisk: bool,
    /// The version of the request.
    pub version: Version,
    /// The field lines in their order.
    pub fields: Vec<Field>,
    /// How the body ends.
    pub framing: BodyFraming,
    /// The client lets the connection stay open after the answer.
    pub keep_alive: bool,
    /// The client offers a tunnel: HTTP/1.1, Upgrade, and Connection lists it. Never set for a
    /// request with content (a refused upgrade would leave its bytes between two readings,
    /// CVE-2026-58055), nor when HTTP or TLS is among the protocols offered; such an Upgrade is
    /// ignored, as RFC 9110 section 7.8 allows.
    pub upgrade: bool,
    /// The client waits for `100 Continue` before it sends the body. Never set without a body.
    pub expect_continue: bool,
    /// Bytes of the head: where the body starts.
    pub head_bytes: usize,
}

impl Default for RequestHead {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestHead {
    /// An empty head, to parse into.
    #[must_use]
    pub fn new() -> Self {
        Self {
            method: Method::Other,
            method_token: Span::EMPTY,
            target: Span::EMPTY,
            path: Span::EMPTY,
            query: Span::EMPTY,
            authority: Span::EMPTY,
            asterisk: false,
            version: Version::Http11,
            fields: Vec::new(),
            framing: BodyFraming::None,
            keep_alive: false,
            upgrade: false,
            expect_continue: false,
            head_bytes: 0,
        }
    }

    /// Parses `head`, which is exactly the head as [`HeadScanner`](super::HeadScanner) measured it.
    /// After an error the contents mean nothing.
    ///
    /// # Errors
    ///
    /// Whatever RFC 9112 and this crate's stricter reading refuse; see [`Fault`] for the statuses.
    pub fn parse(&mut self, head: &[u8], limits: &HeadLimits) -> Result<(), Fault> {
        self.fields.clear();
        if head.len() > HEAD_BYTES_CEILING.min(limits.head_bytes_max as usize) {
            return Err(Fault::HeadTooLarge);
        }
        if !head.ends_with(b"\r\n\r\n") {
            return Err(Fault::BadHeader);
        }
        let message = head.strip_prefix(b"\r\n").unwrap_or(head);
        // httparse would skip any number of empty lines.
        if !message.first().is_some_and(|byte| is_token_byte(*byte)) {
            return Err(Fault::BadRequestLine);
        }
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_COUNT_MAX];
        let headers_count_max = HEADERS_COUNT_MAX.min(limits.headers_count_max as usize);
        let headers = headers.get_mut(..headers_count_max).unwrap_or_default();
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(message, headers) {
            Ok(Status::Complete(bytes)) if bytes == message.len() => {}
            Ok(_) => return Err(Fault::BadHeader),
            Err(error) => return Err(explain(error, &parsed, message)),
        }
        self.read_request_line(head, &parsed, limits)?;
        let facts = read_section(head, parsed.headers, &mut self.fields).map_err(to_fault)?;
        self.read_facts(head, &facts)?;
        self.head_bytes = head.len();
        self.check_invariants(head);
        Ok(())
    }

    /// The first field of this name.
    #[must_use]
    pub fn field(&self, name: FieldName) -> Option<&Field> {
        find_known(&self.fields, name)
    }

    /// The first field whose name is `lower`, given in lower case. For names that
    /// [`FieldName`] does not know.
    #[must_use]
    pub fn field_by_name(&self, head: &[u8], lower: &[u8]) -> Option<&Field> {
        find_named(&self.fields, head, lower)
    }

    fn read_request_line(
        &mut self,
        head: &[u8],
        parsed: &httparse::Request<'_, '_>,
        limits: &HeadLimits,
    ) -> Result<(), Fault> {
        let token = parsed.method.unwrap_or_default().as_bytes();
        self.method_token = span_within(head, token);
        self.target = span_within(head, parsed.path.unwrap_or_default().as_bytes());
        self.version = if parsed.version == Some(0) { Version::Http10 } else { Version::Http11 };
        let line_end = self.target.range().end + " HTTP/1.1".len();
        if !head.get(line_end..).is_some_and(|rest| rest.starts_with(b"\r\n")) {
            return Err(Fault::BadRequestLine); // a bare LF
        }
        let line_bytes = line_end - self.method_token.range().start;
        if line_bytes > limits.request_line_bytes_max as usize {
            return Err(Fault::UriTooLong);
        }
        self.method = Method::from_token(token);
        if self.method == Method::Connect || token.len() > METHOD_BYTES_MAX {
            return Err(Fault::NotImplemented);
        }
        let target = Target::parse(head, self.target, self.method)?;
        self.path = target.path;
        self.query = target.query;
        self.asterisk = target.asterisk;
        self.authority = target.authority.unwrap_or(Span::EMPTY);
        Ok(())
    }

    fn read_facts(&mut self, head: &[u8], facts: &SectionFacts) -> Result<(), Fault> {
        match (facts.hosts_count, self.version) {
            (1, _) if uri::is_valid_authority(facts.host.of(head)) => {}
            (0, Version::Http10) => {}
            _ => return Err(Fault::BadHost),
        }
        if self.authority.is_empty() {
            self.authority = facts.host;
        }
        self.framing = facts.claims.settle(self.version).map_err(|fault| to_fault(fault.into()))?;
        let http11 = self.version == Version::Http11;
        self.keep_alive = !facts.close && (http11 || facts.keep_alive);
        let content = facts.claims.claims_content();
        self.upgrade =
            http11 && facts.upgrade_listed && facts.upgrade == UpgradeOffer::Tunnel && !content;
        if facts.expectation == Expectation::Unknown {
            return Err(Fault::ExpectationFailed);
        }
        // RFC 9110 section 10.1.1: ignored in HTTP/1.0, pointless without content.
        self.expect_continue = http11 && content && facts.expectation == Expectation::Continue;
        Ok(())
    }

    fn check_invariants(&self, head: &[u8]) {
        debug_assert!(self.framing != BodyFraming::UntilClose, "a request has a length");
        debug_assert!(
            self.path.of(head).first() == Some(&b'/') || self.asterisk,
            "a path begins with a slash"
        );
        debug_assert!(
            self.authority.is_empty() || uri::is_valid_authority(self.authority.of(head))
        );
    }
}

fn to_fault(fault: SectionFault) -> Fault {
    match fault {
        SectionFault::Grammar => Fault::BadHeader,
        SectionFault::Framing(FramingFault::Untrusted) => Fault::BadFraming,
        SectionFault::Framing(FramingFault::UnknownCoding) => Fault::NotImplemented,
    }
}

/// Which part of `message` made httparse stop.
#[cold]
fn explain(error: httparse::Error, parsed: &httparse::Request<'_, '_>, message: &[u8]) -> Fault {
    if error == httparse::Error::TooManyHeaders {
        return Fault::HeadTooLarge;
    }
    let line_bytes = memchr::memchr(b'\n', message).unwrap_or(message.len());
    let line = message.get(..line_bytes).unwrap_or_default();
    match (parsed.method, parsed.path, parsed.version) {
        (None, _, _) => Fault::BadRequestLine,
        (Some(_), None, _) if line.iter().filter(|byte| **byte == b' ').count() < 2 => {
            Fault::BadRequestLine // HTTP/0.9: there is no version
        }
        (Some(_), None, _) => Fault::BadTarget,
        (Some(_), Some(_), None) => match line {
            [.., b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor, b'\r']
                if major.is_ascii_digit()
                    && minor.is_ascii_digit()
                    && line.iter().filter(|byte| **byte == b' ').count() == 2 =>
            {
                Fault::VersionNotSupported
            }
            _ => Fault::BadRequestLine,
        },
        // The line itself was fine if it ends here.
        (Some(_), Some(_), Some(_)) => match line {
            [.., b'1', b'.', b'0' | b'1', b'\r'] => Fault::BadHeader,
            _ => Fault::BadRequestLine,
        },
    }
}

#[cfg(test)]
mod tests;
