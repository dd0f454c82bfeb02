//! The tasks of a thread that runs on a ring.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use slab::Slab;

use crate::rt::panic::poll_contained;
use crate::sys::{next_woken, numbered_waker, wake_numbered};

/// A task; it is taken out of its place while it runs.
type Task = Option<Pin<Box<dyn Future<Output = ()>>>>;

thread_local! {
    static TASKS: RefCell<Slab<Task>> = const { RefCell::new(Slab::new()) };
}

/// The number, as wakers carry it, of the future that the ring runs for; its tasks follow.
pub(super) const MAIN: u32 = 0;

/// Starts a task. It runs to its end, or to its panic, or to the end of the ring.
pub(in crate::rt) fn spawn(task: impl Future<Output = ()> + 'static) {
    let task: Task = Some(Box::pin(task));
    let place = TASKS.with_borrow_mut(|tasks| tasks.insert(task));
    wake_numbered(u32::try_from(place + 1).unwrap_or(u32::MAX));
}

/// Runs task `number` until it waits or ends. A number whose task has ended is passed over.
pub(super) fn poll(number: u32) {
    let place = number as usize - 1;
    let task = TASKS.with_borrow_mut(|tasks| tasks.get_mut(place).and_then(Option::take));
    let Some(mut task) = task else { return };
    let waker = numbered_waker(number);
    match poll_contained(task.as_mut(), &mut Context::from_waker(&waker)) {
        Poll::Pending => TASKS.with_borrow_mut(|tasks| tasks[place] = Some(task)),
        Poll::Ready(outcome) => {
            if outcome.is_err() {
                tracing::error!("a task panicked and was ended");
            }
            drop(task); // it may spawn or wake others
            TASKS.with_borrow_mut(|tasks| tasks.remove(place));
        }
    }
}

/// Ends every task of the thread where it stands.
pub(super) fn drop_all() {
    // A task that is dropped may spawn another.
    loop {
        let tasks = TASKS.take();
        if tasks.is_empty() {
            break;
        }
        drop(tasks);
    }
    while next_woken().is_some() {}
}
