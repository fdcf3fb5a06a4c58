//! Programs that are compared: they run in turn, so that what the machine does besides touches all alike. It must not know what they
//! do.

use std::time::Duration;

use anyhow::Result;

use super::measure::{Meter, Program, Usage};
use super::progress;

/// One of those that are compared.
pub struct Contestant {
    pub name: String,
    pub program: Program,
    /// How often it runs.
    pub runs: usize,
    /// What runs before the first run that counts, if not the program itself. A slow one has a short job for it.
    pub warm_up: Option<Program>,
}

impl Contestant {
    pub fn new(name: impl Into<String>, program: Program, runs: usize) -> Self {
        Self { name: name.into(), program, runs, warm_up: None }
    }
}

/// A contestant with all its runs.
pub struct Measured {
    pub name: String,
    pub runs: Vec<Usage>,
}

impl Measured {
    /// The middle of its runs.
    pub fn median(&self, what: impl Fn(&Usage) -> Duration) -> Duration {
        let mut values: Vec<Duration> = self.runs.iter().map(what).collect();
        values.sort();
        values.get(values.len() / 2).copied().unwrap_or_default()
    }

    /// The largest memory of all runs, in MiB.
    pub fn peak(&self) -> f64 {
        self.runs.iter().map(|usage| usage.peak_memory).max().unwrap_or_default() as f64 / f64::from(1 << 20)
    }
}

/// Runs each as often as it says, round by round, after one run that does not count.
pub fn in_turn(meter: &Meter, what: &str, contestants: Vec<Contestant>) -> Result<Vec<Measured>> {
    for Contestant { name, program, warm_up, .. } in &contestants {
        progress(&format!("{what}: {name}, to warm up"));
        meter.run(warm_up.as_ref().unwrap_or(program))?;
    }
    let rounds = contestants.iter().map(|contestant| contestant.runs).max().unwrap_or_default();
    let mut runs: Vec<Vec<Usage>> = vec![Vec::new(); contestants.len()];
    for round in 0..rounds {
        progress(&format!("{what}: round {} of {rounds}", round + 1));
        for (contestant, runs) in contestants.iter().zip(&mut runs) {
            if round < contestant.runs {
                runs.push(meter.run(&contestant.program)?);
            }
        }
    }
    Ok(contestants.into_iter().zip(runs).map(|(contestant, runs)| Measured { name: contestant.name, runs }).collect())
}
