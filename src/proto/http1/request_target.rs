//! The request target (RFC 9112 section 3.2), cut into the parts that a request is routed by.

use super::span::Span;
use crate::base::{Fault, Method};
use crate::proto::uri;

/// A request target in parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) path: Span,
    pub(super) query: Span,
    /// Of the absolute form alone.
    pub(super) authority: Option<Span>,
    pub(super) asterisk: bool,
}

impl Target {
    /// Cuts the target that stands at `target` in `head`. The authority form belongs to CONNECT,
    /// which never gets here.
    pub(super) fn parse(head: &[u8], target: Span, method: Method) -> Result<Self, Fault> {
        let text = target.of(head);
        if !text.iter().fold(true, |fine, byte| fine & uri::is_target_byte(*byte)) {
            return Err(Fault::BadTarget);
        }
        let start = target.range().start;
        match text {
            [b'/', ..] => Ok(Self::after_authority(text, start, None)),
            [b'*'] if method == Method::Options => {
                Ok(Self { path: target, query: Span::EMPTY, authority: None, asterisk: true })
            }
            _ => Self::absolute(text, start, method),
        }
    }

    /// `text`, which stands at `start`, is a path that begins with `/` and may have a query.
    fn after_authority(text: &[u8], start: usize, authority: Option<Span>) -> Self {
        let end = start + text.len();
        let path_end = memchr::memchr(b'?', text).map_or(end, |at| start + at);
        let query = if path_end < end { Span::new(path_end, end) } else { Span::EMPTY };
        Self { path: Span::new(start, path_end), query, authority, asterisk: false }
    }

    /// The absolute form: `http://host:port/path?query`.
    fn absolute(text: &[u8], start: usize, method: Method) -> Result<Self, Fault> {
        let scheme_bytes = [&b"http://"[..], b"https://"]
            .into_iter()
            .find(|scheme| {
                text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
            })
            .map(<[u8]>::len)
            .ok_or(Fault::BadTarget)?;
        let rest = text.get(scheme_bytes..).unwrap_or_default();
        let authority_bytes = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(authority_bytes).ok_or(Fault::BadTarget)?;
        // This refuses user information too: `@` is in no host (RFC 9110 section 4.2.4).
        if !uri::is_valid_authority(authority) {
            return Err(Fault::BadTarget);
        }
        let authority_start = start + scheme_bytes;
        let rest_start = authority_start + authority.len();
        let authority = Some(Span::new(authority_start, rest_start));
        if let [b'/', ..] = rest {
            return Ok(Self::after_authority(rest, rest_start, authority));
        }
        // An empty path means `/` (RFC 9110 section 4.2.3), or `*` for OPTIONS (RFC 9112 section
        // 3.2.4). The range of the path must be a `/` of the buffer: the last of the scheme's.
        let end = rest_start + rest.len();
        let query = if rest.is_empty() { Span::EMPTY } else { Span::new(rest_start, end) };
        let asterisk = method == Method::Options && rest.is_empty();
        let path = Span::new(authority_start - 1, authority_start);
        Ok(Self { path, query, authority, asterisk })
    }
}
