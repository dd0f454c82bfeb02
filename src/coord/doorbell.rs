//! Tells a sleeping reader once that there is something to read, and costs an awake one nothing.

use super::word::Word;

const AWAKE: u64 = 0;
const ASLEEP: u64 = 1;

/// The flag between the writers of a queue and its one reader.
///
/// Written by the reader when it is about to sleep and when it woke, and by the one writer that
/// takes it upon itself to wake the reader. No wake-up is lost: the writer writes the queue, fences
/// and reads the flag; the reader writes the flag, fences and reads the queue. Both fences are
/// sequentially consistent, so either the writer sees the flag or the reader sees the message.
#[derive(Debug)]
pub(super) struct Doorbell<W: Word> {
    reader: W,
}

impl<W: Word> Doorbell<W> {
    pub(super) fn new() -> Self {
        Self { reader: W::holding(AWAKE) }
    }

    /// For a writer, after its write to the queue: whether this writer must wake the reader. Of
    /// the writers that meet one sleep, exactly one is told so.
    #[inline]
    pub(super) fn ring(&self) -> bool {
        W::full_fence();
        self.reader.load() == ASLEEP && self.reader.swap(AWAKE) == ASLEEP
    }

    /// For the reader, before it sleeps: whether it may, by the answer of `is_empty`, which looks
    /// at the queue. If not, it is awake again.
    pub(super) fn lie_down(&self, is_empty: impl FnOnce() -> bool) -> bool {
        self.reader.swap(ASLEEP);
        W::full_fence();
        let may_sleep = is_empty();
        if !may_sleep {
            self.get_up();
        }
        may_sleep
    }

    /// For the reader, when it woke for whatever reason. A writer that was faster has woken it or
    /// is about to: that wake-up comes for nothing and does no harm.
    pub(super) fn get_up(&self) {
        self.reader.swap(AWAKE);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use shuttle::sync::atomic::AtomicU64;
    use shuttle::sync::{Arc, Condvar, Mutex};

    use super::*;

    /// The reader sleeps on a condition variable that stands for the socket: bytes are counted,
    /// and a byte that nobody sends leaves shuttle with a deadlock, which fails the test.
    #[test]
    fn no_wake_up_is_lost_under_any_schedule() {
        shuttle::check_random(
            || {
                let queue = Arc::new(Mutex::new(VecDeque::new()));
                let bell = Arc::new(Doorbell::<AtomicU64>::new());
                let socket = Arc::new((Mutex::new(0_u32), Condvar::new()));
                let writers: Vec<_> = (0..2)
                    .map(|writer| {
                        let (queue, bell, socket) = (queue.clone(), bell.clone(), socket.clone());
                        shuttle::thread::spawn(move || {
                            for turn in 0..2 {
                                queue.lock().expect("not poisoned").push_back((writer, turn));
                                if bell.ring() {
                                    *socket.0.lock().expect("not poisoned") += 1;
                                    socket.1.notify_one();
                                }
                            }
                        })
                    })
                    .collect();
                let mut read = Vec::new();
                while read.len() < 4 {
                    if let Some(message) = queue.lock().expect("not poisoned").pop_front() {
                        read.push(message);
                    } else if bell.lie_down(|| queue.lock().expect("not poisoned").is_empty()) {
                        let mut bytes = socket.0.lock().expect("not poisoned");
                        while *bytes == 0 {
                            bytes = socket.1.wait(bytes).expect("not poisoned");
                        }
                        *bytes = 0;
                        drop(bytes);
                        bell.get_up();
                    }
                }
                for writer in writers {
                    writer.join().expect("the writer does not panic");
                }
                assert!((0..2).all(|one| {
                    read.iter()
                        .filter(|(writer, _)| *writer == one)
                        .map(|(_, turn)| turn)
                        .eq(&[0, 1])
                }));
            },
            3_000,
        );
    }

    #[test]
    fn an_awake_reader_is_never_rung_and_a_sleeping_one_once() {
        let bell = Doorbell::<std::sync::atomic::AtomicU64>::new();
        assert!(!bell.ring(), "the reader is awake");
        assert!(!bell.lie_down(|| false), "there is mail");
        assert!(!bell.ring(), "it stayed awake");
        assert!(bell.lie_down(|| true));
        assert!(bell.ring());
        assert!(!bell.ring(), "one ring is enough");
        assert!(bell.lie_down(|| true));
        bell.get_up();
        assert!(!bell.ring());
    }
}
