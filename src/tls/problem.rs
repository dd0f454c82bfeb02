//! What is wrong with a file or a setting of TLS, for the operator who must act.

use std::fmt;
use std::path::{Path, PathBuf};

/// A mistake that stops a configuration from being made: where, what, and what to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsProblem {
    /// The file that it is in, if it is in one.
    pub file: Option<PathBuf>,
    /// What is wrong; lower case, no full stop.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl TlsProblem {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { file: None, message: message.into(), help: None }
    }

    pub(crate) fn of_file(file: &Path, message: impl Into<String>) -> Self {
        Self { file: Some(file.to_owned()), ..Self::new(message) }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<&str> for TlsProblem {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(out, "{}: ", file.display())?;
        }
        out.write_str(&self.message)
    }
}

impl std::error::Error for TlsProblem {}

/// Something that was loaded, and what an operator should know of it although it works.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// What was loaded.
    pub value: T,
    /// Sentences without full stop, each with the file that it is about.
    pub warnings: Vec<TlsProblem>,
}
