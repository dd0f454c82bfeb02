//! Bytes to requests and back: the drivers of client connections.
