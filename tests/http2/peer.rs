//! A client that sends the frames that it is told to, and files what comes back by stream.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::{ClientConfig, StreamOwned};

use super::client::{session, tcp};
use super::fields::{request, start};
use super::frame::*;
use super::harness::Gateway;

/// What a connection runs over.
pub(crate) trait Wire: Read + Write {}

impl<W: Read + Write> Wire for W {}

/// A connection to the gateway.
pub(crate) struct Http2 {
    wire: BufReader<Box<dyn Wire>>,
    decoder: loona_hpack::Decoder<'static>,
    next_stream: u32,
    /// What the gateway may be sent: of all streams, and of each.
    window: i64,
    windows: HashMap<u32, i64>,
    /// Whether windows are given back as DATA comes.
    gives_back: bool,
    answers: HashMap<u32, Answer>,
    /// The block that is coming.
    block: Vec<u8>,
    /// What the gateway has said of itself.
    pub(crate) settings: HashMap<u16, u32>,
    pub(crate) settings_acks: usize,
    pings_count: u64,
    pub(crate) pongs: Vec<Vec<u8>>,
    /// The last GOAWAY: the last stream and the error code.
    pub(crate) goaway: Option<(u32, u32)>,
    pub(crate) has_ended: bool,
}

pub(crate) type Fields = Vec<(String, String)>;

/// What came of one stream so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Fields,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Fields,
    pub(crate) interim: Vec<(u16, Fields)>,
    /// END_STREAM came.
    pub(crate) is_whole: bool,
    pub(crate) reset: Option<u32>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        value(&self.fields, name)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

/// The only value of the name.
pub(crate) fn value<'f>(fields: &'f Fields, name: &str) -> Option<&'f str> {
    let mut values = fields.iter().filter(|(own, _)| own == name);
    let first = values.next().map(|(_, value)| value.as_str());
    assert_eq!(values.next(), None, "{name} more than once");
    first
}

impl Http2 {
    /// Connects in clear text, with prior knowledge; nothing is awaited.
    pub(crate) fn connect(gateway: &Gateway) -> Self {
        Self::connect_with(gateway, &[])
    }

    /// Connects and says this of itself.
    pub(crate) fn connect_with(gateway: &Gateway, pairs: &[(u16, u32)]) -> Self {
        let mut client = Self::silent(gateway.address("public"));
        client.send([PREFACE, &settings(pairs)].concat());
        client
    }

    /// Connects and says nothing.
    pub(crate) fn silent(address: SocketAddr) -> Self {
        Self::over(Box::new(tcp(address)))
    }

    /// Connects by TLS. The protocol that was agreed on is in the second place.
    pub(crate) fn secure(
        address: SocketAddr,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> io::Result<(Self, Option<Vec<u8>>)> {
        let (mut session, mut socket) = (session(config, name), tcp(address));
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        let agreed = session.alpn_protocol().map(<[u8]>::to_vec);
        let mut client = Self::over(Box::new(StreamOwned::new(session, socket)));
        client.try_send([PREFACE, &settings(&[])].concat())?;
        Ok((client, agreed))
    }

    pub(crate) fn over(wire: Box<dyn Wire>) -> Self {
        Self {
            wire: BufReader::new(wire),
            decoder: loona_hpack::Decoder::new(),
            next_stream: 1,
            window: 65_535,
            windows: HashMap::new(),
            gives_back: true,
            answers: HashMap::new(),
            block: Vec::new(),
            settings: HashMap::new(),
            settings_acks: 0,
            pings_count: 0,
            pongs: Vec::new(),
            goaway: None,
            has_ended: false,
        }
    }

    /// From here on the gateway gets no room for more than it has.
    pub(crate) fn keep_windows(&mut self) {
        self.gives_back = false;
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("sent");
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let wire = self.wire.get_mut();
        wire.write_all(bytes.as_ref())?;
        wire.flush()
    }

    /// The number of the next stream, which is used up.
    pub(crate) fn new_stream(&mut self) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        stream
    }

    /// Sends the head of a request that is all of it.
    pub(crate) fn ask(&mut self, block: impl AsRef<[u8]>) -> u32 {
        let stream = self.new_stream();
        self.send(headers(stream, WHOLE, block));
        stream
    }

