//! The state on disk: a snapshot, and a log of every change since.
//!
//! ```text
//! alerting/state.json   {"version":1,"from":N,"state":{...}}     the state before segment N of the log
//! alerting/wal/         records: {"at":ms,"changes":[...]}       a record is applied wholly or not at all
//! ```
//!
//! A snapshot is put in place at once and before the segments that it covers are removed, so a kill at any point leaves one of the
//! two states.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use blocks::disk::Disk;
use blocks::wal::{Commit, Record, SyncMode, Wal, WalOptions, WalRecovery};
use model::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::{error, warn};

use crate::error::AlertingError;
use crate::state::{Change, State};

const VERSION: u32 = 1;
/// A log of at least so many bytes is replaced by a snapshot; a larger one where the snapshot is larger.
const LOG_BYTES: u64 = 8 << 20;

#[derive(Serialize)]
struct SnapshotOut<'a> {
    version: u32,
    from: u64,
    state: &'a State,
}

#[derive(Deserialize)]
struct SnapshotIn {
    version: u32,
    from: u64,
    state: State,
}

#[derive(Serialize)]
struct RecordOut<'a> {
    at: Timestamp,
    changes: &'a [Change],
}

#[derive(Deserialize)]
struct RecordIn {
    at: Timestamp,
    changes: Vec<Change>,
}

/// When changes are on disk, nothing where there were none; or why they will not be.
pub(crate) type Written = Result<Option<Commit>, String>;

/// The open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    disk: Arc<dyn Disk>,
    snapshot: PathBuf,
    wal: Wal,
    snapshot_bytes: u64,
    /// A write failed: only a snapshot makes the disk hold everything again.
    is_behind: bool,
}

impl Journal {
    /// Opens the journal in a directory and reads the state back. A damaged snapshot is put aside; what the log holds still counts.
    pub(crate) fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<(Journal, State, WalRecovery), AlertingError> {
        let failed = |action, path: &Path, reason: String| AlertingError::State {
            action,
            path: path.display().to_string(),
            reason,
        };
        disk.create_dir_all(dir).map_err(|e| failed("create", dir, e.to_string()))?;
        let snapshot = dir.join("state.json");
        let (mut state, mut from, mut snapshot_bytes) = (State::default(), 0, 0);
        let read = match disk.read(&snapshot) {
            Ok(bytes) => Some(bytes),
            Err(reason) if reason.kind() == std::io::ErrorKind::NotFound => None,
            // To begin anew because of a disk that fails for a moment would lose everything.
            Err(reason) => return Err(failed("read", &snapshot, reason.to_string())),
        };
        if let Some(bytes) = read {
            snapshot_bytes = bytes.len() as u64;
            match serde_json::from_slice::<SnapshotIn>(&bytes) {
                Ok(read) if read.version == VERSION => (state, from) = (read.state, read.from),
                Ok(read) => {
                    let reason = format!("it has format version {}, which this program cannot read", read.version);
                    return Err(failed("read", &snapshot, reason));
                }
                Err(reason) => {
                    let aside = snapshot.with_extension("json.quarantine");
                    error!(path = %snapshot.display(), %reason, "the snapshot of the alerting state is damaged and set aside");
                    disk.rename(&snapshot, &aside).map_err(|e| failed("set aside", &snapshot, e.to_string()))?;
                }
            }
        }
        let options = WalOptions { sync: SyncMode::Always, segment_bytes: 4 << 20, queue_bytes: 64 << 20 };
        let mut visit = |records: &[&[u8]]| {
            let mut unreadable = Vec::new();
            for (number, record) in records.iter().enumerate() {
                match serde_json::from_slice::<RecordIn>(record) {
                    Ok(record) => record.changes.iter().for_each(|change| state.apply(change, record.at)),
                    Err(_) => unreadable.push(number),
                }
            }
            unreadable
        };
        let (wal, recovery) = Wal::open(disk.clone(), &dir.join("wal"), options, from, &mut visit)
            .map_err(|e| failed("open the log of", dir, e.to_string()))?;
        Ok((Journal { disk, snapshot, wal, snapshot_bytes, is_behind: false }, state, recovery))
    }

