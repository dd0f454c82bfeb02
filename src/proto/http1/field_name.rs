//! The field names that the gateway knows, found by a hash that the compiler proves perfect.
//!
//! A name is in the table when some code asks for it, or when where it may stand (forwarded or
//! not, in a trailer section or not) is a matter of safety. Everything else is
//! [`FieldName::Other`]: forwarded, and looked up by its text.

/// Whether a field is for this connection alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// For this connection (RFC 9110 section 7.6.1): never forwarded.
    Hop,
    /// For the other end: forwarded, and not stripped for being listed in `Connection`.
    End,
}

/// Whether a field may come after the content (RFC 9110 section 6.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Late {
    /// In a trailer section it means what it says.
    Fine,
    /// In a trailer section it would change framing, routing, authentication, request handling or
    /// the reading of the content after the fact: it is dropped there.
    Never,
}

macro_rules! field_names {
    ($( $variant:ident = $text:literal, $reach:ident, $late:ident; )*) => {
        /// A field name that the gateway knows.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[repr(u8)]
        pub enum FieldName {
            /// Any other name.
            Other,
            $( #[doc = concat!("`", $text, "`")] $variant, )*
        }

        impl FieldName {
            /// Every known name, in the order of their discriminants; `Other` is not among them.
            pub const KNOWN: &'static [Self] = &[$( Self::$variant, )*];

            /// The name in lower case; empty for `Other`.
            #[must_use]
            pub const fn lower(self) -> &'static str {
                const LOWER: [&str; FieldName::KNOWN.len() + 1] = ["", $( $text, )*];
                LOWER[self as usize]
            }

            const fn reach(self) -> Reach {
                const REACH: [Reach; FieldName::KNOWN.len() + 1] = [Reach::End, $( Reach::$reach, )*];
                REACH[self as usize]
            }

            const fn late(self) -> Late {
                const LATE: [Late; FieldName::KNOWN.len() + 1] = [Late::Fine, $( Late::$late, )*];
                LATE[self as usize]
            }
        }
    };
}

field_names! {
    Accept = "accept", End, Fine;
    AcceptEncoding = "accept-encoding", End, Fine;
    AcceptLanguage = "accept-language", End, Fine;
    AccessControlRequestHeaders = "access-control-request-headers", End, Never;
    AccessControlRequestMethod = "access-control-request-method", End, Never;
    Age = "age", End, Never;
    Authorization = "authorization", End, Never;
    CacheControl = "cache-control", End, Never;
    Connection = "connection", Hop, Never;
    ContentEncoding = "content-encoding", End, Never;
    ContentLength = "content-length", End, Never;
    ContentRange = "content-range", End, Never;
    ContentType = "content-type", End, Never;
    Cookie = "cookie", End, Never;
    Date = "date", End, Never;
    Etag = "etag", End, Fine;
    Expect = "expect", End, Never;
    Expires = "expires", End, Never;
    Forwarded = "forwarded", End, Never;
    Host = "host", End, Never;
    Http2Settings = "http2-settings", Hop, Never;
    IfMatch = "if-match", End, Never;
    IfModifiedSince = "if-modified-since", End, Never;
    IfNoneMatch = "if-none-match", End, Never;
    IfRange = "if-range", End, Never;
    IfUnmodifiedSince = "if-unmodified-since", End, Never;
    KeepAlive = "keep-alive", Hop, Never;
    LastModified = "last-modified", End, Fine;
    Location = "location", End, Never;
    MaxForwards = "max-forwards", End, Never;
    Origin = "origin", End, Never;
    ProxyAuthenticate = "proxy-authenticate", Hop, Never;
    ProxyAuthorization = "proxy-authorization", Hop, Never;
    ProxyConnection = "proxy-connection", Hop, Never;
    Range = "range", End, Never;
    Referer = "referer", End, Fine;
    RetryAfter = "retry-after", End, Never;
    SecWebSocketAccept = "sec-websocket-accept", End, Never;
    SecWebSocketExtensions = "sec-websocket-extensions", End, Never;
    SecWebSocketKey = "sec-websocket-key", End, Never;
    SecWebSocketProtocol = "sec-websocket-protocol", End, Never;
    SecWebSocketVersion = "sec-websocket-version", End, Never;
    Server = "server", End, Fine;
    SetCookie = "set-cookie", End, Never;
    Te = "te", Hop, Never;
    Traceparent = "traceparent", End, Fine;
    // Announces which fields the trailer section will have. Trailers are passed on, so it is too.
    Trailer = "trailer", End, Never;
    TransferEncoding = "transfer-encoding", Hop, Never;
    Upgrade = "upgrade", Hop, Never;
    UserAgent = "user-agent", End, Fine;
    Vary = "vary", End, Never;
    Via = "via", End, Never;
    Warning = "warning", End, Never;
    WwwAuthenticate = "www-authenticate", End, Never;
    XAmznRequestId = "x-amzn-requestid", End, Never;
    XAmznTraceId = "x-amzn-trace-id", End, Never;
    XApiKey = "x-api-key", End, Never;
    XForwardedFor = "x-forwarded-for", End, Never;
    XForwardedHost = "x-forwarded-host", End, Never;
    XForwardedPort = "x-forwarded-port", End, Never;
    XForwardedProto = "x-forwarded-proto", End, Never;
    XRealIp = "x-real-ip", End, Never;
    XRequestId = "x-request-id", End, Never;
}

