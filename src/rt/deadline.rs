//! Deadlines of sockets and of tasks, kept by the shard's tick.
//!
//! A deadline that passes calls `shutdown(2)` on its socket, so that whatever is in flight on it
//! returns; the owner then asks [`Deadline::passed`] why. Where one socket serves many, as streams
//! of HTTP/2 share theirs, a deadline has no socket and wakes the task that waits for it instead. Moving a deadline later, which happens
//! on every request, is one store: the wheel looks again when the old instant comes.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::base::Nanos;
use crate::base::limits::TICK_MS;
use crate::sys::{shutdown_both, shutdown_read};

const TICK_NANOS: u64 = TICK_MS * 1_000_000;
const SLOTS_COUNT: u64 = 1024;

/// All deadlines of a shard: a wheel of [`SLOTS_COUNT`] ticks.
#[derive(Clone, Debug)]
pub struct Deadlines(Rc<Wheel>);

#[derive(Debug)]
struct Wheel {
    slots: RefCell<Vec<Vec<Rc<Entry>>>>,
    /// The tick up to which the wheel has turned.
    turned: Cell<u64>,
    /// Entry lists that are being looked at, reused so that a turn does not allocate.
    scratch: RefCell<Vec<Rc<Entry>>>,
}

struct Entry {
    /// -1 for none.
    fd: Cell<RawFd>,
    /// Its owner is gone.
    dropped: Cell<bool>,
    due: Cell<Nanos>,
    /// The earliest tick at which the wheel will look at this entry; `u64::MAX` for none.
    looked_at: Cell<u64>,
    passed: Cell<bool>,
    idle: Cell<bool>,
    /// Only the receiving direction is ended, so that an answer can still be sent.
    reading: Cell<bool>,
    /// Who waits for it to pass.
    waiter: Cell<Option<Waker>>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Entry({}, {:?})", self.fd.get(), self.due.get())
    }
}

/// The deadline of one socket or task. Dropping it clears it.
#[derive(Debug)]
pub struct Deadline {
    entry: Rc<Entry>,
    wheel: Rc<Wheel>,
}

impl Deadlines {
    /// A wheel that starts at `now`.
    #[must_use]
    pub fn new(now: Nanos) -> Self {
        let slots = (0..SLOTS_COUNT).map(|_| Vec::new()).collect();
        Self(Rc::new(Wheel {
            slots: RefCell::new(slots),
            turned: Cell::new(now.0 / TICK_NANOS),
            scratch: RefCell::default(),
        }))
    }

    /// A deadline for the socket `fd`, not yet set. The owner of `fd` keeps it open for as long as
    /// the deadline lives.
    #[must_use]
    pub fn watch(&self, fd: RawFd) -> Deadline {
        let entry = Entry {
            fd: Cell::new(fd),
            dropped: Cell::new(false),
            due: Cell::new(Nanos::NEVER),
            looked_at: Cell::new(u64::MAX),
            passed: Cell::new(false),
            idle: Cell::new(false),
            reading: Cell::new(false),
            waiter: Cell::new(None),
        };
        Deadline { entry: Rc::new(entry), wheel: Rc::clone(&self.0) }
    }

    /// A deadline without a socket, not yet set: whoever waits for it is woken.
    #[must_use]
    pub fn alarm(&self) -> Deadline {
        self.watch(-1)
    }

    /// Shuts down every socket whose deadline has passed at `now`; returns how many. Called once a
    /// tick.
    pub fn turn(&self, now: Nanos) -> u32 {
        let (wheel, target) = (&*self.0, now.0 / TICK_NANOS);
        let mut passed_count = 0;
        // After a pause longer than the wheel every slot is looked at once.
        let from = wheel.turned.get().max(target.saturating_sub(SLOTS_COUNT));
        for tick in from + 1..=target {
            let mut due = wheel.scratch.take();
            std::mem::swap(&mut due, &mut wheel.slots.borrow_mut()[(tick % SLOTS_COUNT) as usize]);
            for entry in due.drain(..) {
                passed_count += u32::from(wheel.look(entry, now, tick));
            }
            wheel.scratch.replace(due);
        }
        wheel.turned.set(target.max(wheel.turned.get()));
        passed_count
    }
}

