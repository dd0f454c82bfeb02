//! Memory that the kernel receives into: a ring of provided buffers (io_uring_register(2),
//! IORING_REGISTER_PBUF_RING).

use std::io;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

/// What was received into one place of the pool. It stays the owner's until it is released; one
/// that is dropped is lost to the pool.
#[derive(Debug)]
#[must_use]
pub struct Chunk {
    index: u16,
    bytes: u32,
}

impl Chunk {
    /// How many bytes were received.
    #[must_use]
    pub fn bytes_count(&self) -> usize {
        self.bytes as usize
    }
}

/// The chunks of one ring. The kernel goes through them in turn, so a pool that is larger than it
/// need be costs caches; it begins small and grows when it was too small.
///
/// # Invariants
///
/// - A chunk below `used_count` is either in the kernel's hands or in those of the owner of its
///   [`Chunk`]; the others are nobody's, and their memory was never touched.
pub(super) struct ChunkPool {
    entries: Pages,
    memory: Pages,
    count: u16,
    used_count: u16,
    chunk_bytes: u32,
    tail: u16,
    /// What came into how many chunks since the pool was last found empty.
    recent_bytes: u64,
    recent_count: u64,
}

impl ChunkPool {
    /// The number under which the kernel knows the pool.
    pub(super) const GROUP: u16 = 0;

    /// A pool of at most `count` (a power of two, at most 32,768) chunks, the first few of which
    /// are the kernel's from now on.
    pub(super) fn register(ring: &IoUring, count: u16, chunk_bytes: u32) -> io::Result<Self> {
        assert!(count.is_power_of_two() && count <= 1 << 15, "what the kernel takes");
        let entries = Pages::map(usize::from(count) * size_of::<BufRingEntry>())?;
        let memory = Pages::map(usize::from(count) * chunk_bytes as usize)?;
        // SAFETY: the memory holds `count` entries, is page-aligned and zeroed, and lives until
        // `unregister`, or for ever if that fails.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(
                entries.start() as u64,
                count,
                Self::GROUP,
                0,
            )
        }?;
        let mut pool = Self {
            entries,
            memory,
            count,
            used_count: 0,
            chunk_bytes,
            tail: 0,
            recent_bytes: 0,
            recent_count: 0,
        };
        pool.extend(FIRST_COUNT);
        Ok(pool)
    }

    /// The pool was empty: doubles what the kernel may use, if there is more and it would help.
    /// Where chunks come well filled, a few connections carry much, and a larger pool would only
    /// spread the same bytes over more memory than the caches hold.
    pub(super) fn grow(&mut self) {
        let is_bulk = self.recent_bytes > self.recent_count * u64::from(self.chunk_bytes) / 4;
        (self.recent_bytes, self.recent_count) = (0, 0);
        if !is_bulk {
            self.extend(self.used_count.saturating_mul(2));
        }
    }

    fn extend(&mut self, used_count: u16) {
        let used_count = used_count.min(self.count);
        for index in self.used_count..used_count {
            self.give(index);
        }
        self.used_count = used_count;
    }

    /// Takes the pool away from the kernel, and frees it if the kernel agrees.
    pub(super) fn unregister(self, ring: &IoUring) {
        if ring.submitter().unregister_buf_ring(Self::GROUP).is_err() {
            std::mem::forget(self);
        }
    }

    /// The kernel has received `bytes` into the chunk `index` and left it to us.
    pub(super) fn received(&mut self, index: u16, bytes: u32) -> Chunk {
        assert!(
            index < self.used_count && bytes <= self.chunk_bytes,
            "the kernel keeps to its word"
        );
        self.recent_bytes += u64::from(bytes);
        self.recent_count += 1;
        Chunk { index, bytes }
    }

    pub(super) fn bytes(&self, chunk: &Chunk) -> &[u8] {
        // SAFETY: the chunk lies in the pool (`received` has checked), the kernel does not write
        // to it before it is given back, and that takes the `Chunk` away from its owner.
        unsafe { std::slice::from_raw_parts(self.place(chunk.index), chunk.bytes_count()) }
    }

    pub(super) fn release(&mut self, chunk: Chunk) {
        self.give(chunk.index);
    }

    fn give(&mut self, index: u16) {
        let (address, slot) = (self.place(index) as u64, self.tail & (self.count - 1));
        let first = self.entries.start().cast::<BufRingEntry>();
        // SAFETY: `slot` is below `count`, and the kernel reads entries below the tail only. The
        // tail lies in the padding of the first entry, so entries are written field by field.
        unsafe {
            let entry = &mut *first.add(usize::from(slot));
            entry.set_addr(address);
            entry.set_len(self.chunk_bytes);
            entry.set_bid(index);
        }
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail is a live, aligned `u16` that both sides access atomically.
        let tail = unsafe { &*BufRingEntry::tail(first).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }

    fn place(&self, index: u16) -> *mut u8 {
        debug_assert!(index < self.count);
        let offset = usize::from(index) * self.chunk_bytes as usize;
        // SAFETY: `index` is below `count`, so the place lies inside the mapping.
        unsafe { self.memory.start().add(offset) }
    }
}

/// Chunks that a pool begins with: as many as come in one turn of a loop that is not overrun.
const FIRST_COUNT: u16 = 64;

/// Anonymous memory of its own, zeroed and page-aligned; pages that are never touched cost
/// nothing.
struct Pages {
    start: NonNull<u8>,
    bytes: usize,
}

impl Pages {
    fn map(bytes: usize) -> io::Result<Self> {
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new anonymous mapping touches no existing memory.
        let start = unsafe { libc::mmap(null_mut(), bytes, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, bytes })
    }

    fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing refers to it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}
