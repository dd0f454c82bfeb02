//! The request time of the Common Log Format: `20/Nov/2026:11:00:00 +0000`.

use std::cell::Cell;

use crate::base::civil_date;

/// Length of the text, in bytes.
pub const CLF_BYTES: usize = 26;

/// Formats instants, and remembers the last second: requests come many to one.
#[derive(Clone, Debug, Default)]
pub struct ClfClock {
    last: Cell<(Option<u64>, [u8; CLF_BYTES])>,
}

impl ClfClock {
    /// The text of the second that `unix_ms` (milliseconds since 1970) lies in, in UTC.
    #[inline]
    #[must_use]
    pub fn text(&self, unix_ms: u64) -> [u8; CLF_BYTES] {
        let second = unix_ms / 1_000;
        let (known, text) = self.last.get();
        if known == Some(second) {
            return text;
        }
        let text = clf(second);
        self.last.set((Some(second), text));
        text
    }
}

const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

fn clf(second: u64) -> [u8; CLF_BYTES] {
    let (days, of_day) = (second / 86_400, second % 86_400);
    let (year, month, day) = civil_date(days);
    let mut text = *b"00/Jan/0000:00:00:00 +0000";
    write_two(&mut text, 0, day);
    let name = MONTHS.chunks_exact(3).nth(month.saturating_sub(1) as usize).unwrap_or(b"???");
    text[3..6].copy_from_slice(name);
    write_two(&mut text, 7, year / 100 % 100);
    write_two(&mut text, 9, year % 100);
    write_two(&mut text, 12, of_day / 3_600);
    write_two(&mut text, 15, of_day / 60 % 60);
    write_two(&mut text, 18, of_day % 60);
    text
}

fn write_two(text: &mut [u8; CLF_BYTES], at: usize, number: u64) {
    text[at] = b'0' + (number / 10 % 10) as u8;
    text[at + 1] = b'0' + (number % 10) as u8;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(unix_ms: u64) -> String {
        String::from_utf8(ClfClock::default().text(unix_ms).to_vec()).expect("ASCII")
    }

    #[test]
    fn known_instants() {
        assert_eq!(text(0), "01/Jan/1970:00:00:00 +0000");
        assert_eq!(text(951_782_399_999), "28/Feb/2000:23:59:59 +0000");
        assert_eq!(text(951_782_400_000), "29/Feb/2000:00:00:00 +0000");
        assert_eq!(text(1_795_172_400_000), "20/Nov/2026:11:00:00 +0000");
        assert_eq!(text(4_107_542_400_000), "01/Mar/2100:00:00:00 +0000");
    }

    #[test]
    fn a_clock_that_jumps_is_followed() {
        let clock = ClfClock::default();
        let first = clock.text(1_795_172_400_000);
        assert_eq!(clock.text(1_795_172_400_999), first);
        assert_ne!(clock.text(1_795_172_401_000), first);
        assert_eq!(clock.text(1_795_172_400_001), first, "backwards too");
    }
}
