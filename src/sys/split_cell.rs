//! Lets the two directions of one socket be driven by two tasks of one thread.

use std::cell::UnsafeCell;
use std::rc::Rc;

/// A value whose methods each take the value for the length of a call only, and never call back
/// into code that could reach the same value.
///
/// monoio's streams ask for `&mut self` to begin a read or a write, but only copy the descriptor
/// out and return an operation that no longer touches the stream; monoio's own split halves rest
/// on the same fact (`unsafe impl Split for TcpStream`).
#[derive(Debug)]
pub struct SplitCell<T>(Rc<UnsafeCell<T>>);

impl<T> Clone for SplitCell<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> SplitCell<T> {
    /// Takes `value` in.
    pub fn new(value: T) -> Self {
        Self(Rc::new(UnsafeCell::new(value)))
    }

    /// What `begin` makes of the value: an operation in flight, for the methods that take `&mut T`
    /// to begin one. Whatever it returns must not touch the value any more.
    ///
    /// monoio's `OwnedWriteHalf` would do the same but for its `Drop`, which ends the sending
    /// direction: made for one write, it let a connection write once.
    pub fn begin<'a, R>(&'a self, begin: impl FnOnce(&'a mut T) -> R) -> R {
        // SAFETY: `Rc` keeps this on one thread, and the methods called here neither call back nor
        // hand the reference on, so no two references to the value are in use at a time.
        begin(unsafe { &mut *self.0.get() })
    }

    /// The value, for calls that take `&T`.
    #[must_use]
    pub fn get(&self) -> &T {
        // SAFETY: `Rc` keeps this on one thread. The only `&mut T` are made in `begin` for the
        // length of a call that copies the descriptor; they change nothing that a reader through
        // this reference sees.
        unsafe { &*self.0.get() }
    }
}
