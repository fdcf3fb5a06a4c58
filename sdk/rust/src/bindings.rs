//! The contract in `wit/` as Rust, one module a world.
//!
//! Everything here is generated. The interfaces that both worlds share are generated once, with the source's.

#![allow(missing_docs, clippy::all, rustdoc::all)]

/// The world of a connector that reads.
pub mod source {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "source",
        pub_export_macro: true,
        export_macro_name: "export_source_world",
        default_bindings_module: "airlock_sdk::bindings::source",
    });
}

/// What a connector exports beside its commands if its streams are independent.
pub mod independent_streams {
    wit_bindgen::generate!({
        inline: "
            package airlock:declarations;
            world independent-streams {
                import airlock:connector/types@0.1.0;
                export airlock:connector/independent-streams@0.1.0;
            }
        ",
        path: "../../wit",
        pub_export_macro: true,
        export_macro_name: "export_independent_streams_world",
        default_bindings_module: "airlock_sdk::bindings::independent_streams",
        with: { "airlock:connector/types@0.1.0": crate::bindings::source::airlock::connector::types },
    });
}

/// The world of a connector that writes.
pub mod destination {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "destination",
        pub_export_macro: true,
        export_macro_name: "export_destination_world",
        default_bindings_module: "airlock_sdk::bindings::destination",
        with: {
            "airlock:connector/types@0.1.0": crate::bindings::source::airlock::connector::types,
            "airlock:connector/host@0.1.0": crate::bindings::source::airlock::connector::host,
            "airlock:connector/tls@0.1.0": crate::bindings::source::airlock::connector::tls,
        },
    });
}
