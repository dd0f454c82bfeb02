//! Functions of the store, as those who run functions have them.
//!
//! Names are full ones, with the version: `arn:aws:lambda:us-east-1:111111111111:function:orders:3`.
//! The boot file comes before the store wherever both have a name.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::management::{
    BoundFunction, FunctionAnswer, FunctionCall, FunctionFolder, FunctionOutcome, FunctionRuntime,
    FunctionStore, FunctionWay, InvocationType, InvokeRefusal, StoredFunction,
};
use crate::coord::{Invocation, InvocationAnswer, Invoker};
use crate::function::{
    FunctionDefinition, FunctionProgram, HandlerCode, HandlerRuntime, TIMEOUT_MS_MAX,
};
use crate::model::FunctionName;

/// The functions of the store, with the folders of their code.
#[derive(Debug)]
pub(crate) struct StoredFunctions {
    store: FunctionStore,
    held: Mutex<Held>,
}

/// Folders that are in use: a process that was started before a change goes on for a while.
#[derive(Debug, Default)]
struct Held {
    current: Vec<FunctionFolder>,
    earlier: Vec<(Instant, Vec<FunctionFolder>)>,
}

impl StoredFunctions {
    pub(crate) fn new(store: FunctionStore) -> Self {
        Self { store, held: Mutex::default() }
    }

    /// What there is to run, with its code unpacked. What cannot be read is told and left out. Blocks.
    pub(crate) fn definitions(&self) -> Vec<FunctionDefinition> {
        let stored = self.store.definitions().unwrap_or_else(|error| {
            tracing::error!(%error, "the functions of the store cannot be read");
            Vec::new()
        });
        let (mut definitions, mut folders) = (Vec::new(), Vec::new());
        for function in stored {
            match self.store.code_folder(&function) {
                Ok(folder) => {
                    definitions.push(definition(&function, &folder));
                    folders.push(folder);
                }
                Err(error) => {
                    let name = function.name.to_string();
                    tracing::error!(%error, function = name, "its code cannot be had");
                }
            }
        }
        self.hold(folders);
        definitions
    }

    fn hold(&self, folders: Vec<FunctionFolder>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut held.current, folders);
        let now = Instant::now();
        held.earlier.push((now, before));
        held.earlier.retain(|(since, _)| now.duration_since(*since) < LONGEST_CALL);
    }
}

fn definition(function: &StoredFunction, folder: &FunctionFolder) -> FunctionDefinition {
    let handler = |runtime| {
        FunctionProgram::Handler(HandlerCode {
            folder: folder.path.clone(),
            handler: Some(function.handler.clone()),
            runtime: Some(runtime),
        })
    };
    let program = match function.runtime {
        FunctionRuntime::Node => handler(HandlerRuntime::Node),
        FunctionRuntime::Python => handler(HandlerRuntime::Python),
        FunctionRuntime::Provided => {
            let bootstrap = folder.path.join("bootstrap").display().to_string();
            FunctionProgram::Command(vec![bootstrap])
        }
    };
    let mut environment = function.environment.clone();
    if function.runtime == FunctionRuntime::Provided {
        environment.entry("_HANDLER".to_owned()).or_insert_with(|| function.handler.clone());
    }
    FunctionDefinition {
        working_directory: Some(folder.path.clone()),
        environment,
        timeout_ms: function.timeout_ms,
        memory_bytes_max: function.memory_mb.saturating_mul(1024 * 1024),
        reserved_concurrency: function
            .reserved_concurrency
            .map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
        ..FunctionDefinition::new(function.name.clone(), program)
    }
}

/// Makes a call that `Invoke` asks for. `bound` are the functions of the boot file.
pub(crate) async fn call_function(
    call: FunctionCall,
    bound: &[BoundFunction],
    invoker: &Invoker,
) -> Result<FunctionAnswer, InvokeRefusal> {
    let (name, version) = called(&call, bound)?;
    let Some(function) = invoker.find(&name) else {
        let why = format!("{name} is not in force yet, or its code cannot be had");
        return Err(InvokeRefusal::Unavailable(why));
    };
    let timeout_ms = function.timeout().as_millis();
    let answered = |outcome| Ok(FunctionAnswer { outcome, version, log_tail: Vec::new() });
    let (answer, answer_comes) = oneshot::channel();
    let invocation = Invocation {
        function,
        event: call.event,
        request_id: call.request_id,
        function_arn: call.name.to_string(),
        client_context: call.client_context,
        timeout_ms: TIMEOUT_MS_MAX,
        answer: (call.kind != InvocationType::Event).then_some(answer),
    };
    if invoker.send(invocation).is_err() {
        return answered(FunctionOutcome::Throttled);
    }
    if call.kind == InvocationType::Event {
        return answered(FunctionOutcome::Accepted);
    }
    match answer_comes.await {
        Ok(InvocationAnswer::Answered(body)) => answered(FunctionOutcome::Answered(body)),
        Ok(InvocationAnswer::Failed(error)) => answered(FunctionOutcome::Failed(error)),
        Ok(InvocationAnswer::Throttled) => answered(FunctionOutcome::Throttled),
        Ok(InvocationAnswer::TimedOut) => answered(FunctionOutcome::TimedOut { timeout_ms }),
        Err(_) => Err(InvokeRefusal::Unavailable("the gateway ends".to_owned())),
    }
}

/// The name on the board of what is called, and its version.
fn called(call: &FunctionCall, bound: &[BoundFunction]) -> Result<(String, String), InvokeRefusal> {
    match (BoundFunction::closest(bound, &call.name), &call.stored) {
        (Some(one), _) => match &one.way {
            FunctionWay::Local(local) => Ok((local.key(), version_of(&call.name))),
            FunctionWay::Endpoint(endpoint) => {
                let (name, host, port) = (&one.name, &endpoint.host, endpoint.port);
                let why = format!("{name} is behind {host}:{port}: invoke it there");
                Err(InvokeRefusal::Unavailable(why))
            }
        },
        (None, Some(stored)) => Ok((stored.name.to_string(), version_of(&stored.name))),
        (None, None) => Err(InvokeRefusal::NotFound),
    }
}

fn version_of(name: &FunctionName) -> String {
    name.qualifier.clone().unwrap_or_else(|| "$LATEST".to_owned())
}

/// Makes the calls of `Invoke` for the life of the process.
pub(crate) fn calls(
    bound: impl Fn() -> Vec<BoundFunction> + Send + Sync + 'static,
    invoker: Arc<Invoker>,
) -> super::management::InvokeFunction {
    Box::new(move |call| {
        let (bound, invoker) = (bound(), Arc::clone(&invoker));
        Box::pin(async move { call_function(call, &bound, &invoker).await })
    })
}

/// How long a process of before a change may still work: the longest call.
const LONGEST_CALL: Duration = Duration::from_millis(TIMEOUT_MS_MAX);
