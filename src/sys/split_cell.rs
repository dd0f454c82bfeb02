//! Lets the two directions of one socket be driven by two tasks of one thread.

use std::cell::UnsafeCell;
use std::rc::Rc;

/// A stream of monoio that two tasks of its thread share, one reading and one writing.
///
/// monoio asks for `&mut self` to begin a read or a write, but only copies the descriptor out and
/// answers with an operation that no longer touches the stream; it says so itself with
/// `unsafe impl Split` for its streams. (Its own split halves are of no use: dropping its write
/// half ends the sending direction.)
#[derive(Debug)]
pub struct SplitCell<T>(Rc<UnsafeCell<T>>);

impl<T> Clone for SplitCell<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T: monoio::io::Split> SplitCell<T> {
    /// Takes `value` in.
    pub fn new(value: T) -> Self {
        Self(Rc::new(UnsafeCell::new(value)))
    }

    /// The stream, for calls that take `&self`.
    #[must_use]
    pub fn get(&self) -> &T {
        // SAFETY: `Rc` keeps this on one thread. The only `&mut T` are those of `begin`, which
        // change nothing in the stream.
        unsafe { &*self.0.get() }
    }

    /// The stream, to begin one operation on it. Use it for that one call only.
    #[must_use]
    #[allow(clippy::mut_from_ref)]
    pub fn begin(&self) -> &mut T {
        // SAFETY: `Rc` keeps this on one thread, and `T: Split` is monoio's word that its read and
        // write operations may overlap: a call that begins one copies the descriptor and returns,
        // so no two calls are ever inside the stream at once.
        unsafe { &mut *self.0.get() }
    }
}
