//! What the host is measured against: native programs that do what a connector and the host do together, with the same checks
//! and the same lines, and with nothing between the parts. They are written to be hard to beat: one thread, no copy that is not
//! needed, large writes. They know nothing of the host, so nothing that slows it slows them.
//!
//! `yardstick read USERS` is `read` of source-faker's stream `users`; `yardstick read-sized BYTES RECORDS` is `read` of the test
//! guest source-sized; `yardstick read-postgres CONNECTION SCHEMA TABLE ORDER` is `read` of source-postgres; `yardstick
//! write-nowhere` is `write` into destination-dev-null; `yardstick write-files DIRECTORY` is `write` into destination-local-json.

mod lines;
mod messages;
mod read;
mod read_postgres;
mod read_sized;
mod write;

// The generators and the values of a database are the guests' own, file by file: what differs is only what they are compiled to.
#[allow(dead_code)]
#[path = "../../../guest-examples/source-postgres/src/column_type.rs"]
mod column_type;
#[allow(dead_code)]
#[path = "../../../guest-examples/source-faker/src/random.rs"]
mod random;
#[path = "../../guests/src/ready_records.rs"]
mod ready_records;
#[allow(dead_code)]
#[path = "../../../guest-examples/source-faker/src/timestamp.rs"]
mod timestamp;
#[allow(dead_code)]
#[path = "../../../guest-examples/source-faker/src/users.rs"]
mod users;
#[allow(dead_code)]
#[path = "../../../guest-examples/source-postgres/src/values/mod.rs"]
mod values;
#[allow(dead_code)]
#[path = "../../../guest-examples/source-faker/src/words.rs"]
mod words;

use std::env;
use std::path::Path;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["read", users] => read::run(users.parse()?),
        ["read-sized", bytes, records] => read_sized::run(bytes.parse()?, records.parse()?),
        ["read-postgres", connection, schema, table, order] => read_postgres::run(connection, schema, table, order),
        ["write-nowhere"] => write::run(&mut write::Nowhere),
        ["write-files", directory] => write::run(&mut write::Files::below(Path::new(directory))),
        _ => bail!(
            "usage: yardstick read USERS | read-sized BYTES RECORDS | read-postgres CONNECTION SCHEMA TABLE ORDER | \
             write-nowhere | write-files DIRECTORY"
        ),
    }
}