    /// Queues changes; the answer says when they are on disk, or why they will not be.
    pub(crate) fn append(&mut self, changes: &[Change], at: Timestamp) -> Written {
        if changes.is_empty() {
            return Ok(None);
        }
        let mut record = Record::new();
        if let Err(error) = serde_json::to_writer(record.payload(), &RecordOut { at, changes }) {
            error!(%error, "a change of the alerting state cannot be written");
            self.is_behind = true;
            return Err(error.to_string());
        }
        // No record rests on an earlier one.
        match self.wal.submit_alone(record.seal()) {
            Ok(commit) => Ok(Some(commit)),
            Err(reason) => {
                warn!(%reason, "the log of the alerting state does not keep up");
                self.is_behind = true;
                Err(reason.to_string())
            }
        }
    }

    /// A group of records could not be written.
    pub(crate) fn fell_behind(&mut self) {
        self.is_behind = true;
    }

    /// True where a snapshot is due.
    pub(crate) fn wants_snapshot(&self) -> bool {
        let log = self.wal.counters().disk_bytes.load(std::sync::atomic::Ordering::Relaxed);
        self.is_behind || log > LOG_BYTES.max(2 * self.snapshot_bytes)
    }

    /// Writes a snapshot and shortens the log. Blocks.
    pub(crate) fn snapshot(&mut self, state: &State) -> Result<(), AlertingError> {
        let failed =
            |action, reason: String| AlertingError::State { action, path: self.snapshot.display().to_string(), reason };
        let from = self.wal.roll().map_err(|e| failed("end the log for", e.to_string()))?;
        let bytes = serde_json::to_vec(&SnapshotOut { version: VERSION, from, state })
            .map_err(|e| failed("encode", e.to_string()))?;
        self.disk.replace(&self.snapshot, &bytes).map_err(|e| failed("write", e.to_string()))?;
        self.snapshot_bytes = bytes.len() as u64;
        self.is_behind = false;
        if let Err(error) = self.wal.remove_below(from) {
            warn!(%error, "old segments of the alerting log cannot be removed");
        }
        Ok(())
    }

