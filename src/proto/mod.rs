//! Codecs without I/O: HTTP/1 heads, chunked bodies, request targets, the PROXY protocol.
