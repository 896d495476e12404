//! One history: starts, and what happens in between.

use std::sync::Arc;

use metrics::{RecoveryReport, Store};
use model::{SeriesSet, Tenant};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::model::{Cells, Model};
use super::world::{HOUR, Kind, World};

/// What was done, to tell that the test still tests.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    pub(super) starts: u64,
    pub(super) acknowledged: u64,
    pub(super) refused: u64,
    pub(super) flushes: u64,
    pub(super) failed_flushes: u64,
    pub(super) compactions: u64,
    pub(super) failed_compactions: u64,
    pub(super) deletions: u64,
    pub(super) imports: u64,
    pub(super) snapshots: u64,
    pub(super) crashes: u64,
    pub(super) corruptions: u64,
    pub(super) losses: u64,
    pub(super) lost_disks: u64,
    pub(super) checks: u64,
    pub(super) reader_checks: u64,
    pub(super) thinned: u64,
}

impl Work {
    fn numbers(&mut self) -> [&mut u64; 17] {
        let Work { starts, acknowledged, refused, flushes, failed_flushes, compactions, failed_compactions, .. } = self;
        let Work { deletions, imports, snapshots, crashes, corruptions, losses, lost_disks, checks, .. } = self;
        let Work { reader_checks, thinned, .. } = self;
        let first = [starts, acknowledged, refused, flushes, failed_flushes, compactions, failed_compactions];
        let rest = [deletions, imports, snapshots, crashes, corruptions, losses, lost_disks, checks];
        let [a, b, c, d, e, f, g] = first;
        let [h, i, j, k, l, m, n, o] = rest;
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, reader_checks, thinned]
    }

    pub(super) fn add(&mut self, other: &Work) {
        let mut other = *other;
        self.numbers().into_iter().zip(other.numbers()).for_each(|(sum, n)| *sum += *n);
    }

    pub(super) fn assert_covers(mut self, kind: Kind) {
        let text = format!("{self:?}");
        self.lost_disks += u64::from(kind == Kind::Disk);
        assert!(self.numbers().into_iter().all(|n| *n > 0), "something is never done: {text}");
    }
}

/// A selection that is kept open, and what it showed when it was made.
pub(super) struct Reader {
    pub(super) set: Box<dyn SeriesSet>,
    pub(super) tenant: Tenant,
    pub(super) cells: Cells,
    pub(super) now: i64,
}

pub(super) struct History {
    pub(super) random: StdRng,
    pub(super) world: World,
    pub(super) store: Option<Arc<Store>>,
    pub(super) model: Model,
    pub(super) readers: Vec<Reader>,
    /// Something was damaged that the store has not been asked about yet.
    pub(super) damaged: bool,
    /// The store has said that something is damaged.
    pub(super) told: bool,
    /// A log was damaged under a store that runs: what it writes from now on may rest on definitions that are lost.
    pub(super) definitions_are_lost: bool,
    /// The files of the catalogue were written anew since one of them was damaged.
    pub(super) manifests_are_sound: bool,
    pub(super) trace: Vec<String>,
    pub(super) work: Work,
}

impl History {
    pub(super) fn new(kind: Kind, seed: u64) -> History {
        History {
            random: StdRng::seed_from_u64(seed),
            world: World::new(kind, seed),
            store: None,
            model: Model::default(),
            readers: Vec::new(),
            damaged: false,
            told: false,
            definitions_are_lost: false,
            manifests_are_sound: true,
            trace: Vec::new(),
            work: Work::default(),
        }
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.trace.push(text.into());
    }

    pub(super) fn one_in(&mut self, n: u32) -> bool {
        self.random.random_range(0..n) == 0
    }

    pub(super) fn store(&self) -> Arc<Store> {
        self.store.clone().expect("a store is open between starts")
    }

    pub(super) fn run(&mut self) {
        self.start();
        for _ in 0..self.random.random_range(20..110) {
            self.step();
            if self.world.disk.is_off() {
                self.stop(Stop::Crash);
                self.start();
            }
        }
        self.finish();
    }

