//! How much memory a guest may take: all its linear memories and tables, and what the host keeps for it on the heap. It knows
//! nothing of what is told when that is not enough.

mod container;
mod heap;
mod limit;
mod size;

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmtime::ResourceLimiter;

use limit::LEAST_MARGIN;

pub use heap::{CountedHeap, ForeignMemory};
pub use limit::{LimitOrigin, MemoryLimit};
pub use size::MemorySize;

/// How many instances, tables and memories a component may be made of. Components of interpreted languages have some dozens.
const MAX_INSTANCES: usize = 1_000;
const MAX_TABLES: usize = 1_000;
const MAX_MEMORIES: usize = 64;

/// What all guests of this process share: a limit, and what they have taken of it.
#[derive(Clone)]
pub struct MemoryBudget(Arc<Shared>);

struct Shared {
    limit: MemoryLimit,
    compiler_limit: MemoryLimit,
    /// The connector is still being compiled.
    compiling: AtomicBool,
    taken: Mutex<Taken>,
}

struct Taken {
    /// The linear memories of all guests.
    guests: usize,
    /// How far the heap may go over the limit before its alarm.
    tolerated: usize,
    /// Why a guest's memory last did not grow, for reasons that are not this limit.
    refused_growth: Option<String>,
}

impl MemoryBudget {
    /// With this limit, of which nothing is taken. It counts from when the guest starts; until then there is more, for the compiler.
    pub fn new(limit: MemoryLimit) -> MemoryBudget {
        let taken = Mutex::new(Taken { guests: 0, tolerated: 0, refused_growth: None });
        let (compiler_limit, compiling) = (limit.for_compiler(), AtomicBool::new(true));
        MemoryBudget(Arc::new(Shared { compiler_limit, limit, compiling, taken }))
    }

    /// From now on the guest runs.
    pub fn guest_starts(&self) {
        self.0.compiling.store(false, Ordering::Release);
        self.change(|_| {});
    }

    /// The limit.
    pub fn limit(&self) -> &MemoryLimit {
        &self.0.limit
    }

    /// Watches the heap from now on: calls `exceeded` with what to tell of `connector` when guests and heap have more than the limit
    /// together. Calls `nothing_left` when the heap goes on growing after that, or, with what to tell, when this machine has no more.
    pub fn watch(
        &self,
        connector: &str,
        exceeded: impl Fn(String) + Send + 'static,
        nothing_left: impl Fn(Option<String>) + Send + 'static,
    ) -> io::Result<()> {
        let (budget, connector) = (self.clone(), connector.to_owned());
        let mut told = false;
        heap::watch(move || {
            if heap::is_exhausted() {
                return nothing_left(Some(machine_has_none(&connector)));
            }
            if told {
                return nothing_left(None);
            }
            told = true;
            // Room for what it takes to end in order.
            budget.change(|taken| taken.tolerated = LEAST_MARGIN / 2);
            exceeded(if budget.is_compiling() {
                budget.0.compiler_limit.exceeded_by_compiler(&connector)
            } else {
                budget.0.limit.exceeded(&connector)
            });
        })?;
        self.change(|_| {});
        Ok(())
    }

    /// The same without a thread: `end` is called within the allocation that was too much, with what `line` made of the problem while
    /// there was memory. It ends the process, and may neither allocate nor take a lock.
    pub fn end_when_exceeded(&self, connector: &str, line: impl Fn(String) -> Vec<u8>, end: fn(&[u8])) {
        let nothing_left = line(machine_has_none(connector));
        let by_compiler = line(self.0.compiler_limit.exceeded_by_compiler(connector));
        let by_guest = line(self.0.limit.exceeded(connector));
        let budget = self.clone();
        heap::end_at_alarm(move || {
            end(match budget.is_compiling() {
                _ if heap::is_exhausted() => &nothing_left,
                true => &by_compiler,
                false => &by_guest,
            });
        });
        self.change(|_| {});
    }

    fn is_compiling(&self) -> bool {
        self.0.compiling.load(Ordering::Acquire)
    }

