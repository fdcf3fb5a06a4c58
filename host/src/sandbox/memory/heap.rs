//! The heap of this process, counted: what the host keeps for a guest (records of a call, documents, lines of stdin) lies there.
//! Tells one thread when it grows over a ceiling, or when the system has no more; or ends the process then and there. Knows nothing of guests or of what the ceiling is
//! for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use signal_hook::low_level;

use crate::exit_code;

/// What is kept for the last words, for when the system gives no more.
const RESERVE: Layout = Layout::new::<[u8; 1024 * 1024]>();

/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(3);

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static CEILING: AtomicUsize = AtomicUsize::new(usize::MAX);
static ALARM: AtomicBool = AtomicBool::new(false);
static WATCHER: OnceLock<Thread> = OnceLock::new();
static ENDER: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();
static RESERVED: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static EXHAUSTED: AtomicBool = AtomicBool::new(false);

/// The system's allocator, with a count of what it has given. The counters order nothing, so they cost next to nothing.
pub struct CountedHeap;

impl CountedHeap {
    fn took_if_any(memory: *mut u8, bytes: usize) {
        if memory.is_null() {
            return exhausted();
        }
        CountedHeap::count(bytes);
    }

    fn count(bytes: usize) {
        let in_use = IN_USE.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if in_use > CEILING.load(Ordering::Relaxed) {
            sound_alarm();
        }
    }

    fn gave_back(bytes: usize) {
        IN_USE.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The system gave nothing. Nearly all code can only abort then: this thread waits while another tells it and ends the process.
#[cold]
fn exhausted() {
    if WATCHER.get().is_none() && ENDER.get().is_none() {
        return;
    }
    EXHAUSTED.store(true, Ordering::Release);
    let reserved = RESERVED.swap(ptr::null_mut(), Ordering::AcqRel);
    if !reserved.is_null() {
        // SAFETY: `watch` took it from the same allocator with the same layout, and nobody else has it any more.
        unsafe { System.dealloc(reserved, RESERVE) };
    }
    sound_alarm();
    thread::sleep(LAST_WORDS);
    low_level::exit(exit_code::FAILURE.into());
}

/// Nothing in here may allocate: it runs within an allocation.
#[cold]
fn sound_alarm() {
    if ALARM.swap(true, Ordering::AcqRel) {
        return;
    }
    if let Some(watcher) = WATCHER.get() {
        watcher.unpark();
    } else if let Some(end) = ENDER.get() {
        end();
    }
}

// SAFETY: every call goes on to the system's allocator as it came, and nothing else is done with the memory.
unsafe impl GlobalAlloc for CountedHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to the contract of `alloc`.
        let memory = unsafe { System.alloc(layout) };
        CountedHeap::took_if_any(memory, layout.size());
        memory
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to the contract of `alloc_zeroed`.
        let memory = unsafe { System.alloc_zeroed(layout) };
        CountedHeap::took_if_any(memory, layout.size());
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps to the contract of `dealloc`.
        unsafe { System.dealloc(memory, layout) };
        CountedHeap::gave_back(layout.size());
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps to the contract of `realloc`.
        let moved = unsafe { System.realloc(memory, layout, size) };
        if moved.is_null() || size >= layout.size() {
            CountedHeap::took_if_any(moved, size.saturating_sub(layout.size()));
        } else {
            CountedHeap::gave_back(layout.size() - size);
        }
        moved
    }
}

/// Memory that a library in C takes of the system: it passes by the allocator above, so whoever makes the library take it says
/// how much. Counted as long as this lives.
pub struct ForeignMemory(usize);

impl ForeignMemory {
    /// So many bytes, at most.
    pub fn taken(bytes: usize) -> ForeignMemory {
        CountedHeap::count(bytes);
        ForeignMemory(bytes)
    }
}

impl Drop for ForeignMemory {
    fn drop(&mut self) {
        CountedHeap::gave_back(self.0);
    }
}

/// How many bytes of the heap are in use.
pub fn in_use() -> usize {
    IN_USE.load(Ordering::Relaxed)
}

/// From now on the alarm is for more than this.
pub fn set_ceiling(bytes: usize) {
    CEILING.store(bytes, Ordering::Relaxed);
    if in_use() > bytes {
        sound_alarm();
    }
}

/// Whether the system has no memory left for the heap.
pub fn is_exhausted() -> bool {
    EXHAUSTED.load(Ordering::Acquire)
}

/// Ends the process by `end` at the first alarm, within the allocation that sounds it: there nothing may be allocated. For who needs
/// no thread.
pub fn end_at_alarm(end: impl Fn() + Send + Sync + 'static) {
    let _ = ENDER.set(Box::new(end));
    if ALARM.load(Ordering::Acquire)
        && let Some(end) = ENDER.get()
    {
        end();
    }
}

/// Starts the thread that calls `alarmed` each time the heap has grown over its ceiling, and when the system has no more. One thread is kept: a second is an error.
pub fn watch(mut alarmed: impl FnMut() + Send + 'static) -> io::Result<()> {
    let watch = move || {
        loop {
            while !ALARM.load(Ordering::Acquire) {
                thread::park();
            }
            alarmed();
            ALARM.store(false, Ordering::Release);
        }
    };
    let watcher = thread::Builder::new().name("memory".into()).spawn(watch)?;
    // SAFETY: the layout has a size.
    RESERVED.store(unsafe { System.alloc(RESERVE) }, Ordering::Release);
    WATCHER.set(watcher.thread().clone()).map_err(|_| io::Error::other("the heap is watched already"))?;
    // An alarm before there was anybody to hear it.
    watcher.thread().unpark();
    Ok(())
}