    /// Lets go of the store.
    pub(super) fn stop(&mut self, how: Stop) {
        self.readers.clear();
        let store = self.store();
        self.store = None;
        self.note(format!("stop: {how:?}"));
        match how {
            Stop::Close => {
                if store.close().is_ok() {
                    self.model.flushed();
                }
                drop(store);
            }
            Stop::Drop => drop(store),
            Stop::Crash => {
                self.work.crashes += 1;
                if self.random.random() {
                    drop(store);
                    self.world.disk.crash();
                } else {
                    self.world.disk.crash();
                    drop(store);
                }
            }
        }
        // A process that ended while the power went.
        if self.world.disk.is_off() {
            self.world.disk.crash();
        }
    }

    /// Starts, maybe while things fail, maybe in several attempts, and checks.
    pub(super) fn start(&mut self) {
        if std::mem::take(&mut self.definitions_are_lost) {
            self.model.doubt_log(true);
        }
        self.world.quiet();
        let is_noisy = self.manifests_are_sound && self.one_in(3);
        if is_noisy {
            self.world.noise(&mut self.random, false);
        }
        if self.one_in(8) {
            let left = self.random.random_range(0..80);
            self.world.disk.set_power(Some(left));
        }
        self.note(format!("start, noisy: {is_noisy}, knows the catalogue: {}", self.world.manifest().is_some()));
        let knows = self.world.manifest().is_some();
        let (store, report) = loop {
            match self.world.open(&mut self.random) {
                Ok((_, report)) if self.world.disk.is_off() => {
                    self.note("the power went during a start");
                    self.hear(&report);
                    self.world.disk.crash();
                }
                Ok(opened) => break opened,
                Err(error) => {
                    let is_excused = self.world.disk.is_off() || (!knows && self.world.bucket_fails());
                    assert!(is_excused, "the start failed: {error}");
                    self.note(format!("a start was given up: {error}"));
                    self.world.disk.crash();
                    self.world.quiet();
                }
            }
        };
        // The power stays on for the checks.
        self.world.disk.set_power(None);
        self.work.starts += 1;
        self.hear(&report);
        self.store = Some(store);
        if is_noisy {
            self.check_what_is_there();
            self.world.quiet();
            // What could not be opened is opened now.
            self.maintain();
        }
        self.manifests_are_sound |= !is_noisy;
        self.check("after a start");
    }

    /// Notes what the store says of damage.
    pub(super) fn hear(&mut self, report: &RecoveryReport) {
        let told = report.found_damage() || report.torn_bytes > 0 || !report.problems.is_empty();
        self.told |= told && self.damaged;
        if told {
            let text = format!("{report:?}");
            self.note(format!("told: {}", &text[..text.len().min(900)]));
        }
    }

    pub(super) fn maintain(&mut self) {
        match self.store().maintain() {
            Ok(()) => self.work.compactions += 1,
            Err(error) => {
                self.work.failed_compactions += 1;
                self.note(format!("upkeep failed: {error}"));
            }
        }
    }

    /// All is quiet: everything is put in order, and nothing is left that does not count.
    fn finish(&mut self) {
        self.note("finish");
        self.world.quiet();
        self.world.disk.set_power(None);
        let how = if self.random.random() { Stop::Close } else { Stop::Crash };
        self.stop(how);
        self.manifests_are_sound = false; // no noise any more
        self.start();
        // A bucket whose catalogue was damaged is left alone until its next start.
        self.store().flush().expect("nothing fails any more");
        self.model.flushed();
        self.store().maintain().expect("nothing fails any more");
        self.stop(Stop::Close);
        // A start that cannot list the bucket leaves what it would have found to the next one.
        self.manifests_are_sound = false;
        self.start();
        self.store().flush().expect("nothing fails any more");
        self.model.flushed();
        self.world.clock.advance_ms(5 * HOUR);
        self.store().maintain().expect("nothing fails any more");
        self.check("at the end");
        self.store().clean_tombstones().expect("nothing fails any more");
        self.store().maintain().expect("nothing fails any more");
        self.check("in order");
        let manifest = self.world.manifest().expect("a manifest");
        let leaked = self.world.leaked(&manifest);
        assert!(leaked.is_empty(), "files are left: {leaked:?}");
        let tombstones = &manifest.tombstones;
        assert!(tombstones.is_empty() || !manifest.missing.is_empty(), "deletions are never done: {tombstones:?}");
        self.stop(Stop::Close);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Close,
    Drop,
    Crash,
}
