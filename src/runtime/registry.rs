//! All runtimes and functions of one shard, and what is told of them by mail.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::call::CallState;
use super::connection::Connection;
use super::function::ShardFunction;
use super::process::{Given, Runtime};
use crate::base::Nanos;
use crate::base::limits::TICK_MS;
use crate::coord::{
    EndReason, HostMessage, Invoker, LocalFunction, RuntimeConnection, RuntimeProcess, Sender,
    ShardMessage,
};
use crate::observe::ShardRecorder;
use crate::rt::{sleep, spawn};

/// The functions that run on this machine, as one shard has them.
pub struct Runtimes {
    shard: usize,
    /// The mailboxes of all shards, by index.
    peers: Vec<Sender<ShardMessage>>,
    /// Where this is no shard: calls are sent to one.
    pub(super) invoker: Option<Arc<Invoker>>,
    /// Where it is one: what counts calls.
    recorder: Option<ShardRecorder>,
    functions: RefCell<HashMap<*const LocalFunction, Rc<ShardFunction>>>,
    /// Those that are on this shard, by the id of their process.
    runtimes: RefCell<HashMap<u64, Rc<Runtime>>>,
    /// Asynchronous calls that have not ended.
    pub(super) events_count: Cell<u32>,
}

impl Runtimes {
    /// Those of shard `shard`; none yet.
    #[must_use]
    pub fn new(
        shard: usize,
        peers: Vec<Sender<ShardMessage>>,
        recorder: ShardRecorder,
    ) -> Rc<Self> {
        Self::with(shard, peers, None, Some(recorder))
    }

    /// For who is no shard: calls are sent to those that are.
    #[must_use]
    pub fn apart(invoker: Arc<Invoker>) -> Rc<Self> {
        Self::with(0, Vec::new(), Some(invoker), None)
    }

    fn with(
        shard: usize,
        peers: Vec<Sender<ShardMessage>>,
        invoker: Option<Arc<Invoker>>,
        recorder: Option<ShardRecorder>,
    ) -> Rc<Self> {
        Rc::new(Self {
            shard,
            peers,
            invoker,
            recorder,
            functions: RefCell::default(),
            runtimes: RefCell::default(),
            events_count: Cell::new(0),
        })
    }

    /// The function as this shard has it.
    #[must_use]
    pub fn function(&self, function: &Arc<LocalFunction>) -> Rc<ShardFunction> {
        let mut functions = self.functions.borrow_mut();
        let known = functions.entry(Arc::as_ptr(function)).or_insert_with(|| {
            let calls = self.recorder.as_ref().map(|one| one.calls_of(function.name()));
            Rc::new(ShardFunction::new(Arc::clone(function), self.shard, calls))
        });
        Rc::clone(known)
    }

    /// A connection of a runtime came: from the host, or from another shard.
    pub fn connect(self: &Rc<Self>, connection: RuntimeConnection) {
        let (process, waits) = (Arc::clone(&connection.process), connection.waits);
        if process.has_ended() {
            return;
        }
        let Some(connection) = Connection::open(self, connection) else {
            tracing::warn!(function = process.function.name(), "a connection cannot be served");
            return;
        };
        spawn(connection.serve(waits));
    }

    /// A process has ended.
    pub fn ended(&self, process: &Arc<RuntimeProcess>, reason: &Arc<str>) {
        let Some(runtime) = self.runtimes.borrow_mut().remove(&process.id) else { return };
        runtime.function.remove_idle(&runtime);
        if let Some(call) = runtime.leave(Given::Close) {
            call.fail_ended(reason);
        }
        // Calls that wait may be served by a new one in its place.
        runtime.function.ask(self);
    }

    /// No process could be started for a call that waits here.
    pub fn start_failed(&self, function: &Arc<LocalFunction>, reason: &Arc<str>) {
        self.function(function).start_failed(self, reason);
    }

    /// Calls wait on another shard.
    pub fn lend(&self, function: &Arc<LocalFunction>, shard: usize) {
        self.function(function).lend(self, shard);
    }

    /// Ends what has overrun its time, and sees to calls that wait; once a tick.
    pub fn tick(&self, at: Nanos) {
        let is_late = |runtime: &&Rc<Runtime>| runtime.due().is_some_and(|due| due < at);
        let late: Vec<_> = self.runtimes.borrow().values().filter(is_late).cloned().collect();
        for runtime in late {
            let timeout = runtime.process.function.timeout();
            if let Some(call) = self.end(&runtime, EndReason::TimedOut) {
                call.fail_late(timeout);
            }
        }
        let waiting = |function: &&Rc<ShardFunction>| function.has_waiting();
        let waiting: Vec<_> = self.functions.borrow().values().filter(waiting).cloned().collect();
        waiting.iter().for_each(|function| function.ask_again(self));
    }

