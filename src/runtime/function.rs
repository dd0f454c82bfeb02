//! One function on one shard: its idle runtimes, and the calls that wait for one.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::process::Runtime;
use super::waiter::Waiter;
use super::{CallFailure, Runtimes};
use crate::base::Nanos;
use crate::coord::{EndReason, HostMessage, LocalFunction, ShardMessage};
use crate::observe::CallRecorder;
use crate::rt::{Deadline, now};

/// A function on this shard.
///
/// # Invariants
///
/// - A runtime is in `idle` exactly when its phase says so.
/// - While calls wait, no ready runtime is idle here.
pub struct ShardFunction {
    pub(super) function: Arc<LocalFunction>,
    shard: usize,
    /// `function:NAME`, for the log.
    shown: Rc<str>,
    /// Counts calls, where this is a shard.
    pub(super) calls: Option<CallRecorder>,
    /// Those that have waited longest first; taken from the back, so that what is not needed ages.
    idle: RefCell<Vec<Rc<Runtime>>>,
    waiting: RefCell<VecDeque<Rc<Waiter>>>,
    /// Processes that were asked for and have not come.
    awaited_count: Cell<usize>,
    /// Runtimes that have answered and are about to ask for another event.
    returning_count: Cell<usize>,
}

impl ShardFunction {
    pub(super) fn new(
        function: Arc<LocalFunction>,
        shard: usize,
        calls: Option<CallRecorder>,
    ) -> Self {
        let shown = format!("function:{}", function.name()).into();
        Self {
            function,
            shard,
            shown,
            calls,
            idle: RefCell::default(),
            waiting: RefCell::default(),
            awaited_count: Cell::new(0),
            returning_count: Cell::new(0),
        }
    }

    /// What it is called in the settings or by the Lambda API.
    #[must_use]
    pub fn name(&self) -> &str {
        self.function.name()
    }

    /// How the access log names it as a target.
    #[must_use]
    pub fn shown(&self) -> Rc<str> {
        Rc::clone(&self.shown)
    }

    /// A runtime that is ready for an event, now or as soon as there is one. `alarm` says when the
    /// caller gives up.
    pub(super) async fn acquire(
        self: &Rc<Self>,
        runtimes: &Rc<Runtimes>,
        alarm: &Deadline,
    ) -> Result<Rc<Runtime>, CallFailure> {
        if let Some(runtime) = self.take_idle(runtimes) {
            return Ok(runtime);
        }
        if self.function.is_barred() || self.waiting.borrow().len() >= WAITING_CALLS_MAX {
            return Err(CallFailure::Throttled);
        }
        let queued = Queued {
            waiter: Rc::new(Waiter::new(now())),
            function: Rc::clone(self),
            runtimes: Rc::clone(runtimes),
        };
        self.waiting.borrow_mut().push_back(Rc::clone(&queued.waiter));
        self.tell_waiting();
        self.ask(runtimes);
        let given = std::future::poll_fn(|context| {
            if let std::task::Poll::Ready(given) = queued.waiter.poll(context) {
                return std::task::Poll::Ready(Some(given));
            }
            alarm.poll_passed(context).map(|()| None)
        });
        match given.await {
            Some(Ok(runtime)) => Ok(runtime),
            Some(Err(reason)) => Err(CallFailure::ended(&reason)),
            None => Err(CallFailure::TimedOut),
        }
    }

    /// Takes an idle runtime that is ready. Those that are not are let go of.
    fn take_idle(&self, runtimes: &Runtimes) -> Option<Rc<Runtime>> {
        loop {
            let runtime = self.idle.borrow_mut().pop()?;
            self.tell_idle();
            runtime.set_taken();
            if runtime.process.is_stale() {
                runtimes.end(&runtime, EndReason::Stale);
            } else if runtime.is_ready() {
                return Some(runtime);
            } else {
                // It may yet ask again, on another connection.
                runtimes.forget(&runtime);
            }
        }
    }

    /// A runtime waits for an event: gives it to the call that has waited longest, on any shard, or
    /// keeps it.
    pub(super) fn offer(&self, runtimes: &Runtimes, runtime: Rc<Runtime>) {
        if runtime.process.is_stale() {
            runtimes.end(&runtime, EndReason::Stale);
            self.ask(runtimes);
            return;
        }
        let ours = self.waiting.borrow().front().map(|waiter| waiter.since);
        if let Some(shard) = self.function.supply().find_waiting(self.shard, ours) {
            runtimes.send_away(&runtime, shard);
            return;
        }
        if let Some(waiter) = self.waiting.borrow_mut().pop_front() {
            waiter.give(Ok(runtime));
        } else {
            runtime.set_idle(now());
            self.idle.borrow_mut().push(runtime);
        }
        self.tell_waiting();
        self.tell_idle();
        // Said before this look: who came to wait elsewhere since then saw it, or is seen now.
        if self.waiting.borrow().is_empty()
            && let Some(shard) = self.function.supply().find_waiting(self.shard, None)
        {
            self.lend(runtimes, shard);
        }
    }

