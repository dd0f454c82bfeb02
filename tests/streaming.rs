//! Bodies of any size, both ways, at once, in bounded memory.

mod harness;

use std::fs;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, mpsc};
use std::thread;

use harness::{Answer, Client, Echo, Gateway, HANG_GUARD, Upstream};

const MEGABYTE: usize = 1 << 20;
const LARGE: usize = 100 * MEGABYTE;

/// What the gateway may take for one stream, buffers, rings' and allocator's leftovers included.
const MEMORY_MAX: u64 = 8 << 20;

fn gateway(target: SocketAddr, timeouts: &str) -> Gateway {
    Gateway::start(&format!(
        r#"
[limits]
body_bytes_max = 1000000000

[timeouts]
{timeouts}

[[listener]]
name = "public"
address = "127.0.0.1:0"

[admin]
address = "127.0.0.1:0"

[[upstream]]
name = "backend"
targets = ["{target}"]

[[api]]
name = "main"

[[api.route]]
key = "$default"
upstream = "backend"
"#
    ))
}

/// Bytes that repeat only after 2^61, the same for the same seed.
struct Noise {
    state: u64,
}

impl Noise {
    fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 }
    }

    fn block(&mut self, bytes: usize) -> Vec<u8> {
        let mut block = Vec::with_capacity(bytes + 8);
        while block.len() < bytes {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            block.extend_from_slice(&self.state.to_le_bytes());
        }
        block.truncate(bytes);
        block
    }
}

/// A multiple of 8, so that blocks join into the same noise, and of no buffer's size.
const BLOCK: usize = 50_008;

/// How a body is framed on its way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Framing {
    Length,
    Chunked,
    UntilClose,
}

impl Framing {
    fn line(self, bytes: usize) -> String {
        match self {
            Self::Length => format!("content-length: {bytes}\r\n"),
            Self::Chunked => "transfer-encoding: chunked\r\n".to_owned(),
            Self::UntilClose => String::new(),
        }
    }

    /// Writes `bytes` of noise.
    fn write_noise(self, out: &mut impl Write, seed: u64, bytes: usize) -> io::Result<()> {
        let mut noise = Noise::new(seed);
        let mut left = bytes;
        while left > 0 {
            let block = noise.block(BLOCK.min(left));
            left -= block.len();
            if self == Self::Chunked {
                write!(out, "{:x}\r\n", block.len())?;
            }
            out.write_all(&block)?;
            if self == Self::Chunked {
                out.write_all(b"\r\n")?;
            }
        }
        if self == Self::Chunked {
            out.write_all(b"0\r\n\r\n")?;
        }
        Ok(())
    }

    /// Reads a body that must be `bytes` of noise.
    fn check_noise(self, input: &mut impl io::BufRead, seed: u64, bytes: usize) {
        let mut noise = Noise::new(seed);
        let (mut expected, mut seen): (Vec<u8>, usize) = (Vec::new(), 0);
        let mut take = |part: &[u8]| {
            while expected.len() < part.len() {
                expected.extend(noise.block(BLOCK));
            }
            assert!(part == &expected[..part.len()], "differs within {} after {seen}", part.len());
            expected.drain(..part.len());
            seen += part.len();
        };
        match self {
            Self::Chunked => loop {
                let size = chunk_size(input);
                let mut chunk = vec![0; size + 2];
                input.read_exact(&mut chunk).expect("a chunk");
                assert!(chunk.ends_with(b"\r\n"), "the end of a chunk");
                take(&chunk[..size]);
                if size == 0 {
                    break;
                }
            },
            Self::Length | Self::UntilClose => {
                let mut part = vec![0; 64 * 1024];
                let mut left = bytes;
                while left > 0 {
                    let wanted = part.len().min(left);
                    let count = input.read(&mut part[..wanted]).expect("more of the body");
                    assert!(count > 0, "cut with {left} to come");
                    take(&part[..count]);
                    left -= count;
                }
            }
        }
        if self == Self::UntilClose {
            assert_eq!(input.read(&mut [0]).expect("an end of file"), 0);
        }
        assert_eq!(seen, bytes);
    }
}

fn chunk_size(input: &mut impl io::BufRead) -> usize {
    let mut line = String::new();
    input.read_line(&mut line).expect("a chunk's size");
    usize::from_str_radix(line.trim_end(), 16).expect("a number")
}

