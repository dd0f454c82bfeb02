//! Circuit breaking: a bound on the requests that a shard has outstanding to one group.
//!
//! The bound is the shard's own, so that no request looks at another core's count. Requests over
//! it are refused at once instead of queueing behind a group that no longer keeps up.

use crate::base::Fault;

/// Counts the outstanding tries of one group and refuses those over the bound.
#[derive(Debug)]
pub(crate) struct Circuit {
    outstanding: u32,
    outstanding_max: u32,
    refused_total: u64,
}

impl Circuit {
    pub(crate) const fn new(outstanding_max: u32) -> Self {
        Self { outstanding: 0, outstanding_max, refused_total: 0 }
    }

    /// A new bound. Tries over a smaller one are not taken back; no new one starts until they ended.
    pub(crate) const fn set_bound(&mut self, outstanding_max: u32) {
        self.outstanding_max = outstanding_max;
    }

    /// Whether one more may start. Counts a refusal.
    #[inline]
    pub(crate) const fn check(&mut self) -> Result<(), Fault> {
        if self.outstanding < self.outstanding_max {
            return Ok(());
        }
        self.refused_total += 1;
        Err(Fault::CircuitOpen)
    }

    #[inline]
    pub(crate) const fn started(&mut self) {
        self.outstanding += 1;
    }

    #[inline]
    pub(crate) fn ended(&mut self) {
        debug_assert!(self.outstanding > 0, "a try ended that did not start");
        self.outstanding = self.outstanding.saturating_sub(1);
    }

    pub(crate) const fn outstanding(&self) -> u32 {
        self.outstanding
    }

    pub(crate) const fn outstanding_max(&self) -> u32 {
        self.outstanding_max
    }

    pub(crate) const fn refused_total(&self) -> u64 {
        self.refused_total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_at_the_bound_and_closes_below_it() {
        let mut circuit = Circuit::new(2);
        circuit.check().expect("0 of 2");
        circuit.started();
        circuit.check().expect("1 of 2");
        circuit.started();
        assert_eq!(circuit.check(), Err(Fault::CircuitOpen));
        assert_eq!(circuit.refused_total(), 1);
        circuit.ended();
        circuit.check().expect("1 of 2 again");
        circuit.set_bound(1);
        assert_eq!(circuit.check(), Err(Fault::CircuitOpen));
        circuit.ended();
        circuit.check().expect("0 of 1");
    }
}
