//! Two independent streams on two cores: one instance that reads both, beside two that read one each. It must not know how the host
//! shares out streams.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::measure::{Program, command_of};
use super::promises::{Bound, Promise};
use super::report::{self, Ratio, wall};
use super::turns::{Contestant, Measured, in_turn};
use super::workbench::Workbench;
use super::{FEW, Findings};
use crate::{command, dist};

const STREAMS: [&str; 2] = ["one", "two"];
const RECORD_BYTES: u64 = 600;

/// What is computed for a record, in steps of about a nanosecond: as much as source-faker does for a user, and much more. Of the
/// latter there are fewer.
const LOADS: [(&str, u64, u64); 2] = [("light, 1 µs a record", 800, 1), ("heavy, 20 µs a record", 16_000, 10)];

pub fn measure(workbench: &Workbench) -> Result<Findings> {
    let guest = workbench.compile(&dist::test_guest("source-sized"))?;
    let streams =
        STREAMS.map(|name| json!({"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh"]}));
    let configured =
        streams.map(|stream| json!({"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}));
    let catalog = workbench.save("catalog-parallel.json", &json!({"streams": configured}))?;
    let read = |records: u64, work: u64, instances: u8| -> Result<Vec<std::ffi::OsString>> {
        let config = json!({"record_bytes": RECORD_BYTES, "records": records, "work": work});
        let config = workbench.save(&format!("parallel-{records}-{work}.json"), &config)?;
        let mut arguments = workbench.airlock(&guest, "read");
        arguments.extend(["--config".into(), config.into(), "--catalog".into(), catalog.clone().into()]);
        arguments.extend(["--max-concurrency".into(), instances.to_string().into()]);
        Ok(arguments)
    };

    let mut rows: Vec<(&str, u64, [Measured; 2])> = Vec::new();
    for (name, work, divisor) in LOADS {
        for instances in [1, 2] {
            let printed = command::output(&mut command_of(&read(FEW, work, instances)?)?)?;
            let count = printed.lines().filter(|line| line.starts_with(r#"{"type":"RECORD""#)).count() as u64;
            ensure!(count == 2 * FEW, "{instances} instances read {count} records, and there are {}", 2 * FEW);
        }
        let records = (workbench.users / 2 / divisor).max(1);
        let contestant = |name: &str, instances| -> Result<Contestant> {
            Ok(Contestant::new(name, Program::new(read(records, work, instances)?), workbench.runs))
        };
        let contestants = vec![contestant("one instance", 1)?, contestant("two instances", 2)?];
        let measured = in_turn(&workbench.meter, &format!("parallel: {name}"), contestants)?;
        rows.push((name, 2 * records, measured.try_into().ok().context("two were compared")?));
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let heavy = match rows.last() {
        Some((_, _, [one, two])) if cores > 1 => Ok(Ratio::of(one, two, wall)),
        _ => Err("there is one core".to_owned()),
    };
    let promises = vec![Promise {
        what: "two independent streams that compute, on two cores: two instances, times as fast as one (wall time)",
        bound: Bound::AtLeast(1.8),
        measured: heavy,
    }];
    Ok(Findings { tables: vec![("parallel", report::parallel(&rows))], promises })
}
