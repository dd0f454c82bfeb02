//! One process of a function, as the shard that it is on sees it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use super::call::CallState;
use super::function::ShardFunction;
use crate::base::Nanos;
use crate::coord::RuntimeProcess;
use crate::rt::Stream;

/// A runtime: its process, and what it is doing.
pub(super) struct Runtime {
    pub(super) process: Arc<RuntimeProcess>,
    pub(super) function: Rc<ShardFunction>,
    phase: RefCell<Phase>,
    /// The connection on which it waits for an event.
    next: RefCell<Option<Rc<NextSlot>>>,
}

enum Phase {
    /// It has not asked for an event yet.
    Starting,
    /// It waits for an event, and is in the list of those that do.
    Idle { since: Nanos },
    /// It waits for an event, and a call is about to give it one.
    Taken,
    /// It was given an event. `call` is gone once that was answered; it is busy until it asks for the
    /// next one, and must do so before `due`.
    Busy { call: Option<Rc<CallState>>, due: Nanos },
    /// Nothing more is to come of it here.
    Gone,
}

/// What a connection that waits for an event is given.
pub(super) enum Given {
    /// The whole answer to its request.
    Event(Vec<u8>),
    /// It is to move to the shard that its process is on.
    Move,
    /// It is to close.
    Close,
}

/// A connection that waits for an event.
pub(super) struct NextSlot {
    given: Cell<Option<Given>>,
    waker: Cell<Option<Waker>>,
    stream: Stream,
}

impl NextSlot {
    pub(super) fn new(stream: Stream) -> Rc<Self> {
        Rc::new(Self { given: Cell::default(), waker: Cell::default(), stream })
    }

    fn give(&self, given: Given) {
        self.given.set(Some(given));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Waits for what it is given.
    pub(super) async fn given(self: Rc<Self>) -> Given {
        std::future::poll_fn(|context| match self.given.take() {
            Some(given) => Poll::Ready(given),
            None => {
                self.waker.set(Some(context.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}

impl Runtime {
    pub(super) fn new(process: Arc<RuntimeProcess>, function: Rc<ShardFunction>) -> Rc<Self> {
        Rc::new(Self {
            process,
            function,
            phase: RefCell::new(Phase::Starting),
            next: RefCell::default(),
        })
    }

    /// It asks for an event on a connection. An earlier one on which it did is closed: its client has
    /// given that up. Whether it has not asked before since it answered the last one.
    pub(super) fn asks(&self, slot: Rc<NextSlot>) -> bool {
        if let Some(earlier) = self.next.replace(Some(slot)) {
            earlier.give(Given::Close);
        }
        let mut phase = self.phase.borrow_mut();
        if matches!(*phase, Phase::Idle { .. } | Phase::Taken | Phase::Gone) {
            return false;
        }
        match &*phase {
            Phase::Busy { call: Some(call), .. } => {
                call.fail("Runtime.InvalidStateTransition", "the runtime asked for another event");
            }
            Phase::Busy { call: None, .. } => self.function.returned(),
            Phase::Starting | Phase::Idle { .. } | Phase::Taken | Phase::Gone => {}
        }
        *phase = Phase::Taken;
        drop(phase);
        self.process.set_request_id(None);
        true
    }

    /// It is in the list of those that wait.
    pub(super) fn set_idle(&self, since: Nanos) {
        self.phase.replace(Phase::Idle { since });
    }

    /// It is in that list no longer.
    pub(super) fn set_taken(&self) {
        self.phase.replace(Phase::Taken);
    }

    /// Since when it has waited.
    pub(super) fn idle_since(&self) -> Option<Nanos> {
        match *self.phase.borrow() {
            Phase::Idle { since } => Some(since),
            _ => None,
        }
    }

    /// Whether an event can be given to it: it waits, on a connection that is open and silent.
    pub(super) fn is_ready(&self) -> bool {
        let next = self.next.borrow();
        !self.process.has_ended() && next.as_ref().is_some_and(|slot| !slot.stream.has_input())
    }

    /// Gives it an event, as the whole answer to its request; it must be ready.
    pub(super) fn begin(&self, call: &Rc<CallState>, answer: Vec<u8>, due: Nanos) {
        self.phase.replace(Phase::Busy { call: Some(Rc::clone(call)), due });
        self.process.set_request_id(Some(&call.request_id));
        match self.next.take() {
            Some(slot) => slot.give(Given::Event(answer)),
            None => debug_assert!(false, "a runtime that waits nowhere was given an event"),
        }
    }

    /// The call of this id, if it is the one that is under way.
    pub(super) fn call(&self, request_id: &str) -> Option<Rc<CallState>> {
        match &*self.phase.borrow() {
            Phase::Busy { call: Some(call), .. } if *call.request_id == *request_id => {
                Some(Rc::clone(call))
            }
            _ => None,
        }
    }

    /// The call that is under way was answered.
    pub(super) fn answered(&self) {
        if let Phase::Busy { call, .. } = &mut *self.phase.borrow_mut()
            && call.take().is_some()
        {
            self.function.returns();
        }
    }

    /// The time by which it must have asked for another event.
    pub(super) fn due(&self) -> Option<Nanos> {
        match *self.phase.borrow() {
            Phase::Busy { due, .. } => Some(due),
            _ => None,
        }
    }

    /// Lets go of it: its process ends, or goes to another shard. The call that was under way, if any.
    pub(super) fn leave(&self, given: Given) -> Option<Rc<CallState>> {
        let phase = self.phase.replace(Phase::Gone);
        if let Some(slot) = self.next.take() {
            slot.give(given);
        }
        match phase {
            Phase::Busy { call: Some(call), .. } => Some(call),
            Phase::Busy { call: None, .. } => {
                self.function.returned();
                None
            }
            Phase::Starting | Phase::Idle { .. } | Phase::Taken | Phase::Gone => None,
        }
    }

    /// Whether it was let go of.
    pub(super) fn is_gone(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Gone)
    }
}
