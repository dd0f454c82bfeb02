//! What the side thread and other shards want of this one.

use std::rc::Rc;
use std::sync::Arc;

use super::accept::{self, wanted_listeners};
use super::{Prepared, Shard};
use crate::coord::{GroupTargets, Inbox, Receiver, ShardMessage};
use crate::pipeline::ListenerContext;
use crate::plan::Plan;
use crate::rt::now;

/// Reads the mail for as long as the shard lives.
pub(super) async fn read(shard: Rc<Shard>, mail: Receiver<ShardMessage>) {
    let mut inbox = match Inbox::open(mail) {
        Ok(inbox) => inbox,
        Err(error) => {
            tracing::error!(%error, shard = shard.options.index, "a shard cannot read its mail");
            shard.stops.set(true);
            return;
        }
    };
    while let Some(message) = inbox.next().await {
        handle(&shard, message);
    }
    // Nobody is left who could say anything: the process ends.
    shard.stops.set(true);
}

fn handle(shard: &Rc<Shard>, message: ShardMessage) {
    match message {
        ShardMessage::Prepare { plan, ack } => match prepare(shard, plan) {
            Ok(()) => ack.done(),
            Err(reason) => ack.refuse(reason),
        },
        ShardMessage::Adopt { epoch, ack } => {
            adopt(shard, epoch);
            ack.done();
        }
        ShardMessage::Abandon { epoch } => {
            let mut prepared = shard.prepared.borrow_mut();
            if prepared.as_ref().is_some_and(|prepared| prepared.plan.epoch == epoch) {
                prepared.take();
            }
        }
        ShardMessage::Drain { deadline } => accept::drain(shard, deadline),
        ShardMessage::Stop => shard.stops.set(true),
        // The writer thread opens the file anew; a shard only hands lines over.
        ShardMessage::ReopenLog => {}
        ShardMessage::Connection(connection) => accept::take_over(shard, connection),
        ShardMessage::Targets(targets) => update_targets(shard, &targets),
        // The health cells are read when a target is chosen.
        ShardMessage::Health(_) => {}
    }
}

/// Makes everything ready that may fail, and changes nothing.
fn prepare(shard: &Rc<Shard>, plan: Arc<Plan>) -> Result<(), String> {
    let index = usize::from(shard.options.index);
    let listeners = shard.listeners.borrow();
    let mut sockets = Vec::new();
    for settings in wanted_listeners(shard, &plan.listeners) {
        if listeners.find(&settings.address).is_none() {
            let socket = shard.shared.sockets.take(index, &settings.address);
            sockets
                .push(socket.ok_or_else(|| format!("no socket for listener {}", settings.name))?);
        }
    }
    drop(listeners);
    shard.prepared.replace(Some(Prepared { plan, sockets }));
    Ok(())
}

/// Puts the prepared plan in force.
fn adopt(shard: &Rc<Shard>, epoch: u64) {
    let Some(prepared) = shard.prepared.take().filter(|one| one.plan.epoch == epoch) else {
        tracing::error!(epoch, shard = shard.options.index, "asked to adopt what was not prepared");
        return;
    };
    let plan = shard.make_plan(Arc::clone(&prepared.plan));
    shard.state.adopt(plan);
    let mut sockets = prepared.sockets.into_iter();
    let unwanted = shard.listeners.borrow_mut().take_unwanted(|address| {
        wanted_listeners(shard, &prepared.plan.listeners).any(|one| one.address == *address)
    });
    for listener in unwanted {
        accept::close(shard, &listener);
    }
    for settings in wanted_listeners(shard, &prepared.plan.listeners) {
        let open = shard.listeners.borrow().find(&settings.address).cloned();
        if let Some(open) = open {
            let port = open.listener.local_port();
            open.renew(Rc::new(ListenerContext::new(settings.clone(), port)));
        } else if let Some(socket) = sockets.next()
            && let Err(error) = accept::open(shard, settings.clone(), socket)
        {
            tracing::error!(%error, listener = settings.name, "cannot listen");
        }
    }
}

fn update_targets(shard: &Shard, targets: &GroupTargets) {
    if let Some(group) = shard.state.plan().group_by_name(&targets.group) {
        group.update(Some(targets), now());
    }
}
