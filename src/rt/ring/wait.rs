//! Waiting for one operation of the ring, or for the next turn.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::{Owner, Ring, current};
use crate::sys::{OperationId, Uring};

/// What a task and the ring share of one operation.
pub(super) struct Wait {
    waker: Cell<Option<Waker>>,
    is_over: Cell<bool>,
    result: Cell<Option<Outcome>>,
    /// Keeps what the operation works on open until it is over.
    _held: Option<Rc<dyn Held>>,
}

/// What an operation may keep open.
pub(super) trait Held {}

/// How an operation ended; one that makes a descriptor hands it over.
pub(super) type Outcome = io::Result<Option<OwnedFd>>;

impl Wait {
    /// The operation is over.
    pub(super) fn end(&self, result: Outcome) {
        self.result.set(Some(result));
        self.is_over.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// One operation that somebody waits for. Dropping it cancels the operation.
pub(super) struct Waiting {
    wait: Rc<Wait>,
    operation: OperationId,
    ring: Rc<Ring>,
}

impl Waiting {
    /// Starts an operation; `held` stays alive until it is over.
    pub(super) fn start(
        ring: &Rc<Ring>,
        held: Option<Rc<dyn Held>>,
        start: impl FnOnce(&mut Uring<Owner>, Owner) -> OperationId,
    ) -> Self {
        let wait = Rc::new(Wait {
            waker: Cell::default(),
            is_over: Cell::new(false),
            result: Cell::default(),
            _held: held,
        });
        let owner = Owner::Wait(Rc::clone(&wait));
        let operation = start(&mut ring.uring.borrow_mut(), owner);
        Self { wait, operation, ring: Rc::clone(ring) }
    }

    /// Asks for the operation to end; it completes with an error, unless it was faster.
    pub(super) fn cancel(&self) {
        if !self.wait.is_over.get() {
            self.ring.uring.borrow_mut().cancel(self.operation);
        }
    }
}

impl Future for Waiting {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(result) = self.wait.result.take() {
            return Poll::Ready(result);
        }
        self.wait.waker.set(Some(context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// Waits for at least `span`.
pub(in crate::rt) async fn sleep(span: Duration) {
    // Nothing sleeps outside of a shard.
    let Ok(ring) = current() else { return };
    // Always an error: ETIME.
    let _ = Waiting::start(&ring, None, |uring, owner| uring.timeout(span, owner)).await;
}

/// Lets the tasks that are awake, and the ring, have a turn.
pub(in crate::rt) async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
