//! A program for the command line, a component of WASI's own world: no connector.

fn main() {
    println!("Not a connector.");
}
