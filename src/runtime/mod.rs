//! Functions that run on this machine, as one shard calls them: it holds connections of their
//! runtimes and speaks the Lambda Runtime API on them.
//!
//! A process belongs to one shard at a time. A call takes an idle runtime of its shard; where there
//! is none it waits, and a process is started for it (`coord::functions`), or one that is idle on
//! another shard moves here with its connection. So events and answers never cross cores. Refuses
//! to know what an event means, and how a process is started or ended.
//!
//! A runtime that asks for the next event together with its answer, as the clients of plain handlers do,
//! is woken once for both.
//!
//! The rule that a newcomer would break: what a runtime sends is as foreign as what a client sends,
//! and it may be sent by something that the function has left behind. Nothing counts but the id of the
//! call that is under way.

mod body;
mod call;
mod connection;
mod function;
mod invocations;
mod process;
mod registry;
mod streamed_answer;
#[cfg(test)]
mod tests;
mod waiter;

pub use body::{BodyEnd, RuntimeBody};
pub use call::{CallFailure, FunctionAnswer, FunctionEvent};
pub use function::ShardFunction;
pub use invocations::AsyncEvent;
pub use registry::Runtimes;
pub use streamed_answer::StreamedAnswer;
