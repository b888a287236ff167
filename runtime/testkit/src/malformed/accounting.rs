#![allow(unsafe_code, reason = "an allocator that counts can only be written with unsafe")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting the live bytes of each thread. For `#[global_allocator]` of tests and fuzzers.
pub struct Accounting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // A thread that is going away allocates without being counted.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting allocates nothing, as the thread-locals
// are constants without destructors.
unsafe impl GlobalAlloc for Accounting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the promises of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: `pointer` came from `System` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: `pointer` came from `System` with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// The most memory a decoder may hold at one time, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Budget(usize);

impl Budget {
    /// 64 MiB for tables and compiled patterns, and 512 bytes for each byte of input: a JSON list of digits becomes
    /// values of 40 bytes beside the lists they grow in.
    pub const fn for_input(bytes: usize) -> Self {
        Budget((64 << 20) + 512 * bytes)
    }

    /// Runs `decode`; the most bytes that this thread held during it, beyond those it held before.
    pub fn measure(self, decode: impl FnOnce()) -> usize {
        let before = LIVE.with(Cell::get);
        PEAK.with(|peak| peak.set(before));
        decode();
        usize::try_from(PEAK.with(Cell::get) - before).unwrap_or(0)
    }

    /// Whether `used` bytes are within the budget.
    ///
    /// # Errors
    /// The sentence for the failing test.
    pub fn judge(self, used: usize) -> Result<(), String> {
        if used > self.0 {
            return Err(format!("holds {used} bytes at once, where {} are allowed", self.0));
        }
        Ok(())
    }
}