    /// Sends the head of a request whose body is to come.
    pub(crate) fn begin(&mut self, block: impl AsRef<[u8]>) -> u32 {
        let stream = self.new_stream();
        self.send(headers(stream, END_HEADERS, block));
        stream
    }

    /// Asks without a body, and waits for the answer.
    pub(crate) fn request(&mut self, method: &str, path: &str) -> Answer {
        self.request_with(method, path, &[])
    }

    pub(crate) fn request_with(
        &mut self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
    ) -> Answer {
        let stream = self.ask(request(method, path, more));
        self.answer(stream)
    }

    /// The same on a host of its own.
    pub(crate) fn request_to(&mut self, host: &str, path: &str) -> Answer {
        let mut fields = start("GET", path);
        fields[1].1 = "https";
        fields[2].1 = host;
        let stream = self.ask(super::fields::block(&fields));
        self.answer(stream)
    }

    /// Sends a whole body as windows allow, and ends the stream if `ends`.
    pub(crate) fn send_body(&mut self, stream: u32, mut body: &[u8], ends: bool) {
        loop {
            let initial = i64::from(*self.settings.get(&INITIAL_WINDOW).unwrap_or(&65_535));
            let own = *self.windows.entry(stream).or_insert(0) + initial;
            let room = own.min(self.window).clamp(0, 16_384);
            let count = body.len().min(usize::try_from(room).expect("not negative"));
            if count > 0 || body.is_empty() {
                let (piece, rest) = body.split_at(count);
                body = rest;
                let last = ends && body.is_empty();
                self.send(data(stream, u8::from(last) * END_STREAM, piece));
                self.window -= count as i64;
                *self.windows.entry(stream).or_insert(0) -= count as i64;
            } else {
                assert!(self.step().is_some(), "the connection ended in a body");
                assert_eq!(self.answers.get(&stream).and_then(|one| one.reset), None);
            }
            if body.is_empty() {
                return;
            }
        }
    }

    /// Waits until the answer is whole, or the stream reset.
    pub(crate) fn answer(&mut self, stream: u32) -> Answer {
        self.wait(stream, "an answer", |one| one.is_whole || one.reset.is_some())
    }

    /// Waits for the head of the final answer.
    pub(crate) fn head(&mut self, stream: u32) -> Answer {
        self.wait(stream, "a head", |one| one.status != 0 || one.reset.is_some())
    }

    /// Waits until so much of the body has come.
    pub(crate) fn body(&mut self, stream: u32, bytes: usize) -> Answer {
        self.wait(stream, "a body", |one| one.body.len() >= bytes || one.reset.is_some())
    }

    /// Waits until what has come of the stream is enough.
    pub(crate) fn wait(
        &mut self,
        stream: u32,
        what: &str,
        is_enough: impl Fn(&Answer) -> bool,
    ) -> Answer {
        loop {
            if let Some(answer) = self.answers.get(&stream).filter(|one| is_enough(one)) {
                return answer.clone();
            }
            let so_far = self.answers.get(&stream).cloned();
            let more = self.step().is_some();
            assert!(more, "no {what} on {stream}: {so_far:?}, goaway {:?}", self.goaway);
        }
    }

    /// What has come of the stream so far.
    pub(crate) fn so_far(&self, stream: u32) -> Answer {
        self.answers.get(&stream).cloned().unwrap_or_default()
    }

    /// Waits until the gateway has reset the stream; the error code. The connection goes on.
    pub(crate) fn stream_error(&mut self, stream: u32) -> u32 {
        let answer = self.wait(stream, "a reset", |one| one.reset.is_some());
        self.check_alive();
        answer.reset.expect("waited for")
    }

    /// Reads to the end of the connection, which must have been announced by GOAWAY; the error code.
    pub(crate) fn connection_error(&mut self) -> u32 {
        self.read_to_end();
        self.goaway.expect("GOAWAY").1
    }

    /// Reads to the end of the connection.
    pub(crate) fn read_to_end(&mut self) {
        while self.step().is_some() {}
    }

