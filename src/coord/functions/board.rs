//! All functions that run on this machine, by name.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{FunctionLimits, HostMessage, LocalFunction, Places};

/// Where shards find functions when they adopt a plan; never for a request.
#[derive(Debug)]
pub struct FunctionBoard {
    shards_count: usize,
    /// Those of all functions that reserve none.
    shared: Arc<Places>,
    host: UnboundedSender<HostMessage>,
    functions: RwLock<HashMap<Box<str>, Arc<LocalFunction>>>,
}

impl FunctionBoard {
    /// An empty board, and what the host listens to.
    #[must_use]
    pub fn new(shards_count: usize) -> (Self, UnboundedReceiver<HostMessage>) {
        let (host, messages) = unbounded_channel();
        let shared = Places::new(0);
        (Self { shards_count, shared, host, functions: RwLock::default() }, messages)
    }

    /// How many processes may be there of all functions that reserve none.
    pub fn set_shared_places(&self, max: u32) {
        self.shared.set_max(max);
    }

    /// Binds a function, or changes the limits of one that is bound.
    pub fn bind(&self, name: &str, limits: FunctionLimits) -> Arc<LocalFunction> {
        let mut functions = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        let function = functions.entry(name.into()).or_insert_with(|| {
            let (shared, host) = (Arc::clone(&self.shared), self.host.clone());
            Arc::new(LocalFunction::new(name, limits, self.shards_count, shared, host))
        });
        function.set_limits(limits);
        Arc::clone(function)
    }

    /// Lets go of the others. Calls that know one already may still be made and fail.
    pub fn retain(&self, names: &HashSet<&str>) {
        let mut functions = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        functions.retain(|name, _| names.contains(&**name));
    }

    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<LocalFunction>> {
        let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        functions.get(name).cloned()
    }
}

impl Default for FunctionBoard {
    /// One on which there is nothing, and which nobody serves.
    fn default() -> Self {
        Self::new(0).0
    }
}
