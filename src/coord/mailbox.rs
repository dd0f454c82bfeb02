//! Bounded mail to one shard, from any thread.
//!
//! Two lanes: control messages (epochs, drain, stop) and bulk (connections, health), so that a
//! flood of handed-over connections never keeps an epoch out. Within a lane messages of one sender
//! arrive in order; a control message overtakes bulk.
//!
//! A sender never waits: a full lane gives the message back. A shard that sleeps is woken by one
//! byte on a socket pair, written by the first sender that finds it asleep; to an awake shard,
//! sending is one queue push and one load.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crossbeam::queue::ArrayQueue;

use super::doorbell::Doorbell;
use crate::rt;

/// Control messages that one shard may have unread. The publisher has at most three under way
/// (prepare, abandon or adopt, and the next prepare), the signals a few more.
const CONTROL_CAPACITY: usize = 64;
/// Bytes read at one waking; more than one is there only when wake-ups came for nothing.
const WAKE_BYTES: usize = 64;

/// A mailbox whose bulk lane holds `capacity` messages. Fails where the process is out of
/// descriptors (it takes two).
pub fn mailbox<T>(capacity: NonZeroUsize) -> io::Result<(Sender<T>, Receiver<T>)> {
    let (wake_reader, wake_writer) = UnixStream::pair()?;
    wake_reader.set_nonblocking(true)?;
    wake_writer.set_nonblocking(true)?;
    let shared = Arc::new(Shared {
        control: ArrayQueue::new(CONTROL_CAPACITY),
        bulk: ArrayQueue::new(capacity.get()),
        bell: Doorbell::new(),
        is_closed: AtomicBool::new(false),
        senders_count: AtomicUsize::new(1),
        wake_writer,
    });
    let receiver = Receiver { shared: Arc::clone(&shared), wake_reader };
    Ok((Sender { shared }, receiver))
}

#[derive(Debug)]
struct Shared<T> {
    control: ArrayQueue<T>,
    bulk: ArrayQueue<T>,
    bell: Doorbell<AtomicU64>,
    /// Written once, by the receiver when it is dropped (release); read by senders (acquire).
    is_closed: AtomicBool,
    /// Living [`Sender`]s. The last one to go rings, so that the receiver learns of the end.
    senders_count: AtomicUsize,
    wake_writer: UnixStream,
}

/// The sending end. Clones send to the same mailbox.
#[derive(Debug)]
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.senders_count.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // Release pairs with the receiver's acquire: who sees zero also sees every message.
        if self.shared.senders_count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.ring();
        }
    }
}

impl<T> Sender<T> {
    /// Sends in the bulk lane. Gives the message back when the lane is full or the receiver gone.
    pub fn try_send(&self, message: T) -> Result<(), T> {
        self.shared.send(&self.shared.bulk, message)
    }

    /// Sends in the control lane. Gives the message back when the lane is full or the receiver
    /// gone.
    pub fn try_send_control(&self, message: T) -> Result<(), T> {
        self.shared.send(&self.shared.control, message)
    }

    /// Whether the receiver is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed.load(Ordering::Acquire)
    }
}

impl<T> Shared<T> {
    fn send(&self, lane: &ArrayQueue<T>, message: T) -> Result<(), T> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(message);
        }
        lane.push(message)?;
        self.ring();
        // The receiver may have gone between the look and the push, after it emptied the lanes:
        // then the message would keep a descriptor open for as long as there is a sender.
        if self.is_closed.load(Ordering::Acquire) {
            self.discard();
        }
        Ok(())
    }

    fn ring(&self) {
        if self.bell.ring() {
            // A full socket means bytes that the receiver has not read: it wakes from those. A
            // closed one means that nobody is there to wake.
            let _ = (&self.wake_writer).write(&[1]);
        }
    }

    fn discard(&self) {
        while self.pop().is_some() {}
    }

    fn pop(&self) -> Option<T> {
        self.control.pop().or_else(|| self.bulk.pop())
    }
}

/// The receiving end, moved to its shard and there made an [`Inbox`].
#[derive(Debug)]
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    wake_reader: UnixStream,
}

