//! The host: which functions there are, and a task for each of their processes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::bound::BoundFunction;
use super::definition::{CONCURRENCY, FunctionDefinition, FunctionProgram};
use super::ended::Ended;
use super::launch::HostOptions;
use super::mail::Mail;
use super::process::{GRACE_MS, Order, Start};
use super::watch::CodeWatch;
use crate::coord::{
    FunctionBoard, HostMessage, LocalFunction, Place, RuntimeProcess, Sender, ShardMessage,
};
use crate::observe::FunctionCounts;
use crate::rt;

/// Starts and ends processes of functions, as shards ask for it. Clones are of the same host.
///
/// To be started on the side thread: what it starts ends with that thread.
#[derive(Clone, Debug)]
pub struct Host(Arc<Shared>);

/// Who defines functions. Where several define one of the same name, the first of these counts.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum DefinitionSource {
    BootFile,
    Management,
}

#[derive(Debug)]
struct Shared {
    options: HostOptions,
    board: Arc<FunctionBoard>,
    mail: Mail,
    state: Mutex<State>,
    /// A process has ended.
    left: Notify,
}

#[derive(Debug, Default)]
struct State {
    concurrency: u32,
    definitions: BTreeMap<DefinitionSource, Vec<FunctionDefinition>>,
    bound: HashMap<String, BoundFunction>,
    processes: HashMap<u64, UnboundedSender<Order>>,
    last_id: u64,
    is_ending: bool,
    watch: Option<CodeWatch>,
}

impl Host {
    /// Listens to shards from now on; there are no functions yet.
    #[must_use]
    pub fn start(
        options: HostOptions,
        board: Arc<FunctionBoard>,
        messages: UnboundedReceiver<HostMessage>,
        shards: Arc<[Sender<ShardMessage>]>,
    ) -> Self {
        let state = State { concurrency: CONCURRENCY, ..State::default() };
        let (mail, state, left) = (Mail::new(shards), Mutex::new(state), Notify::new());
        let host = Self(Arc::new(Shared { options, board, mail, state, left }));
        tokio::spawn(host.clone().listen(messages));
        host
    }

    /// Replaces what `source` defines. Functions that it defined before and does not now are let go:
    /// their processes end once they are idle.
    pub fn set_definitions(&self, source: DefinitionSource, definitions: Vec<FunctionDefinition>) {
        let mut state = self.0.lock();
        state.definitions.insert(source, definitions);
        self.bind(&mut state);
    }

    /// Adds to what `source` defines the functions that it does not define yet: a step before
    /// [`Host::set_definitions`] where what calls them comes into force in between.
    pub fn add_definitions(&self, source: DefinitionSource, definitions: &[FunctionDefinition]) {
        let mut state = self.0.lock();
        let known = state.definitions.entry(source).or_default();
        for definition in definitions {
            if !known.iter().any(|one| one.name == definition.name) {
                known.push(definition.clone());
            }
        }
        self.bind(&mut state);
    }

    /// Sets how many processes may be there at once, of all functions together.
    pub fn set_concurrency(&self, concurrency: u32) {
        let mut state = self.0.lock();
        state.concurrency = concurrency;
        self.bind(&mut state);
    }

    /// What `source` defines.
    #[must_use]
    pub fn definitions(&self, source: DefinitionSource) -> Vec<FunctionDefinition> {
        self.0.lock().definitions.get(&source).cloned().unwrap_or_default()
    }

