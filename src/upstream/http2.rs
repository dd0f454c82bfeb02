//! The HTTP/2 connections of one group on one shard, which its requests share.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::TargetId;
use crate::base::{Fault, Nanos};
use crate::http2::TargetConnection;
use crate::rt::Deadline;

/// Connections by target, and those that are being opened.
#[derive(Default)]
pub(super) struct SharedConnections {
    open: RefCell<Vec<(TargetId, Rc<TargetConnection>)>>,
    opening: RefCell<Vec<(TargetId, Rc<Opening>)>>,
}

/// A connection that one request opens and others wait for.
#[derive(Default)]
struct Opening {
    result: Cell<Option<Result<(), Fault>>>,
    is_over: Cell<bool>,
    waiters: RefCell<Vec<Waker>>,
}

/// The right to open a connection to a target; others wait until it is gone.
pub(super) struct OpeningTurn<'s> {
    connections: &'s SharedConnections,
    target: TargetId,
    opening: Rc<Opening>,
}

/// What a request does that needs a connection.
pub(super) enum Step<'s> {
    /// It uses this one.
    Use(Rc<TargetConnection>),
    /// It opens one.
    Open(OpeningTurn<'s>),
    /// Another opened one, and this is why there is none.
    Failed(Fault),
    /// Another has opened one: it looks again.
    Again,
}

impl SharedConnections {
    /// A connection to `target` with room for a request that has not carried `requests_max` (0 is no
    /// bound), the right to open one, or what came of waiting for another who has it. `deadline` is
    /// an alarm.
    pub(super) async fn step(
        &self,
        target: TargetId,
        requests_max: u64,
        deadline: &Deadline,
    ) -> Step<'_> {
        if let Some(connection) = self.usable(target, requests_max) {
            return Step::Use(connection);
        }
        let under_way = self.opening.borrow().iter().find(|(one, _)| *one == target).cloned();
        let Some((_, opening)) = under_way else {
            let opening = Rc::new(Opening::default());
            self.opening.borrow_mut().push((target, Rc::clone(&opening)));
            return Step::Open(OpeningTurn { connections: self, target, opening });
        };
        let is_late = poll_fn(|context| {
            if opening.is_over.get() {
                return Poll::Ready(false);
            }
            opening.waiters.borrow_mut().push(context.waker().clone());
            deadline.poll_passed(context).map(|()| true)
        })
        .await;
        match opening.result.get() {
            _ if is_late => Step::Failed(Fault::ConnectTimeout),
            Some(Err(fault)) => Step::Failed(fault),
            Some(Ok(())) | None => Step::Again,
        }
    }

    fn usable(&self, target: TargetId, requests_max: u64) -> Option<Rc<TargetConnection>> {
        let open = self.open.borrow();
        let fit = |connection: &TargetConnection| {
            (requests_max == 0 || connection.requests_count() < requests_max)
                && connection.has_room()
        };
        open.iter()
            .find(|(one, connection)| *one == target && fit(connection))
            .map(|(_, one)| Rc::clone(one))
    }

    /// Lets go of what is over and of what was unused for `timeout`; how many of the latter.
    pub(super) fn sweep(&self, now: Nanos, timeout: Nanos) -> u32 {
        let mut expired_count = 0;
        self.open.borrow_mut().retain(|(_, connection)| {
            let idle_since = connection.idle_since();
            let is_expired = idle_since.is_some_and(|since| now.since(since) >= timeout);
            expired_count += u32::from(is_expired);
            !is_expired && !connection.is_over()
        });
        expired_count
    }

    /// Lets go of the connections of targets that are gone. Requests under way keep theirs.
    pub(super) fn retain_targets(&self, is_member: impl Fn(TargetId) -> bool) {
        self.open.borrow_mut().retain(|(target, _)| is_member(*target));
    }

    /// How many carry no request now.
    pub(super) fn idle_count(&self) -> usize {
        self.open.borrow().iter().filter(|(_, one)| one.idle_since().is_some()).count()
    }
}

impl OpeningTurn<'_> {
    /// There is a connection.
    pub(super) fn done(self, connection: Rc<TargetConnection>) {
        self.opening.result.set(Some(Ok(())));
        self.connections.open.borrow_mut().push((self.target, connection));
    }

    /// There is none.
    pub(super) fn failed(self, fault: Fault) {
        self.opening.result.set(Some(Err(fault)));
    }
}

impl Drop for OpeningTurn<'_> {
    fn drop(&mut self) {
        let mut opening = self.connections.opening.borrow_mut();
        opening.retain(|(_, one)| !Rc::ptr_eq(one, &self.opening));
        self.opening.is_over.set(true);
        for waiter in self.opening.waiters.take() {
            waiter.wake();
        }
    }
}
