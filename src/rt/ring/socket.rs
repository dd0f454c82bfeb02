//! A connected socket on the ring.
//!
//! Received from by an operation of the ring that stays armed, or, where much is to be read, by
//! plain system calls; short writes are left to the ring, longer ones are plain system calls.
//! Waiting is the ring's.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::wait::{Held, Waiting};
use super::{CHUNK_BYTES, Owner, Ring, current};
use crate::sys::{
    Chunk, Interest, OperationId, SEND_BYTES_MAX, Uring, duplicate, has_ended, has_input,
    receive_now, send_now,
};

/// What came and was not read may grow to this before the socket is no longer received from: then
/// the kernel's own buffer fills, and the peer waits.
const SURPLUS_BYTES_MAX: usize = 32 * 1024;

/// A connected stream socket, shared by its handles and by what is under way on it.
pub(super) struct Socket {
    fd: OwnedFd,
    ring: Rc<Ring>,
    reception: RefCell<Reception>,
    sending: RefCell<Sending>,
    handles_count: Cell<u32>,
}

/// A socket as its users see it. Clones share it, so that two tasks may drive its directions. When
/// the last one goes, the reception ends, and with it the connection.
pub(in crate::rt) struct SocketHandle(Rc<Socket>);

impl Clone for SocketHandle {
    fn clone(&self) -> Self {
        self.0.handles_count.set(self.0.handles_count.get() + 1);
        Self(Rc::clone(&self.0))
    }
}

impl Drop for SocketHandle {
    fn drop(&mut self) {
        let left = self.0.handles_count.get() - 1;
        self.0.handles_count.set(left);
        if left == 0 {
            self.disarm();
        }
    }
}

impl fmt::Debug for SocketHandle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SocketHandle({})", self.raw_fd())
    }
}

/// What is received, and whether it goes on.
///
/// # Invariants
///
/// - What came is read in the order chunk, surplus, end.
/// - A chunk is held only for a task that was woken for it, so it goes back in the same turn.
#[derive(Default)]
struct Reception {
    armed: Armed,
    chunk: Option<Chunk>,
    surplus: Vec<u8>,
    surplus_read: usize,
    end: Option<End>,
    reader: Option<Waker>,
}

/// What was left to the ring to be sent; one piece at a time, so that they keep their order.
#[derive(Default)]
struct Sending {
    is_under_way: bool,
    /// The system's number of what ended the sending.
    error: Option<i32>,
    writer: Option<Waker>,
}

impl Sending {
    fn result(&self) -> io::Result<()> {
        self.error.map_or(Ok(()), |number| Err(io::Error::from_raw_os_error(number)))
    }
}

/// Whether the kernel receives into the pool.
#[derive(Clone, Copy, Default)]
enum Armed {
    #[default]
    No,
    Yes(OperationId),
    /// It was asked to stop, and may still bring something.
    Stopping,
}

/// Why nothing more will come.
#[derive(Clone, Copy)]
enum End {
    OfFile,
    /// The system's number of the error.
    Error(i32),
}

impl Held for Socket {}

impl SocketHandle {
    /// Takes over a connected socket that blocks (the ring would answer EAGAIN on another).
    pub(in crate::rt) fn new(fd: OwnedFd) -> io::Result<Self> {
        let ring = current()?;
        Ok(Self(Rc::new(Socket {
            fd,
            ring,
            reception: RefCell::default(),
            sending: RefCell::default(),
            handles_count: Cell::new(1),
        })))
    }

    /// The descriptor; it stays owned by this socket.
    pub(in crate::rt) fn raw_fd(&self) -> RawFd {
        self.0.fd.as_raw_fd()
    }

    /// Has the kernel receive what comes, so that [`SocketHandle::has_input`] knows of it at no cost.
    pub(in crate::rt) fn arm(&self) {
        let mut reception = self.0.reception.borrow_mut();
        if self.0.ring.is_multishot.get() && reception.may_be_armed() {
            let owner = Owner::Reception(Rc::clone(&self.0));
            let operation = self.0.ring.uring.borrow_mut().receive_multishot(self.raw_fd(), owner);
            reception.armed = Armed::Yes(operation);
        }
    }

