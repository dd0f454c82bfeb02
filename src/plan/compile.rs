//! Model to plan.

use super::Plan;
use crate::model::Model;

/// Why a model cannot be compiled: a sentence, with the places by name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct PlanError {
    /// A sentence without full stop, the routes or groups named.
    pub message: String,
}

/// Compiles `model` as epoch `epoch`. Reports every problem.
pub fn compile(model: &Model, epoch: u64) -> Result<Plan, Vec<PlanError>> {
    let _ = (model, epoch);
    Err(Vec::new())
}
