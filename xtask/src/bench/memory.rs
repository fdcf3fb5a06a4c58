//! Memory: of few records and of many. It must not know what keeps it flat.

use anyhow::Result;

use super::measure::{Input, Program};
use super::promises::{Bound, Promise};
use super::report::{Missing, Ratio};
use super::turns::Measured;
use super::workbench::{NOWHERE, Workbench, users_stream};
use super::{Findings, progress, report};

/// How few users there are where memory is compared.
const FEW_USERS: u64 = 10_000;

/// What is promised is of so many.
const MANY_USERS: u64 = 1_000_000;

pub fn measure(workbench: &Workbench, many_users: u64) -> Result<Findings> {
    let mut rows = Vec::new();
    let mut run = |name: &str, users, program| -> Result<f64> {
        progress(&format!("memory: {name} of {users} users"));
        let row = Measured { name: name.to_owned(), runs: vec![workbench.meter.run(&program)?] };
        let peak = row.peak();
        rows.push((users, row));
        Ok(peak)
    };
    for users in [FEW_USERS, many_users] {
        run("`read`", users, Program::new(workbench.read(users)?))?;
    }
    for users in [FEW_USERS, many_users] {
        let input = Input::From(workbench.native_read(users));
        run("`write`", users, workbench.write("destination-dev-null", NOWHERE, &users_stream(), input)?)?;
    }
    let mut missing = Vec::new();
    let peak = match workbench.read_by_image_host(MANY_USERS)? {
        Ok(read) => {
            let mebibytes = run("`read` by the images' host", MANY_USERS, Program::new(read))?;
            Ok(Ratio::single(mebibytes * f64::from(1 << 20) / 1e6))
        }
        Err(reason) => {
            missing.push(Missing { name: "`read` by the images' host".to_owned(), reason: reason.clone() });
            Err(reason)
        }
    };
    let mut table = report::memory(&rows);
    report::add_missing(&mut table, &missing);
    let what = "`read` of a million users by the images' host: MB of memory at the peak";
    let promises = vec![Promise { what, bound: Bound::AtMost(20.0), measured: peak }];
    Ok(Findings { tables: vec![("memory", table)], promises })
}
