//! One process of a function.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::LocalFunction;
use crate::base::Nanos;

/// One process of a function, from its start to its end.
#[derive(Debug)]
pub struct RuntimeProcess {
    /// Unlike that of any other process of this gateway.
    pub id: u64,
    pub function: Arc<LocalFunction>,
    /// Of the function when it was started.
    pub generation: u64,
    /// When it was started.
    pub started: Nanos,
    shard: AtomicUsize,
    has_ended: AtomicBool,
    is_initialised: AtomicBool,
    /// The request that it works on, for its log lines.
    request: Mutex<LastRequest>,
}

/// The last request that a process was given.
#[derive(Debug, Default)]
struct LastRequest {
    id: Option<Box<str>>,
    /// It is answered.
    is_over: bool,
}

impl RuntimeProcess {
    #[must_use]
    pub fn new(
        id: u64,
        function: Arc<LocalFunction>,
        generation: u64,
        started: Nanos,
        shard: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            function,
            generation,
            started,
            shard: AtomicUsize::new(shard),
            has_ended: AtomicBool::new(false),
            is_initialised: AtomicBool::new(false),
            request: Mutex::default(),
        })
    }

    /// The shard that its connections belong to.
    #[must_use]
    pub fn shard(&self) -> usize {
        self.shard.load(Ordering::Acquire)
    }

    /// It moves to another shard; said by the one that it is on, before it sends the connection.
    pub fn move_to(&self, shard: usize) {
        self.shard.store(shard, Ordering::Release);
    }

    /// Whether it has ended: nothing more is to be expected of it.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// Said by the host when it has.
    pub fn ended(&self) {
        self.has_ended.store(true, Ordering::Release);
    }

    /// Said by its shard when its runtime asks for an event; whether that is for the first time.
    pub fn initialised(&self) -> bool {
        !self.is_initialised.swap(true, Ordering::AcqRel)
    }

    /// Whether its runtime has ever asked for an event.
    #[must_use]
    pub fn is_initialised(&self) -> bool {
        self.is_initialised.load(Ordering::Acquire)
    }

    /// Whether its function has changed since it was started.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.generation != self.function.generation()
    }

    /// It works on this request from now on, or on none.
    pub fn set_request_id(&self, id: Option<&str>) {
        let mut request = self.lock();
        match id {
            Some(id) => *request = LastRequest { id: Some(id.into()), is_over: false },
            None => request.is_over = true,
        }
    }

    /// The request that it works on.
    #[must_use]
    pub fn request_id(&self) -> Option<Box<str>> {
        let request = self.lock();
        request.id.clone().filter(|_| !request.is_over)
    }

    /// The request that it worked on last, be it over or not: what it writes is read a moment later
    /// than it was written, when its answer may be out already.
    #[must_use]
    pub fn last_request_id(&self) -> Option<Box<str>> {
        self.lock().id.clone()
    }

    fn lock(&self) -> MutexGuard<'_, LastRequest> {
        self.request.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
