//! How far an import is, and what it had to leave out, said on stderr.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::time::{Duration, Instant};

use model::Labels;

use crate::check::counted;

/// How often a person hears how far it is.
const REPORT_EVERY: Duration = Duration::from_secs(2);
/// Damaged places that are named one by one.
const MOST_NAMED: usize = 100;

/// What was read so far.
pub(super) struct Progress {
    begin: Instant,
    reported: Instant,
    pub(super) blocks: usize,
    hasher: RandomState,
    /// Hashes of label sets: a series counts once, in however many blocks and places it is.
    series: HashSet<u64>,
    samples: usize,
    damaged: usize,
}

impl Progress {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Progress {
            begin: now,
            reported: now,
            blocks: 0,
            hasher: RandomState::new(),
            series: HashSet::new(),
            samples: 0,
            damaged: 0,
        }
    }

    pub(super) fn count(&mut self, series: &Labels, samples: usize) {
        self.series.insert(self.hasher.hash_one(series));
        self.samples += samples;
    }

    /// Names something that cannot be read and is left out.
    pub(super) fn damaged(&mut self, error: &dyn std::error::Error) {
        self.damaged += 1;
        if self.damaged <= MOST_NAMED {
            say(&format!("left out: {error}"));
        }
    }

    /// True where nothing was left out.
    pub(super) fn is_whole(&self) -> bool {
        self.damaged == 0
    }

    pub(super) fn report_at_times(&mut self, what: impl Fn() -> String) {
        if self.reported.elapsed() >= REPORT_EVERY {
            self.reported = Instant::now();
            self.report(&what());
        }
    }

    pub(super) fn report(&self, what: &str) {
        let seconds = self.begin.elapsed().as_secs_f64();
        let rate = self.samples as f64 / seconds.max(0.001);
        let series = format!("{} series", self.series.len());
        let samples = counted(self.samples, "sample");
        let read = if self.blocks > 0 { format!(" in {}", counted(self.blocks, "block")) } else { String::new() };
        let damaged = match self.damaged {
            0 => String::new(),
            n => format!(", {} left out", counted(n, "damaged part")),
        };
        say(&format!("{what}; read: {series}, {samples}{read}{damaged}, {seconds:.1} s, {rate:.0} samples/s"));
    }
}

fn say(text: &str) {
    // Nobody to tell is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{text}");
}
