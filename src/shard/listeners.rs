//! The listeners that a shard has open.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::model::Listener as Settings;
use crate::pipeline::ListenerContext;
use crate::rt::Listener;

/// A listener that is open on this shard.
pub(super) struct OpenListener {
    pub(super) listener: Listener,
    /// The settings in force; connections keep the ones that they began with.
    context: RefCell<Rc<ListenerContext>>,
    accepts: Cell<Accepts>,
}

/// Whether a listener takes connections in.
#[derive(Clone, Copy, PartialEq)]
enum Accepts {
    Yes,
    /// Not any more: its socket is shut down.
    Closed,
    /// Not any more: another process accepts from its socket.
    Left,
}

impl OpenListener {
    pub(super) fn new(listener: Listener, context: Rc<ListenerContext>) -> Self {
        Self { listener, context: RefCell::new(context), accepts: Cell::new(Accepts::Yes) }
    }

    pub(super) fn context(&self) -> Rc<ListenerContext> {
        Rc::clone(&self.context.borrow())
    }

    pub(super) fn renew(&self, context: Rc<ListenerContext>) {
        self.context.replace(context);
    }

    /// Whether it was closed or left: an accept that fails then is no failure.
    pub(super) fn has_ended(&self) -> bool {
        self.accepts.get() != Accepts::Yes
    }

    /// Whether its socket goes on in another process.
    pub(super) fn is_left(&self) -> bool {
        self.accepts.get() == Accepts::Left
    }

    pub(super) fn close(&self) {
        self.accepts.set(Accepts::Closed);
        self.listener.close();
    }

    /// Stops accepting and leaves the socket to another process.
    pub(super) fn leave(&self) {
        self.accepts.set(Accepts::Left);
        self.listener.leave();
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct OpenListeners(Vec<Rc<OpenListener>>);

impl OpenListeners {
    /// Those that listen where `settings` says: several, if a predecessor with more shards handed
    /// its sockets over.
    pub(super) fn at_place_of<'o>(
        &'o self,
        settings: &'o Settings,
    ) -> impl Iterator<Item = &'o Rc<OpenListener>> {
        self.0.iter().filter(|one| one.context.borrow().listener.is_at_place_of(settings))
    }

    pub(super) fn find_by_name(&self, name: &str) -> Option<&Rc<OpenListener>> {
        self.0.iter().find(|one| one.context.borrow().listener.name == name)
    }

    pub(super) fn add(&mut self, listener: Rc<OpenListener>) {
        self.0.push(listener);
    }

    /// Takes out those that are not `wanted`.
    pub(super) fn take_unwanted(
        &mut self,
        wanted: impl Fn(&Settings) -> bool,
    ) -> Vec<Rc<OpenListener>> {
        let (kept, unwanted) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|one| wanted(&one.context.borrow().listener));
        self.0 = kept;
        unwanted
    }
}