    /// Ends what has been idle for long, and forgets what is no longer used; once a second.
    pub fn sweep(&self, at: Nanos) {
        let functions: Vec<_> = self.functions.borrow().values().cloned().collect();
        functions.iter().for_each(|function| function.sweep(self, at));
        drop(functions);
        self.functions.borrow_mut().retain(|_, function| !function.is_unused());
    }

    pub(super) fn shard(&self) -> usize {
        self.shard
    }

    /// The runtime of a process that speaks on this shard. `None` if the process has ended.
    pub(super) fn runtime(&self, process: &Arc<RuntimeProcess>) -> Option<Rc<Runtime>> {
        if process.has_ended() {
            return None;
        }
        let function = self.function(&process.function);
        let mut runtimes = self.runtimes.borrow_mut();
        let runtime = runtimes
            .entry(process.id)
            .or_insert_with(|| Runtime::new(Arc::clone(process), function));
        Some(Rc::clone(runtime))
    }

    /// A runtime has come to wait for an event.
    pub(super) fn waits(&self, runtime: &Rc<Runtime>) {
        if runtime.process.initialised() {
            runtime.function.came();
            let process = Arc::clone(&runtime.process);
            process.function.tell_host(HostMessage::Initialised { process: Arc::clone(&process) });
        }
        runtime.function.offer(self, Rc::clone(runtime));
    }

    /// The call of this id, if the process works on it.
    pub(super) fn call_under_way(
        &self,
        process: &RuntimeProcess,
        request_id: &str,
    ) -> Option<Rc<CallState>> {
        self.runtimes.borrow().get(&process.id)?.call(request_id)
    }

    /// The call that the process works on has its answer.
    pub(super) fn answered(&self, process: &RuntimeProcess) {
        if let Some(runtime) = self.runtimes.borrow().get(&process.id) {
            runtime.answered();
        }
    }

    /// The event of the call that the process was to work on did not reach it.
    pub(super) fn not_given(&self, process: &RuntimeProcess) {
        let runtime = self.runtimes.borrow().get(&process.id).cloned();
        if let Some(runtime) = runtime
            && let Some(call) = self.forget(&runtime)
        {
            call.not_given();
        }
    }

    /// Has a process ended; nothing more is expected of it here. The call that it worked on, if any.
    pub(super) fn end(&self, runtime: &Rc<Runtime>, reason: EndReason) -> Option<Rc<CallState>> {
        let process = Arc::clone(&runtime.process);
        process.function.tell_host(HostMessage::End { process: Arc::clone(&process), reason });
        self.runtimes.borrow_mut().remove(&process.id);
        runtime.function.remove_idle(runtime);
        runtime.leave(Given::Close)
    }

    /// Has a process ended that cannot be understood.
    pub(super) fn end_process(&self, process: &Arc<RuntimeProcess>, reason: EndReason) {
        let runtime = self.runtimes.borrow().get(&process.id).cloned();
        match runtime {
            Some(runtime) => {
                if let Some(call) = self.end(&runtime, reason) {
                    call.fail("Runtime.Unknown", "the runtime does not speak the Runtime API");
                }
            }
            None => {
                let process = Arc::clone(process);
                process
                    .function
                    .tell_host(HostMessage::End { process: Arc::clone(&process), reason });
            }
        }
    }

    /// Lets go of a runtime whose connection broke; it may come back on another. The call that it was
    /// to work on, if any.
    pub(super) fn forget(&self, runtime: &Rc<Runtime>) -> Option<Rc<CallState>> {
        self.runtimes.borrow_mut().remove(&runtime.process.id);
        runtime.leave(Given::Close)
    }

    /// Sends a runtime that waits for an event to another shard.
    pub(super) fn send_away(&self, runtime: &Rc<Runtime>, shard: usize) {
        self.runtimes.borrow_mut().remove(&runtime.process.id);
        runtime.process.move_to(shard);
        let call = runtime.leave(Given::Move);
        debug_assert!(call.is_none(), "a runtime that works was sent away");
    }

    pub(super) fn send(&self, shard: usize, message: ShardMessage) -> Result<(), ShardMessage> {
        match self.peers.get(shard) {
            Some(peer) => peer.try_send(message),
            None => Err(message),
        }
    }

    /// Sends a connection to the shard that its process is on, whenever there is room for it.
    pub(super) async fn send_connection(self: &Rc<Self>, connection: RuntimeConnection) {
        let shard = connection.process.shard();
        let mut message = ShardMessage::Runtime(Box::new(connection));
        while let Err(back) = self.send(shard, message) {
            if self.peers.get(shard).is_none_or(Sender::is_closed) {
                return; // the gateway ends, and the process with it
            }
            message = back;
            sleep(Duration::from_millis(TICK_MS)).await;
        }
    }
}
