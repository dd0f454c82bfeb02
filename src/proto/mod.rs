//! Codecs without I/O: HTTP/1 heads, chunked bodies, request targets, HTTP/2 frame headers, the
//! PROXY protocol.
//!
//! Bytes go in, facts and ranges of those bytes come out. Knows nothing of sockets, time, routes or
//! configuration beyond the bounds that it is given. The rule a newcomer would break: every
//! leniency that two HTTP parsers may read differently is refused here, even where the RFC allows
//! a recipient to repair it; a later layer never looks at raw framing again.

mod http1;
pub mod http2;
pub mod proxy_protocol;
pub mod uri;

pub(crate) use http1::is_field_name;
pub use http1::{
    BodyFraming, CHUNK_END, ChunkedDecoder, Decoded, Field, FieldName, HeadLimits, HeadScanner,
    LAST_CHUNK, LAST_CHUNK_HEAD, RequestHead, ResponseHead, Span, Version, may_come_late,
    write_chunk_head,
};
