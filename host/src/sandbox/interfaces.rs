//! WASI's interfaces, as guests are linked to them: those that a component imports, and no others. To link all of them to each
//! guest took a sixth of a start. Knows nothing of what is granted behind them.

use std::collections::BTreeSet;

use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::sync::{filesystem as sync_filesystem, io, sockets as sync_sockets};
use wasmtime_wasi::p2::bindings::{LinkOptions, cli, clocks, filesystem, random, sockets};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};
use wasmtime_wasi_io::bindings::wasi::io::error;

use super::network::{self, NetworkView};

/// Says which data the functions of `wasi:io` work on.
struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

/// Adds what there is of these imports, as in `wasi:io/streams@0.2.6`. What is not given is left out: the linker knows best how
/// to say so.
pub fn add_to_linker<'a, T: NetworkView + 'static>(
    linker: &mut Linker<T>,
    imports: impl Iterator<Item = &'a str>,
) -> wasmtime::Result<()> {
    // A component may import one interface in several versions, and a linker takes it once.
    let interfaces: BTreeSet<&str> = imports.map(|import| import.split('@').next().unwrap_or(import)).collect();
    interfaces.into_iter().try_for_each(|interface| add_interface(linker, interface))
}

fn add_interface<T: NetworkView + 'static>(linker: &mut Linker<T>, interface: &str) -> wasmtime::Result<()> {
    fn table<T: WasiView>(data: &mut T) -> &mut ResourceTable {
        data.ctx().table
    }
    let l = linker;
    match interface {
        "wasi:cli/environment" => cli::environment::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:cli/exit" => cli::exit::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:cli/stderr" => cli::stderr::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:cli/stdin" => cli::stdin::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:cli/stdout" => cli::stdout::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:cli/terminal-input" => cli::terminal_input::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:cli/terminal-output" => cli::terminal_output::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:cli/terminal-stderr" => cli::terminal_stderr::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:cli/terminal-stdin" => cli::terminal_stdin::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:cli/terminal-stdout" => cli::terminal_stdout::add_to_linker::<T, WasiCli>(l, T::cli),
        "wasi:clocks/monotonic-clock" => clocks::monotonic_clock::add_to_linker::<T, WasiClocks>(l, T::clocks),
        "wasi:clocks/wall-clock" => clocks::wall_clock::add_to_linker::<T, WasiClocks>(l, T::clocks),
        "wasi:filesystem/preopens" => filesystem::preopens::add_to_linker::<T, WasiFilesystem>(l, T::filesystem),
        "wasi:filesystem/types" => sync_filesystem::types::add_to_linker::<T, WasiFilesystem>(l, T::filesystem),
        "wasi:http/outgoing-handler" => network::add_http_requests(l),
        "wasi:http/types" => network::add_http_types(l),
        "wasi:io/error" => error::add_to_linker::<T, HasTable>(l, table),
        "wasi:io/poll" => io::poll::add_to_linker::<T, HasTable>(l, table),
        "wasi:io/streams" => io::streams::add_to_linker::<T, HasTable>(l, table),
        "wasi:random/insecure" => random::insecure::add_to_linker::<T, WasiRandom>(l, T::random),
        "wasi:random/insecure-seed" => random::insecure_seed::add_to_linker::<T, WasiRandom>(l, T::random),
        "wasi:random/random" => random::random::add_to_linker::<T, WasiRandom>(l, T::random),
        "wasi:sockets/instance-network" => sockets::instance_network::add_to_linker::<T, WasiSockets>(l, T::sockets),
        "wasi:sockets/ip-name-lookup" => network::add_look_ups(l),
        "wasi:sockets/network" => {
            let options = LinkOptions::default();
            sockets::network::add_to_linker::<T, WasiSockets>(l, &(&options).into(), T::sockets)
        }
        "wasi:sockets/tcp" => sync_sockets::tcp::add_to_linker::<T, WasiSockets>(l, T::sockets),
        "wasi:sockets/tcp-create-socket" => sockets::tcp_create_socket::add_to_linker::<T, WasiSockets>(l, T::sockets),
        "wasi:sockets/udp" => sync_sockets::udp::add_to_linker::<T, WasiSockets>(l, T::sockets),
        "wasi:sockets/udp-create-socket" => network::add_udp(l),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wasmtime::Engine;
    use wasmtime_wasi::{WasiCtx, WasiCtxView};
    use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

    use super::*;
    use crate::sandbox::capability::{INTERFACES, Import, WASI_VERSION, meaning};
    use crate::sandbox::{HttpState, Network};

    struct Guest(WasiCtx, ResourceTable, HttpState, Arc<Network>);

    impl WasiView for Guest {
        fn ctx(&mut self) -> WasiCtxView<'_> {
            WasiCtxView { ctx: &mut self.0, table: &mut self.1 }
        }
    }

    impl WasiHttpView for Guest {
        fn http(&mut self) -> WasiHttpCtxView<'_> {
            self.2.view(&mut self.1)
        }
    }

    impl NetworkView for Guest {
        fn network(&self) -> &Arc<Network> {
            &self.3
        }
    }

    fn linker(imports: &[String]) -> Linker<Guest> {
        let mut linker = Linker::new(&Engine::default());
        add_to_linker(&mut linker, imports.iter().map(String::as_str)).unwrap();
        linker
    }

    /// A linker takes no name twice, and has no other way to be asked what it has.
    fn has(linker: &mut Linker<Guest>, name: &str) -> bool {
        linker.root().func_wrap(name, |_, (): ()| Ok(())).is_err()
    }

    #[test]
    fn what_is_said_to_be_given_is_linked_where_it_is_imported_and_nowhere_else() {
        let names = INTERFACES.map(|(interface, _)| format!("{interface}@{WASI_VERSION}"));
        for imported in &names {
            let mut linker = linker(&[imported.replace(&WASI_VERSION.to_string(), "0.2.0")]);
            for name in &names {
                assert_eq!(has(&mut linker, name), name == imported, "{name} where {imported} is imported");
            }
        }
        for import in ["wasi:cli/run@0.2.12", "wasi:clocks/timezone@0.2.12", "wasi:cli/environment@0.3.0"] {
            assert!(!has(&mut linker(&[import.to_owned()]), import) && meaning(import) == Import::NotGiven, "{import}");
        }
    }

    #[test]
    fn an_interface_may_be_imported_in_two_versions() {
        let mut linker = linker(&["wasi:io/poll@0.2.0".to_owned(), "wasi:io/poll@0.2.6".to_owned()]);
        assert!(has(&mut linker, "wasi:io/poll@0.2.12"));
    }
}
