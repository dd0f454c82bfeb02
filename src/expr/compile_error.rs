//! Why an expression cannot be compiled: a sentence for whoever wrote it.

/// What is wrong with an expression, and which one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{expression}: {reason}")]
pub struct CompileError {
    /// The expression, or the part of it that is meant.
    pub expression: String,
    /// What is wrong with it.
    pub reason: String,
}

impl CompileError {
    pub(super) fn new(expression: &str, reason: impl Into<String>) -> Self {
        Self { expression: expression.to_owned(), reason: reason.into() }
    }
}
