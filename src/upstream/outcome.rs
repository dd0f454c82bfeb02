//! How one try at a target ended.

/// How one try at a target ended, as far as it tells something of the target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// A final answer with this status came.
    Answered(u16),
    /// No connection: refused, unreachable, no such socket.
    ConnectFailed,
    /// Connecting took too long.
    ConnectTimeout,
    /// The connection ended before the answer was complete.
    Reset,
    /// The first byte or the rest of the answer took too long.
    Timeout,
    /// What came is not HTTP, or breaks its framing.
    BadAnswer,
    /// The client went away, or the gateway gave up for its own reasons: says nothing of the target.
    Abandoned,
}

/// What an [`Outcome`] tells of the target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Success,
    Failure,
    Unknown,
}

impl Outcome {
    /// A 5xx is a failure of the target, as outlier detection of Envoy and `proxy_next_upstream`
    /// of nginx have it; a 4xx is the client's.
    pub(crate) const fn verdict(self) -> Verdict {
        match self {
            Self::Answered(500..) => Verdict::Failure,
            Self::Answered(_) => Verdict::Success,
            Self::Abandoned => Verdict::Unknown,
            Self::ConnectFailed
            | Self::ConnectTimeout
            | Self::Reset
            | Self::Timeout
            | Self::BadAnswer => Verdict::Failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_targets_own_failures_count() {
        assert_eq!(Outcome::Answered(499).verdict(), Verdict::Success);
        assert_eq!(Outcome::Answered(500).verdict(), Verdict::Failure);
        assert_eq!(Outcome::Answered(599).verdict(), Verdict::Failure);
        assert_eq!(Outcome::Reset.verdict(), Verdict::Failure);
        assert_eq!(Outcome::Abandoned.verdict(), Verdict::Unknown);
    }
}
