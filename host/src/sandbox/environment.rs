//! The environment variables that a guest sees: those that were granted by name, and no others.

use std::env::VarError;

use wasmtime_wasi::WasiCtxBuilder;

/// The variables of one run.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: Vec<(String, String)>,
    unset: Vec<String>,
}

impl Environment {
    /// The variables of this process that have these names. One that is not set is not there for the guest either. The error
    /// is about one that can not be given to a guest; it does not tell the value.
    pub fn granted(names: &[String]) -> Result<Environment, String> {
        let mut environment = Environment::default();
        for name in names {
            match std::env::var(name) {
                Ok(value) => environment.variables.push((name.clone(), value)),
                Err(VarError::NotPresent) => environment.unset.push(name.clone()),
                Err(VarError::NotUnicode(_)) => {
                    return Err(format!(
                        "The environment variable {name}, which --allow-env names, can not be given to the connector: its \
                         value is not UTF-8 text. Set it to text, or leave --allow-env {name} out."
                    ));
                }
            }
        }
        Ok(environment)
    }

    /// The names of the variables that the guest sees.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|(name, _)| name.as_str())
    }

    /// The names that were granted and are not set.
    pub fn unset(&self) -> &[String] {
        &self.unset
    }

    pub(super) fn grant(&self, builder: &mut WasiCtxBuilder) {
        builder.envs(&self.variables);
    }
}
