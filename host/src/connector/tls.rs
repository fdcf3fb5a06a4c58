//! The contract's `tls`: sessions for connections that guests opened themselves.

use wasmtime::component::Resource;

use super::bindings::source::airlock::connector::tls::{
    ClientOptions, Host, HostSession, Received, TlsError, Trust as GuestTrust,
};
use super::guest::Guest;
use crate::sandbox::{self, Identity, TlsOptions, TlsSession, Trust};

type Answer<T> = wasmtime::Result<Result<T, TlsError>>;

impl From<ClientOptions> for TlsOptions {
    fn from(options: ClientOptions) -> TlsOptions {
        TlsOptions {
            server_name: options.server_name,
            trust: match options.trust {
                GuestTrust::System => Trust::System,
                GuestTrust::Authorities(certificates) => Trust::Authorities(certificates),
                GuestTrust::Anyone => Trust::Anyone,
            },
            verify_name: options.verify_name,
            identity: options
                .identity
                .map(|shown| Identity { certificates: shown.certificates, private_key: shown.private_key }),
            application_protocols: options.application_protocols,
        }
    }
}

impl From<sandbox::TlsError> for TlsError {
    fn from(error: sandbox::TlsError) -> TlsError {
        match error {
            sandbox::TlsError::Invalid(why) => TlsError::Invalid(why),
            sandbox::TlsError::Untrusted(why) => TlsError::Untrusted(why),
            sandbox::TlsError::Failed(why) => TlsError::Failed(why),
        }
    }
}

impl From<sandbox::Received> for Received {
    fn from(received: sandbox::Received) -> Received {
        let sandbox::Received { data, to_send, established, ended } = received;
        Received { data, to_send, established, ended }
    }
}

impl Host for Guest {}

impl HostSession for Guest {
    fn connect(&mut self, options: ClientOptions) -> Answer<(Resource<TlsSession>, Vec<u8>)> {
        match TlsSession::connect(options.into(), &self.network) {
            Ok((session, to_send)) => Ok(Ok((self.table.push(session)?, to_send))),
            Err(error) => Ok(Err(error.into())),
        }
    }

    fn receive(&mut self, session: Resource<TlsSession>, bytes: Vec<u8>) -> Answer<Received> {
        let received = self.table.get_mut(&session)?.receive(&bytes, &self.network);
        Ok(received.map(Into::into).map_err(Into::into))
    }

    fn encrypt(&mut self, session: Resource<TlsSession>, data: Vec<u8>) -> Answer<Vec<u8>> {
        Ok(self.table.get_mut(&session)?.encrypt(&data).map_err(Into::into))
    }

    fn close(&mut self, session: Resource<TlsSession>) -> wasmtime::Result<Vec<u8>> {
        Ok(self.table.get_mut(&session)?.close())
    }

    fn application_protocol(&mut self, session: Resource<TlsSession>) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&session)?.application_protocol())
    }

    fn drop(&mut self, session: Resource<TlsSession>) -> wasmtime::Result<()> {
        self.table.delete(session)?;
        Ok(())
    }
}
