//! What a function writes to its standard output and error, by line in the gateway's log.

use std::borrow::Cow;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::coord::RuntimeProcess;

/// Passes lines on until `source` is at its end. It reads so much at a time and no faster: a function
/// that writes more waits for the gateway, and not the gateway for it.
pub(super) async fn pass_on(
    mut source: impl AsyncRead + Unpin,
    stream: &'static str,
    process: Arc<RuntimeProcess>,
) {
    let mut lines = Lines::default();
    let mut read = vec![0; READ_BYTES];
    let mut since_pause = 0;
    loop {
        let count = source.read(&mut read).await.unwrap_or(0);
        if count == 0 {
            return lines.finish(|line| write(line, stream, &process));
        }
        lines.add(&read[..count], |line| write(line, stream, &process));
        since_pause += count;
        if since_pause >= PAUSE_BYTES {
            since_pause = 0;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn write(line: Line<'_>, stream: &'static str, process: &RuntimeProcess) {
    let (function, id) = (process.function.name(), process.id);
    let request_id = process.last_request_id();
    let request_id = request_id.as_deref();
    let is_cut = line.is_cut.then_some(true);
    let text = &*line.text;
    tracing::info!(target: "function", function, process = id, request_id, stream, cut = is_cut, "{text}");
}

/// One line, without its end.
#[derive(Debug, Eq, PartialEq)]
struct Line<'l> {
    text: Cow<'l, str>,
    /// It was longer.
    is_cut: bool,
}

/// Cuts bytes into lines.
#[derive(Debug, Default)]
struct Lines {
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
    /// The line was passed on already, as far as it goes.
    skips: bool,
}

impl Lines {
    fn add(&mut self, mut bytes: &[u8], mut pass: impl FnMut(Line<'_>)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.take(&bytes[..end], &mut pass);
            if !mem::take(&mut self.skips) {
                pass(line(&self.begun, false));
            }
            self.begun.clear();
            bytes = &bytes[end + 1..];
        }
        self.take(bytes, &mut pass);
    }

    /// What is left has no end.
    fn finish(&mut self, mut pass: impl FnMut(Line<'_>)) {
        if !self.begun.is_empty() && !self.skips {
            pass(line(&self.begun, false));
        }
        self.begun.clear();
    }

    fn take(&mut self, part: &[u8], pass: &mut impl FnMut(Line<'_>)) {
        if self.skips {
            return;
        }
        let room = LINE_BYTES_MAX - self.begun.len();
        self.begun.extend_from_slice(&part[..part.len().min(room)]);
        if part.len() > room {
            pass(line(&self.begun, true));
            self.skips = true;
            self.begun.clear();
        }
    }
}

fn line(bytes: &[u8], is_cut: bool) -> Line<'_> {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    Line { text: String::from_utf8_lossy(bytes), is_cut }
}

/// Longest line.
pub(super) const LINE_BYTES_MAX: usize = 64 * 1_024;
const READ_BYTES: usize = 8 * 1_024;
/// After so much of one stream there is a pause: some 6 MiB in a second.
const PAUSE_BYTES: usize = 64 * 1_024;
const PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(parts: &[&[u8]]) -> Vec<(String, bool)> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for part in parts {
            lines.add(part, |line| found.push((line.text.into_owned(), line.is_cut)));
        }
        lines.finish(|line| found.push((line.text.into_owned(), line.is_cut)));
        found
    }

    fn whole(text: &str) -> (String, bool) {
        (text.to_owned(), false)
    }

    #[test]
    fn lines_come_whole_however_they_are_read() {
        let text = b"one\r\n\ntwo\nthree";
        let expected = [whole("one"), whole(""), whole("two"), whole("three")];
        for split in 0..text.len() {
            assert_eq!(lines(&[&text[..split], &text[split..]]), expected, "at {split}");
        }
    }

    #[test]
    fn a_line_has_a_bound() {
        let exact = vec![b'x'; LINE_BYTES_MAX];
        let found = lines(&[&exact, b"\nnext\n"]);
        assert_eq!((found[0].0.len(), found[0].1), (LINE_BYTES_MAX, false));
        let found = lines(&[&exact, b"x", &exact, b"\nnext\n"]);
        assert_eq!((found[0].0.len(), found[0].1), (LINE_BYTES_MAX, true));
        assert_eq!(found[1..], [whole("next")], "the rest of the long one is gone");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_such() {
        assert_eq!(lines(&[b"a\xff\xfeb\n"]), [whole("a\u{fffd}\u{fffd}b")]);
    }
}
