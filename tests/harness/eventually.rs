//! The one place where tests ask again: for a change that the management API has answered.

use std::thread;
use std::time::Duration;

/// An answer comes when its change is live, or after some seconds: a machine that runs other tests
/// meanwhile may need these tries.
const TRIES_MAX: usize = 100;
const PAUSE: Duration = Duration::from_millis(5);

/// Tries until `attempt` has something, and returns it. What an attempt says as an error is in the
/// panic if it was the last.
///
/// # Panics
///
/// After the last try.
#[track_caller]
pub fn eventually<T>(mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let mut said = String::new();
    for _ in 0..TRIES_MAX {
        match attempt() {
            Ok(value) => return value,
            Err(reason) => said = reason,
        }
        #[expect(clippy::disallowed_methods, reason = "no event says that a deployment is live")]
        thread::sleep(PAUSE);
    }
    panic!("not within {TRIES_MAX} tries: {said}");
}
