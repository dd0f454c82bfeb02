//! What the side thread and other shards want of this one.

use std::rc::Rc;
use std::sync::Arc;

use super::accept::{self, wanted_listeners};
use super::{Prepared, Shard};
use crate::coord::{Inbox, Receiver, ShardGear, ShardMessage};
use crate::pipeline::ListenerContext;
use crate::plan::Plan;

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
        ShardMessage::Prepare { plan, gear, ack } => match prepare(shard, plan, *gear) {
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
        ShardMessage::Drain { deadline, listeners } => accept::drain(shard, deadline, listeners),
        ShardMessage::Stop => shard.stops.set(true),
        ShardMessage::Connection(connection) => accept::take_over(shard, connection),
        // The health cells are read when a target is chosen.
        ShardMessage::Health(_) => {}
        ShardMessage::Runtime(connection) => shard.state.runtimes.connect(*connection),
        ShardMessage::RuntimeEnded { process, reason } => {
            shard.state.runtimes.ended(&process, &reason);
        }
        ShardMessage::StartFailed { function, reason } => {
            shard.state.runtimes.start_failed(&function, &reason);
        }
        ShardMessage::Lend { function, to } => shard.state.runtimes.lend(&function, to),
        ShardMessage::Invoke(invocation) => {
            shard.state.runtimes.invoke(&shard.state.deadlines, *invocation);
        }
    }
}

/// Makes everything ready that may fail, and changes nothing.
fn prepare(shard: &Rc<Shard>, plan: Arc<Plan>, gear: ShardGear) -> Result<(), String> {
    for settings in wanted_listeners(shard, &plan.listeners) {
        let is_open = shard.listeners.borrow().at_place_of(settings).next().is_some();
        let has_socket = gear.sockets.iter().any(|(name, _)| *name == settings.name);
        if !is_open && !has_socket {
            return Err(format!("no socket for listener {}", settings.name));
        }
    }
    shard.prepared.replace(Some(Prepared { plan, gear }));
    Ok(())
}

/// Puts the prepared plan in force.
fn adopt(shard: &Rc<Shard>, epoch: u64) {
    let Some(prepared) = shard.prepared.take().filter(|one| one.plan.epoch == epoch) else {
        tracing::error!(epoch, shard = shard.options.index, "asked to adopt what was not prepared");
        return;
    };
    let Prepared { plan, gear } = prepared;
    shard.state.adopt(shard.make_plan(Arc::clone(&plan)));
    shard.state.access_log.replace(gear.access_log);
    let unwanted = shard.listeners.borrow_mut().take_unwanted(|open| {
        wanted_listeners(shard, &plan.listeners).any(|one| one.is_at_place_of(open))
    });
    for listener in unwanted {
        accept::close(shard, &listener);
    }
    for settings in wanted_listeners(shard, &plan.listeners) {
        for open in shard.listeners.borrow().at_place_of(settings) {
            let port = open.listener.local_port();
            open.renew(Rc::new(ListenerContext::new(settings.clone(), port, &plan.tls)));
        }
    }
    if let Err(error) = accept::open_sockets(shard, gear.sockets) {
        tracing::error!(%error, shard = shard.options.index, "cannot listen");
    }
}
