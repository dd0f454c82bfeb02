//! Makes the keys of session tickets anew, each time that clients have had them for long enough.

use std::sync::Arc;
use std::time::Duration;

use super::owned_task::OwnedTask;
use crate::tls::TicketKeys;

/// The rotation of the keys in force. Ends when it is dropped.
pub(crate) struct TicketRotation {
    keys: Arc<TicketKeys>,
    _task: OwnedTask,
}

impl TicketRotation {
    /// Rotates `keys` from now on.
    pub(crate) fn start(keys: Arc<TicketKeys>) -> Self {
        let _task = OwnedTask::spawn(rotate(Arc::clone(&keys)));
        Self { keys, _task }
    }

    /// The keys in force.
    pub(crate) fn keys(&self) -> &Arc<TicketKeys> {
        &self.keys
    }

    /// From now on rotates `keys`; those that it has already go on as they are.
    pub(crate) fn follow(&mut self, keys: Arc<TicketKeys>) {
        if !Arc::ptr_eq(&self.keys, &keys) {
            *self = Self::start(keys);
        }
    }
}

async fn rotate(keys: Arc<TicketKeys>) {
    let period = Duration::from_secs(u64::from(keys.lifetime_seconds()).max(1));
    loop {
        tokio::time::sleep(period).await;
        let rotated = {
            let keys = Arc::clone(&keys);
            // The keys may be in a file.
            tokio::task::spawn_blocking(move || keys.rotate()).await
        };
        match rotated {
            Ok(Ok(())) => tracing::debug!("the keys of session tickets were rotated"),
            Ok(Err(error)) => tracing::error!("the keys of session tickets stay: {error}"),
            Err(error) => tracing::error!(%error, "the keys of session tickets stay"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_ends_with_its_owner() {
        let keys = Arc::new(TicketKeys::random(60).expect("keys"));
        let rotation = TicketRotation::start(Arc::clone(&keys));
        tokio::task::yield_now().await;
        assert!(Arc::ptr_eq(rotation.keys(), &keys));
        let holders_count = Arc::strong_count(&keys);
        drop(rotation);
        tokio::task::yield_now().await;
        assert!(Arc::strong_count(&keys) + 1 < holders_count, "the task has let go too");
    }
}
