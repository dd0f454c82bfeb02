//! The runtime of a shard on io_uring: one loop that runs woken tasks and takes completions.
//!
//! Sockets are received from by one operation each that stays armed (multishot) and fills chunks
//! of a pool; an idle connection so costs no system call and holds no buffer. Short writes are left
//! to the ring, which sends all of a turn's together; nobody waits for them. Everything else is a
//! plain system call that does not block, and waiting is a poll on the ring. Nothing in flight
//! refers to memory of a task, so every future may be dropped at any time.

mod listener;
mod socket;
mod tasks;
mod wait;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::clock::{keep_time, stop_time};
use crate::sys::{
    Chunk, Completion, Uring, next_woken, numbered_waker, wake_numbered, woken_count,
};

pub(super) use listener::Listener;
use socket::Socket;
pub(super) use socket::SocketHandle;
pub(super) use tasks::spawn;
use wait::Wait;
pub(super) use wait::{sleep, yield_now};

/// 10 MiB, once all of it was needed.
const CHUNKS_COUNT_MAX: u16 = 512;
/// One chunk: a head and a small body in one piece.
const CHUNK_BYTES: u32 = 20 * 1024;

/// The ring of this thread, with what is told of its completions.
pub(super) struct Ring {
    uring: RefCell<Uring<Owner>>,
    /// Sockets are received from by multishot operations.
    is_multishot: Cell<bool>,
}

/// Who waits for an operation. Keeps the socket open until the operation is over.
#[derive(Clone)]
enum Owner {
    /// The reception of a socket.
    Reception(Rc<Socket>),
    /// A socket that has left bytes to the ring to be sent.
    Sending(Rc<Socket>),
    /// A task, until its one operation is over.
    Wait(Rc<Wait>),
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Ring>>> = const { RefCell::new(None) };
}

/// Whether this thread runs on a ring.
pub(super) fn is_current() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

fn current() -> io::Result<Rc<Ring>> {
    let outside = || io::Error::other("not on a shard");
    CURRENT.with_borrow(|current| current.clone().ok_or_else(outside))
}

impl Ring {
    /// A ring, and why it does without multishot reception, if so.
    pub(super) fn new(
        builder: &mut io_uring::Builder,
        entries: u32,
    ) -> io::Result<(Self, Option<io::Error>)> {
        let mut uring = Uring::new(builder, entries)?;
        // What has come is copied out in the turn in which it came: this bounds what one turn takes
        // in at once, not connections.
        let chunks_count_max =
            u16::try_from(entries.next_power_of_two()).unwrap_or(CHUNKS_COUNT_MAX);
        let chunks_count_max = chunks_count_max.min(CHUNKS_COUNT_MAX);
        let tried =
            try_multishot().and_then(|()| uring.provide_chunks(chunks_count_max, CHUNK_BYTES));
        let is_multishot = Cell::new(tried.is_ok());
        Ok((Self { uring: RefCell::new(uring), is_multishot }, tried.err()))
    }

    /// Runs `main` and the tasks that it spawns on this thread, until `main` is done.
    pub(super) fn run<F: Future>(self, main: impl FnOnce() -> F) -> io::Result<F::Output> {
        assert!(!is_current(), "a shard does not run inside a shard");
        let ring = Rc::new(self);
        CURRENT.set(Some(Rc::clone(&ring)));
        let _ended = Ended(&ring);
        keep_time();
        let mut main = pin!(main());
        let waker = numbered_waker(tasks::MAIN);
        wake_numbered(tasks::MAIN);
        loop {
            // Tasks that are woken meanwhile, by themselves too, run in the next turn.
            for _ in 0..woken_count() {
                let Some(number) = next_woken() else { break };
                if number != tasks::MAIN {
                    tasks::poll(number);
                } else if let Poll::Ready(output) =
                    main.as_mut().poll(&mut Context::from_waker(&waker))
                {
                    return Ok(output);
                }
            }
            ring.uring.borrow_mut().enter(woken_count() == 0)?;
            keep_time();
            while let Some(completion) = ring.next_completion() {
                ring.complete(completion);
            }
        }
    }

