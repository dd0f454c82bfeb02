//! Bounds that no setting changes, and the relations between them. What a setting may change has
//! its default and its bounds in `settings`.

/// Most fields that a head may have, whatever the settings say.
pub const HEADERS_COUNT_MAX: usize = 256;
/// Largest head that a setting may allow. Spans into a head are `u16`.
pub const HEAD_BYTES_CEILING: usize = 60 * 1024;
/// A buffer that a head is read into and an answer's head is written to; a head with a body of
/// 16 KiB fits in one read.
pub const BUFFER_BYTES: usize = 20 * 1024;
/// A buffer that bodies are relayed through.
pub const BODY_BUFFER_BYTES: usize = 64 * 1024;
/// Most bytes of a trailer section.
pub const TRAILER_BYTES_MAX: usize = 8 * 1024;
/// Most bytes of one chunk-size line, extensions included.
pub const CHUNK_LINE_BYTES_MAX: usize = 256;
/// Requests that one connection may have served in a row before other connections get their turn.
pub const REQUESTS_PER_TURN_MAX: u32 = 32;
/// Interim (1xx) answers that a target may send before its final one.
pub const INTERIM_ANSWERS_MAX: u32 = 16;
/// Path parameters of one route, greedy one included.
pub const PATH_PARAMETERS_MAX: usize = 32;
/// Bytes of a body that a path of an HTTP API's parameter mapping looks at (AWS: 100 KB).
pub const MAPPED_BODY_BYTES_MAX: usize = 100 * 1024;
/// Values of a JSON body that a REST mapping looks into: what bounds the tree it is built as.
pub const JSON_VALUES_MAX: usize = 1_000_000;
/// Steps of a JSONPath.
pub const JSON_PATH_STEPS_MAX: usize = 64;
/// Bytes of the metadata before a function's streamed body.
pub const STREAM_PRELUDE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the headers of an event-stream frame (AWS's own bound).
pub const EVENT_HEADERS_BYTES_MAX: usize = 128 * 1024;
/// Bytes of the payload of an event-stream frame (AWS's own bound on a message).
pub const EVENT_PAYLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Shards of one process.
pub const SHARDS_COUNT_MAX: usize = 1024;
/// One tick of a shard's housekeeping: deadlines are kept to this precision.
pub const TICK_MS: u64 = 10;

const _: () = assert!(HEAD_BYTES_CEILING <= u16::MAX as usize);
const _: () = assert!(BUFFER_BYTES >= 10_240, "AWS's default head limit must fit the first buffer");
const _: () = assert!(CHUNK_LINE_BYTES_MAX < BUFFER_BYTES && TRAILER_BYTES_MAX < BUFFER_BYTES);
