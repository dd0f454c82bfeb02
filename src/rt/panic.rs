//! Keeps a panic inside the task that caused it: unwinding through the runtime would end the shard.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The future panicked. Its state may be half-changed: it must be thrown away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Panicked;

/// Polls `task` once and turns a panic into a value.
pub fn poll_contained<F: Future + ?Sized>(
    task: Pin<&mut F>,
    context: &mut Context<'_>,
) -> Poll<Result<F::Output, Panicked>> {
    match catch_unwind(AssertUnwindSafe(|| task.poll(context))) {
        Ok(polled) => polled.map(Ok),
        Err(_) => Poll::Ready(Err(Panicked)),
    }
}

/// A task that ends by itself, and alone, when it panics.
pub struct Contained<F>(Pin<Box<F>>);

impl<F: Future> Contained<F> {
    /// Wraps `task`. Allocates once.
    pub fn new(task: F) -> Self {
        Self(Box::pin(task))
    }
}

impl<F: Future> Future for Contained<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        poll_contained(self.0.as_mut(), context)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::rt::{DriverChoice, RingOptions, run, spawn, yield_now};

    #[test]
    fn a_task_that_panics_ends_alone_and_drops_what_it_held() {
        let done = run(DriverChoice::Epoll, RingOptions { entries: 64 }, |_| async {
            let held = Rc::new(Cell::new(0));
            let in_task = Rc::clone(&held);
            spawn(async move {
                in_task.set(1);
                yield_now().await;
                panic!("asked for by a test");
            });
            while Rc::strong_count(&held) > 1 {
                yield_now().await;
            }
            held.get()
        });
        assert_eq!(done.expect("the runtime goes on"), 1);
    }

    #[test]
    fn what_a_task_answers_comes_through() {
        let done = run(DriverChoice::Epoll, RingOptions { entries: 64 }, |_| async {
            let answered = Contained::new(async { 7 }).await;
            let panicked = Contained::new(async { panic!("asked for by a test") }).await;
            (answered, panicked)
        });
        assert_eq!(done.expect("it runs"), (Ok(7), Err::<(), _>(Panicked)));
    }
}
