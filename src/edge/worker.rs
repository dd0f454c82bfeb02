//! Workers: the tasks' state while a connection is at work, reused from connection to connection.
//!
//! Serving a request needs some kilobytes of state. An idle connection must not hold them, and to
//! allocate them on each wake would cost more than parsing does. So the shard keeps a stock of
//! workers; a connection borrows one while it has something to serve. A worker that panicked is
//! thrown away: that is what keeps a panic inside the connection that caused it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use crate::rt::{Panicked, poll_contained};

/// What a worker does.
pub(super) trait Job: 'static {
    /// What comes of it.
    type Done: 'static;

    /// Does it, once.
    async fn work(&self) -> Self::Done;
}

/// The stock of one shard.
pub(super) struct Stock<J: Job> {
    spare: RefCell<Vec<Worker<J>>>,
}

impl<J: Job> Stock<J> {
    /// Has a worker do `job`.
    pub(super) async fn work(&self, job: &Rc<J>) -> Result<J::Done, Panicked> {
        let mut worker = self.spare.borrow_mut().pop().unwrap_or_else(Worker::new);
        worker.desk.job.set(Some(Rc::clone(job)));
        let done = poll_fn(|context| {
            if let Poll::Ready(Err(panicked)) = poll_contained(worker.task.as_mut(), context) {
                return Poll::Ready(Err(panicked));
            }
            worker.desk.done.take().map_or(Poll::Pending, |done| Poll::Ready(Ok(done)))
        })
        .await?;
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_WORKERS_MAX {
            spare.push(worker);
        }
        Ok(done)
    }
}

impl<J: Job> Default for Stock<J> {
    fn default() -> Self {
        Self { spare: RefCell::default() }
    }
}

impl<J: Job> fmt::Debug for Stock<J> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Stock({} spare)", self.spare.borrow().len())
    }
}

struct Worker<J: Job> {
    task: Pin<Box<dyn Future<Output = ()>>>,
    desk: Rc<Desk<J>>,
}

/// Where a worker finds its job and leaves what came of it.
struct Desk<J: Job> {
    job: Cell<Option<Rc<J>>>,
    done: Cell<Option<J::Done>>,
}

impl<J: Job> Worker<J> {
    fn new() -> Self {
        let desk = Rc::new(Desk { job: Cell::new(None), done: Cell::new(None) });
        Self { task: Box::pin(work_on_demand(Rc::clone(&desk))), desk }
    }
}

/// Does one job after the other; pending while there is none.
async fn work_on_demand<J: Job>(desk: Rc<Desk<J>>) {
    loop {
        let job = poll_fn(|_| desk.job.take().map_or(Poll::Pending, Poll::Ready)).await;
        let done = job.work().await;
        drop(job); // the worker may wait for long, and must not keep a connection open
        desk.done.set(Some(done));
    }
}

/// Spare workers that a shard keeps.
const SPARE_WORKERS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rt::{DriverChoice, RingOptions, run, yield_now};

    struct Sum {
        of: Cell<(u32, u32)>,
        panics: bool,
    }

    impl Job for Sum {
        type Done = u32;

        async fn work(&self) -> u32 {
            yield_now().await;
            assert!(!self.panics, "asked for by a test");
            let (one, other) = self.of.get();
            one + other
        }
    }

    fn sum(one: u32, other: u32) -> Rc<Sum> {
        Rc::new(Sum { of: Cell::new((one, other)), panics: false })
    }

    #[test]
    fn workers_are_used_again_and_let_go_of_their_job() {
        let stock = Stock::<Sum>::default();
        let answers = run(DriverChoice::Epoll, RingOptions { entries: 64 }, |_| async {
            let mut answers = Vec::new();
            for other in [1, 2, 3] {
                let job = sum(10, other);
                answers.push(stock.work(&job).await);
                assert_eq!(Rc::strong_count(&job), 1, "the worker has let go");
            }
            answers
        });
        assert_eq!(answers.expect("it runs"), [Ok(11), Ok(12), Ok(13)]);
        assert_eq!(stock.spare.borrow().len(), 1, "one worker did it all");
    }

    #[test]
    fn a_worker_that_panicked_is_never_used_again() {
        let stock = Stock::<Sum>::default();
        let answers = run(DriverChoice::Epoll, RingOptions { entries: 64 }, |_| async {
            let bad = Rc::new(Sum { of: Cell::new((0, 0)), panics: true });
            let first = stock.work(&bad).await;
            assert_eq!(Rc::strong_count(&bad), 1, "unwinding has let go");
            let spare_count = stock.spare.borrow().len();
            (first, spare_count, stock.work(&sum(1, 1)).await)
        });
        assert_eq!(answers.expect("it runs"), (Err(Panicked), 0, Ok(2)));
    }
}
