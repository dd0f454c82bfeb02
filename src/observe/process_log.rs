//! The process log: what the gateway says about itself, on standard error. Not the access log.

use std::io;
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

type Handle = reload::Handle<LevelFilter, Registry>;

static LEVEL: OnceLock<Handle> = OnceLock::new();

/// Why the level cannot be set.
#[derive(Debug, thiserror::Error)]
pub enum LevelError {
    /// The text is not a level.
    #[error("the level is {0:?}, expected off, error, warn, info, debug or trace")]
    Unknown(String),
    /// [`init`] was not called.
    #[error("the process log is not set up")]
    NotSetUp,
}

/// Parses `off`, `error`, `warn`, `info`, `debug` or `trace`.
pub fn parse_level(text: &str) -> Result<LevelFilter, LevelError> {
    // The crate takes digits and the empty text too, which nobody means.
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphabetic()) && !text.is_empty();
    let level = text.parse().ok().filter(|_| is_word);
    level.ok_or_else(|| LevelError::Unknown(text.to_owned()))
}

/// Sets the process log up: lines of text, or of JSON objects, on standard error. Once per
/// process.
pub fn init(level: LevelFilter, json: bool) -> Result<(), TryInitError> {
    let (filter, handle) = reload::Layer::new(level);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = if json {
        lines.json().flatten_event(true).with_ansi(false).boxed()
    } else {
        let is_terminal = io::IsTerminal::is_terminal(&io::stderr());
        lines.with_target(false).with_ansi(is_terminal).boxed()
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    let _ = LEVEL.set(handle);
    Ok(())
}

/// Changes the level while the process runs.
pub fn set_level(level: LevelFilter) -> Result<(), LevelError> {
    let handle = LEVEL.get().ok_or(LevelError::NotSetUp)?;
    handle.reload(level).map_err(|_| LevelError::NotSetUp)
}

/// The level in force.
#[must_use]
pub fn level() -> Option<LevelFilter> {
    LEVEL.get()?.clone_current()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_words() {
        assert_eq!(parse_level("info").expect("a level"), LevelFilter::INFO);
        assert_eq!(parse_level("off").expect("a level"), LevelFilter::OFF);
        for wrong in ["", "3", "verbose", "info "] {
            let error = parse_level(wrong).expect_err("not a level");
            assert!(error.to_string().contains("expected off"), "{wrong:?}");
        }
    }

    /// One test, because a process has one log.
    #[test]
    fn the_level_changes_while_running() {
        init(LevelFilter::WARN, true).expect("first");
        assert!(!tracing::enabled!(tracing::Level::INFO));
        set_level(LevelFilter::DEBUG).expect("set up");
        assert!(tracing::enabled!(tracing::Level::DEBUG));
        assert_eq!(level(), Some(LevelFilter::DEBUG));
        assert!(init(LevelFilter::WARN, true).is_err(), "once per process");
        assert_eq!(level(), Some(LevelFilter::DEBUG));
        set_level(LevelFilter::OFF).expect("set up");
        assert!(!tracing::enabled!(tracing::Level::ERROR));
    }
}
