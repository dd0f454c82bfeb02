//! One field line of a head.

use super::field_name::FieldName;
use super::span::Span;

/// One field line of a head, as ranges of its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name as received; its case is the sender's.
    pub name: Span,
    /// The value without the whitespace around it. Never holds CR, LF, NUL or another control
    /// character except HTAB; may hold bytes over 0x7f (obs-text).
    pub value: Span,
    /// The name, if it is one that the gateway knows.
    pub known: FieldName,
    /// Must not be forwarded (RFC 9110 section 7.6.1): a field of this connection, by its name or
    /// because `Connection` lists it.
    pub hop_by_hop: bool,
}

/// The first field of this name.
#[inline]
pub(super) fn find_known(fields: &[Field], name: FieldName) -> Option<&Field> {
    fields.iter().find(|field| field.known == name)
}

/// The first field whose name is `lower`, which is in lower case, in any case.
pub(super) fn find_named<'f>(fields: &'f [Field], head: &[u8], lower: &[u8]) -> Option<&'f Field> {
    debug_assert!(!lower.iter().any(u8::is_ascii_uppercase), "the caller gives lower case");
    fields.iter().find(|field| field.name.of(head).eq_ignore_ascii_case(lower))
}