    /// Sends an idle runtime to a shard on which a call waits, if there is one.
    pub(super) fn lend(&self, runtimes: &Runtimes, shard: usize) {
        if let Some(runtime) = self.take_idle(runtimes) {
            runtimes.send_away(&runtime, shard);
        }
    }

    /// Sees to it that as many runtimes are on their way as calls wait: those that have just answered,
    /// from other shards, or new.
    pub(super) fn ask(&self, runtimes: &Runtimes) {
        self.ask_beside(runtimes, self.returning_count.get());
    }

    /// The same, a tick later: those that have answered should have asked again by now.
    pub(super) fn ask_again(&self, runtimes: &Runtimes) {
        self.ask_beside(runtimes, 0);
    }

    fn ask_beside(&self, runtimes: &Runtimes, returning_count: usize) {
        let coming = self.awaited_count.get() + returning_count;
        let mut lacking = self.waiting.borrow().len().saturating_sub(coming);
        if lacking == 0 {
            return;
        }
        if let Some(shard) = self.function.supply().find_idle(self.shard) {
            let (function, to) = (Arc::clone(&self.function), self.shard);
            // Where the mail is full, the next tick asks again.
            if runtimes.send(shard, ShardMessage::Lend { function, to }).is_ok() {
                lacking -= 1;
            }
        }
        for _ in 0..lacking {
            let Some(place) = self.function.take_place() else { return };
            self.awaited_count.set(self.awaited_count.get() + 1);
            let (function, shard) = (Arc::clone(&self.function), self.shard);
            self.function.tell_host(HostMessage::Start { function, place, shard });
        }
    }

    /// A runtime has answered; it is about to ask for another event.
    pub(super) fn returns(&self) {
        self.returning_count.set(self.returning_count.get() + 1);
    }

    /// It has asked, or nothing more is to be expected of it.
    pub(super) fn returned(&self) {
        self.returning_count.set(self.returning_count.get().saturating_sub(1));
    }

    /// A process that was asked for has come.
    pub(super) fn came(&self) {
        self.awaited_count.set(self.awaited_count.get().saturating_sub(1));
    }

    /// A process that was asked for will not come: so the call that has waited longest fails.
    pub(super) fn start_failed(&self, runtimes: &Runtimes, reason: &Arc<str>) {
        self.came();
        if let Some(waiter) = self.waiting.borrow_mut().pop_front() {
            waiter.give(Err(Arc::clone(reason)));
        }
        self.tell_waiting();
        self.ask(runtimes);
    }

    /// It is no longer among the idle.
    pub(super) fn remove_idle(&self, runtime: &Rc<Runtime>) {
        self.idle.borrow_mut().retain(|idle| !Rc::ptr_eq(idle, runtime));
        self.tell_idle();
    }

    /// Ends what has been idle for too long, or is of an earlier change of the function.
    pub(super) fn sweep(&self, runtimes: &Runtimes, at: Nanos) {
        let idle_max = self.function.idle();
        let is_old = |runtime: &Runtime| {
            runtime.idle_since().is_some_and(|since| at.since(since) > idle_max)
        };
        let (mut old, mut stale) = (Vec::new(), Vec::new());
        self.idle.borrow_mut().retain(|runtime| {
            let list = if runtime.process.is_stale() {
                &mut stale
            } else if is_old(runtime) {
                &mut old
            } else {
                return true;
            };
            list.push(Rc::clone(runtime));
            false
        });
        self.tell_idle();
        for runtime in stale {
            runtimes.end(&runtime, EndReason::Stale);
        }
        for runtime in old {
            runtimes.end(&runtime, EndReason::Idle);
        }
    }

    /// How many runtimes wait for an event.
    #[must_use]
    pub fn idle_count(&self) -> usize {
        self.idle.borrow().len()
    }

    /// Whether nothing of it is here.
    pub(super) fn is_unused(self: &Rc<Self>) -> bool {
        Rc::strong_count(self) == 1 && self.awaited_count.get() == 0
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    fn tell_idle(&self) {
        let count = u32::try_from(self.idle.borrow().len()).unwrap_or(u32::MAX);
        self.function.supply().set_idle(self.shard, count);
    }

    fn tell_waiting(&self) {
        let oldest = self.waiting.borrow().front().map(|waiter| waiter.since);
        self.function.supply().set_waiting(self.shard, oldest);
    }
}

/// A call in the queue. Whoever gives up leaves it, and passes on what came too late.
struct Queued {
    waiter: Rc<Waiter>,
    function: Rc<ShardFunction>,
    runtimes: Rc<Runtimes>,
}

impl Drop for Queued {
    fn drop(&mut self) {
        let function = &self.function;
        function.waiting.borrow_mut().retain(|waiter| !Rc::ptr_eq(waiter, &self.waiter));
        function.tell_waiting();
        if let Some(Ok(runtime)) = self.waiter.take() {
            function.offer(&self.runtimes, runtime);
        }
    }
}

/// Calls of one function that may wait on one shard; more are refused as throttled.
const WAITING_CALLS_MAX: usize = 1_024;