impl Deadlines {
    /// Ends every socket that is idle and has a deadline set, as draining does; returns how many.
    /// Only the receiving direction ends, so that an answer that is on its way still arrives.
    pub fn shutdown_idle(&self) -> u32 {
        let mut count = 0;
        for entry in self.0.slots.borrow().iter().flatten() {
            if entry.idle.get() && !entry.dropped.get() && !entry.passed.replace(true) {
                entry.end(true);
                count += 1;
            }
        }
        count
    }
}

impl Entry {
    /// Ends the socket, or wakes who waits.
    fn end(&self, only_reading: bool) {
        match self.fd.get() {
            -1 => {
                if let Some(waiter) = self.waiter.take() {
                    waiter.wake();
                }
            }
            fd if only_reading => shutdown_read(fd),
            fd => shutdown_both(fd),
        }
    }
}

impl Wheel {
    #[inline]
    fn set(&self, entry: &Rc<Entry>, due: Nanos) {
        entry.due.set(due);
        // A division would cost more than the rest; the comparison is exact enough to file early.
        if due.0 < entry.looked_at.get().saturating_mul(TICK_NANOS) {
            self.file(entry, self.turned.get());
        }
    }

    /// Shuts `entry` down if it is due, else files it again. A stale filing (an earlier one has
    /// taken its place) is dropped.
    fn look(&self, entry: Rc<Entry>, now: Nanos, tick: u64) -> bool {
        if entry.looked_at.get() > tick || Rc::strong_count(&entry) == 1 {
            return false;
        }
        entry.looked_at.set(u64::MAX);
        let due = entry.due.get();
        if due > now {
            self.file(&entry, tick);
            return false;
        }
        entry.due.set(Nanos::NEVER);
        entry.passed.set(true);
        entry.end(entry.reading.get());
        true
    }

    /// Files `entry` for the tick of its deadline, at most one round ahead.
    fn file(&self, entry: &Rc<Entry>, turned: u64) {
        let due = entry.due.get();
        if due == Nanos::NEVER {
            return;
        }
        let tick = due.0.div_ceil(TICK_NANOS).clamp(turned + 1, turned + SLOTS_COUNT - 1);
        if tick < entry.looked_at.get() {
            entry.looked_at.set(tick);
            self.slots.borrow_mut()[(tick % SLOTS_COUNT) as usize].push(Rc::clone(entry));
        }
    }
}

impl Deadline {
    /// Sets the deadline, earlier or later than before. When it passes, both directions end.
    #[inline]
    pub fn set(&self, due: Nanos) {
        self.entry.reading.set(false);
        self.wheel.set(&self.entry, due);
    }

    /// Sets a deadline for what the peer sends: when it passes, only the receiving direction ends,
    /// so that the peer can still be told.
    #[inline]
    pub fn set_read(&self, due: Nanos) {
        self.entry.reading.set(true);
        self.wheel.set(&self.entry, due);
    }

    /// Takes the deadline away.
    #[inline]
    pub fn clear(&self) {
        self.entry.due.set(Nanos::NEVER);
    }

    /// Whether the deadline passed and the socket was shut down.
    #[inline]
    #[must_use]
    pub fn passed(&self) -> bool {
        self.entry.passed.get()
    }

    /// Waits for an alarm to pass. One task waits, the last that asked.
    pub fn poll_passed(&self, context: &Context<'_>) -> Poll<()> {
        if self.passed() {
            return Poll::Ready(());
        }
        self.entry.waiter.set(Some(context.waker().clone()));
        Poll::Pending
    }
}

impl Deadline {
    /// A handle by which another task of the same connection moves this deadline.
    #[must_use]
    pub fn mover(&self) -> DeadlineMover {
        DeadlineMover { entry: Rc::clone(&self.entry), wheel: Rc::clone(&self.wheel) }
    }

    /// Says whether the socket may be ended at will, as [`Deadlines::shutdown_idle`] does.
    #[inline]
    pub fn set_idle(&self, idle: bool) {
        self.entry.idle.set(idle);
    }
}

/// Moves a [`Deadline`] that another task owns; does nothing once that is dropped.
#[derive(Debug)]
pub struct DeadlineMover {
    entry: Rc<Entry>,
    wheel: Rc<Wheel>,
}

impl DeadlineMover {
    /// See [`Deadline::set`].
    pub fn set(&self, due: Nanos) {
        self.entry.reading.set(false);
        self.move_to(due);
    }

