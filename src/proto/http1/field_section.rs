//! The field lines of a head: their ranges, and what they say about this connection and the body.

use httparse::Header;

use super::field::Field;
use super::field_name::{FieldName, is_kept_though_listed};
use super::framing::{FramingClaims, FramingFault};
use super::span::Span;
use super::trim_ows;

/// What the fields of a head say that the gateway itself acts on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SectionFacts {
    pub(super) claims: FramingClaims,
    /// The last Host, and how many there are.
    pub(super) host: Span,
    pub(super) hosts_count: u32,
    /// `Connection: close`, `keep-alive` and `upgrade`.
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) upgrade_listed: bool,
    pub(super) upgrade: UpgradeOffer,
    pub(super) expectation: Expectation,
}

/// What the Upgrade fields offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum UpgradeOffer {
    #[default]
    Absent,
    /// A protocol that may be tunnelled.
    Tunnel,
    /// HTTP itself (`h2c`, `HTTP/2.0`) or TLS in place: a tunnel of it would carry requests past
    /// every route, so it is never taken.
    Withheld,
}

/// What the Expect fields ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Expectation {
    #[default]
    Absent,
    Continue,
    Unknown,
}

/// Why a field section is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SectionFault {
    Grammar,
    Framing(FramingFault),
}

impl From<FramingFault> for SectionFault {
    fn from(fault: FramingFault) -> Self {
        Self::Framing(fault)
    }
}

/// Fills `fields` with the ranges of `parsed`, which httparse found in `head`, in their order.
pub(super) fn read_section(
    head: &[u8],
    parsed: &[Header<'_>],
    fields: &mut Vec<Field>,
) -> Result<SectionFacts, SectionFault> {
    let mut facts = SectionFacts::default();
    let mut listed_count = 0;
    fields.reserve(parsed.len());
    for header in parsed {
        let name = span_within(head, header.name.as_bytes());
        let value = span_within(head, header.value);
        // httparse also ends lines at a bare LF: whatever stands before a name must be CRLF.
        if !follows_line_end(head, name) {
            return Err(SectionFault::Grammar);
        }
        let known = FieldName::of(header.name.as_bytes());
        fields.push(Field { name, value, known, hop_by_hop: known.is_hop_by_hop() });
        match known {
            FieldName::Host => {
                facts.host = value;
                facts.hosts_count += 1;
            }
            FieldName::ContentLength => facts.claims.read_content_length(header.value)?,
            FieldName::TransferEncoding => facts.claims.read_transfer_encoding(header.value)?,
            FieldName::Connection => listed_count += read_connection(header.value, &mut facts),
            FieldName::Upgrade => facts.upgrade = read_upgrade(header.value, facts.upgrade),
            FieldName::Expect => facts.expectation = read_expect(header.value, facts.expectation),
            _ => {}
        }
    }
    if listed_count > 0 {
        if listed_count > CONNECTION_OPTIONS_MAX {
            return Err(SectionFault::Grammar);
        }
        mark_listed(head, fields);
    }
    Ok(facts)
}

/// The range of `part`, which must lie in `head`.
#[inline]
pub(super) fn span_within(head: &[u8], part: &[u8]) -> Span {
    let start = part.as_ptr().addr().wrapping_sub(head.as_ptr().addr());
    debug_assert!(start + part.len() <= head.len(), "httparse borrows from the head");
    Span::new(start, start + part.len())
}

#[inline]
fn follows_line_end(head: &[u8], name: Span) -> bool {
    head.get(..name.range().start).is_some_and(|before| before.ends_with(b"\r\n"))
}

/// Takes what one Connection field says; returns how many other names it lists.
#[inline]
fn read_connection(value: &[u8], facts: &mut SectionFacts) -> usize {
    // What nearly all heads say.
    if value == b"keep-alive" {
        facts.keep_alive = true;
        return 0;
    }
    let mut listed_count = 0;
    for option in list(value) {
        match option.len() {
            5 if option.eq_ignore_ascii_case(b"close") => facts.close = true,
            7 if option.eq_ignore_ascii_case(b"upgrade") => facts.upgrade_listed = true,
            10 if option.eq_ignore_ascii_case(b"keep-alive") => facts.keep_alive = true,
            _ => listed_count += 1,
        }
    }
    listed_count
}

/// Marks the fields that the Connection fields list (RFC 9110 section 7.6.1).
#[cold]
fn mark_listed(head: &[u8], fields: &mut [Field]) {
    for index in 0..fields.len() {
        let Some(value) = fields.get(index).filter(|field| field.known == FieldName::Connection)
        else {
            continue;
        };
        for option in list(value.value.of(head)) {
            for field in fields.iter_mut().filter(|field| field.name.bytes() == option.len()) {
                let name = field.name.of(head);
                if name.eq_ignore_ascii_case(option) && !is_kept_though_listed(field.known, name) {
                    field.hop_by_hop = true;
                }
            }
        }
    }
}

fn read_upgrade(value: &[u8], before: UpgradeOffer) -> UpgradeOffer {
    list(value).fold(before, |offer, protocol| {
        let name_bytes = memchr::memchr(b'/', protocol).unwrap_or(protocol.len());
        let name = protocol.get(..name_bytes).unwrap_or_default();
        let withheld: [&[u8]; 4] = [b"h2c", b"h2", b"http", b"tls"];
        if withheld.iter().any(|one| one.eq_ignore_ascii_case(name)) {
            UpgradeOffer::Withheld
        } else if offer == UpgradeOffer::Absent {
            UpgradeOffer::Tunnel
        } else {
            offer
        }
    })
}

fn read_expect(value: &[u8], before: Expectation) -> Expectation {
    list(value).fold(before, |seen, expectation| {
        match (seen, expectation.eq_ignore_ascii_case(b"100-continue")) {
            (Expectation::Unknown, _) | (_, false) => Expectation::Unknown,
            (_, true) => Expectation::Continue,
        }
    })
}

/// The elements of a list field; empty ones do not count (RFC 9110 section 5.6.1.2).
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim_ows).filter(|element| !element.is_empty())
}

/// Most names that the Connection fields of one head may list besides the three that we know. Each
/// is compared with each field, so the product is what a client can make us do.
const CONNECTION_OPTIONS_MAX: usize = 32;
