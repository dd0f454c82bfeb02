//! A call that waits for a runtime.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::process::Runtime;
use crate::base::Nanos;

/// A place in the queue of a function.
pub(super) struct Waiter {
    pub(super) since: Nanos,
    given: RefCell<Option<Result<Rc<Runtime>, Arc<str>>>>,
    waker: Cell<Option<Waker>>,
}

impl Waiter {
    pub(super) fn new(since: Nanos) -> Self {
        Self { since, given: RefCell::default(), waker: Cell::default() }
    }

    /// Gives it a runtime, or the reason why there will be none.
    pub(super) fn give(&self, given: Result<Rc<Runtime>, Arc<str>>) {
        self.given.replace(Some(given));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<Result<Rc<Runtime>, Arc<str>>> {
        match self.take() {
            Some(given) => Poll::Ready(given),
            None => {
                self.waker.set(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }

    /// What it was given, if anything.
    pub(super) fn take(&self) -> Option<Result<Rc<Runtime>, Arc<str>>> {
        self.given.borrow_mut().take()
    }
}