    /// Counts of each function that is bound, by name.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, FunctionCounts> {
        let state = self.0.lock();
        let counts =
            state.bound.iter().map(|(name, one)| (name.clone(), one.state.counters.read()));
        counts.collect()
    }

    /// Ends every process and waits until all are gone, but not for ever: what is left then ends with
    /// this process. Nothing is started any more.
    pub async fn end(&self) {
        self.end_processes(false);
        let grace = Duration::from_millis(GRACE_MS) + END_PATIENCE;
        if !self.wait_for_none(grace).await {
            self.end_processes(true);
            if !self.wait_for_none(END_PATIENCE).await {
                tracing::error!("processes of functions are left");
            }
        }
    }

    fn end_processes(&self, at_once: bool) {
        let mut state = self.0.lock();
        state.is_ending = true;
        for orders in state.processes.values() {
            // It has ended where nobody listens.
            let _ = orders.send(Order::ShutDown { at_once });
        }
    }

    async fn wait_for_none(&self, patience: Duration) -> bool {
        let none = async {
            loop {
                let left = self.0.left.notified();
                if self.0.lock().processes.is_empty() {
                    return;
                }
                left.await;
            }
        };
        tokio::time::timeout(patience, none).await.is_ok()
    }

    /// Brings the board and what is watched to what is defined.
    fn bind(&self, state: &mut State) {
        let mut merged = BTreeMap::new();
        for definition in state.definitions.values().flatten() {
            merged.entry(definition.key()).or_insert_with(|| definition.clone());
        }
        let board = &self.0.board;
        let reserved = merged.values().filter_map(|one| one.reserved_concurrency).sum::<u32>();
        board.set_shared_places(state.concurrency.saturating_sub(reserved));
        let names: HashSet<_> = merged.keys().cloned().collect();
        for (name, definition) in merged {
            let function = board.bind(&name, definition.limits());
            match state.bound.get_mut(&name) {
                Some(bound) => bound.redefine(definition),
                None => {
                    state.bound.insert(name, BoundFunction::new(function, definition));
                }
            }
        }
        board.retain(&names.iter().map(String::as_str).collect());
        state.bound.retain(|name, bound| {
            let stays = names.contains(name);
            if !stays {
                // Its idle processes are stale, so shards have them ended.
                bound.has_changed();
            }
            stays
        });
        self.watch_code(state);
    }

    fn watch_code(&self, state: &mut State) {
        let mut folders: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
        for (name, bound) in &state.bound {
            if let FunctionProgram::Handler(code) = &bound.definition.program {
                // As the watcher tells of it.
                let folder = std::path::absolute(&code.folder);
                let folder = folder.unwrap_or_else(|_| code.folder.clone());
                folders.entry(folder).or_default().push(name.clone());
            }
        }
        if folders.is_empty() {
            state.watch = None;
            return;
        }
        let watch = state.watch.get_or_insert_with(|| {
            let shared = Arc::downgrade(&self.0);
            CodeWatch::start(move |names| {
                if let Some(shared) = shared.upgrade() {
                    shared.code_changed(names);
                }
            })
        });
        watch.set_folders(folders);
    }

    async fn listen(self, mut messages: UnboundedReceiver<HostMessage>) {
        while let Some(message) = messages.recv().await {
            match message {
                HostMessage::Start { function, place, shard } => {
                    self.start_process(function, place, shard)
                }
                HostMessage::Initialised { process } => self.order(&process, Order::Initialised),
                HostMessage::InitFailed { process, error } => {
                    self.order(&process, Order::InitFailed(error));
                }
                HostMessage::End { process, reason } => self.order(&process, Order::End(reason)),
            }
        }
    }

    fn order(&self, process: &RuntimeProcess, order: Order) {
        if let Some(orders) = self.0.lock().processes.get(&process.id) {
            // It has ended where nobody listens.
            let _ = orders.send(order);
        }
    }

    fn start_process(&self, function: Arc<LocalFunction>, place: Place, shard: usize) {
        let mut state = self.0.lock();
        let refusal = |reason: &str| Ended::NotStarted(reason.to_owned()).error(None).into();
        let refused: Option<Arc<str>> = match state.bound.get(function.name()) {
            _ if state.is_ending => Some(refusal("the gateway ends")),
            Some(bound) if Arc::ptr_eq(&bound.function, &function) => {
                bound.state.backoff().refusal(Instant::now())
            }
            _ => Some(refusal("there is no such function any more")),
        };
        let start = match (refused, state.bound.get(function.name())) {
            (None, Some(bound)) => {
                let (definition, bound_state) =
                    (Arc::clone(&bound.definition), Arc::clone(&bound.state));
                state.last_id += 1;
                let (id, generation) = (state.last_id, function.generation());
                let process = RuntimeProcess::new(id, function, generation, rt::now(), shard);
                let (sender, orders) = unbounded_channel();
                state.processes.insert(id, sender);
                let (options, mail) = (self.0.options.clone(), self.0.mail.clone());
                Start {
                    process,
                    definition,
                    state: bound_state,
                    place,
                    shard,
                    orders,
                    options,
                    mail,
                }
            }
            (refused, _) => {
                let reason = refused.unwrap_or_else(|| refusal("there is no such function"));
                let mail = self.0.mail.clone();
                tokio::spawn(async move {
                    drop(place);
                    mail.send(|| shard, ShardMessage::StartFailed { function, reason }).await;
                });
                return;
            }
        };
        drop(state);
        let (shared, id) = (Arc::clone(&self.0), start.process.id);
        tokio::spawn(async move {
            start.run().await;
            shared.lock().processes.remove(&id);
            shared.left.notify_waiters();
        });
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn code_changed(&self, names: &[String]) {
        let state = self.lock();
        for (name, bound) in names.iter().filter_map(|name| Some((name, state.bound.get(name)?))) {
            bound.has_changed();
            // Who reads this gets the new code.
            tracing::info!(function = name, "its code has changed");
        }
    }
}

/// How long processes may take to go that were ended.
const END_PATIENCE: Duration = Duration::from_secs(2);
