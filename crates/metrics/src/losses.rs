//! What is known to be lost: noted in the catalogue, told with every answer that may lack it, and shown on the status page.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use blocks::catalogue::Loss;
use blocks::wal::WalRecovery;
use model::{Clock, Tenant, TimeRange};

use crate::Store;
use crate::head::Head;
use crate::shelf::Shelf;

/// The directory of damaged blocks.
pub(crate) const QUARANTINE: &str = "quarantine";
/// What was flushed last is at most so much older than its block: a compaction may have written the newest block since.
const SINCE_FLUSH_MS: i64 = 10 * 60_000;

/// Something of the logs that could not be read.
#[derive(Debug)]
pub(crate) struct LogDamage {
    what: String,
    /// Put aside, from the store's directory on.
    file: Option<String>,
}

/// What is damaged, as the status page has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DamageReport {
    /// Files that were put aside, and their bytes.
    pub quarantined_files: u64,
    /// Bytes of these files.
    pub quarantined_bytes: u64,
    /// What is known to be lost, the newest first.
    pub losses: Vec<Loss>,
}

/// What a start found in the logs.
pub(crate) fn of_logs(log: &WalRecovery, in_head_log: u64, wal_from: u64, dir: &Path) -> Vec<LogDamage> {
    let segment = |number: &u64| LogDamage { what: format!("log segment {number} is gone"), file: None };
    let aside = |path: &String| {
        let file = Path::new(path).strip_prefix(dir).unwrap_or(Path::new(path)).display().to_string();
        LogDamage { what: format!("log segment {file} could not be read"), file: Some(file) }
    };
    let records = log.damaged_records + in_head_log;
    let damaged = (records > 0).then(|| LogDamage {
        what: format!("{records} records of the log from segment {wal_from} on were damaged"),
        file: None,
    });
    log.missing.iter().map(segment).chain(log.quarantined.iter().map(aside)).chain(damaged).collect()
}

/// Notes what of the logs is lost, and forgets losses whose file someone has removed.
pub(crate) fn note(
    shelf: &Shelf,
    dir: &Path,
    heads: &BTreeMap<Tenant, Arc<Head>>,
    damage: Vec<LogDamage>,
    clock: &dyn Clock,
) {
    let view = shelf.view();
    let is_gone =
        |path: &String| shelf.disk().open(&dir.join(path)).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    let forgotten: Vec<&Loss> =
        view.manifest.losses.iter().filter(|loss| loss.file.as_ref().is_some_and(is_gone)).collect();
    if damage.is_empty() && forgotten.is_empty() {
        return;
    }
    // The log held what came in since the last flush.
    let oldest = heads.values().map(|head| head.min_time.load(Ordering::Relaxed)).min().unwrap_or(i64::MAX);
    let flushed = view.manifest.blocks.iter().map(|block| block.created_ms.saturating_sub(SINCE_FLUSH_MS)).max();
    let (start, now) = (oldest.min(flushed.unwrap_or(i64::MIN)), clock.now());
    let range = TimeRange::new(start.min(now.ms()), now.ms());
    let loss = |LogDamage { what, file }| Loss { tenant: None, range, what, file, rows: 0, noticed_ms: now.ms() };
    let noted = shelf.commit(Vec::new(), &[], |manifest| {
        manifest.losses.retain(|loss| !forgotten.contains(&loss));
        manifest.lose(damage.into_iter().map(loss));
    });
    if let Err(error) = noted {
        tracing::warn!(%error, "what is lost cannot be noted; the next start tries again");
    }
}

impl Store {
    /// What is damaged and lost, as far as it is known.
    pub fn damage(&self) -> DamageReport {
        let shelf = self.shelf();
        let disk = shelf.disk();
        let mut report = DamageReport { losses: shelf.view().manifest.losses.clone(), ..DamageReport::default() };
        report.losses.sort_by_key(|loss| std::cmp::Reverse(loss.noticed_ms));
        for (dir, suffix) in [(self.dir().join(QUARANTINE), ""), (self.dir().join("wal"), ".quarantine")] {
            // A directory that is not there holds nothing.
            for name in disk.list(&dir).unwrap_or_default().iter().filter(|name| name.ends_with(suffix)) {
                report.quarantined_files += 1;
                report.quarantined_bytes += disk.open(&dir.join(name)).and_then(|file| file.len()).unwrap_or(0);
            }
        }
        report
    }
}
