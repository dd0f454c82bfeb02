//! HTTP/2 frames (RFC 9113) as far as their headers go: what a peer sends, counted.

mod frame_watch;

pub use frame_watch::{Flood, FrameLimits, FrameWatch};

/// What a client sends first on a connection (RFC 9113 section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
