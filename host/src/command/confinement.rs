//! What a connector is confined to: what its metadata or its manifest, the config and the command line ask for, below the operator's
//! policies.

use super::Grants;
use crate::connector::{Connector, ManifestHosts, Role};
use crate::protocol::config::Config;
use crate::protocol::failure::Failure;
use crate::protocol::log_level::LogLevel;
use crate::protocol::output::Output;
use crate::sandbox::{
    Author, Ceilings, Environment, Filesystem, INJECTED_MANIFEST, MemoryBudget, NetworkPolicy, Sandbox, Wishes,
};

impl Grants {
    /// The operator's policies, with which all that the command line asks for but hosts must agree: of hosts they take away
    /// what goes too far.
    pub fn ceilings(&self) -> Result<Ceilings, Failure> {
        let ceilings = Ceilings::load(&self.policies, self.airbyte_directory.as_deref());
        let agreed = ceilings.and_then(|ceilings| {
            ceilings.require_mounts(self.mounts.iter().map(|mount| mount.host.as_path()))?;
            ceilings.require_environment(&self.environment)?;
            Ok(ceilings)
        });
        agreed.map_err(Failure::config_error)
    }
}

/// The hosts of the manifest that a config brings along, as Airbyte's connector builder does.
fn injected_manifest(connector: &Connector, config: &Config) -> Option<ManifestHosts> {
    let manifest = config.value.get(INJECTED_MANIFEST).filter(|manifest| manifest.is_object())?;
    (connector.role() == Role::Source).then(|| ManifestHosts::of(manifest))
}

/// The sandbox of one run, and whose it is.
pub struct Confinement {
    /// The sandbox. Its directories live as long as this does.
    pub sandbox: Sandbox,
    /// The connector's name for people.
    connector: String,
}

impl Confinement {
    /// Without a config no placeholder of the metadata is filled.
    pub fn new(
        connector: &Connector,
        filesystem: Filesystem,
        memory: MemoryBudget,
        grants: &Grants,
        config: Option<&Config>,
        ceilings: Ceilings,
        output: &Output,
    ) -> Result<Confinement, Failure> {
        let said = connector.metadata().and_then(|metadata| metadata.allowed_hosts.as_deref());
        let own = connector.manifest().filter(|_| said.is_none());
        // A config that brings a manifest along is no way around the one that a connector was made of.
        let injected = config.filter(|_| own.is_none() && said.is_none());
        let injected = injected.and_then(|config| injected_manifest(connector, config));
        let manifest = own.or(injected.as_ref());
        let wishes = Wishes {
            asked_for: said.or(manifest.map(|manifest| manifest.hosts.as_slice())).unwrap_or_default(),
            author: if manifest.is_some() { Author::Manifest } else { Author::Metadata },
            config: config.map(|config| &config.value),
            command_line: &grants.hosts,
        };
        // Without a config none of it is called.
        let untold = manifest.filter(|_| config.is_some()).map(|manifest| manifest.warnings.as_slice());
        for warning in untold.unwrap_or_default() {
            output.log(LogLevel::Debug, warning);
        }
        let (network, warnings) = NetworkPolicy::new(wishes, ceilings);
        for warning in warnings {
            output.log(LogLevel::Warn, &warning);
        }
        let environment = Environment::granted(&grants.environment).map_err(Failure::config_error)?;
        for name in environment.unset() {
            let text = format!("The environment variable {name}, which --allow-env names, is not set.");
            output.log(LogLevel::Debug, &text);
        }
        let sandbox = Sandbox { filesystem, environment, network, memory };
        Ok(Confinement { sandbox, connector: connector.title() })
    }

    /// Tells what is in force. For when the config's secrets are known: there may be hosts among them, and from then on they are
    /// masked.
    pub fn tell(&self, level: LogLevel, config: &Config, output: &Output) -> Result<(), Failure> {
        for (value, host) in self.sandbox.network.hosts_of_config(&config.value) {
            output
                .hide_host(&host, value)
                .map_err(|problem| Failure::config_error(format!("The config can not be used: {problem}.")))?;
        }
        let text = format!("In force for the connector {}: {}.", self.connector, self.sandbox.in_force());
        output.log(level, &text);
        Ok(())
    }
}
