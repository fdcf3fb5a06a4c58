//! How much memory a guest may take, and who says so. It knows nothing of what is taken.

use std::path::Path;
use std::sync::Arc;

use super::container;
use super::size::MemorySize;

/// What a guest may take where neither the user nor a container says so.
const DEFAULT_LIMIT: MemorySize = MemorySize(2 << 30);

/// What a container's limit is lessened by: its kernel counts this program's code, its threads' stacks and the files that it
/// reads, which nobody counts here. An eighth, for the heap's own waste, but within these bounds.
pub(super) const LEAST_MARGIN: usize = 32 << 20;
const LARGEST_MARGIN: usize = 256 << 20;

/// How much a guest and the host for it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryLimit {
    /// So much.
    pub size: MemorySize,
    /// Who says so.
    pub origin: LimitOrigin,
}

/// Where a limit comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitOrigin {
    /// The user named it.
    Named,
    /// It is what the container leaves, whose own limit this is.
    Container(MemorySize),
    /// It is what an operator's policy file leaves.
    Policy(Arc<Path>),
    /// Nobody said anything.
    Default,
}

impl MemoryLimit {
    /// What the user named, else what the container leaves, else the default.
    pub fn decide(named: Option<MemorySize>) -> MemoryLimit {
        MemoryLimit::of(named, container::memory_limit())
    }

    /// What the compiler may take: as much as there is. What the user allows the connector counts only where it is more.
    pub(super) fn for_compiler(&self) -> MemoryLimit {
        let there_is = MemoryLimit::of(None, container::memory_limit());
        if self.size > there_is.size { self.clone() } else { there_is }
    }

    fn of(named: Option<MemorySize>, container: Option<usize>) -> MemoryLimit {
        match (named, container) {
            (Some(size), _) => MemoryLimit { size, origin: LimitOrigin::Named },
            (None, Some(container)) => {
                let margin = (container / 8).clamp(LEAST_MARGIN, LARGEST_MARGIN);
                // Of a container that is too small for any of this, half.
                let size = MemorySize(container.saturating_sub(margin).max(container / 2));
                MemoryLimit { size, origin: LimitOrigin::Container(MemorySize(container)) }
            }
            (None, None) => MemoryLimit { size: DEFAULT_LIMIT, origin: LimitOrigin::Default },
        }
    }

    /// What to tell a user whose `connector` needs more before it runs.
    pub(super) fn exceeded_by_compiler(&self, connector: &str) -> String {
        format!(
            "The connector {connector} can not be compiled in the {} of memory that there are for that. Compile it where there is more, \
             with `airlock compile`, or allow more with --max-memory (or AIRLOCK_MAX_MEMORY).",
            self.size
        )
    }

    /// What to tell a user whose `connector` needs more.
    pub fn exceeded(&self, connector: &str) -> String {
        let size = self.size;
        match &self.origin {
            LimitOrigin::Policy(file) => format!(
                "The connector {connector} needs more than the {size} of memory that the policy file {} allows. Give it more there.",
                file.display()
            ),
            LimitOrigin::Named => format!(
                "The connector {connector} needs more than the {size} of memory that --max-memory allows. Give it more with \
                 --max-memory (or AIRLOCK_MAX_MEMORY)."
            ),
            LimitOrigin::Container(container) => format!(
                "The connector {connector} needs more than the {size} of memory that it may use: the container has {container}, \
                 and the rest is for airlock itself. Give the container more, or the connector another share of it with \
                 --max-memory (or AIRLOCK_MAX_MEMORY)."
            ),
            LimitOrigin::Default => format!(
                "The connector {connector} needs more than the {size} of memory that a connector may use unless told otherwise. \
                 Give it more with --max-memory (or AIRLOCK_MAX_MEMORY)."
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_counts_before_the_container_and_that_before_the_default() {
        let container = 512 << 20;
        let named = MemoryLimit::of(Some(MemorySize(1)), Some(container));
        assert_eq!((named.size, named.origin), (MemorySize(1), LimitOrigin::Named));
        let left = MemoryLimit::of(None, Some(container));
        assert_eq!(left.size.to_string(), "448 MiB");
        assert!(left.exceeded("x").contains("512 MiB"), "{}", left.exceeded("x"));
        assert_eq!(MemoryLimit::of(None, Some(16 << 20)).size, MemorySize(8 << 20));
        assert_eq!(MemoryLimit::of(None, Some(64 << 30)).size, MemorySize((64 << 30) - LARGEST_MARGIN));
        assert_eq!(MemoryLimit::of(None, None).size.to_string(), "2 GiB");
    }
}