/// Sends noise to whoever asks, in the framing that the path names.
fn source() -> Upstream {
    Upstream::start(|_, peer| {
        loop {
            let request = peer.request()?;
            let framing = match request.line().split(' ').nth(1) {
                Some("/chunked") => Framing::Chunked,
                Some("/until-close") => Framing::UntilClose,
                _ => Framing::Length,
            };
            peer.send(format!("HTTP/1.1 200 OK\r\n{}\r\n", framing.line(LARGE)))?;
            framing.write_noise(&mut peer.socket().try_clone()?, 7, LARGE)?;
            if framing == Framing::UntilClose {
                peer.close();
                return Ok(());
            }
        }
    })
}

fn connect(gateway: &Gateway) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(gateway.address("public")).expect("connected");
    stream.set_read_timeout(Some(HANG_GUARD)).expect("a socket");
    stream.set_write_timeout(Some(HANG_GUARD)).expect("a socket");
    BufReader::with_capacity(64 * 1024, stream)
}

/// A field of /proc/PID/status in bytes.
fn memory(gateway: &Gateway, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with(field)).expect("the field");
    let kilobytes = line.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok());
    kilobytes.expect("a number") * 1024
}

fn assert_memory_bounded(gateway: &Gateway, before: u64) {
    let most = memory(gateway, "VmHWM:");
    assert!(most < before + MEMORY_MAX, "{before} bytes grew to {most}");
}

#[test]
fn large_answers_come_through_byte_by_byte_in_bounded_memory() {
    let upstream = source();
    let gateway = gateway(upstream.address(), "");
    let before = memory(&gateway, "VmRSS:");
    for (path, version, framing) in [
        ("/length", "1.1", Framing::Length),
        ("/chunked", "1.1", Framing::Chunked),
        ("/until-close", "1.1", Framing::Chunked),
        ("/length", "1.0", Framing::Length),
        ("/chunked", "1.0", Framing::UntilClose),
        ("/until-close", "1.0", Framing::UntilClose),
    ] {
        let mut client = connect(&gateway);
        let request = format!("GET {path} HTTP/{version}\r\nhost: a\r\n\r\n");
        client.get_mut().write_all(request.as_bytes()).expect("sent");
        let head = Answer::read_head(&mut client).expect("a head");
        assert_eq!(head.status, 200);
        assert_eq!(head.header("transfer-encoding").is_some(), framing == Framing::Chunked);
        assert_eq!(head.header("content-length").is_some(), framing == Framing::Length);
        framing.check_noise(&mut client, 7, LARGE);
    }
    assert_memory_bounded(&gateway, before);
}

