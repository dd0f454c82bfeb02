//! The parts of an event-stream frame: its headers, each of a type, and its checksums.

/// The headers of a frame that are texts; those of other types are read over.
///
/// # Invariants
///
/// - No name is there twice.
#[derive(Debug)]
pub(super) struct FrameHeaders<'f>(Vec<(&'f str, Option<&'f str>)>);

impl<'f> FrameHeaders<'f> {
    /// Reads all that `bytes` hold; `None` if they are no headers.
    pub(super) fn read(bytes: &'f [u8]) -> Option<Self> {
        let (mut headers, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let name_bytes = usize::from(*take(&mut rest, 1)?.first()?);
            let name = std::str::from_utf8(take(&mut rest, name_bytes)?).ok()?;
            if name.is_empty() || headers.iter().any(|(other, _)| *other == name) {
                return None;
            }
            if headers.len() == HEADERS_COUNT_MAX {
                return None;
            }
            let text = match take(&mut rest, 1)?.first()? {
                0 | 1 => None, // true, false
                2 => take(&mut rest, 1).map(|_| None)?,
                3 => take(&mut rest, 2).map(|_| None)?,
                4 => take(&mut rest, 4).map(|_| None)?,
                5 | 8 => take(&mut rest, 8).map(|_| None)?, // a long, a time
                6 => take_counted(&mut rest).map(|_| None)?,
                7 => Some(std::str::from_utf8(take_counted(&mut rest)?).ok()?),
                9 => take(&mut rest, 16).map(|_| None)?,
                _ => return None,
            };
            headers.push((name, text));
        }
        Some(Self(headers))
    }

    pub(super) fn text(&self, wanted: &str) -> Option<&'f str> {
        self.0.iter().find(|(name, _)| *name == wanted).and_then(|(_, text)| *text)
    }
}

fn take<'f>(rest: &mut &'f [u8], count: usize) -> Option<&'f [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

fn take_counted<'f>(rest: &mut &'f [u8]) -> Option<&'f [u8]> {
    let count = take(rest, 2)?;
    take(rest, usize::from(u16::from_be_bytes([count[0], count[1]])))
}

/// Appends a frame with these headers, all of them texts. A text that is longer than a header may
/// have is cut.
pub(super) fn append_frame(out: &mut Vec<u8>, headers: &[(&str, &str)], payload: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&[0; 12]);
    for (name, text) in headers {
        let longest = text.len().min(TEXT_BYTES_MAX);
        let end = (0..=longest).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let text = &text[..end];
        debug_assert!(name.len() <= 255, "names are ours");
        out.push(name.len() as u8);
        out.extend_from_slice(name.as_bytes());
        out.push(7);
        out.extend_from_slice(&(text.len() as u16).to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    let headers_bytes = (out.len() - start - 12) as u32;
    out.extend_from_slice(payload);
    let length = (out.len() - start + 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    out[start + 4..start + 8].copy_from_slice(&headers_bytes.to_be_bytes());
    let sum = checksum(&out[start..start + 8]);
    out[start + 8..start + 12].copy_from_slice(&sum.to_be_bytes());
    let sum = checksum(&out[start..]);
    out.extend_from_slice(&sum.to_be_bytes());
}

/// CRC-32 as of IEEE 802.3.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// The number that `bytes` begin with; there must be four.
pub(super) fn read_u32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// AWS's frames have a handful.
const HEADERS_COUNT_MAX: usize = 64;
/// The longest text of a header (Smithy specification).
const TEXT_BYTES_MAX: usize = i16::MAX as usize;