    /// Ends the reception; what comes later stays in the socket.
    pub(in crate::rt) fn disarm(&self) {
        self.0.reception.borrow_mut().stop(&mut self.0.ring.uring.borrow_mut());
    }

    /// Gives the socket up to another ring: a descriptor of it, with nothing under way on this ring,
    /// and what was received and not read. No other handle may be in use.
    pub(in crate::rt) async fn detach(self) -> io::Result<(OwnedFd, Vec<u8>)> {
        self.flush().await?;
        self.disarm();
        poll_fn(|context| {
            let mut reception = self.0.reception.borrow_mut();
            if matches!(reception.armed, Armed::No) {
                return Poll::Ready(());
            }
            reception.reader = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
        let mut unread = Vec::new();
        while self.0.reception.borrow().has_unread() {
            self.take_input(&mut unread, usize::MAX).transpose()?;
        }
        Ok((duplicate(self.raw_fd())?, unread))
    }

    /// Whether a read would return at once: with bytes, end of file or an error.
    pub(in crate::rt) fn has_input(&self) -> bool {
        let reception = self.0.reception.borrow();
        reception.has_input()
            || (!matches!(reception.armed, Armed::Yes(_)) && has_input(self.raw_fd()))
    }

    /// Whether nothing is left to read and nothing will come: an end of file or an error.
    pub(in crate::rt) fn has_ended(&self) -> bool {
        let reception = self.0.reception.borrow();
        if reception.chunk.is_some() || !reception.surplus.is_empty() {
            return false;
        }
        reception.end.is_some()
            || (matches!(reception.armed, Armed::No) && has_ended(self.raw_fd()))
    }

    /// Waits until a read would return at once.
    pub(in crate::rt) async fn readable(&self) -> io::Result<()> {
        loop {
            self.arm();
            let is_armed = !matches!(self.0.reception.borrow().armed, Armed::No);
            if !is_armed && !self.0.reception.borrow().has_input() {
                return self.ready(Interest::Readable).await;
            }
            // Woken with nothing to read, it is to be armed again.
            if self.wait_for_input().await {
                return Ok(());
            }
        }
    }

    /// Waits until a write would return at once.
    pub(in crate::rt) async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::Writable).await
    }