#[test]
fn large_uploads_come_through_byte_by_byte_in_bounded_memory() {
    let upstream = Upstream::start(|_, peer| {
        // Read apart from the peer's own buffer, which keeps all that it reads.
        let mut input = BufReader::new(peer.socket().try_clone()?);
        loop {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                if io::BufRead::read_until(&mut input, b'\n', &mut head)? == 0 {
                    return Ok(());
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let framing = match head.contains("transfer-encoding: chunked\r\n") {
                true => Framing::Chunked,
                false => Framing::Length,
            };
            assert!(head.contains(&framing.line(LARGE)), "{head}");
            framing.check_noise(&mut input, 11, LARGE);
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nequal")?;
        }
    });
    let gateway = gateway(upstream.address(), "");
    let before = memory(&gateway, "VmRSS:");
    let mut client = connect(&gateway);
    for framing in [Framing::Length, Framing::Chunked, Framing::Length] {
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\n{}\r\n", framing.line(LARGE));
        client.get_mut().write_all(head.as_bytes()).expect("sent");
        framing.write_noise(client.get_mut(), 11, LARGE).expect("sent");
        // On the same connection: the upload was over when the answer came.
        assert_eq!(Answer::read(&mut client, "POST").expect("an answer").text(), "equal");
    }
    assert_eq!(upstream.connections_count(), 1);
    assert_memory_bounded(&gateway, before);
}

#[test]
fn both_directions_stream_at_once() {
    let echo = Echo::start();
    let gateway = gateway(echo.address(), "");
    let before = memory(&gateway, "VmRSS:");
    for framing in [Framing::Length, Framing::Chunked] {
        let mut client = connect(&gateway);
        let mut sender = client.get_ref().try_clone().expect("a socket");
        let head = format!("POST /echo HTTP/1.1\r\nhost: a\r\n{}\r\n", framing.line(LARGE));
        let sending = thread::spawn(move || {
            sender.write_all(head.as_bytes()).expect("sent");
            framing.write_noise(&mut sender, 13, LARGE).expect("sent");
        });
        let head = Answer::read_head(&mut client).expect("a head");
        assert_eq!(head.status, 200);
        let answered = match head.header("transfer-encoding") {
            Some(_) => Framing::Chunked,
            None => Framing::Length,
        };
        answered.check_noise(&mut client, 13, LARGE);
        sending.join().expect("all was sent");
    }
    assert_memory_bounded(&gateway, before);
    gateway.wait_until_quiet();
}

#[test]
fn an_echo_is_seen_before_the_upload_ends() {
    let echo = Echo::start();
    let gateway = gateway(echo.address(), "");
    let mut client = connect(&gateway);
    let head = "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    client.get_mut().write_all(head.as_bytes()).expect("sent");
    client.get_mut().write_all(b"5\r\nfirst\r\n").expect("sent");
    assert_eq!(Answer::read_head(&mut client).expect("a head").status, 200);
    // Each part comes back before the next is sent, so nothing on the way waits for more.
    for part in ["first", "second", "third"] {
        if part != "first" {
            write!(client.get_mut(), "{:x}\r\n{part}\r\n", part.len()).expect("sent");
        }
        let mut seen = Vec::new();
        while seen.len() < part.len() {
            let mut chunk = vec![0; chunk_size(&mut client) + 2];
            client.read_exact(&mut chunk).expect("a chunk");
            seen.extend_from_slice(&chunk[..chunk.len() - 2]);
        }
        assert_eq!(seen, part.as_bytes());
    }
    client.get_mut().write_all(b"0\r\n\r\n").expect("sent");
    assert_eq!(chunk_size(&mut client), 0);
}

#[test]
fn a_slow_reader_slows_the_target_and_bounds_memory() {
    let (stalled, stall) = mpsc::channel();
    let stalled = Mutex::new(stalled);
    let upstream = Upstream::start(move |_, peer| {
        peer.request()?;
        peer.send(format!("HTTP/1.1 200 OK\r\n{}\r\n", Framing::Length.line(LARGE)))?;
        // Sends until nothing is taken for a while: every buffer on the way is full.
        let mut socket = peer.socket().try_clone()?;
        let mut noise = Noise::new(17);
        let mut sent = 0;
        let mut block = noise.block(BLOCK);
        socket.set_write_timeout(Some(std::time::Duration::from_millis(300)))?;
        while sent < LARGE {
            match socket.write(&block) {
                Ok(count) => {
                    sent += count;
                    block.drain(..count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            if block.is_empty() {
                block = noise.block(BLOCK.min(LARGE - sent));
            }
        }
        stalled.lock().expect("sound").send(sent).map_err(io::Error::other)?;
        socket.set_write_timeout(Some(HANG_GUARD))?;
        while sent < LARGE {
            socket.write_all(&block)?;
            sent += block.len();
            block = noise.block(BLOCK.min(LARGE - sent));
        }
        Ok(())
    });
    let gateway = gateway(upstream.address(), "");
    let before = memory(&gateway, "VmRSS:");
    let mut client = connect(&gateway);
    client.get_mut().write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").expect("sent");
    assert_eq!(Answer::read_head(&mut client).expect("a head").status, 200);
    let sent = stall.recv().expect("it stalls");
    assert!(sent < LARGE / 2, "{sent} bytes were taken though nobody reads");
    assert_memory_bounded(&gateway, before);
    Framing::Length.check_noise(&mut client, 17, LARGE);
    assert_memory_bounded(&gateway, before);
}

#[test]
fn many_slow_readers_bound_memory() {
    const READERS: usize = 50;
    let echo = Echo::start();
    let gateway = gateway(echo.address(), "");
    let before = memory(&gateway, "VmRSS:");
    let mut readers: Vec<_> =
        (0..READERS).map(|_| Client::connect(gateway.address("public"))).collect();
    for reader in &mut readers {
        reader.send("GET /bytes/50000000 HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(reader.answer_head().status, 200);
    }
    // A buffer of each kind for each of them, and the rest as for one.
    let most = memory(&gateway, "VmHWM:");
    let each = 2 * (64 + 20) * 1024;
    assert!(most < before + MEMORY_MAX + READERS as u64 * each, "{before} grew to {most}");
    drop(readers);
    gateway.wait_until_quiet();
}

#[test]
fn a_client_that_stops_reading_is_given_up() {
    let (ended, end) = mpsc::channel();
    let ended = Mutex::new(ended);
    let upstream = Upstream::start(move |_, peer| {
        peer.request()?;
        peer.send(format!("HTTP/1.1 200 OK\r\n{}\r\n", Framing::Length.line(LARGE)))?;
        let result = Framing::Length.write_noise(&mut peer.socket().try_clone()?, 19, LARGE);
        let _ = ended.lock().expect("sound").send(result.is_err());
        Ok(())
    });
    let gateway = gateway(upstream.address(), "write_timeout_ms = 100");
    let mut client = gateway.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(end.recv().expect("it ends"), "the target is cut off");
    gateway.wait_until_quiet();
    assert_eq!(gateway.metric("shardgate_deadlines_fired_total", "kind=\"write\""), 1.0);
}

#[test]
fn a_client_that_stops_reading_and_sending_is_given_up() {
    // Both of its deadlines run, and each must hold whatever the other does.
    let echo = Echo::start();
    let gateway = gateway(echo.address(), "write_timeout_ms = 100\nbody_timeout_ms = 100");
    let mut client = gateway.connect();
    client.send(format!("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: {LARGE}\r\n\r\n"));
    let mut sender = client.socket().try_clone().expect("a socket");
    sender.set_write_timeout(Some(std::time::Duration::from_millis(50))).expect("a socket");
    let block = vec![b'x'; BLOCK];
    // Until nothing is taken any more, or the gateway has had enough.
    while sender.write(&block).is_ok() {}
    gateway.wait_until_quiet();
}

#[test]
fn an_upload_that_stalls_is_408() {
    let upstream = Upstream::mirror();
    let gateway = gateway(upstream.address(), "body_timeout_ms = 50");
    for framing in [Framing::Length, Framing::Chunked] {
        let mut client = gateway.connect();
        let line = framing.line(LARGE);
        client.send(format!("POST / HTTP/1.1\r\nhost: a\r\n{line}\r\n5\r\nhello"));
        assert_eq!(client.answer().status, 408);
        assert!(!client.has_more(), "the connection ends");
    }
    gateway.wait_until_quiet();
    assert_eq!(gateway.metric("shardgate_deadlines_fired_total", "kind=\"body\""), 2.0);
    // The target saw only cut requests.
    for bytes in upstream.received() {
        assert!(!bytes.ends_with(b"0\r\n\r\n"));
    }
}

#[test]
fn an_upload_that_is_cut_is_cut_for_the_target() {
    let (seen, sight) = mpsc::channel();
    let seen = Mutex::new(seen);
    let upstream = Upstream::start(move |_, peer| {
        peer.head()?;
        let rest = peer.rest().unwrap_or_default();
        let _ = seen.lock().expect("sound").send(rest);
        Ok(())
    });
    let gateway = gateway(upstream.address(), "");
    for framing in [Framing::Length, Framing::Chunked] {
        let mut client = gateway.connect();
        let line = framing.line(LARGE);
        client.send(format!("POST / HTTP/1.1\r\nhost: a\r\n{line}\r\n5\r\nhello\r\n"));
        drop(client);
        let rest = sight.recv().expect("the target's connection ends");
        assert!(rest.len() < 20 && !rest.ends_with(b"0\r\n\r\n"), "{rest:?}");
    }
    gateway.wait_until_quiet();
}

#[test]
fn a_body_over_its_limit_is_413_however_it_is_framed() {
    let upstream = Upstream::mirror();
    let gateway = Gateway::before(upstream.address(), "[limits]\nbody_bytes_max = 100000\n");
    for (bytes, status) in [(100_000, 200), (100_001, 413)] {
        for framing in [Framing::Length, Framing::Chunked] {
            let mut client = gateway.connect();
            let head = format!("POST / HTTP/1.1\r\nhost: a\r\n{}\r\n", framing.line(bytes));
            client.send(head);
            let _ = framing.write_noise(&mut client.socket(), 23, bytes);
            assert_eq!(client.answer().status, status, "{framing:?} {bytes}");
        }
    }
}

#[test]
fn trailers_come_through_both_ways() {
    let echo = Echo::start();
    let gateway = gateway(echo.address(), "");
    let answer = gateway.connect().request("GET", "/trailers");
    assert_eq!(answer.status, 200);
    assert!(!answer.trailers.is_empty(), "{answer:?}");
    let upstream = Upstream::start(|_, peer| {
        let request = peer.request()?;
        assert_eq!(request.trailers, [("x-sum".to_owned(), "1".to_owned())]);
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    });
    let gateway = self::gateway(upstream.address(), "");
    let mut client = gateway.connect();
    client.send(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
         5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n",
    );
    assert_eq!(client.answer().text(), "ok");
}
