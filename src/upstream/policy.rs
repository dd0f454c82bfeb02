//! The settings of a group that a choice depends on, in the units that choices are made in.

use crate::base::Nanos;
use crate::model::{Balance, HashKey, OutlierEjection, RetryPolicy, TargetGroup};

/// See [`TargetGroup`], where each of these is described.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) hash_key: Option<HashKey>,
    pub(crate) retry: RetryPolicy,
    pub(crate) outlier: Option<OutlierEjection>,
    pub(crate) slow_start: Nanos,
    /// Whether active checks write to the targets' health.
    pub(crate) is_checked: bool,
}

impl Policy {
    pub(crate) fn new(group: &TargetGroup) -> Self {
        let hash_key = match &group.balance {
            Balance::ConsistentHash(key) => Some(key.clone()),
            Balance::RoundRobin | Balance::LeastOutstanding | Balance::PowerOfTwoChoices => None,
        };
        Self {
            hash_key,
            retry: group.retry,
            outlier: group.outlier,
            slow_start: Nanos::from_millis(group.slow_start_ms),
            is_checked: group.health.is_some(),
        }
    }
}
