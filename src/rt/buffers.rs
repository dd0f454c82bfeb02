//! The shard's stock of buffers: taken when there is something to read, put back when done.

use std::cell::{Cell, RefCell};

/// How many buffers are out, for metrics.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct BuffersCount {
    /// Taken and not yet put back.
    pub taken: u64,
    /// Waiting to be taken.
    pub kept: u64,
}

/// A stock of equal buffers. Taking never fails: the bound on memory is the bound on connections
/// times what one may hold; the stock only keeps a number of spare ones.
#[derive(Debug)]
pub struct Buffers {
    spare: RefCell<Vec<Vec<u8>>>,
    buffer_bytes: usize,
    spare_count_max: usize,
    taken: Cell<u64>,
}

impl Buffers {
    /// A stock of buffers of `buffer_bytes`, keeping at most `spare_count_max` unused ones.
    #[must_use]
    pub fn new(buffer_bytes: usize, spare_count_max: usize) -> Self {
        Self { spare: RefCell::default(), buffer_bytes, spare_count_max, taken: Cell::default() }
    }

    /// An empty buffer of the stock's capacity.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        self.taken.set(self.taken.get() + 1);
        let spare = self.spare.borrow_mut().pop();
        spare.unwrap_or_else(|| Vec::with_capacity(self.buffer_bytes))
    }

    /// Puts a buffer back. One that grew or was made elsewhere is dropped.
    pub fn put(&self, mut buffer: Vec<u8>) {
        self.write_off();
        let mut spare = self.spare.borrow_mut();
        if buffer.capacity() == self.buffer_bytes && spare.len() < self.spare_count_max {
            buffer.clear();
            spare.push(buffer);
        }
    }

    /// A buffer that was taken will not be put back.
    pub fn write_off(&self) {
        self.taken.set(self.taken.get().saturating_sub(1));
    }

    /// Capacity of each buffer.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// How many are out and how many are spare.
    #[must_use]
    pub fn count(&self) -> BuffersCount {
        BuffersCount { taken: self.taken.get(), kept: self.spare.borrow().len() as u64 }
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
        let lost = stock.take();
        stock.write_off();
        assert_eq!(stock.count().taken, 0);
        drop(lost);
        let again = stock.take();
        assert!(again.is_empty() && again.capacity() == 64);
    }
}
