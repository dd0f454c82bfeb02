//! Mail from the host to shards, none of which is lost while its shard lives.

use std::sync::Arc;
use std::time::Duration;

use crate::coord::{Sender, ShardMessage};

/// The mailboxes of all shards, by index.
#[derive(Clone, Debug)]
pub(super) struct Mail(Arc<[Sender<ShardMessage>]>);

impl Mail {
    pub(super) fn new(shards: Arc<[Sender<ShardMessage>]>) -> Self {
        Self(shards)
    }

    /// Sends to the shard that `shard` says, asked anew each time its lane is full; waits for as long
    /// as that lasts. What is for a shard that has ended goes.
    pub(super) async fn send(&self, shard: impl Fn() -> usize, mut message: ShardMessage) {
        loop {
            let Some(sender) = self.0.get(shard()) else { return };
            match sender.try_send(message) {
                Ok(()) => return,
                Err(_) if sender.is_closed() => return,
                Err(back) => message = back,
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Sends to each shard; one whose lane is full keeps no other waiting.
    pub(super) async fn send_to_all(&self, message: impl Fn() -> ShardMessage) {
        let mut left: Vec<_> = self.0.iter().collect();
        loop {
            left.retain(|shard| shard.try_send(message()).is_err() && !shard.is_closed());
            if left.is_empty() {
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// A shard reads its mail at every turn of its loop.
const RETRY: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::coord::mailbox;

    #[tokio::test]
    async fn a_full_lane_is_waited_for_and_an_ended_shard_is_not() {
        let one = NonZeroUsize::new(1).expect("not zero");
        let (sender, receiver) = mailbox(one).expect("a mailbox");
        let (gone, _) = mailbox(one).expect("a mailbox");
        let mail = Mail::new([sender, gone].into());
        mail.send(|| 0, ShardMessage::Stop).await;
        let all = mail.clone();
        let sending = tokio::spawn(async move { all.send_to_all(|| ShardMessage::Stop).await });
        tokio::time::sleep(RETRY * 10).await;
        assert!(!sending.is_finished(), "the lane is full");
        assert!(receiver.pop().is_some());
        sending.await.expect("no panic");
        assert!(receiver.pop().is_some());
        mail.send(|| 1, ShardMessage::Stop).await;
        mail.send(|| 7, ShardMessage::Stop).await;
        assert!(receiver.pop().is_none());
    }
}