impl FieldName {
    /// The known name that `name` is, whatever its case.
    #[must_use]
    #[inline]
    pub fn of(name: &[u8]) -> Self {
        let Some(slot) = slot_of(name) else { return Self::Other };
        let candidate = SLOTS[slot];
        if equals_lower(name, candidate.lower().as_bytes()) { candidate } else { Self::Other }
    }

    /// Whether the field is for this connection alone and is never forwarded.
    #[must_use]
    #[inline]
    pub const fn is_hop_by_hop(self) -> bool {
        matches!(self.reach(), Reach::Hop)
    }

    /// Whether a field of this name is dropped from a trailer section.
    #[must_use]
    pub const fn is_forbidden_in_trailers(self) -> bool {
        matches!(self.late(), Late::Never)
    }
}

/// Whether a field of this name is forwarded even when `Connection` lists it (CVE-2022-31813:
/// otherwise a client strips what the gateway or a proxy before it added). RFC 9110 section 7.6.1
/// forbids a sender to list a field that is meant for all recipients, so nothing honest is lost.
pub(super) fn is_kept_though_listed(known: FieldName, name: &[u8]) -> bool {
    const PREFIX: &[u8] = b"x-forwarded-";
    match known {
        FieldName::Other => {
            name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
        }
        known => !known.is_hop_by_hop(),
    }
}

const SLOTS_COUNT: usize = 512;

/// Where the only known name that `name` can be stands in [`SLOTS`]. `None` for names too short to
/// be known. Setting bit 5 puts letters in lower case and leaves digits and `-` alone.
#[inline]
const fn slot_of(name: &[u8]) -> Option<usize> {
    let bytes = name.len();
    if bytes < 2 {
        return None;
    }
    let first = (name[0] | 0x20) as usize;
    let middle = (name[bytes / 2] | 0x20) as usize;
    let late = (name[bytes - 2] | 0x20) as usize;
    // Multipliers found by trial; the compiler checks below that no two names share a slot. Adding
    // a name may need new ones: try random numbers until it compiles.
    Some((bytes * 236 + first * 132 + middle * 71 + late * 218) % SLOTS_COUNT)
}

static SLOTS: [FieldName; SLOTS_COUNT] = fill_slots();