    /// Reads once into the spare capacity of `buffer`, at most `bytes_max`; 0 is end of file.
    pub(in crate::rt) async fn read(
        &self,
        mut buffer: Vec<u8>,
        bytes_max: usize,
    ) -> (io::Result<usize>, Vec<u8>) {
        loop {
            let bytes_max = bytes_max.min(buffer.capacity() - buffer.len());
            if let Some(result) = self.take_input(&mut buffer, bytes_max) {
                return (result, buffer);
            }
            if bytes_max > CHUNK_BYTES as usize {
                // Much is asked for: it comes in larger pieces, and without being copied, when it
                // is read from the socket itself.
                self.disarm();
            } else {
                self.arm();
            }
            if !matches!(self.0.reception.borrow().armed, Armed::No) {
                self.wait_for_input().await;
                continue;
            }
            match receive_now(self.raw_fd(), &mut buffer, bytes_max) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if let Err(error) = self.ready(Interest::Readable).await {
                        return (Err(error), buffer);
                    }
                }
                result => return (result, buffer),
            }
        }
    }

    /// Reads what there is now into the spare capacity of `buffer`; WouldBlock if there is nothing.
    pub(in crate::rt) fn read_now(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let bytes_max = buffer.capacity() - buffer.len();
        if let Some(result) = self.take_input(buffer, bytes_max) {
            return result;
        }
        if matches!(self.0.reception.borrow().armed, Armed::No) {
            return receive_now(self.raw_fd(), buffer, bytes_max);
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Writes once from `bytes`; returns how much was taken. A short write is left to the ring and
    /// counts as taken, as bytes in the kernel's buffer would: it fails the next one if it fails.
    pub(in crate::rt) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            if self.has_unsent() {
                self.flush().await?;
            }
            if self.may_leave(bytes) {
                return self.leave(bytes);
            }
            match send_now(self.raw_fd(), bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready(Interest::Writable).await?;
                }
                result => return result,
            }
        }
    }

    /// Whether bytes that were left to the ring have not gone to the kernel.
    pub(in crate::rt) fn has_unsent(&self) -> bool {
        self.0.sending.borrow().is_under_way
    }

    /// Waits until all that was written has gone to the kernel.
    pub(in crate::rt) async fn flush(&self) -> io::Result<()> {
        poll_fn(|context| {
            let mut sending = self.0.sending.borrow_mut();
            if sending.is_under_way {
                sending.writer = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(sending.result())
        })
        .await
    }

    /// The kernel must be one that sends to the end (Linux 6.0), as it is if it receives so.
    fn may_leave(&self, bytes: &[u8]) -> bool {
        self.0.ring.is_multishot.get() && !bytes.is_empty() && bytes.len() <= SEND_BYTES_MAX
    }

    fn leave(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut sending = self.0.sending.borrow_mut();
        sending.result()?;
        sending.is_under_way = true;
        let owner = Owner::Sending(Rc::clone(&self.0));
        self.0.ring.uring.borrow_mut().send(self.raw_fd(), bytes, owner);
        Ok(bytes.len())
    }

    async fn ready(&self, interest: Interest) -> io::Result<()> {
        let held = Rc::clone(&self.0) as Rc<dyn Held>;
        let start = |uring: &mut Uring<Owner>, owner| uring.poll(self.raw_fd(), interest, owner);
        Waiting::start(&self.0.ring, Some(held), start).await.map(drop)
    }

    /// Waits for the kernel to say something; whether there is something to read.
    async fn wait_for_input(&self) -> bool {
        let mut is_first = true;
        poll_fn(|context| {
            let mut reception = self.0.reception.borrow_mut();
            if reception.has_input() || !std::mem::replace(&mut is_first, false) {
                reception.reader = None;
                return Poll::Ready(reception.has_input());
            }
            reception.reader = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Takes what has come, at most `bytes_max`. `None` if nothing has.
    fn take_input(&self, buffer: &mut Vec<u8>, bytes_max: usize) -> Option<io::Result<usize>> {
        let mut reception = self.0.reception.borrow_mut();
        let reception = &mut *reception;
        if let Some(chunk) = reception.chunk.take() {
            let count = self.0.ring.copy(&chunk, 0, bytes_max, buffer);
            reception.keep_rest(&self.0.ring, chunk, count);
            return Some(Ok(count));
        }
        if !reception.surplus.is_empty() {
            let rest = &reception.surplus[reception.surplus_read..];
            let count = rest.len().min(bytes_max);
            buffer.extend_from_slice(&rest[..count]);
            reception.surplus_read += count;
            if reception.surplus_read == reception.surplus.len() {
                reception.surplus = Vec::new(); // an idle connection holds no buffer
                reception.surplus_read = 0;
            }
            return Some(Ok(count));
        }
        reception.end.map(|end| match end {
            End::OfFile => Ok(0),
            End::Error(number) => Err(io::Error::from_raw_os_error(number)),
        })
    }
}

impl Socket {
    /// Takes note of the completion of a send.
    pub(super) fn sent(&self, result: io::Result<u32>) {
        let mut sending = self.sending.borrow_mut();
        sending.is_under_way = false;
        if let Err(error) = result {
            sending.error = Some(error.raw_os_error().unwrap_or(libc::EIO));
        }
        if let Some(writer) = sending.writer.take() {
            writer.wake();
        }
    }

    /// Takes note of a completion of the reception.
    pub(super) fn received(&self, result: io::Result<u32>, chunk: Option<Chunk>, is_last: bool) {
        let mut reception = self.reception.borrow_mut();
        if is_last {
            reception.armed = Armed::No;
        }
        match (result, chunk) {
            (Ok(0), chunk) => {
                reception.end = Some(End::OfFile);
                if let Some(chunk) = chunk {
                    self.ring.release(chunk);
                }
            }
            (Ok(_), Some(chunk)) => {
                // A full chunk is part of something long, which is better read in large pieces.
                if chunk.bytes_count() == CHUNK_BYTES as usize {
                    reception.stop(&mut self.ring.uring.borrow_mut());
                }
                reception.add(&self.ring, chunk);
            }
            (Ok(_), None) => {}
            (Err(error), _) => match error.raw_os_error() {
                // The pool was empty, or it was asked to stop: whoever reads arms it again.
                Some(libc::ENOBUFS | libc::ECANCELED | libc::EINTR | libc::EAGAIN) => {}
                number => reception.end = Some(End::Error(number.unwrap_or(libc::EIO))),
            },
        }
        if reception.surplus.len() - reception.surplus_read > SURPLUS_BYTES_MAX {
            reception.stop(&mut self.ring.uring.borrow_mut());
        }
        if let Some(reader) = reception.reader.take() {
            reader.wake();
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(chunk) = self.reception.get_mut().chunk.take() {
            self.ring.release(chunk);
        }
    }
}

impl Reception {
    fn may_be_armed(&self) -> bool {
        matches!(self.armed, Armed::No) && self.end.is_none() && self.surplus.is_empty()
    }

    fn has_input(&self) -> bool {
        self.has_unread() || self.end.is_some()
    }

    fn has_unread(&self) -> bool {
        self.chunk.is_some() || !self.surplus.is_empty()
    }

    fn stop(&mut self, uring: &mut Uring<Owner>) {
        if let Armed::Yes(operation) = self.armed {
            uring.cancel(operation);
            self.armed = Armed::Stopping;
        }
    }

    /// Adds what came. The chunk itself is kept only for a task that waits for it and will take it
    /// at once: one that is busy may be so for long, and others need the pool.
    fn add(&mut self, ring: &Ring, chunk: Chunk) {
        if self.reader.is_some() && self.chunk.is_none() && self.surplus.is_empty() {
            self.chunk = Some(chunk);
            return;
        }
        if let Some(first) = self.chunk.take() {
            self.keep_rest(ring, first, 0);
        }
        ring.copy(&chunk, 0, usize::MAX, &mut self.surplus);
        ring.release(chunk);
    }

    /// Moves what is left of a chunk to the front of the surplus, and gives the chunk back.
    fn keep_rest(&mut self, ring: &Ring, chunk: Chunk, start: usize) {
        if start < chunk.bytes_count() {
            debug_assert!(self.surplus.is_empty(), "a chunk is held only before any surplus");
            ring.copy(&chunk, start, usize::MAX, &mut self.surplus);
        }
        ring.release(chunk);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::task::Context;
    use std::thread;

    use super::*;
    use crate::rt::{spawn, yield_now};

    /// Runs `test` with a socket and its peer, with and without multishot reception.
    fn each_way<F: Future<Output = ()>>(test: impl Fn(SocketHandle, UnixStream) -> F) {
        for is_multishot in [true, false] {
            let Ok((ring, refusal)) = Ring::new(&mut io_uring::IoUring::builder(), 64) else {
                return;
            };
            ring.is_multishot.set(is_multishot && refusal.is_none());
            let (ours, theirs) = UnixStream::pair().expect("pair");
            let run = ring.run(|| async {
                test(SocketHandle::new(ours.into()).expect("on a ring"), theirs).await;
            });
            run.expect("it runs");
        }
    }

    fn numbers(count: u32) -> Vec<u8> {
        (0..count).flat_map(u32::to_le_bytes).collect()
    }

    async fn read_to_end(socket: &SocketHandle, buffer_bytes: usize) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let (count, buffer) = socket.read(Vec::with_capacity(buffer_bytes), usize::MAX).await;
            if count? == 0 {
                return Ok(all);
            }
            all.extend_from_slice(&buffer);
        }
    }

    #[test]
    fn what_is_sent_is_read_in_order_by_readers_of_every_size() {
        let sent = &numbers(200_000);
        for buffer_bytes in [100, 5_000, CHUNK_BYTES as usize, 64 * 1024] {
            each_way(|socket, mut peer| async move {
                let to_send = sent.clone();
                let sender = thread::spawn(move || peer.write_all(&to_send));
                assert!(read_to_end(&socket, buffer_bytes).await.expect("read") == *sent);
                sender.join().expect("no panic").expect("sent");
            });
        }
    }

    #[test]
    fn readers_of_different_sizes_may_take_turns() {
        let sent = &numbers(300_000);
        each_way(|socket, mut peer| async move {
            let to_send = sent.clone();
            let sender = thread::spawn(move || peer.write_all(&to_send));
            let mut read = Vec::new();
            for turn in 0.. {
                let size = [10, 64 * 1024, 3_000, CHUNK_BYTES as usize][turn % 4];
                if turn % 3 == 0 {
                    socket.readable().await.expect("something comes");
                }
                let (count, buffer) = socket.read(Vec::with_capacity(size), usize::MAX).await;
                if count.expect("read") == 0 {
                    break;
                }
                read.extend_from_slice(&buffer);
            }
            assert!(read == *sent);
            sender.join().expect("no panic").expect("sent");
        });
    }

    #[test]
    fn who_is_not_read_from_is_not_received_from_without_end() {
        each_way(|socket, mut peer| async move {
            socket.arm();
            peer.set_nonblocking(true).expect("a socket");
            let mut sent = 0;
            // A unix socket holds some hundred kilobytes of its own.
            for _ in 0..100 {
                while let Ok(count) = peer.write(&[7; 8_192]) {
                    sent += count;
                }
                yield_now().await;
            }
            assert!(sent < 2_000_000, "{sent} bytes were taken");
            let surplus = socket.0.reception.borrow().surplus.len();
            let most = SURPLUS_BYTES_MAX + 128 * CHUNK_BYTES as usize;
            assert!(surplus <= most, "{surplus} bytes wait");
            peer.shutdown(std::net::Shutdown::Write).expect("connected");
            assert_eq!(read_to_end(&socket, 9_000).await.expect("read").len(), sent);
        });
    }

    #[test]
    fn a_reader_that_gives_up_takes_nothing_along() {
        each_way(|socket, mut peer| async move {
            for size in [100, 64 * 1024] {
                let mut read = Box::pin(socket.read(Vec::with_capacity(size), usize::MAX));
                let polled = read.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(polled.is_pending());
                drop(read);
                peer.write_all(b"still here").expect("sent");
                yield_now().await;
                let (count, buffer) = socket.read(Vec::with_capacity(100), usize::MAX).await;
                assert_eq!((count.expect("read"), &buffer[..]), (10, &b"still here"[..]));
            }
        });
    }

    #[test]
    fn an_armed_socket_knows_of_input_and_of_the_end() {
        each_way(|socket, mut peer| async move {
            socket.arm();
            yield_now().await;
            assert!(!socket.has_input());
            peer.write_all(b"a").expect("sent");
            yield_now().await;
            assert!(socket.has_input());
            let (count, _) = socket.read(Vec::with_capacity(10), usize::MAX).await;
            assert_eq!(count.expect("read"), 1);
            assert!(!socket.has_input());
            drop(peer);
            socket.readable().await.expect("the end");
            assert!(socket.has_input());
            for _ in 0..2 {
                let (count, _) = socket.read(Vec::with_capacity(10), usize::MAX).await;
                assert_eq!(count.expect("end of file"), 0);
            }
        });
    }

    /// Whoever asks again and again for what is there must not wait for it in a loop of his own.
    #[test]
    fn input_may_be_there_and_not_to_be_had_while_the_reception_stops() {
        // As shards run: the kernel takes nothing in before it is entered.
        let mut builder = io_uring::IoUring::builder();
        builder.setup_single_issuer().setup_defer_taskrun();
        let Ok((ring, None)) = Ring::new(&mut builder, 64) else { return };
        let (ours, mut peer) = UnixStream::pair().expect("pair");
        let run = ring.run(|| async {
            let socket = SocketHandle::new(ours.into()).expect("on a ring");
            socket.arm();
            yield_now().await;
            socket.disarm();
            peer.write_all(b"later").expect("sent");
            assert!(socket.has_input());
            let mut buffer = Vec::with_capacity(10);
            let error = socket.read_now(&mut buffer).expect_err("it is the ring's yet");
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            let (count, buffer) = socket.read(Vec::with_capacity(10), usize::MAX).await;
            assert_eq!((count.expect("read"), &buffer[..]), (5, &b"later"[..]));
        });
        run.expect("it runs");
    }

    #[test]
    fn a_socket_that_is_given_up_loses_nothing() {
        each_way(|socket, mut peer| async move {
            socket.arm();
            yield_now().await;
            peer.write_all(b"before ").expect("sent");
            yield_now().await;
            socket.write(b"to the peer").await.expect("left to the ring");
            let (fd, unread) = socket.detach().await.expect("nothing is under way");
            peer.write_all(b"after").expect("sent");
            let socket = SocketHandle::new(fd).expect("on a ring");
            let (count, rest) = socket.read(Vec::with_capacity(100), usize::MAX).await;
            count.expect("it is still connected");
            assert_eq!([unread, rest].concat(), b"before after");
            let mut text = [0; 11];
            peer.read_exact(&mut text).expect("it was sent");
            assert_eq!(&text, b"to the peer");
        });
    }

    #[test]
    fn a_socket_that_nobody_holds_is_closed() {
        each_way(|socket, mut peer| async move {
            let other = socket.clone();
            socket.arm();
            yield_now().await;
            drop(socket);
            peer.set_nonblocking(true).expect("a socket");
            yield_now().await;
            let open = peer.read(&mut [0]).expect_err("one handle is left");
            assert_eq!(open.kind(), io::ErrorKind::WouldBlock);
            other.write(b"last words").await.expect("left to the ring");
            drop(other);
            peer.set_nonblocking(false).expect("a socket");
            let reader = thread::spawn(move || {
                let mut text = String::new();
                peer.read_to_string(&mut text).map(|_| text)
            });
            while !reader.is_finished() {
                yield_now().await;
            }
            assert_eq!(reader.join().expect("no panic").expect("the end"), "last words");
        });
    }

    #[test]
    fn writes_short_and_long_keep_their_order() {
        let sent = &numbers(100_000);
        each_way(|socket, mut peer| async move {
            let reader = thread::spawn(move || {
                let mut all = Vec::new();
                peer.read_to_end(&mut all).map(|_| all)
            });
            let mut start = 0;
            for turn in 0.. {
                let size = [100, 50_000, SEND_BYTES_MAX, SEND_BYTES_MAX + 1][turn % 4];
                let end = sent.len().min(start + size);
                if start == end {
                    break;
                }
                start += socket.write(&sent[start..end]).await.expect("written");
            }
            socket.flush().await.expect("sent");
            assert!(!socket.has_unsent());
            drop(socket);
            while !reader.is_finished() {
                yield_now().await;
            }
            assert!(reader.join().expect("no panic").expect("read") == *sent);
        });
    }

    #[test]
    fn a_write_that_failed_fails_the_next_one_and_the_flush() {
        each_way(|socket, peer| async move {
            drop(peer);
            let first = socket.write(b"into the void").await;
            let flushed = socket.flush().await;
            let error = first.err().or(flushed.err()).expect("one of them fails");
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            assert!(socket.write(b"again").await.is_err());
        });
    }

    #[test]
    fn more_sockets_than_chunks_lose_nothing() {
        const SOCKETS_COUNT: usize = 400;
        each_way(|_, _| async {
            let done = Rc::new(Cell::new(0));
            let mut peers = Vec::new();
            for _ in 0..SOCKETS_COUNT {
                let (ours, theirs) = UnixStream::pair().expect("pair");
                peers.push(theirs);
                let (socket, done) = (SocketHandle::new(ours.into()), Rc::clone(&done));
                spawn(async move {
                    let all = read_to_end(&socket.expect("on a ring"), 100).await;
                    assert_eq!(all.expect("read").len(), 3 * 50);
                    done.set(done.get() + 1);
                });
            }
            for _ in 0..3 {
                peers.iter_mut().for_each(|peer| peer.write_all(&[1; 50]).expect("sent"));
                yield_now().await;
            }
            drop(peers);
            while done.get() < SOCKETS_COUNT {
                yield_now().await;
            }
        });
    }
}
