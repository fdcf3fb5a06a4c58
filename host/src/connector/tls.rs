//! The contract's `tls`: sessions of TLS for connections that guests opened themselves.

use wasmtime::component::Resource;

use super::bindings::source::airlock::connector::tls::{ClientOptions, Host, HostSession, Received, Session, TlsError};
use super::guest::Guest;

impl Host for Guest {}

impl HostSession for Guest {
    fn connect(&mut self, _options: ClientOptions) -> wasmtime::Result<Result<(Resource<Session>, Vec<u8>), TlsError>> {
        Ok(Err(TlsError::Failed("not yet".to_owned())))
    }

    fn receive(
        &mut self,
        _session: Resource<Session>,
        _bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<Received, TlsError>> {
        Ok(Err(TlsError::Failed("not yet".to_owned())))
    }

    fn encrypt(&mut self, _session: Resource<Session>, _data: Vec<u8>) -> wasmtime::Result<Result<Vec<u8>, TlsError>> {
        Ok(Err(TlsError::Failed("not yet".to_owned())))
    }

    fn close(&mut self, _session: Resource<Session>) -> wasmtime::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn drop(&mut self, _session: Resource<Session>) -> wasmtime::Result<()> {
        Ok(())
    }
}
