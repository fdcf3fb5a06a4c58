//! Every guest has a module of tests. `build.rs` writes the list from what lies in `guest-examples/` and `guests/examples/`.

// To be named is all that is asked of them here.
#![allow(unused_imports)]

include!(concat!(env!("OUT_DIR"), "/table_of_guests.rs"));