impl<T> Receiver<T> {
    /// The next message, control before bulk. Never waits.
    #[must_use]
    pub fn pop(&self) -> Option<T> {
        self.shared.pop()
    }

    /// Declares that the reader goes to sleep: the next sender writes a byte to the stream of
    /// [`Receiver::wake_stream`]. False if there is mail, or nobody left to send any: then it must
    /// not sleep.
    #[must_use]
    pub fn lie_down(&self) -> bool {
        let shared = &self.shared;
        shared.bell.lie_down(|| {
            shared.control.is_empty() && shared.bulk.is_empty() && !self.is_abandoned()
        })
    }

    /// Declares that the reader is awake, whatever woke it.
    pub fn get_up(&self) {
        self.shared.bell.get_up();
    }

    /// Whether no sender is left. What they sent before may still be in the lanes.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.shared.senders_count.load(Ordering::Acquire) == 0
    }

    /// A second descriptor of the stream that becomes readable when there is mail for a reader
    /// that lay down. It is non-blocking: wait for it to be readable, then read.
    pub fn wake_stream(&self) -> io::Result<UnixStream> {
        self.wake_reader.try_clone()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::Release);
        // Full fence: either a sender sees the flag after its push, or this sees its message.
        std::sync::atomic::fence(Ordering::SeqCst);
        self.shared.discard();
    }
}

/// A [`Receiver`] on its shard, where waiting is async.
#[derive(Debug)]
pub struct Inbox<T> {
    receiver: Receiver<T>,
    wake: rt::Stream,
    buffer: Vec<u8>,
}

impl<T> Inbox<T> {
    /// Takes `receiver` over. To be called on the shard.
    pub fn open(receiver: Receiver<T>) -> io::Result<Self> {
        let wake = rt::Stream::from_std_unix(receiver.wake_stream()?)?;
        Ok(Self { receiver, wake, buffer: Vec::with_capacity(WAKE_BYTES) })
    }

    /// The next message if there is one now.
    #[must_use]
    pub fn pop(&self) -> Option<T> {
        self.receiver.pop()
    }

    /// Waits for the next message; `None` when no sender is left, or the wake-up socket failed.
    /// Like every read of a shard, this future must not be dropped before it is done.
    pub async fn next(&mut self) -> Option<T> {
        loop {
            if let Some(message) = self.receiver.pop() {
                return Some(message);
            }
            if self.receiver.is_abandoned() {
                // What was sent before the last sender went is seen by now, if not by the pop above.
                return self.receiver.pop();
            }
            if self.receiver.lie_down() {
                let woken = self.wait().await;
                self.receiver.get_up();
                woken.ok()?;
            }
        }
    }

