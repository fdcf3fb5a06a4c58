//! The network of a guest: outbound HTTP and TCP to the hosts that its policy names.

use super::policy::NetworkPolicy;

/// What a guest's connections have in common: the policy, and what is known of the hosts so far.
#[derive(Debug)]
pub struct Network {
    _policy: NetworkPolicy,
}

impl Network {
    /// Under this policy.
    pub fn new(policy: NetworkPolicy) -> Network {
        Network { _policy: policy }
    }
}
