//! Wakers that are numbers.
//!
//! A waker of this kind carries the number of its task and nothing else: no allocation, no count
//! of references, nothing to drop. Waking puts the number into a queue of the waking thread, which
//! is the task's own: tasks of a shard are never woken from another thread (`coord` has mailboxes
//! for that, which end in a socket).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::task::{RawWaker, RawWakerVTable, Waker};

thread_local! {
    static WOKEN: RefCell<Woken> = const {
        RefCell::new(Woken { queue: VecDeque::new(), is_queued: Vec::new() })
    };
}

/// The tasks of this thread that were woken and have not run since, each once, in order.
struct Woken {
    queue: VecDeque<u32>,
    /// By task.
    is_queued: Vec<bool>,
}

/// The waker of task `number` of this thread. A number that is used again for another task may
/// wake that one for nothing, which every future allows for.
#[must_use]
pub fn numbered_waker(number: u32) -> Waker {
    // SAFETY: the functions of the table take the pointer as a number and never follow it; they
    // keep the contract of `RawWaker` trivially, as there is nothing to own.
    unsafe { Waker::from_raw(raw(std::ptr::without_provenance(number as usize))) }
}

/// Wakes task `number` of this thread.
pub fn wake_numbered(number: u32) {
    WOKEN.with_borrow_mut(|woken| {
        let index = number as usize;
        if index >= woken.is_queued.len() {
            woken.is_queued.resize(index + 1, false);
        }
        if !std::mem::replace(&mut woken.is_queued[index], true) {
            woken.queue.push_back(number);
        }
    });
}

/// The next task of this thread that was woken.
pub fn next_woken() -> Option<u32> {
    WOKEN.with_borrow_mut(|woken| {
        let number = woken.queue.pop_front()?;
        woken.is_queued[number as usize] = false;
        Some(number)
    })
}

/// How many tasks of this thread were woken and have not run since.
#[must_use]
pub fn woken_count() -> usize {
    WOKEN.with_borrow(|woken| woken.queue.len())
}

const TABLE: RawWakerVTable = RawWakerVTable::new(raw, wake, wake, |_| {});

fn raw(data: *const ()) -> RawWaker {
    RawWaker::new(data, &TABLE)
}

fn wake(data: *const ()) {
    wake_numbered(data.addr() as u32); // it was made from one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_queued_once_until_it_runs() {
        let (one, other) = (numbered_waker(7), numbered_waker(3));
        one.wake_by_ref();
        other.wake_by_ref();
        one.wake_by_ref();
        assert_eq!(woken_count(), 2);
        assert_eq!((next_woken(), next_woken(), next_woken()), (Some(7), Some(3), None));
        one.wake();
        assert_eq!((next_woken(), next_woken()), (Some(7), None));
    }

    #[test]
    fn wakers_of_one_task_are_alike() {
        assert!(numbered_waker(1).will_wake(&numbered_waker(1).clone()));
        assert!(!numbered_waker(1).will_wake(&numbered_waker(2)));
    }
}
