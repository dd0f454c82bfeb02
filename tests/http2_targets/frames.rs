//! Frames by hand, for targets that no library would be.

use std::io;

use super::harness::Peer;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const ACK: u8 = 1;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// `:status: 200` from the static table.
pub(crate) const STATUS_200: &[u8] = b"\x88";

/// A field of HPACK without indexing, as it stands.
pub(crate) fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let length = |text: &[u8]| u8::try_from(text.len()).expect("below 127");
    [&[0, length(name)], name, &[length(value)], value].concat()
}

pub(crate) fn go_away(last_stream: u32, reason: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last_stream.to_be_bytes(), reason.to_be_bytes()].concat())
}

/// Says hello: reads the preface, sends settings.
pub(crate) fn greet(peer: &mut Peer) -> io::Result<()> {
    let preface = peer.read_exact(24)?;
    assert_eq!(preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    peer.send(frame(SETTINGS, 0, 0, b""))
}

/// Reads up to the head of the next request; its stream. Acknowledges settings.
pub(crate) fn request(peer: &mut Peer) -> io::Result<u32> {
    loop {
        let head = peer.read_exact(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        peer.read_exact(length)?;
        if head[3] == SETTINGS && head[4] & ACK == 0 {
            peer.send(frame(SETTINGS, ACK, 0, b""))?;
        }
        if head[3] == HEADERS {
            return Ok(u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
        }
    }
}

/// A whole answer of 200 with this body.
pub(crate) fn answer(stream: u32, body: &[u8]) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS, stream, STATUS_200);
    [head, frame(DATA, END_STREAM, stream, body)].concat()
}
