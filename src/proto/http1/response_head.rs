//! The head of a target's answer.

use std::mem::MaybeUninit;

use httparse::{ParserConfig, Status};

use super::field::{Field, find_known, find_named};
use super::field_name::FieldName;
use super::field_section::{SectionFacts, UpgradeOffer, read_section};
use super::framing::{BodyFraming, Version};
use super::span::Span;
use crate::base::limits::{HEAD_BYTES_CEILING, HEADERS_COUNT_MAX};
use crate::base::{Fault, Method};

/// The head of an answer: ranges of the buffer that it was parsed from, and what they mean.
///
/// # Invariants
///
/// After [`ResponseHead::parse`] has returned `Ok`:
/// - `status` is within 100 and 599.
/// - `keep_alive` is false whenever `framing` is [`BodyFraming::UntilClose`], and for a 204 whose
///   fields speak of content: its target may send it, and the next answer would start in it.
/// - A forwarded head states the framing anew. Content-Length is copied where there is no body to
///   frame but its length is a fact about the resource (HEAD, 304); where it may not be sent at
///   all (1xx, 204: RFC 9110 section 8.6) its field is marked hop-by-hop.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// The status code.
    pub status: u16,
    /// The reason phrase; may be empty, may hold bytes over 0x7f.
    pub reason: Span,
    /// The version of the answer.
    pub version: Version,
    /// The field lines in their order.
    pub fields: Vec<Field>,
    /// How the body ends.
    pub framing: BodyFraming,
    /// The target lets the connection stay open after this answer.
    pub keep_alive: bool,
    /// 101: what follows is the other protocol. Whether it was asked for is the caller's to check.
    pub upgrade: bool,
    /// Bytes of the head: where the body starts.
    pub head_bytes: usize,
}

impl Default for ResponseHead {
    fn default() -> Self {
        Self::new()
    }
}

impl ResponseHead {
    /// An empty head, to parse into.
    #[must_use]
    pub fn new() -> Self {
        Self {
            status: 0,
            reason: Span::EMPTY,
            version: Version::Http11,
            fields: Vec::new(),
            framing: BodyFraming::None,
            keep_alive: false,
            upgrade: false,
            head_bytes: 0,
        }
    }

    /// Parses `head`, which is exactly the head as
    /// [`HeadScanner::for_response`](super::HeadScanner::for_response) measured it, of an answer to
    /// `request_method`. After an error the contents mean nothing.
    ///
    /// # Errors
    ///
    /// [`Fault::BadUpstreamAnswer`] for all that RFC 9112 and this crate's stricter reading refuse:
    /// what is refused in a request, statuses outside 100 to 599 (RFC 9110 section 15), transfer
    /// codings other than one `chunked`, 101 without Upgrade, 1xx whose fields claim content.
    pub fn parse(&mut self, head: &[u8], request_method: Method) -> Result<(), Fault> {
        self.read(head, request_method).ok_or(Fault::BadUpstreamAnswer)
    }

    /// The first field of this name.
    #[must_use]
    pub fn field(&self, name: FieldName) -> Option<&Field> {
        find_known(&self.fields, name)
    }

    /// The first field whose name is `lower`, given in lower case.
    #[must_use]
    pub fn field_by_name(&self, head: &[u8], lower: &[u8]) -> Option<&Field> {
        find_named(&self.fields, head, lower)
    }

    /// Whether the answer is an interim one (1xx other than 101): another follows.
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    fn read(&mut self, head: &[u8], request_method: Method) -> Option<()> {
        self.fields.clear();
        // An empty line before a status line is not skipped: only requests may have one.
        if head.len() > HEAD_BYTES_CEILING
            || !head.ends_with(b"\r\n\r\n")
            || !head.starts_with(b"HTTP/1.")
        {
            return None;
        }
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_COUNT_MAX];
        let mut parsed = httparse::Response::new(&mut []);
        let parsing = ParserConfig::default().parse_response_with_uninit_headers(
            &mut parsed,
            head,
            &mut headers,
        );
        if parsing != Ok(Status::Complete(head.len())) {
            return None;
        }
        self.read_status_line(head, &parsed)?;
        let facts = read_section(head, parsed.headers, &mut self.fields).ok()?;
        self.settle_body(&facts, request_method)?;
        self.upgrade = self.status == 101;
        if self.upgrade
            && (facts.upgrade == UpgradeOffer::Absent || self.version == Version::Http10)
        {
            return None; // RFC 9110 section 15.2.2: it must say to what
        }
        self.head_bytes = head.len();
        Some(())
    }

    fn read_status_line(&mut self, head: &[u8], parsed: &httparse::Response<'_, '_>) -> Option<()> {
        self.version = if parsed.version == Some(0) { Version::Http10 } else { Version::Http11 };
        self.status = parsed.code.filter(|status| (100..=599).contains(status))?;
        let line_end = memchr::memchr(b'\n', head)?.checked_sub(1)?;
        if head.get(line_end) != Some(&b'\r') {
            return None; // httparse takes a bare LF
        }
        self.reason = Span::new(REASON_START.min(line_end), line_end);
        Some(())
    }

    /// How the body ends, and whether the connection outlives it; `None` if that cannot be known.
    fn settle_body(&mut self, facts: &SectionFacts, request_method: Method) -> Option<()> {
        let claimed = facts.claims.settle(self.version).ok()?;
        let claims_content = facts.claims.claims_content();
        let persistent = !facts.close && (self.version == Version::Http11 || facts.keep_alive);
        if !self.has_no_content(request_method) {
            self.framing = match claimed {
                BodyFraming::None => BodyFraming::UntilClose,
                framing => framing,
            };
            self.keep_alive = persistent && self.framing != BodyFraming::UntilClose;
            return Some(());
        }
        if self.status < 200 && claims_content {
            return None; // the next head would be looked for in content that may come
        }
        let may_state_length = request_method == Method::Head || self.status == 304;
        if self.status < 200 || self.status == 204 {
            self.withhold_content_length();
        }
        self.framing = BodyFraming::None;
        self.keep_alive = persistent && (may_state_length || !claims_content);
        Some(())
    }

    /// RFC 9112 section 6.3, the first two rules.
    fn has_no_content(&self, request_method: Method) -> bool {
        request_method == Method::Head || matches!(self.status, 100..=199 | 204 | 304)
    }

    fn withhold_content_length(&mut self) {
        for field in &mut self.fields {
            field.hop_by_hop |= field.known == FieldName::ContentLength;
        }
    }
}

/// Where the reason phrase starts; the version and the status have fixed lengths.
const REASON_START: usize = "HTTP/1.1 200 ".len();

#[cfg(test)]
mod tests;
