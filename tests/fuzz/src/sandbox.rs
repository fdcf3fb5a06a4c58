//! The host's policies, and of its sandbox what they bound besides hosts.

#[path = "../../../host/src/sandbox/network/tls/certificate.rs"]
mod certificate;
#[path = "../../../host/src/sandbox/memory/container.rs"]
mod container;
#[path = "../../../host/src/sandbox/memory/limit.rs"]
mod limit;
#[path = "../../../host/src/sandbox/policy/mod.rs"]
mod policy;
#[path = "../../../host/src/sandbox/memory/size.rs"]
mod size;
#[path = "../../../host/src/sandbox/time_limit.rs"]
mod time_limit;

pub use certificate::Certificate;
pub use limit::{LimitOrigin, MemoryLimit};
pub use policy::{Author, Ceilings, HostPattern, NetworkPolicy, PolicyFile, Wishes};
pub use size::MemorySize;
pub use time_limit::TimeLimit;
