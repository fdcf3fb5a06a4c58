//! Memory: of few records and of many. It must not know what keeps it flat.

use anyhow::Result;

use super::measure::{Input, Program};
use super::turns::Measured;
use super::workbench::{NOWHERE, Workbench, users_stream};
use super::{Findings, progress, report};

/// How few users there are where memory is compared.
const FEW_USERS: u64 = 10_000;

pub fn measure(workbench: &Workbench, many_users: u64) -> Result<Findings> {
    let mut rows = Vec::new();
    let mut run = |name: &str, users, program| -> Result<()> {
        progress(&format!("memory: {name} of {users} users"));
        rows.push((users, Measured { name: name.to_owned(), runs: vec![workbench.meter.run(&program)?] }));
        Ok(())
    };
    for users in [FEW_USERS, many_users] {
        run("`read`", users, Program::new(workbench.read(users)?))?;
    }
    for users in [FEW_USERS, many_users] {
        let input = Input::From(workbench.native_read(users));
        run("`write`", users, workbench.write("destination-dev-null", NOWHERE, &users_stream(), input)?)?;
    }
    Ok(Findings { tables: vec![("memory", report::memory(&rows))], promises: Vec::new() })
}