    async fn wait(&mut self) -> io::Result<()> {
        self.wake.readable().await?;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let (result, buffer) = self.wake.read_append(buffer).await;
        self.buffer = buffer;
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            other => other.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::rt::{DriverChoice, RingOptions};

    fn small<T>() -> (Sender<T>, Receiver<T>) {
        mailbox(NonZeroUsize::new(2).expect("not zero")).expect("two descriptors are free")
    }

    fn wake_bytes<T>(receiver: &Receiver<T>) -> usize {
        let mut buffer = [0; WAKE_BYTES];
        receiver.wake_stream().expect("clones").read(&mut buffer).unwrap_or(0)
    }

    #[test]
    fn a_full_lane_gives_the_message_back_and_leaves_the_other_lane_open() {
        let (sender, receiver) = small();
        assert_eq!(
            (sender.try_send(1), sender.try_send(2), sender.try_send(3)),
            (Ok(()), Ok(()), Err(3))
        );
        assert_eq!(sender.try_send_control(4), Ok(()));
        assert_eq!(receiver.pop(), Some(4), "control overtakes bulk");
        assert_eq!(receiver.pop(), Some(1));
        assert_eq!(sender.try_send(5), Ok(()), "there is room again");
        assert_eq!((receiver.pop(), receiver.pop(), receiver.pop()), (Some(2), Some(5), None));
    }

    #[test]
    fn the_control_lane_is_bounded_too() {
        let (sender, _receiver) = small();
        for turn in 0..CONTROL_CAPACITY {
            assert_eq!(sender.try_send_control(turn), Ok(()));
        }
        assert_eq!(sender.try_send_control(CONTROL_CAPACITY), Err(CONTROL_CAPACITY));
    }

    #[test]
    fn one_byte_is_written_per_sleep_and_none_to_an_awake_reader() {
        let (sender, receiver) = small();
        assert_eq!(sender.try_send(1), Ok(()));
        assert_eq!(wake_bytes(&receiver), 0);
        assert!(!receiver.lie_down(), "there is mail");
        assert_eq!(receiver.pop(), Some(1));
        assert!(receiver.lie_down());
        assert_eq!((sender.try_send(2), sender.clone().try_send_control(3)), (Ok(()), Ok(())));
        assert_eq!(wake_bytes(&receiver), 1);
        receiver.get_up();
        assert_eq!((receiver.pop(), receiver.pop()), (Some(3), Some(2)));
    }

    #[test]
    fn a_gone_receiver_takes_no_mail_and_keeps_none() {
        let (sender, receiver) = small();
        let message = Arc::new(());
        assert!(sender.try_send(Arc::clone(&message)).is_ok());
        assert!(!sender.is_closed());
        drop(receiver);
        assert_eq!(Arc::strong_count(&message), 1, "unread mail was dropped");
        assert!(sender.is_closed());
        assert!(sender.try_send(Arc::clone(&message)).is_err());
        assert!(sender.try_send_control(message).is_err());
    }

    #[test]
    fn the_last_sender_wakes_the_reader() {
        let (sender, receiver) = small::<u8>();
        let second = sender.clone();
        assert!(receiver.lie_down());
        drop(sender);
        assert_eq!((wake_bytes(&receiver), receiver.is_abandoned()), (0, false));
        drop(second);
        assert_eq!((wake_bytes(&receiver), receiver.is_abandoned()), (1, true));
        assert!(!receiver.lie_down(), "nobody would wake it");
    }

    /// Real threads against a reader that lies down whenever it finds nothing: a lost wake-up
    /// hangs the test.
    #[test]
    fn no_message_is_lost_or_late_under_stress() {
        const SENDERS: usize = 3;
        const MESSAGES: usize = 20_000;
        let (sender, receiver) = small();
        let mut wake = receiver.wake_stream().expect("clones");
        wake.set_nonblocking(false).expect("a socket can block");
        let senders: Vec<_> = (0..SENDERS)
            .map(|index| {
                let sender = sender.clone();
                std::thread::spawn(move || {
                    for turn in 0..MESSAGES {
                        let mut message = (index, turn);
                        while let Err(back) = sender.try_send(message) {
                            message = back;
                            std::thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        drop(sender);
        let mut next = [0; SENDERS];
        loop {
            while let Some((index, turn)) = receiver.pop() {
                assert_eq!(turn, next[index], "messages of one sender keep their order");
                next[index] += 1;
            }
            if receiver.lie_down() {
                assert!(wake.read(&mut [0; WAKE_BYTES]).expect("a byte comes") > 0);
                receiver.get_up();
            } else if receiver.is_abandoned() && next == [MESSAGES; SENDERS] {
                break;
            }
        }
        senders.into_iter().for_each(|sender| sender.join().expect("no panic"));
    }

    #[test]
    fn an_inbox_waits_on_the_runtime_and_ends_with_its_senders() {
        for choice in [DriverChoice::Epoll, DriverChoice::Auto] {
            let (sender, receiver) = small();
            let thread = std::thread::spawn(move || {
                for turn in 0..2_000 {
                    while sender.try_send(turn).is_err() {
                        std::thread::yield_now();
                    }
                }
            });
            let received = crate::rt::run(choice, RingOptions { entries: 256 }, |_| async move {
                let mut inbox = Inbox::open(receiver).expect("on the runtime");
                let mut received = Vec::new();
                while let Some(message) = inbox.next().await {
                    received.push(message);
                }
                received
            });
            thread.join().expect("no panic");
            assert!(received.expect("the driver runs").into_iter().eq(0..2_000));
        }
    }
}
