//! What every layer may use: identifiers, units, limits, faults and the injected clock.
//!
//! Knows nothing of I/O, async or any other module. The one rule a newcomer would break: no clock
//! is read here; time comes in as [`Nanos`].

mod calendar;
mod clock;
mod fault;
mod json;
pub mod limits;
mod method;
mod reason_phrase;
mod request_id;

pub(crate) use calendar::civil_date;
pub use calendar::{iso8601, log_time, parse_basic_iso8601};
pub use clock::Nanos;
pub use fault::{Blame, Fault, ThrottleScope};
pub(crate) use json::{write_json_escaped, write_json_string};
pub use method::Method;
pub use reason_phrase::reason_phrase;
pub use request_id::{RequestId, RequestIdSource};