const fn fill_slots() -> [FieldName; SLOTS_COUNT] {
    let mut slots = [FieldName::Other; SLOTS_COUNT];
    let mut index = 0;
    while index < FieldName::KNOWN.len() {
        let name = FieldName::KNOWN[index];
        let Some(slot) = slot_of(name.lower().as_bytes()) else { panic!("a name is too short") };
        assert!(matches!(slots[slot], FieldName::Other), "two names share a slot");
        slots[slot] = name;
        index += 1;
    }
    slots
}

/// Whether `name`, a token, is `lower` in any case: eight bytes at a time, the last eight
/// overlapping those before. Setting bit 5 maps no other token byte onto a letter, a digit or `-`,
/// which is all that known names are made of.
#[inline]
fn equals_lower(name: &[u8], lower: &[u8]) -> bool {
    const BIT_FIVE: u64 = 0x2020_2020_2020_2020;
    if name.len() != lower.len() {
        return false;
    }
    let (Some(name_end), Some(lower_end)) = (name.last_chunk(), lower.last_chunk()) else {
        return name.iter().zip(lower).all(|(one, two)| one | 0x20 == *two);
    };
    let differ = |one: &[u8; 8], two: &[u8; 8]| {
        (u64::from_ne_bytes(*one) | BIT_FIVE) ^ u64::from_ne_bytes(*two)
    };
    let (name, lower) = (name.as_chunks().0, lower.as_chunks().0);
    let starts = name.iter().zip(lower).map(|(one, two)| differ(one, two));
    starts.fold(differ(name_end, lower_end), |wrong, part| wrong | part) == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::is_token_byte;
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case() {
        for name in FieldName::KNOWN {
            let lower = name.lower();
            assert_eq!(FieldName::of(lower.as_bytes()), *name);
            assert_eq!(FieldName::of(lower.to_ascii_uppercase().as_bytes()), *name);
        }
        assert_eq!(FieldName::of(b"cOnTeNt-LeNgTh"), FieldName::ContentLength);
        assert_eq!(FieldName::Other.lower(), "");
    }

    #[test]
    fn what_is_almost_a_known_name_is_not_it() {
        for name in [&b""[..], b"h", b"hos", b"hostt", b"content_length", b"content-lengtX", b"tE_"]
        {
            assert_eq!(FieldName::of(name), FieldName::Other, "{name:?}");
        }
    }

    #[test]
    fn names_are_made_of_what_setting_bit_five_keeps_apart() {
        for name in FieldName::KNOWN {
            for wanted in name.lower().bytes() {
                let same: Vec<u8> =
                    (0..=255).filter(|b| is_token_byte(*b) && b | 0x20 == wanted).collect();
                assert!(same.iter().all(|b| b.to_ascii_lowercase() == wanted), "{wanted}");
            }
        }
    }

    #[test]
    fn fields_of_the_connection_are_never_forwarded() {
        use FieldName::*;
        for name in [Connection, KeepAlive, ProxyConnection, Te, TransferEncoding, Upgrade] {
            assert!(name.is_hop_by_hop());
        }
        for name in [Host, ContentLength, Authorization, Cookie, Via, Other] {
            assert!(!name.is_hop_by_hop());
        }
    }

    #[test]
    fn forwarding_fields_are_kept_though_listed() {
        for name in [&b"X-Forwarded-For"[..], b"x-forwarded-anything", b"authorization", b"host"] {
            assert!(is_kept_though_listed(FieldName::of(name), name));
        }
        for name in [&b"x-private"[..], b"keep-alive", b"x-forward", b"te"] {
            assert!(!is_kept_though_listed(FieldName::of(name), name));
        }
    }

    proptest! {
        #[test]
        fn the_table_agrees_with_a_plain_search(name in "[!-~]{0,30}") {
            let token: Vec<u8> = name.bytes().filter(|b| is_token_byte(*b)).collect();
            let plain = FieldName::KNOWN
                .iter()
                .find(|known| known.lower().as_bytes().eq_ignore_ascii_case(&token));
            prop_assert_eq!(FieldName::of(&token), plain.copied().unwrap_or(FieldName::Other));
        }
    }
}
