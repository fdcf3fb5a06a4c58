//! The environment variables that a guest sees: those that were granted by name, and no others.

use wasmtime_wasi::WasiCtxBuilder;

/// The variables of one run.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: Vec<(String, String)>,
}

impl Environment {
    /// The variables of this process that have these names. One that is not set is not there for the guest either.
    pub fn granted(names: &[String]) -> Environment {
        let variables =
            names.iter().filter_map(|name| std::env::var(name).ok().map(|value| (name.clone(), value))).collect();
        Environment { variables }
    }

    pub(super) fn grant(&self, builder: &mut WasiCtxBuilder) {
        builder.envs(&self.variables);
    }
}
