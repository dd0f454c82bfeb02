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
    /// Another has opened one, or more is known of one: it looks again.
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
        self.let_go_of_worn(requests_max);
        if let Some(connection) = self.find(target, TargetConnection::has_room) {
            return Step::Use(connection);
        }
        let under_way = self.opening.borrow().iter().find(|(one, _)| *one == target).cloned();
        let Some((_, opening)) = under_way else {
            // So new that the target has not said how much it takes.
            if let Some(untold) = self.find(target, TargetConnection::is_untold) {
                let is_late = poll_fn(|context| match untold.poll_told(context) {
                    Poll::Ready(()) => Poll::Ready(false),
                    Poll::Pending => deadline.poll_passed(context).map(|()| true),
                })
                .await;
                return if is_late { Step::Failed(Fault::ConnectTimeout) } else { Step::Again };
            }
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

    /// The first connection to `target` that is `fit`.
    fn find(
        &self,
        target: TargetId,
        fit: impl Fn(&TargetConnection) -> bool,
    ) -> Option<Rc<TargetConnection>> {
        let open = self.open.borrow();
        open.iter()
            .find(|(one, connection)| *one == target && fit(connection))
            .map(|(_, one)| Rc::clone(one))
    }

    /// Lets go of connections that have carried all that they may. Requests under way keep theirs.
    fn let_go_of_worn(&self, requests_max: u64) {
        if requests_max != 0 {
            let mut open = self.open.borrow_mut();
            open.retain(|(_, connection)| connection.requests_count() < requests_max);
        }
    }

    /// Lets go of what is over, of what was unused for `timeout` (the count of these), and of what
    /// is unused beyond `kept_max` to one target.
    pub(super) fn sweep(&self, now: Nanos, timeout: Nanos, kept_max: usize) -> u32 {
        let mut expired_count = 0;
        let mut kept: Vec<(TargetId, usize)> = Vec::new();
        self.open.borrow_mut().retain(|(target, connection)| {
            if connection.is_over() {
                return false;
            }
            let Some(since) = connection.idle_since() else { return true };
            let is_expired = now.since(since) >= timeout;
            expired_count += u32::from(is_expired);
            !is_expired && is_among_the_first(&mut kept, *target, kept_max)
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

/// Counts one more connection to `target`; whether it is one of the first `kept_max`.
fn is_among_the_first(
    kept: &mut Vec<(TargetId, usize)>,
    target: TargetId,
    kept_max: usize,
) -> bool {
    let at = kept.iter().position(|(one, _)| *one == target).unwrap_or_else(|| {
        kept.push((target, 0));
        kept.len() - 1
    });
    kept[at].1 += 1;
    kept[at].1 <= kept_max
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