    /// Waits for all frames that the gateway sent before it answers a ping.
    pub(crate) fn check_alive(&mut self) {
        self.pings_count += 1;
        let text = self.pings_count.to_be_bytes();
        self.send(ping(&text));
        while self.pongs.last().is_none_or(|pong| *pong != text) {
            assert!(self.step().is_some(), "the connection has ended: {:?}", self.goaway);
        }
    }

    /// Reads and files one frame; `None` at the end of the connection.
    pub(crate) fn step(&mut self) -> Option<Frame> {
        let read = Frame::read(&mut self.wire);
        if let Err(error) = &read {
            let is_timeout = matches!(error.kind(), io::ErrorKind::WouldBlock);
            assert!(!is_timeout, "nothing comes, and the connection stays open");
            self.has_ended = true;
            return None;
        }
        let Some(frame) = read.ok().flatten() else {
            self.has_ended = true;
            return None;
        };
        self.file(&frame);
        Some(frame)
    }

    fn file(&mut self, frame: &Frame) {
        let stream = frame.stream;
        match frame.kind {
            DATA => self.take_data(frame),
            HEADERS | CONTINUATION => self.take_block(frame),
            RST_STREAM => self.answers.entry(stream).or_default().reset = Some(frame.number(0)),
            SETTINGS if frame.has(ACK) => self.settings_acks += 1,
            SETTINGS => {
                for pair in frame.payload.chunks(6) {
                    let id = u16::from_be_bytes([pair[0], pair[1]]);
                    let value = u32::from_be_bytes([pair[2], pair[3], pair[4], pair[5]]);
                    self.settings.insert(id, value);
                }
                // Where the gateway has closed by now, that shows when it is read.
                let _ = self.try_send(super::frame::frame(SETTINGS, ACK, 0, []));
            }
            PING if frame.has(ACK) => self.pongs.push(frame.payload.clone()),
            PING => {
                let _ = self.try_send(super::frame::frame(PING, ACK, 0, &frame.payload));
            }
            GOAWAY => self.goaway = Some((frame.number(0), frame.number(4))),
            WINDOW_UPDATE if stream == 0 => self.window += i64::from(frame.number(0)),
            WINDOW_UPDATE => *self.windows.entry(stream).or_insert(0) += i64::from(frame.number(0)),
            kind => panic!("the gateway sent a frame of type {kind}"),
        }
    }

    fn take_data(&mut self, frame: &Frame) {
        assert!(!frame.has(PADDED));
        let answer = self.answers.entry(frame.stream).or_default();
        assert!(answer.status != 0 && !answer.is_whole, "DATA out of place: {frame:?}");
        answer.body.extend_from_slice(&frame.payload);
        answer.is_whole = frame.has(END_STREAM);
        let bytes = u32::try_from(frame.payload.len()).expect("short");
        if self.gives_back && bytes > 0 {
            let mut room = window_update(0, bytes);
            if !frame.has(END_STREAM) {
                room.extend(window_update(frame.stream, bytes));
            }
            let _ = self.try_send(room);
        }
    }

    fn take_block(&mut self, frame: &Frame) {
        assert!(!frame.has(PADDED) && !frame.has(WITH_PRIORITY));
        self.block.extend_from_slice(&frame.payload);
        let answer = self.answers.entry(frame.stream).or_default();
        if frame.kind == HEADERS && frame.has(END_STREAM) {
            answer.is_whole = true;
        }
        if !frame.has(END_HEADERS) {
            return;
        }
        let fields = self.decoder.decode(&std::mem::take(&mut self.block)).expect("a block");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let mut fields: Fields =
            fields.into_iter().map(|(name, value)| (text(name), text(value))).collect();
        if answer.status != 0 {
            answer.trailers = fields;
            return;
        }
        assert_eq!(fields[0].0, ":status");
        let status: u16 = fields.remove(0).1.parse().expect("a status");
        assert!(!fields.iter().any(|(name, _)| name.starts_with(':')), "{fields:?}");
        match status {
            100..=199 => answer.interim.push((status, fields)),
            _ => (answer.status, answer.fields) = (status, fields),
        }
    }
}
