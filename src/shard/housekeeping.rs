//! The tick of a shard: deadlines, targets, dates, idle upstream connections, gauges, the end.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Shard;
use crate::base::Nanos;
use crate::base::limits::TICK_MS;
use crate::coord::GroupView;
use crate::observe::{BufferKind, DeadlineKind};
use crate::rt::{now, sleep, unix_millis};

/// Runs until the shard ends: stopped, or drained.
pub(super) async fn run(shard: &Shard) {
    let tick = Duration::from_millis(TICK_MS);
    let mut second = u64::MAX;
    loop {
        let began = now();
        if let Some(this_second) = turn(shard, began, second) {
            second = this_second;
        }
        if shard.stops.get() || is_drained(shard, began) {
            count_cut(shard, began);
            count_stock(shard); // the last word on what was not given back
            // Its last lines go to the writer now: tasks that never end, such as the one that
            // reads the mail, keep the state alive past the end of this thread's work.
            drop(shard.state.access_log.take());
            return;
        }
        sleep(tick).await;
        let at = now();
        shard.state.recorder.ticked(at, at.since(began.plus(Nanos::from(tick))));
    }
}

/// One tick; the wall clock's second if it is a new one.
fn turn(shard: &Shard, at: Nanos, second: u64) -> Option<u64> {
    let state = &shard.state;
    state.deadlines.turn(at);
    take_targets(shard, at);
    state.runtimes.tick(at);
    if let Some(sink) = state.access_log.borrow_mut().as_mut() {
        sink.tick(at);
    }
    let unix_ms = unix_millis();
    state.set_wall_clock(unix_ms, at);
    let this_second = unix_ms / 1_000;
    if this_second == second {
        return None;
    }
    let time = UNIX_EPOCH + Duration::from_secs(this_second);
    state.set_http_date(http_date(time));
    for group in state.plan().groups() {
        for _ in 0..group.sweep(at) {
            state.recorder.deadline_fired(DeadlineKind::UpstreamKeepalive);
        }
    }
    state.runtimes.sweep(at);
    count_stock(shard);
    tell_view(shard, at);
    Some(this_second)
}

/// Publishes how many buffers are out and how many connections to targets are idle.
fn count_stock(shard: &Shard) {
    let state = &shard.state;
    let plan = state.plan();
    for group in plan.groups() {
        group.recorder().connections_idle(group.idle_count() as u64);
    }
    state.recorder.buffers_counted(BufferKind::Head, state.head_buffers.count());
    state.recorder.buffers_counted(BufferKind::Body, state.body_buffers.count());
}

/// Takes over the target lists that are newer than those of the groups. One load in a tick in which
/// nothing changed; if the board is being written, the next tick comes back for it.
fn take_targets(shard: &Shard, at: Nanos) {
    let board = &shard.shared.targets;
    let version = board.version();
    if version == shard.targets_version.get() {
        return;
    }
    let plan = shard.state.plan();
    let names = plan.plan.groups.iter().map(|group| group.name.as_str());
    let Some(lists) = board.try_find(names) else { return };
    for (group, list) in plan.groups().iter().zip(&lists) {
        if let Some(list) = list {
            group.update(list, at);
        }
    }
    // What was put since then has a greater version and is looked for at the next tick.
    shard.targets_version.set(version);
}

/// Tells how this shard sees its targets. What cannot be told now is told in a second.
fn tell_view(shard: &Shard, at: Nanos) {
    let (plan, mut view) = (shard.state.plan(), shard.view.borrow_mut());
    view.at = at;
    view.groups.resize_with(plan.groups().len(), GroupView::default);
    for (group, view) in plan.groups().iter().zip(&mut view.groups) {
        group.describe(at, view);
    }
    shard.shared.upstreams.publish(usize::from(shard.options.index), &mut view);
}

pub(super) fn http_date(time: SystemTime) -> [u8; 29] {
    let text = httpdate::fmt_http_date(time);
    text.as_bytes().try_into().unwrap_or(*b"Thu, 01 Jan 1970 00:00:00 GMT")
}

/// Counts the connections that the drain's deadline cuts off: those with a request under way, and
/// those whose first request may have been. Idle ones were closed when the drain began.
fn count_cut(shard: &Shard, at: Nanos) {
    let is_due = shard.drain_deadline.get().is_some_and(|deadline| at >= deadline);
    let count = shard.connections_count.get();
    if shard.stops.get() || !is_due || count == 0 {
        return;
    }
    for _ in 0..count {
        shard.state.recorder.deadline_fired(DeadlineKind::Drain);
    }
    tracing::warn!(shard = shard.options.index, count, "the drain's deadline cuts connections off");
}

fn is_drained(shard: &Shard, at: Nanos) -> bool {
    let Some(deadline) = shard.drain_deadline.get() else {
        return false;
    };
    let is_quiet = shard.connections_count.get() == 0
        && shard.accepting_count.get() == 0
        && shard.state.uploads_count.get() == 0;
    is_quiet || at >= deadline
}