    /// A guest has gone, with so much.
    fn guest_ends(&self, bytes: usize) {
        self.change(|taken| {
            taken.guests -= bytes;
            // There may be others.
            if taken.tolerated == usize::MAX {
                taken.tolerated = 0;
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is taken, and the ceiling of the heap with it.
    fn change<T>(&self, change: impl FnOnce(&mut Taken) -> T) -> T {
        let mut taken = self.lock();
        let result = change(&mut taken);
        let limit = if self.is_compiling() { &self.0.compiler_limit } else { &self.0.limit };
        let left = limit.size.0.saturating_sub(taken.guests);
        heap::set_ceiling(left.saturating_add(taken.tolerated));
        result
    }

    /// Takes so much more, if it is there.
    fn take(&self, bytes: usize) -> Result<(), MemoryExceeded> {
        // Looked and taken at once: others may grow at the same moment.
        self.change(|taken| {
            self.require(taken, bytes)?;
            taken.guests = taken.guests.saturating_add(bytes);
            Ok(())
        })
    }

    /// Whether so much more is there. Where it is not, nobody else tells so until a guest has gone.
    fn require(&self, taken: &mut Taken, bytes: usize) -> Result<(), MemoryExceeded> {
        let (guests, host) = (taken.guests, heap::in_use());
        if guests.saturating_add(host).saturating_add(bytes) <= self.0.limit.size.0 {
            return Ok(());
        }
        taken.tolerated = usize::MAX;
        let [guests, host, wanted] = [guests, host, bytes].map(MemorySize);
        Err(MemoryExceeded { limit: self.0.limit.clone(), guests, host, wanted })
    }

    /// Why a guest's memory last did not grow, where that was not this limit.
    pub fn refused_growth(&self) -> Option<String> {
        self.lock().refused_growth.clone()
    }
}

/// A guest wanted more memory than it may have.
#[derive(Debug)]
pub struct MemoryExceeded {
    /// What it may have.
    pub limit: MemoryLimit,
    guests: MemorySize,
    host: MemorySize,
    wanted: MemorySize,
}

impl fmt::Display for MemoryExceeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MemoryExceeded { limit, guests, host, wanted } = self;
        write!(
            formatter,
            "{wanted} more were asked for; the connector's memories have {guests} and airlock {host} of {}",
            limit.size
        )
    }
}

impl Error for MemoryExceeded {}

/// What one store takes of the budget. It is given back when this is dropped.
pub struct GuestMemory {
    budget: MemoryBudget,
    taken: usize,
    /// What the last growth added and how far it came, for it may yet fail.
    last: Growth,
}

#[derive(Default)]
struct Growth {
    from: usize,
    bytes: usize,
}

impl GuestMemory {
    /// Of this budget.
    pub fn new(budget: &MemoryBudget) -> GuestMemory {
        GuestMemory { budget: budget.clone(), taken: 0, last: Growth::default() }
    }

    /// The budget.
    pub fn budget(&self) -> &MemoryBudget {
        &self.budget
    }

    fn give_back(&mut self, bytes: usize) {
        self.taken -= bytes;
        self.budget.change(|taken| taken.guests -= bytes);
    }

    fn remember(&self, from: usize, why: &str) {
        let text = format!("it had grown to {} and could not grow further: {why}", MemorySize(from));
        self.budget.lock().refused_growth = Some(text);
    }
}

impl Drop for GuestMemory {
    fn drop(&mut self) {
        self.budget.guest_ends(self.taken);
    }
}

impl ResourceLimiter for GuestMemory {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // Asked here and not left to wasmtime, so that what is taken has as good as always been given.
        if let Some(maximum) = maximum.filter(|maximum| desired > *maximum) {
            self.remember(current, &format!("that memory may have {} at most", MemorySize(maximum)));
            return Ok(false);
        }
        let bytes = desired.saturating_sub(current);
        self.budget.take(bytes)?;
        self.taken += bytes;
        self.last = Growth { from: current, bytes };
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // An error of the system is about the growth that was just allowed; others may be about one that nobody asked for here.
        if error.is::<io::Error>() || is_out_of_memory(&error) {
            let Growth { from, bytes } = std::mem::take(&mut self.last);
            self.give_back(bytes);
            self.remember(from, &format!("this machine gave no more ({:#})", error.root_cause()));
        } else {
            self.remember(self.last.from + self.last.bytes, &format!("{:#}", error.root_cause()));
        }
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        // Tables lie on the heap, which is counted there.
        let bytes = desired.saturating_sub(current).saturating_mul(size_of::<usize>());
        self.budget.change(|taken| self.budget.require(taken, bytes))?;
        Ok(true)
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}

/// What is told where the machine itself had no memory for a connector.
pub fn machine_has_none(connector: &str) -> String {
    format!(
        "This machine gave the connector {connector} no memory. Give this process more: `ulimit -v` shows the limit of the shell it was \
         started from. A connector needs up to 4 GiB of addresses for each of its memories, whatever it uses of them."
    )
}

/// Whether the machine had no memory to give.
pub fn is_out_of_memory(error: &wasmtime::Error) -> bool {
    // wasmtime keeps the type of the system's error to itself.
    error.is::<wasmtime::OutOfMemory>() || error.root_cause().to_string().contains("(os error 12)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_share_one_budget_and_give_back_what_they_took() {
        const MIB: usize = 1 << 20;
        let limit = MemoryLimit { size: MemorySize(heap::in_use() + 512 * MIB), origin: LimitOrigin::Named };
        let budget = MemoryBudget::new(limit);
        let mut one = GuestMemory::new(&budget);
        let mut two = GuestMemory::new(&budget);
        assert!(one.memory_growing(0, 300 * MIB, None).unwrap());
        assert!(two.memory_growing(0, 100 * MIB, None).unwrap());
        let error = two.memory_growing(100 * MIB, 300 * MIB, None).unwrap_err();
        assert!(error.is::<MemoryExceeded>(), "{error:#}");
        assert!(two.table_growing(0, usize::MAX, None).is_err());
        // More than the memory itself can have is its own affair, and costs nothing.
        assert!(!two.memory_growing(100 * MIB, 4096 * MIB, Some(200 * MIB)).unwrap());
        assert!(budget.refused_growth().unwrap().contains("grown to 100 MiB"));
        drop(one);
        assert!(two.memory_growing(100 * MIB, 300 * MIB, None).unwrap());
        two.memory_grow_failed(io::Error::from_raw_os_error(12).into()).unwrap();
        assert_eq!(budget.lock().guests, 100 * MIB);
        // Nothing was allowed that could be given back.
        two.memory_grow_failed(wasmtime::format_err!("exceeds its type's limits")).unwrap();
        drop(two);
        assert_eq!(budget.lock().guests, 0);
    }
}
