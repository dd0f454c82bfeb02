//! One request that is served apart from all others, to see what becomes of it.
//!
//! A trial has a plan, counters and targets of its own, so nothing that clients cause or feel
//! changes with it: no metric, no token, no connection to a target.

use std::cell::RefCell;
use std::sync::Arc;

use super::{Invoker, TargetBoard};
use crate::base::{Fault, Nanos};
use crate::observe::ShardMetrics;
use crate::plan::Plan;

/// What is to be tried.
#[derive(Debug)]
pub struct Trial {
    /// What serves it, and nothing else.
    pub plan: Arc<Plan>,
    /// Counters that are prepared for the plan; nobody reads them.
    pub metrics: Arc<ShardMetrics>,
    /// Where the plan's target groups are.
    pub targets: Arc<TargetBoard>,
    /// How functions of this machine are called.
    pub functions: Arc<Invoker>,
    /// The request as it would come over a connection, its body behind its head.
    pub request: Vec<u8>,
}

/// What became of a trial.
#[derive(Debug)]
pub struct TrialReport {
    /// The answer as a client would get it, whole.
    pub answer: Vec<u8>,
    /// What happened on the way, in its order.
    pub steps: Vec<TrialStep>,
}

/// Something that happened to the request of a trial.
#[derive(Clone, Debug, PartialEq)]
pub enum TrialStep {
    /// An endpoint was asked.
    EndpointRequest {
        /// Request line and field lines, without those that frame the body.
        head: Vec<u8>,
        /// The body that goes with it.
        body: Vec<u8>,
        /// When.
        at: Nanos,
    },
    /// An endpoint answered.
    EndpointAnswer {
        /// Status line and field lines.
        head: Vec<u8>,
        /// When.
        at: Nanos,
    },
    /// The body of an endpoint's answer.
    EndpointAnswerBody(Vec<u8>),
    /// The gateway answers itself.
    Refused {
        /// Why.
        fault: Fault,
        /// What there is to say beside it.
        detail: Option<String>,
    },
}

/// The steps so far. Stays on the thread that serves the trial.
#[derive(Debug, Default)]
pub struct TrialLog {
    steps: RefCell<Vec<TrialStep>>,
}

impl TrialLog {
    /// Adds a step.
    pub fn add(&self, step: TrialStep) {
        self.steps.borrow_mut().push(step);
    }

    /// Takes what there is.
    #[must_use]
    pub fn take(&self) -> Vec<TrialStep> {
        self.steps.take()
    }
}
