//! When a process is killed, which one, and how. Chosen by a seeded generator and counted in what was read and passed on, so
//! that a moment comes again without a sleep. It must not know what is checked afterwards.

use fastrand::Rng;
use rustix::process::Signal;

/// Which seeds are tried instead of those that a test names, separated by commas: `17` or `1,2,3`.
const SEEDS: &str = "AIRLOCK_CRASH_SEEDS";

/// Tries each seed. The one that fails is named.
pub fn for_each_seed(seeds: impl IntoIterator<Item = u64>, mut attempt: impl FnMut(&mut Rng)) {
    struct Named(u64);
    impl Drop for Named {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("this was the seed {0}: {SEEDS}={0} tries it alone", self.0);
            }
        }
    }
    let chosen = std::env::var(SEEDS).ok().map(|text| {
        let seeds = text.split(',').map(|seed| seed.trim().parse().unwrap_or_else(|_| panic!("{SEEDS}={text}")));
        seeds.collect::<Vec<u64>>()
    });
    for seed in chosen.unwrap_or_else(|| seeds.into_iter().collect()) {
        let _named = Named(seed);
        attempt(&mut Rng::with_seed(seed));
    }
}

/// What a kill waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing: both have just been started.
    Started,
    /// So many bytes were passed on to the destination, most often in the middle of a line.
    Passed(usize),
    /// The destination wrote to its files so many times.
    Written(usize),
    /// So many states came out of the destination.
    Echoed(usize),
    /// So many streams were told to be COMPLETE.
    Completed(usize),
    /// The destination's input was closed.
    Closed,
    /// So many files of the destination took the place of another.
    Renamed(usize),
}

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victims {
    Source,
    Destination,
    Both,
}

#[derive(Clone, Copy, Debug)]
pub struct Kill {
    pub moment: Moment,
    pub victims: Victims,
    pub signal: Signal,
    /// Whether the piece of a line that a killed source leaves is passed on, as a shell's pipe does. A platform throws it away.
    pub passes_pieces_on: bool,
    /// After how many bytes nothing more is passed on, the input staying open.
    pub holds_after: usize,
}

impl Kill {
    /// Any, in an attempt that has so many bytes to pass on and so many states, and in which files may take the place of
    /// others. Rather early than late, so that the next attempt has something left to do.
    pub fn any(random: &mut Rng, bytes: usize, states: usize, replaces: bool) -> Kill {
        let moment = match random.usize(0..if replaces { 16 } else { 12 }) {
            0 => Moment::Started,
            1..=4 => Moment::Passed(random.usize(0..=bytes / 5)),
            5 => Moment::Written(random.usize(1..=1 + states / 5)),
            6..=9 => Moment::Echoed(random.usize(1..=1 + states / 5)),
            10 | 12 => Moment::Completed(random.usize(1..=3)),
            11 | 13 => Moment::Closed,
            _ => Moment::Renamed(random.usize(1..=6)),
        };
        // It is the destination that does something then.
        let late = matches!(moment, Moment::Closed | Moment::Written(_) | Moment::Renamed(_));
        let victims = match random.usize(0..6) {
            0..=2 => Victims::Destination,
            _ if late => Victims::Destination,
            3 => Victims::Both,
            _ => Victims::Source,
        };
        let signal = if random.bool() { Signal::KILL } else { Signal::TERM };
        Kill { moment, victims, signal, passes_pieces_on: random.bool(), holds_after: usize::MAX }
    }

    pub fn of_source(&self) -> Option<Signal> {
        (self.victims != Victims::Destination).then_some(self.signal)
    }

    pub fn of_destination(&self) -> Option<Signal> {
        (self.victims != Victims::Source).then_some(self.signal)
    }
}
