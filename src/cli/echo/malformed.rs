//! Answers that no server should give, for testing what stands in front of one.

/// What happens to the connection after a malformed answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum After {
    /// It stays open and takes the next request: whoever reuses it gets what it deserves.
    Keep,
    /// It ends, as the answer is cut or can only be ended so.
    Close,
}

/// One malformed answer, sent as it stands.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Malformed {
    /// The last segment of its path, `/bad/{name}`.
    pub(super) name: &'static str,
    /// What is wrong with it.
    pub(super) what: &'static str,
    pub(super) bytes: &'static [u8],
    pub(super) after: After,
}

/// The answer that `/bad/{name}` gives.
pub(super) fn find(name: &[u8]) -> Option<&'static Malformed> {
    TABLE.iter().find(|malformed| malformed.name.as_bytes() == name)
}

macro_rules! table {
    ($( $name:literal, $after:ident, $what:literal, $bytes:literal; )*) => {
        /// Every malformed answer. The names are stable: tests use them.
        pub(super) static TABLE: &[Malformed] = &[$( Malformed {
            name: $name,
            what: $what,
            bytes: $bytes,
            after: After::$after,
        }, )*];
    };
}

table! {
    "both-lengths", Keep, "content-length and transfer-encoding",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    "two-lengths", Keep, "two content-lengths that differ",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!";
    "length-text", Close, "a content-length that is no number",
        b"HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\nhello";
    "length-sign", Close, "a content-length with a sign",
        b"HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello";
    "length-overflow", Close, "a content-length beyond 64 bits",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\nhello";
    "long", Keep, "more body than its content-length",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello, and more";
    "short", Close, "the connection ends before the content-length is reached",
        b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello";
    "extra-bytes", Keep, "a second answer that nobody asked for",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsmuggled";
    "204-body", Keep, "204 with a body",
        b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello";
    "304-body", Keep, "304 with a body",
        b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\nhello";
    "chunk-size", Close, "a chunk size that is no number",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\nhello\r\n0\r\n\r\n";
    "chunk-overflow", Close, "a chunk size beyond 64 bits",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n";
    "chunk-end", Close, "chunk data that is longer than its size",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello, and more\r\n0\r\n\r\n";
    "chunk-cut", Close, "the connection ends within a chunk",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n50\r\nhello";
    "chunk-last", Close, "the connection ends before the last chunk",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    "chunked-twice", Close, "chunked applied twice",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    "coding", Close, "a transfer-encoding that ends in something other than chunked",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\nhello";
    "status", Close, "a status of two digits",
        b"HTTP/1.1 20 OK\r\ncontent-length: 5\r\n\r\nhello";
    "status-range", Close, "a status that no class has",
        b"HTTP/1.1 099 OK\r\ncontent-length: 5\r\n\r\nhello";
    "version", Close, "a version that does not exist",
        b"HTTP/3.7 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    "no-head", Close, "no head at all",
        b"hello";
    "head-cut", Close, "the connection ends within the head",
        b"HTTP/1.1 200 OK\r\ncontent-le";
    "no-colon", Close, "a header line without a colon",
        b"HTTP/1.1 200 OK\r\ncontent-length 5\r\n\r\nhello";
    "space-colon", Close, "a space before the colon",
        b"HTTP/1.1 200 OK\r\ncontent-length : 5\r\n\r\nhello";
    "obs-fold", Keep, "a header value that goes on in the next line",
        b"HTTP/1.1 200 OK\r\nx-folded: one\r\n two\r\ncontent-length: 5\r\n\r\nhello";
    "bare-cr", Close, "a bare CR in a header value",
        b"HTTP/1.1 200 OK\r\nx-split: one\rtwo\r\ncontent-length: 5\r\n\r\nhello";
    "nul", Close, "a NUL in a header value",
        b"HTTP/1.1 200 OK\r\nx-nul: one\0two\r\ncontent-length: 5\r\n\r\nhello";
    "switch", Close, "101 that nobody asked for",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhello";
    "nothing", Close, "the connection ends after a blank line",
        b"\r\n";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for malformed in TABLE {
            assert_eq!(find(malformed.name.as_bytes()), Some(malformed), "{}", malformed.name);
        }
        assert_eq!(find(b""), None);
        assert_eq!(find(b"good"), None);
    }
}