    fn next_completion(&self) -> Option<Completion<Owner>> {
        self.uring.borrow_mut().next_completion()
    }

    fn complete(&self, completion: Completion<Owner>) {
        let Completion { owner, result, chunk, descriptor, is_last } = completion;
        match owner {
            Owner::Reception(socket) => socket.received(result, chunk, is_last),
            Owner::Sending(socket) => socket.sent(result),
            Owner::Wait(wait) => wait.end(result.map(|_| descriptor)),
        }
    }

    /// Copies what is in `chunk` behind `start` to `buffer`, at most `bytes_max`; how much.
    fn copy(&self, chunk: &Chunk, start: usize, bytes_max: usize, buffer: &mut Vec<u8>) -> usize {
        let uring = self.uring.borrow();
        let bytes = &uring.bytes(chunk)[start..];
        let count = bytes.len().min(bytes_max);
        buffer.extend_from_slice(&bytes[..count]);
        count
    }

    fn release(&self, chunk: Chunk) {
        self.uring.borrow_mut().release(chunk);
    }
}

/// Ends what the thread keeps for its ring, however `run` ends.
struct Ended<'r>(&'r Ring);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        tasks::drop_all();
        // What was written last still leaves.
        let _ = self.0.uring.borrow_mut().enter(false);
        // Operations keep sockets open, and those the ring.
        let abandoned = self.0.uring.borrow_mut().abandon();
        drop(abandoned);
        CURRENT.set(None);
        stop_time();
    }
}

/// Whether this kernel receives as sockets want it to; tried on a ring of its own.
fn try_multishot() -> io::Result<()> {
    let (ours, mut theirs) = UnixStream::pair()?;
    theirs.write_all(b"?")?;
    let mut uring = Uring::new(&mut io_uring::IoUring::builder(), 4)?;
    uring.provide_chunks(2, 64)?;
    uring.receive_multishot(ours.as_raw_fd(), ());
    loop {
        uring.enter(true)?;
        if let Some(completion) = uring.next_completion() {
            let is_received = completion.result? == 1 && completion.chunk.is_some();
            if is_received && !completion.is_last {
                return Ok(());
            }
            return Err(io::Error::other("the kernel receives once only"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::rt::{self, DriverChoice, RingOptions};

    fn run<F: Future>(main: impl FnOnce() -> F) -> Option<F::Output> {
        let (ring, _) = Ring::new(&mut io_uring::IoUring::builder(), 64).ok()?;
        Some(ring.run(main).expect("it runs"))
    }

    #[test]
    fn tasks_run_by_turns_and_are_dropped_at_the_end() {
        let order = Rc::new(RefCell::new(Vec::new()));
        let held = Rc::clone(&order);
        let ran = run(|| async move {
            for name in ["first", "second"] {
                let order = Rc::clone(&held);
                rt::spawn(async move {
                    for _ in 0..2 {
                        order.borrow_mut().push(name);
                        rt::yield_now().await;
                    }
                    std::future::pending::<()>().await;
                });
            }
            for _ in 0..4 {
                rt::yield_now().await;
            }
        });
        if ran.is_some() {
            assert_eq!(*order.borrow(), ["first", "second", "first", "second"]);
            assert_eq!(Rc::strong_count(&order), 1, "a task that never ends is dropped");
        }
    }

    #[test]
    fn a_task_that_wakes_itself_keeps_nobody_from_running() {
        let slept = Rc::new(Cell::new(false));
        let told = Rc::clone(&slept);
        run(|| async move {
            let seen = Rc::clone(&told);
            rt::spawn(async move {
                rt::sleep(std::time::Duration::from_millis(2)).await;
                told.set(true);
            });
            while !seen.get() {
                rt::yield_now().await;
            }
        });
    }

    #[test]
    fn one_ring_after_the_other_runs_on_a_thread() {
        for _ in 0..3 {
            let options = RingOptions { entries: 64 };
            let report = rt::run(DriverChoice::Auto, options, |report| async move { report });
            assert!(report.is_ok() && !is_current());
        }
    }
}
