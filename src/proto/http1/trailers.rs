//! The trailer section of a chunked body (RFC 9112 section 7.1.2).

use memchr::memchr;

use super::field_name::FieldName;
use super::is_token_byte;
use crate::base::Fault;
use crate::base::limits::{HEADERS_COUNT_MAX, TRAILER_BYTES_MAX};

/// Gathers the field lines after the last chunk. Allocates only for bodies that have any.
#[derive(Clone, Debug, Default)]
pub(super) struct Trailers {
    /// The lines that are kept, then the bytes of the line that has not ended.
    lines: Vec<u8>,
    line_start: usize,
    received_bytes: usize,
    fields_count: usize,
}

/// How far a trailer section came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TrailerStep {
    pub(super) consumed_bytes: usize,
    pub(super) done: bool,
}

impl Trailers {
    /// The lines of the fields that may stand here, each ended by CRLF.
    pub(super) fn lines(&self) -> &[u8] {
        self.lines.get(..self.line_start).unwrap_or_default()
    }

    pub(super) fn reset(&mut self) {
        self.lines.clear();
        self.line_start = 0;
        self.received_bytes = 0;
        self.fields_count = 0;
    }

    /// Takes bytes up to the empty line that ends the section.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<TrailerStep, Fault> {
        let mut consumed_bytes = 0;
        while let Some(rest) = bytes.get(consumed_bytes..).filter(|rest| !rest.is_empty()) {
            let line_feed = memchr(b'\n', rest);
            let part_bytes = line_feed.map_or(rest.len(), |at| at + 1);
            consumed_bytes += part_bytes;
            self.received_bytes += part_bytes;
            if self.received_bytes > TRAILER_BYTES_MAX {
                return Err(Fault::BadChunk);
            }
            let is_fresh_line = self.lines.len() == self.line_start;
            if is_fresh_line && rest.starts_with(b"\r\n") {
                return Ok(TrailerStep { consumed_bytes, done: true }); // most bodies: nothing kept
            }
            self.lines.extend_from_slice(rest.get(..part_bytes).unwrap_or_default());
            if line_feed.is_some() && self.end_line()? {
                return Ok(TrailerStep { consumed_bytes, done: true });
            }
        }
        Ok(TrailerStep { consumed_bytes, done: false })
    }

    /// Checks the line that just ended and keeps or drops it; whether it was the empty one.
    fn end_line(&mut self) -> Result<bool, Fault> {
        let line = self.lines.get(self.line_start..).unwrap_or_default();
        let line = line.strip_suffix(b"\r\n").ok_or(Fault::BadChunk)?;
        if line.is_empty() {
            self.lines.truncate(self.line_start);
            return Ok(true);
        }
        self.fields_count += 1;
        if self.fields_count > HEADERS_COUNT_MAX {
            return Err(Fault::BadChunk);
        }
        if may_come_late(field_line_name(line).ok_or(Fault::BadChunk)?) {
            self.line_start = self.lines.len();
        } else {
            self.lines.truncate(self.line_start);
        }
        Ok(false)
    }
}

/// The name of a well-formed field line.
fn field_line_name(line: &[u8]) -> Option<&[u8]> {
    let (name, value) = line.split_at_checked(memchr(b':', line)?)?;
    let fine = !name.is_empty()
        && name.iter().all(|byte| is_token_byte(*byte))
        && value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
    fine.then_some(name)
}

/// Whether a field of this name may stand behind a body (RFC 9110 section 6.5.1): nothing that frames,
/// routes, authenticates or modifies the message.
#[must_use]
pub fn may_come_late(name: &[u8]) -> bool {
    const PREFIX: &[u8] = b"x-forwarded-";
    let forwarding =
        name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    !forwarding && !FieldName::of(name).is_forbidden_in_trailers()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(text: &[u8]) -> Result<(Vec<u8>, TrailerStep), Fault> {
        let mut trailers = Trailers::default();
        let step = trailers.take(text)?;
        Ok((trailers.lines().to_vec(), step))
    }

    fn kept(text: &str) -> String {
        let (lines, step) = take(format!("{text}\r\n").as_bytes()).expect("well formed");
        assert!(step.done, "{text:?}");
        String::from_utf8(lines).expect("text")
    }

    #[test]
    fn lines_are_kept_up_to_the_empty_one() {
        assert_eq!(kept(""), "");
        assert_eq!(kept("Digest: x\r\nEtag:\r\n"), "Digest: x\r\nEtag:\r\n");
        let (lines, step) = take(b"a: b\r\n\r\nGET /").expect("well formed");
        assert_eq!((&lines[..], step.consumed_bytes), (&b"a: b\r\n"[..], 8));
    }

    #[test]
    fn forbidden_fields_are_dropped() {
        for name in [
            "Content-Length",
            "transfer-encoding",
            "Host",
            "Authorization",
            "Cookie",
            "Set-Cookie",
            "TE",
            "Trailer",
            "Connection",
            "Upgrade",
            "Expect",
            "Cache-Control",
            "Content-Type",
            "X-Forwarded-For",
            "x-forwarded-whatever",
            "Forwarded",
            "Via",
            "X-Api-Key",
            "Range",
            "If-Match",
            "Location",
        ] {
            assert_eq!(
                kept(&format!("a: 1\r\n{name}: x\r\nb: 2\r\n")),
                "a: 1\r\nb: 2\r\n",
                "{name}"
            );
        }
    }

    #[test]
    fn malformed_lines_are_refused() {
        for bad in [
            "a\r\n",
            ": b\r\n",
            "a : b\r\n",
            " a: b\r\n",
            "a: b\n",
            "a: b\r\n c\r\n",
            "a: \0\r\n",
            "a: b\rc\r\n",
            "a: \x0b\r\n",
            "a: \x7f\r\n",
            "\n",
            "a b: c\r\n",
            "\u{e4}: x\r\n",
        ] {
            assert_eq!(take(bad.as_bytes()), Err(Fault::BadChunk), "{bad:?}");
        }
    }

    #[test]
    fn the_section_has_bounds() {
        let section = |bytes: usize| {
            let mut text = b"a: ".to_vec();
            text.resize(bytes - 4, b'x');
            [&text[..], b"\r\n\r\n"].concat()
        };
        assert!(take(&section(TRAILER_BYTES_MAX - 1)).is_ok());
        assert!(take(&section(TRAILER_BYTES_MAX)).is_ok());
        assert_eq!(take(&section(TRAILER_BYTES_MAX + 1)), Err(Fault::BadChunk));
        // Dropped lines count too.
        let dropped = b"host: x\r\n".repeat(HEADERS_COUNT_MAX + 1);
        assert_eq!(take(&dropped), Err(Fault::BadChunk));
        assert!(take(&dropped[..dropped.len() - 9]).is_ok());
    }
}
