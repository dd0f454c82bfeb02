//! Calls that come by mail, from who is no shard, and calls whose answer nobody waits for.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{CallFailure, FunctionAnswer, FunctionEvent, Runtimes, ShardFunction};
use crate::base::Nanos;
use crate::base::limits::TICK_MS;
use crate::coord::{Invocation, InvocationAnswer, Invoker};
use crate::rt::{Deadlines, now, sleep, spawn};

impl Runtimes {
    /// Calls a function for someone who is no shard.
    pub fn invoke(self: &Rc<Self>, deadlines: &Deadlines, invocation: Invocation) {
        let function = self.function(&invocation.function);
        let (runtimes, deadlines) = (Rc::clone(self), deadlines.clone());
        let Some(answer) = invocation.answer else {
            let event = AsyncEvent {
                event: invocation.event,
                request_id: invocation.request_id,
                function_arn: invocation.function_arn,
                client_context: invocation.client_context,
            };
            // Who sends events by mail has asked for room before.
            let _ = self.invoke_async(&deadlines, &function, event);
            return;
        };
        spawn(async move {
            let event = FunctionEvent {
                event: &invocation.event,
                request_id: &invocation.request_id,
                function_arn: &invocation.function_arn,
                trace_id: None,
                client_context: invocation.client_context.as_deref(),
                wants_stream: false,
                due: now().plus(Nanos::from_millis(invocation.timeout_ms)),
            };
            let called = runtimes.call(&deadlines, &function, &event).await;
            // Whoever asked may have given up.
            let _ = answer.send(match called {
                Ok(FunctionAnswer::Whole(body)) => InvocationAnswer::Answered(body),
                Ok(FunctionAnswer::Streamed(mut stream)) => {
                    let mut body = Vec::new();
                    while stream.next(&mut body).await {}
                    InvocationAnswer::Answered(body)
                }
                Err(CallFailure::Failed(error)) => InvocationAnswer::Failed(error),
                Err(CallFailure::Throttled) => InvocationAnswer::Throttled,
                Err(CallFailure::TimedOut) => InvocationAnswer::TimedOut,
            });
        });
    }

    /// Calls a function and lets nobody wait: where it fails it is tried twice more (AWS Lambda
    /// Developer Guide, "How Lambda handles errors and retries with asynchronous invocation").
    ///
    /// # Errors
    ///
    /// The event is given back where as many as may be are under way on this shard.
    pub fn invoke_async(
        self: &Rc<Self>,
        deadlines: &Deadlines,
        function: &Rc<ShardFunction>,
        event: AsyncEvent,
    ) -> Result<(), AsyncEvent> {
        if self.events_count.get() >= EVENTS_COUNT_MAX {
            return Err(event);
        }
        self.events_count.set(self.events_count.get() + 1);
        let counted = Counted(Rc::clone(self));
        let (deadlines, function) = (deadlines.clone(), Rc::clone(function));
        spawn(async move { deliver(&counted.0, &deadlines, &function, &event).await });
        Ok(())
    }
}

/// Has a shard make a call, for who is none, and asks for the answer once a tick.
pub(super) async fn invoke_apart(
    invoker: &Invoker,
    function: &ShardFunction,
    event: &FunctionEvent<'_>,
) -> Result<FunctionAnswer, CallFailure> {
    let (answer, mut answered) = oneshot::channel();
    let invocation = Invocation {
        function: Arc::clone(&function.function),
        event: event.event.to_vec(),
        request_id: event.request_id.to_owned(),
        function_arn: event.function_arn.to_owned(),
        client_context: event.client_context.map(str::to_owned),
        timeout_ms: event.due.since(now()).as_millis(),
        answer: Some(answer),
    };
    invoker.send(invocation).map_err(|_| CallFailure::Throttled)?;
    loop {
        match answered.try_recv() {
            Ok(InvocationAnswer::Answered(body)) => return Ok(FunctionAnswer::Whole(body)),
            Ok(InvocationAnswer::Failed(error)) => return Err(CallFailure::Failed(error)),
            Ok(InvocationAnswer::Throttled) => return Err(CallFailure::Throttled),
            Ok(InvocationAnswer::TimedOut) => return Err(CallFailure::TimedOut),
            Err(oneshot::error::TryRecvError::Empty) => {}
            Err(oneshot::error::TryRecvError::Closed) => {
                return Err(CallFailure::of_runtime("Runtime.ExitError", "the gateway ends"));
            }
        }
        sleep(Duration::from_millis(TICK_MS)).await;
    }
}

/// What a function is called with while nobody waits.
#[derive(Clone, Debug)]
pub struct AsyncEvent {
    pub event: Vec<u8>,
    pub request_id: String,
    pub function_arn: String,
    pub client_context: Option<String>,
}

/// An event under way.
struct Counted(Rc<Runtimes>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.events_count.set(self.0.events_count.get() - 1);
    }
}

async fn deliver(
    runtimes: &Rc<Runtimes>,
    deadlines: &Deadlines,
    function: &Rc<ShardFunction>,
    event: &AsyncEvent,
) {
    let first = now();
    let mut waits = RETRY_WAITS.iter();
    loop {
        let called = FunctionEvent {
            event: &event.event,
            request_id: &event.request_id,
            function_arn: &event.function_arn,
            trace_id: None,
            client_context: event.client_context.as_deref(),
            wants_stream: false,
            due: first.plus(EVENT_AGE_MAX),
        };
        let reason = match runtimes.call(deadlines, function, &called).await {
            Ok(_) => return,
            Err(CallFailure::Failed(error)) => String::from_utf8_lossy(&error).into_owned(),
            Err(CallFailure::Throttled) if now().since(first) < EVENT_AGE_MAX => {
                sleep(THROTTLED_WAIT).await;
                continue;
            }
            Err(CallFailure::Throttled | CallFailure::TimedOut) => "it is too old".to_owned(),
        };
        let wait = waits.next();
        tracing::warn!(
            function = function.name(),
            request_id = event.request_id,
            reason,
            is_tried_again = wait.is_some(),
            "an asynchronous invocation failed"
        );
        match wait {
            Some(wait) => sleep(*wait).await,
            None => return,
        }
    }
}

/// Before the second and the third try.
const RETRY_WAITS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];
/// Before a throttled event is tried again; that counts as no try.
const THROTTLED_WAIT: Duration = Duration::from_secs(1);
/// An event older than this is given up: six hours.
const EVENT_AGE_MAX: Nanos = Nanos::from_millis(6 * 3_600 * 1_000);
/// Asynchronous calls that may be under way on one shard.
const EVENTS_COUNT_MAX: u32 = 10_000;
