//! One call of a function.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use super::invocations::invoke_apart;
use super::{Runtimes, ShardFunction, StreamedAnswer};
use crate::base::{Nanos, write_json_string};
use crate::lambda::EventHead;
use crate::observe::CallOutcome;
use crate::rt::{Deadlines, now, unix_millis};

/// What a function is called with.
#[derive(Clone, Copy, Debug)]
pub struct FunctionEvent<'e> {
    pub event: &'e [u8],
    pub request_id: &'e str,
    pub function_arn: &'e str,
    /// `X-Amzn-Trace-Id`, if the call is traced.
    pub trace_id: Option<&'e [u8]>,
    /// JSON of the caller's own.
    pub client_context: Option<&'e str>,
    /// Whether the answer is wanted while it comes, if the function gives it so.
    pub wants_stream: bool,
    /// When the caller gives up. The function goes on until its own time is up.
    pub due: Nanos,
}

/// What a function answered.
#[derive(Debug)]
pub enum FunctionAnswer {
    /// All of it.
    Whole(Vec<u8>),
    /// Its beginning; only where that was wanted.
    Streamed(StreamedAnswer),
}

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CallFailure {
    /// The function or its runtime failed: the JSON that says how, as the Invoke API would.
    Failed(Vec<u8>),
    /// Too many calls wait, or none may be made.
    Throttled,
    /// The caller's time is up.
    TimedOut,
}

impl CallFailure {
    /// The runtime's own failure.
    pub(super) fn of_runtime(error_type: &str, message: &str) -> Self {
        let mut json = b"{\"errorType\":".to_vec();
        write_json_string(&mut json, error_type.as_bytes());
        json.extend_from_slice(b",\"errorMessage\":");
        write_json_string(&mut json, message.as_bytes());
        json.push(b'}');
        Self::Failed(json)
    }

    /// Its process ended, or could not be started. `reason` may be the JSON of an error already.
    pub(super) fn ended(reason: &Arc<str>) -> Self {
        if reason.starts_with('{') {
            return Self::Failed(reason.as_bytes().to_vec());
        }
        Self::of_runtime("Runtime.ExitError", reason)
    }
}

/// A call that was given to a runtime.
pub(super) struct CallState {
    pub(super) request_id: Box<str>,
    pub(super) wants_stream: bool,
    outcome: RefCell<Option<Outcome>>,
    waker: Cell<Option<Waker>>,
    /// The function's own time was up.
    is_late: Cell<bool>,
}

/// How a call ended.
enum Outcome {
    Answered(FunctionAnswer),
    Failed(CallFailure),
    /// The runtime's connection broke before the event was on it: another one may be tried.
    NotGiven,
}

impl CallState {
    pub(super) fn answer(&self, answer: FunctionAnswer) {
        self.settle(Outcome::Answered(answer));
    }

    /// The function said so: `error` is its JSON.
    pub(super) fn failed(&self, error: Vec<u8>) {
        self.settle(Outcome::Failed(CallFailure::Failed(error)));
    }

    /// The runtime failed.
    pub(super) fn fail(&self, error_type: &str, message: &str) {
        let message = format!("RequestId: {} Error: {message}", self.request_id);
        self.settle(Outcome::Failed(CallFailure::of_runtime(error_type, &message)));
    }

    /// The function's own time was up.
    pub(super) fn fail_late(&self, timeout: Nanos) {
        self.is_late.set(true);
        let seconds = timeout.as_millis() as f64 / 1_000.0;
        self.fail("Sandbox.Timedout", &format!("Task timed out after {seconds:.2} seconds"));
    }

    pub(super) fn fail_ended(&self, reason: &Arc<str>) {
        self.settle(Outcome::Failed(CallFailure::ended(reason)));
    }

    pub(super) fn not_given(&self) {
        self.settle(Outcome::NotGiven);
    }

    /// The first word counts.
    fn settle(&self, outcome: Outcome) {
        self.outcome.borrow_mut().get_or_insert(outcome);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Runtimes {
    /// Calls a function. Dropping the future gives up; the function goes on.
    pub async fn call(
        self: &Rc<Self>,
        deadlines: &Deadlines,
        function: &Rc<ShardFunction>,
        event: &FunctionEvent<'_>,
    ) -> Result<FunctionAnswer, CallFailure> {
        if let Some(invoker) = &self.invoker {
            return invoke_apart(invoker, function, event).await;
        }
        let mut counted = CountedCall::new(function);
        let alarm = deadlines.alarm();
        alarm.set(event.due);
        loop {
            let runtime = function.acquire(self, &alarm).await;
            let runtime = runtime.inspect_err(|failure| counted.fails(failure, false))?;
            let timeout = function.function.timeout();
            let call = Rc::new(CallState {
                request_id: event.request_id.into(),
                wants_stream: event.wants_stream,
                outcome: RefCell::default(),
                waker: Cell::default(),
                is_late: Cell::default(),
            });
            runtime.begin(&call, event.written(timeout), now().plus(timeout));
            let outcome = poll_fn(|context| {
                if let Some(outcome) = call.outcome.borrow_mut().take() {
                    return Poll::Ready(outcome);
                }
                call.waker.set(Some(context.waker().clone()));
                let timed_out = || Outcome::Failed(CallFailure::TimedOut);
                alarm.poll_passed(context).map(|()| timed_out())
            });
            match outcome.await {
                Outcome::Answered(answer) => {
                    counted.outcome = CallOutcome::Answered;
                    return Ok(answer);
                }
                Outcome::Failed(failure) => {
                    counted.fails(&failure, call.is_late.get());
                    return Err(failure);
                }
                Outcome::NotGiven => {}
            }
        }
    }
}

/// A call that is counted when it is dropped: as given up, unless it came to something.
struct CountedCall<'f> {
    function: &'f ShardFunction,
    began: Nanos,
    outcome: CallOutcome,
}

impl<'f> CountedCall<'f> {
    fn new(function: &'f ShardFunction) -> Self {
        Self { function, began: now(), outcome: CallOutcome::Abandoned }
    }

    fn fails(&mut self, failure: &CallFailure, is_late: bool) {
        self.outcome = match failure {
            CallFailure::Failed(_) if is_late => CallOutcome::TimedOut,
            CallFailure::Failed(_) => CallOutcome::Failed,
            CallFailure::Throttled => CallOutcome::Throttled,
            CallFailure::TimedOut => CallOutcome::TimedOut,
        };
    }
}

impl Drop for CountedCall<'_> {
    fn drop(&mut self) {
        if let Some(calls) = &self.function.calls {
            calls.ended(self.outcome, now().since(self.began));
        }
    }
}

impl FunctionEvent<'_> {
    /// The whole answer to the request for an event.
    fn written(&self, timeout: Nanos) -> Vec<u8> {
        let mut answer = Vec::with_capacity(EVENT_HEAD_BYTES_USUAL + self.event.len());
        let head = EventHead {
            request_id: self.request_id,
            deadline_unix_ms: unix_millis().saturating_add(timeout.as_millis()),
            function_arn: self.function_arn,
            trace_id: self.trace_id,
            client_context: self.client_context,
        };
        head.write(self.event.len(), &mut answer);
        answer.extend_from_slice(self.event);
        answer
    }
}

const EVENT_HEAD_BYTES_USUAL: usize = 512;