    /// See [`Deadline::set_read`].
    pub fn set_read(&self, due: Nanos) {
        self.entry.reading.set(true);
        self.move_to(due);
    }

    fn move_to(&self, due: Nanos) {
        if !self.entry.dropped.get() {
            self.wheel.set(&self.entry, due);
        }
    }

    /// See [`Deadline::passed`].
    #[must_use]
    pub fn passed(&self) -> bool {
        self.entry.passed.get()
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.entry.due.set(Nanos::NEVER);
        self.entry.fd.set(-1);
        self.entry.dropped.set(true);
        self.entry.waiter.take();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn at_ms(milliseconds: u64) -> Nanos {
        Nanos::from_millis(milliseconds)
    }

    #[test]
    fn a_passed_deadline_shuts_its_socket_down() {
        let wheel = Deadlines::new(at_ms(0));
        let (mut ours, _theirs) = UnixStream::pair().expect("pair");
        let deadline = wheel.watch(ours.as_raw_fd());
        deadline.set(at_ms(50));
        assert_eq!(wheel.turn(at_ms(40)), 0);
        assert!(!deadline.passed());
        assert_eq!(wheel.turn(at_ms(60)), 1);
        assert!(deadline.passed());
        assert_eq!(ours.read(&mut [0; 1]).expect("end of file"), 0);
        assert_eq!(wheel.turn(at_ms(90_000)), 0, "it passes once");
    }

    #[test]
    fn an_alarm_wakes_who_waits_for_it() {
        let wheel = Deadlines::new(at_ms(0));
        let alarm = wheel.alarm();
        let woken = std::sync::Arc::new(Woken::default());
        let waker = Waker::from(std::sync::Arc::clone(&woken));
        assert!(alarm.poll_passed(&Context::from_waker(&waker)).is_pending());
        alarm.set(at_ms(50));
        assert_eq!(wheel.turn(at_ms(40)), 0);
        assert_eq!(woken.0.load(std::sync::atomic::Ordering::Relaxed), 0);
        assert_eq!(wheel.turn(at_ms(60)), 1);
        assert_eq!(woken.0.load(std::sync::atomic::Ordering::Relaxed), 1);
        assert!(alarm.poll_passed(&Context::from_waker(&waker)).is_ready());
    }

    /// How often it was woken.
    #[derive(Default)]
    struct Woken(std::sync::atomic::AtomicU32);

    impl std::task::Wake for Woken {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    #[test]
    fn moving_a_deadline_later_or_earlier_or_away_counts() {
        let wheel = Deadlines::new(at_ms(0));
        let (ours, _theirs) = UnixStream::pair().expect("pair");
        let deadline = wheel.watch(ours.as_raw_fd());
        deadline.set(at_ms(50));
        deadline.set(at_ms(100_000));
        assert_eq!(wheel.turn(at_ms(60)), 0);
        deadline.set(at_ms(80));
        assert_eq!(wheel.turn(at_ms(70)), 0);
        deadline.clear();
        assert_eq!(wheel.turn(at_ms(200_000)), 0);
        deadline.set(at_ms(200_010));
        assert_eq!(wheel.turn(at_ms(200_100)), 1);
    }

    /// Whatever the order of settings and turns, a deadline passes in the first turn at or after
    /// its instant (to a tick), and never before.
    #[test]
    fn deadlines_pass_on_time_for_random_histories() {
        for seed in 1..300_u64 {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mut draw = move |below: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state % below
            };
            let wheel = Deadlines::new(at_ms(0));
            let deadline = wheel.watch(-1);
            let (mut now_ms, mut due_ms) = (0, u64::MAX);
            for _ in 0..200 {
                if draw(3) > 0 {
                    due_ms = now_ms + draw(30_000);
                    deadline.set(at_ms(due_ms));
                }
                now_ms += draw(2_000);
                let passed = wheel.turn(at_ms(now_ms)) == 1;
                let slack = due_ms.saturating_add(TICK_MS);
                assert!(!passed || due_ms <= now_ms, "seed {seed}: early");
                assert!(passed || now_ms < slack, "seed {seed}: late, due {due_ms} at {now_ms}");
                if passed {
                    due_ms = u64::MAX;
                }
            }
        }
    }
}
