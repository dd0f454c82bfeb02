//! The shard's stock of buffers: taken when there is something to read, put back when done.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// How many buffers are out, for metrics.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct BuffersCount {
    /// Taken and not yet put back.
    pub taken: u64,
    /// Waiting to be taken.
    pub kept: u64,
}

/// A stock of equal buffers. Taking never fails: the bound on memory is the bound on connections
/// times what one may hold; the stock only keeps a number of spare ones. Clones are of one stock.
#[derive(Clone, Debug)]
pub struct Buffers(Rc<Stock>);

#[derive(Debug)]
struct Stock {
    spare: RefCell<Vec<Vec<u8>>>,
    buffer_bytes: usize,
    spare_count_max: usize,
    taken: Cell<u64>,
}

impl Buffers {
    /// A stock of buffers of `buffer_bytes`, keeping at most `spare_count_max` unused ones.
    #[must_use]
    pub fn new(buffer_bytes: usize, spare_count_max: usize) -> Self {
        let taken = Cell::new(0);
        Self(Rc::new(Stock { spare: RefCell::default(), buffer_bytes, spare_count_max, taken }))
    }

    /// An empty buffer of the stock's capacity.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        self.0.taken.set(self.0.taken.get() + 1);
        let spare = self.0.spare.borrow_mut().pop();
        spare.unwrap_or_else(|| Vec::with_capacity(self.0.buffer_bytes))
    }

    /// Puts a buffer back. One that grew or was made elsewhere is dropped.
    pub fn put(&self, mut buffer: Vec<u8>) {
        self.lost();
        let mut spare = self.0.spare.borrow_mut();
        if buffer.capacity() == self.0.buffer_bytes && spare.len() < self.0.spare_count_max {
            buffer.clear();
            spare.push(buffer);
        }
    }

    /// A buffer that was taken does not come back: it went with an operation that was given up.
    pub fn lost(&self) {
        debug_assert!(self.0.taken.get() > 0, "more put back than taken");
        self.0.taken.set(self.0.taken.get().saturating_sub(1));
    }

    /// Capacity of each buffer.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        self.0.buffer_bytes
    }

    /// How many are out and how many are spare.
    #[must_use]
    pub fn count(&self) -> BuffersCount {
        BuffersCount { taken: self.0.taken.get(), kept: self.0.spare.borrow().len() as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_empty_and_bounded() {
        let stock = Buffers::new(64, 1);
        let (mut first, second) = (stock.take(), stock.take());
        first.extend_from_slice(b"left over");
        stock.put(first);
        stock.put(second);
        assert_eq!(stock.count(), BuffersCount { taken: 0, kept: 1 });
        let again = stock.take();
        assert!(again.is_empty() && again.capacity() == 64);
    }
}
