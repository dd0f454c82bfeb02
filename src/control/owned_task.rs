//! A task of the side thread that ends with its owner.

use std::future::Future;

use tokio::task::JoinHandle;

/// Aborts its task when it is dropped, so that nothing goes on that nobody asked for any more.
#[derive(Debug)]
pub(crate) struct OwnedTask(JoinHandle<()>);

impl OwnedTask {
    pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }

    /// Aborts the task and waits until it does nothing more.
    pub(crate) async fn stop(mut self) {
        self.0.abort();
        // How it ended is of no interest: it was told to.
        let _ = (&mut self.0).await;
    }
}

impl Drop for OwnedTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn ends_with_its_owner() {
        let (held, ended) = oneshot::channel::<()>();
        let task = OwnedTask::spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        drop(task);
        assert!(ended.await.is_err(), "the task and what it held are gone");
        let (held, mut ended) = oneshot::channel::<()>();
        let task = OwnedTask::spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        task.stop().await;
        assert_eq!(ended.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }
}
