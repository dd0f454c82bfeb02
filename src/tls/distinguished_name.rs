//! Names and dates of certificates as text.
//!
//! Names are written as RFC 4514 says, most specific part first; dates as OpenSSL and the events
//! of AWS have them.

use std::fmt::Write as _;

use x509_parser::time::ASN1Time;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// `CN=client,O=Example\, Inc.,C=US`. What could end a log line or a header is escaped.
pub(super) fn name_text(name: &X509Name<'_>) -> String {
    let parts: Vec<_> = name.iter_rdn().collect();
    let mut text = String::new();
    for part in parts.iter().rev() {
        if !text.is_empty() {
            text.push(',');
        }
        for (index, attribute) in part.iter().enumerate() {
            if index > 0 {
                text.push('+');
            }
            write_attribute(attribute, &mut text);
        }
    }
    text
}

/// Whether some part of the name holds a NUL, which other software may take for its end.
pub(super) fn has_nul(name: &X509Name<'_>) -> bool {
    name.iter_attributes().any(|attribute| attribute.as_slice().contains(&0) && !is_wide(attribute))
}

/// BMPString and UniversalString hold NULs as halves of characters.
fn is_wide(attribute: &AttributeTypeAndValue<'_>) -> bool {
    let tag = attribute.attr_value().tag().0;
    tag == BMP_STRING || tag == UNIVERSAL_STRING
}

fn write_attribute(attribute: &AttributeTypeAndValue<'_>, text: &mut String) {
    let oid = attribute.attr_type().to_id_string();
    let known = ATTRIBUTES.iter().find(|(known, _)| *known == oid);
    text.push_str(known.map_or(&oid, |(_, name)| name));
    text.push('=');
    match attribute.as_str() {
        Ok(value) => write_value(value, text),
        Err(_) => {
            text.push('#');
            for byte in attribute.as_slice() {
                let _ = write!(text, "{byte:02x}");
            }
        }
    }
}

fn write_value(value: &str, text: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (index, letter) in value.chars().enumerate() {
        let is_edge_space = letter == ' ' && (index == 0 || index == last);
        match letter {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => text.extend(['\\', letter]),
            '#' if index == 0 => text.push_str("\\#"),
            ' ' if is_edge_space => text.push_str("\\ "),
            letter if letter.is_control() => {
                let mut bytes = [0; 4];
                for byte in letter.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(text, "\\{byte:02X}");
                }
            }
            letter => text.push(letter),
        }
    }
}

/// `Aug  5 09:36:04 2021 GMT`.
pub(super) fn date_text(time: ASN1Time) -> String {
    let time = time.to_datetime();
    let month = MONTHS[usize::from(u8::from(time.month()) - 1)];
    let (day, hour, minute, second) = (time.day(), time.hour(), time.minute(), time.second());
    format!("{month} {day:2} {hour:02}:{minute:02}:{second:02} {} GMT", time.year())
}

/// `a1:02:ff`, without the zero that DER puts before a set first bit.
pub(super) fn serial_text(serial: &[u8]) -> String {
    let serial = match serial {
        [0, rest @ ..] if !rest.is_empty() => rest,
        serial => serial,
    };
    let digits: Vec<_> = serial.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(":")
}

const BMP_STRING: u32 = 30;
const UNIVERSAL_STRING: u32 = 28;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// RFC 4514 section 3, and what certificates hold besides.
const ATTRIBUTES: [(&str, &str); 14] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "T"),
    ("2.5.4.42", "GN"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_as_in_the_events_of_aws() {
        for (seconds, text) in [
            (1_559_046_602, "May 28 12:30:02 2019 GMT"),
            (1_628_156_164, "Aug  5 09:36:04 2021 GMT"),
            (0, "Jan  1 00:00:00 1970 GMT"),
        ] {
            let time = ASN1Time::from_timestamp(seconds).expect("in range");
            assert_eq!(date_text(time), text);
        }
    }

    #[test]
    fn serial_numbers_are_pairs_of_digits() {
        assert_eq!(serial_text(&[0, 0xa1, 2]), "a1:02");
        assert_eq!(serial_text(&[0]), "00");
        assert_eq!(serial_text(&[1]), "01");
    }

    #[test]
    fn values_cannot_end_a_line_or_a_part() {
        let mut text = String::new();
        write_value(" a,b=c+d\r\n#\0 ", &mut text);
        assert_eq!(text, "\\ a\\,b=c\\+d\\0D\\0A#\\00\\ ");
        text.clear();
        write_value("#é", &mut text);
        assert_eq!(text, "\\#é");
    }
}
