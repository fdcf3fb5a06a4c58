//! The parts of the host that read and write bytes, and one function for each that throws any bytes at it and checks what must
//! hold whatever they are. Fuzzers run them for as long as one likes; `cargo test` replays what fuzzers have found.
//!
//! The host is a binary, so its modules are taken in file by file; what it reads images with is a library. It must not know what
//! the host does with them.

// Whole modules, of which each target needs a part.
#[allow(dead_code)]
mod connector;

#[allow(dead_code)]
mod protocol;

#[allow(dead_code)]
mod sandbox;

mod certificates;
mod images;
mod manifests;
mod messages;
mod output_lines;
mod policies;
mod secrecy;
mod stdin;

pub use certificates::certificate;
pub use images::image_layout;
pub use manifests::manifest;
pub use messages::{document, input_message, message, state};
pub use output_lines::{output, record_lines};
pub use policies::policy;
pub use secrecy::secrets;
pub use stdin::input;

/// A function that panics where something does not hold.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its fuzzer and of its corpus.
pub const TARGETS: [(&str, Target); 12] = [
    ("certificate", certificate),
    ("document", document),
    ("image_layout", image_layout),
    ("input", input),
    ("input_message", input_message),
    ("manifest", manifest),
    ("message", message),
    ("output", output),
    ("policy", policy),
    ("record_lines", record_lines),
    ("secrets", secrets),
    ("state", state),
];

/// The program that fuzzes a target. Without a fuzzer's compiler there is none.
#[macro_export]
macro_rules! fuzzer {
    ($target:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$target(data));

        #[cfg(not(fuzzing))]
        fn main() {
            eprintln!("This is a fuzzer: run it with `cargo xtask fuzz {}`.", stringify!($target));
        }
    };
}