    /// Writes what waits and stops.
    pub(crate) fn close(&self) {
        self.wal.close();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use blocks::faults::{FaultRates, FaultyDisk};
    use config::{Environment, MatcherSyntax};
    use model::Labels;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use serde_json::Value;

    use super::*;
    use crate::{Alert, Engine, Outcome, Setup, Silence, SilenceMatcher};

    const CONFIG: &str = "route: {receiver: a, group_by: [n], group_wait: 1s, group_interval: 5s, repeat_interval: 1m}\n\
        receivers: [{name: a, webhook_configs: [{url: http://a/}, {url: http://b/}]}]\n";

    fn setup() -> Arc<Setup> {
        let syntax = MatcherSyntax::default();
        let loaded = config::load_alertmanager_text(CONFIG, Path::new("a.yml"), &Environment::default(), syntax);
        Arc::new(Setup::new(&loaded.unwrap().config, syntax))
    }

    fn value(state: &State) -> Value {
        serde_json::to_value(state).unwrap()
    }

    /// Something happens to the dispatcher.
    fn step(engine: &mut Engine, rng: &mut StdRng, now: Timestamp) {
        match rng.random_range(0..10) {
            0..6 => {
                let number = rng.random_range(0..6);
                let labels = Labels::from_pairs([("n", (number % 2).to_string()), ("x", number.to_string())]);
                let ends_at = if rng.random_bool(0.5) { now } else { now.plus_ms(60_000) };
                // A report that says nothing new is not journalled; a new annotation is news.
                let annotations = Labels::from_pairs([("at", now.ms().to_string())]);
                engine.put(
                    [Alert {
                        labels,
                        annotations,
                        starts_at: now,
                        ends_at,
                        updated_at: now,
                        generator_url: String::new(),
                        timeout: false,
                    }],
                    now,
                );
            }
            6 => {
                let matcher = SilenceMatcher { name: "x".into(), value: "1".into(), is_regex: false, is_equal: true };
                let silence = Silence {
                    matchers: vec![matcher],
                    starts_at: now,
                    ends_at: now.plus_ms(5_000),
                    ..Silence::default()
                };
                engine.set_silence(silence, now).unwrap();
            }
            _ => engine.tick(now),
        }
        for delivery in engine.deliveries(now) {
            let outcome = match rng.random_range(0..3) {
                0 => Outcome::Delivered(BTreeMap::new()),
                1 => Outcome::Retry { after_ms: None, reason: "503".to_owned() },
                _ => Outcome::Refused("400".to_owned()),
            };
            engine.completed(delivery.item.id, outcome, now);
        }
    }

    /// Works on a disk until that fails, and answers the states that were, of which so many first ones were acknowledged.
    async fn work(disk: &FaultyDisk, rng: &mut StdRng, begin: &State) -> (Vec<Value>, usize) {
        let mut states = vec![value(begin)];
        let Ok((mut journal, state, _)) = Journal::open(Arc::new(disk.clone()), Path::new("d")) else {
            return (states, 0);
        };
        let mut known = state.clone();
        let mut now = Timestamp(state.last.ms().max(1_700_000_000_000));
        let mut engine = Engine::new(setup(), state, now, rng.random());
        let mut acknowledged = 0;
        for _ in 0..rng.random_range(1..60) {
            now = now.plus_ms(rng.random_range(1..4_000));
            step(&mut engine, rng, now);
            let changes = engine.take_changes();
            changes.iter().for_each(|change| known.apply(change, now));
            let commit = journal.append(&changes, now);
            states.push(value(&known));
            match commit {
                Ok(None) => {}
                Ok(Some(commit)) if commit.clone().wait().await.is_ok() => acknowledged = states.len() - 1,
                _ => break,
            }
            if rng.random_bool(0.1) && journal.snapshot(&known).is_err() {
                break;
            }
        }
        (states, acknowledged)
    }

    /// After a cut of the power at any operation the state is one that was, no older than the last that was acknowledged.
    #[tokio::test]
    async fn a_kill_at_any_operation_loses_nothing_that_was_acknowledged() {
        let mut cuts = 0;
        for seed in 0..400 {
            let mut rng = StdRng::seed_from_u64(seed);
            let disk = FaultyDisk::new(seed);
            let mut begin = State::default();
            for _ in 0..3 {
                disk.set_power(Some(rng.random_range(1..120)));
                let (states, acknowledged) = work(&disk, &mut rng, &begin).await;
                cuts += usize::from(disk.is_off());
                disk.crash();
                let (journal, state, recovery) = Journal::open(Arc::new(disk.clone()), Path::new("d")).unwrap();
                assert_eq!(recovery.damaged_records, 0, "seed {seed}");
                let found = value(&state);
                let place = states.iter().rposition(|known| *known == found);
                assert!(
                    place.is_some_and(|place| place >= acknowledged),
                    "seed {seed}: {place:?} before {acknowledged} of {}: {recovery:?}",
                    states.len()
                );
                journal.close();
                begin = state;
            }
        }
        assert!(cuts > 400, "only {cuts} cuts hit");
    }

    /// A disk that fails now and then, and works again, is caught up with by a snapshot.
    #[tokio::test]
    async fn a_disk_that_failed_is_caught_up_with() {
        for seed in 0..100 {
            let mut rng = StdRng::seed_from_u64(seed);
            let disk = FaultyDisk::new(seed);
            let (mut journal, mut known, _) = Journal::open(Arc::new(disk.clone()), Path::new("d")).unwrap();
            let mut now = Timestamp(1_700_000_000_000);
            let mut engine = Engine::new(setup(), known.clone(), now, seed);
            disk.set_rates(FaultRates { torn_write: 30, failed_sync: 30, failed_name: 30, failed_read: 0 });
            for _ in 0..60 {
                now = now.plus_ms(rng.random_range(1..4_000));
                step(&mut engine, &mut rng, now);
                let changes = engine.take_changes();
                changes.iter().for_each(|change| known.apply(change, now));
                if let Ok(Some(commit)) = journal.append(&changes, now)
                    && commit.wait().await.is_err()
                {
                    journal.fell_behind();
                }
            }
            disk.set_rates(FaultRates::default());
            if journal.wants_snapshot() {
                journal.snapshot(&known).unwrap();
            }
            drop(journal);
            disk.crash();
            let (_journal, state, _) = Journal::open(Arc::new(disk.clone()), Path::new("d")).unwrap();
            assert_eq!(value(&state), value(&known), "seed {seed}");
        }
    }
}
