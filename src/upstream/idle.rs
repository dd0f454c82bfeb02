//! Idle connections of one group, by target.

use super::TargetId;
use super::connection::Connection;
use crate::base::Nanos;

/// Stacks of idle connections: the most recently used one is the first to be used again, so that
/// the others grow old and are closed.
#[derive(Default)]
pub(crate) struct IdleConnections {
    targets: Vec<(TargetId, Vec<Connection>)>,
}

impl IdleConnections {
    /// A connection to `target` that the target has neither closed nor spoiled.
    pub(crate) fn take(&mut self, target: TargetId) -> Option<Connection> {
        let stack = self.stack(target)?;
        while let Some(connection) = stack.pop() {
            if !connection.is_spoiled() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps `connection`; over `kept_max` the one unused for longest is closed.
    pub(crate) fn put(&mut self, target: TargetId, connection: Connection, kept_max: usize) {
        if kept_max == 0 {
            return;
        }
        let Some(stack) = self.stack(target) else {
            self.targets.push((target, vec![connection]));
            return;
        };
        if stack.len() >= kept_max {
            stack.remove(0);
        }
        stack.push(connection);
    }

    /// Closes what the target closed and what was unused for `timeout`; returns how many of the
    /// latter there were.
    pub(crate) fn sweep(&mut self, now: Nanos, timeout: Nanos) -> u32 {
        let mut expired_count = 0;
        for (_, stack) in &mut self.targets {
            stack.retain(|one| {
                let is_expired = now.since(one.idle_since) >= timeout;
                expired_count += u32::from(is_expired);
                !is_expired && !one.is_spoiled()
            });
        }
        expired_count
    }

    /// Closes the connections of targets that are gone.
    pub(crate) fn retain_targets(&mut self, is_member: impl Fn(TargetId) -> bool) {
        self.targets.retain(|(target, _)| is_member(*target));
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.targets.iter().map(|(_, stack)| stack.len()).sum()
    }

    /// How many there are for each target.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (TargetId, usize)> {
        self.targets.iter().map(|(target, stack)| (*target, stack.len()))
    }

    fn stack(&mut self, target: TargetId) -> Option<&mut Vec<Connection>> {
        self.targets.iter_mut().find(|(one, _)| *one == target).map(|(_, stack)| stack)
    }
}
