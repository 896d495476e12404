//! Files: one thread follows all of them, through one buffer, so that ten thousand quiet files cost next to nothing.
//!
//! A file is known by device, inode and content, not by its name: a renamed file is read to its end under its old labels, a file
//! that was cut is read anew, and what `copytruncate` has moved into the copy is fetched from there.

mod compressed;
mod follow;
mod groups;
mod heirs;
mod identity;
mod patterns;
mod tail;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use config::promtail::ShipScrapeConfig;
use notify::{EventKind, RecursiveMode, Watcher};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::ShipError;
use crate::intake::Intake;
use crate::metrics::ShipMetrics;
use crate::pipeline::{Pipeline, PipelineContext};
use crate::positions::Marks;
use crate::status::{FileState, Status};

use follow::Follower;
use groups::Groups;

pub(crate) use groups::visible;
pub(crate) use tail::MOST_LINE;

/// Looks at every file at least this often, whatever was noticed.
const LOOK: Duration = Duration::from_secs(1);
/// Changes are gathered this long, so that a busy writer does not wake the thread for each line.
const GATHER: Duration = Duration::from_millis(50);
/// Metrics of stages expire this often.
const EXPIRE_EVERY: i64 = 10_000_000_000;

/// A job that reads files.
pub(crate) struct FileJob {
    pub(crate) name: String,
    pub(crate) config: ShipScrapeConfig,
    pub(crate) pipeline: Pipeline,
}

/// What the thread is given.
pub(crate) struct FileOptions {
    pub(crate) jobs: Vec<FileJob>,
    pub(crate) marks: Marks,
    pub(crate) sync_period: Duration,
    pub(crate) context: PipelineContext,
    pub(crate) intake: Arc<Intake>,
    pub(crate) metrics: Arc<ShipMetrics>,
    pub(crate) status: Arc<Status>,
    pub(crate) stop: CancellationToken,
}

/// Starts the thread. It ends soon after `stop`.
pub(crate) fn start(options: FileOptions) -> Result<std::thread::JoinHandle<()>, ShipError> {
    let handle = Handle::current();
    let thread = std::thread::Builder::new().name("ship-files".into());
    thread.spawn(move || run(options, &handle)).map_err(|source| ShipError::Thread { name: "ship-files", source })
}

/// What the watcher has noticed: something happened, and whether files may have come or gone.
#[derive(Debug, Default)]
struct Noticed {
    rescan: bool,
    any: bool,
}

fn run(options: FileOptions, handle: &Handle) {
    let noticed = Arc::new(Mutex::new(Noticed::default()));
    let (wake, woken) = sync_channel::<()>(1);
    let stopper = {
        let (stop, wake) = (options.stop.clone(), wake.clone());
        handle.spawn(async move {
            stop.cancelled().await;
            let _ = wake.try_send(());
        })
    };
    let told = noticed.clone();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        if matches!(event.kind, EventKind::Access(_)) {
            return;
        }
        let mut noticed = told.lock();
        noticed.any = true;
        noticed.rescan |= !matches!(event.kind, EventKind::Modify(notify::event::ModifyKind::Data(_)));
        drop(noticed);
        // A full channel already says that something happened.
        let _ = wake.try_send(());
    });
    let mut watcher = match watcher {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            warn!(%error, "files cannot be watched; they are looked at every second");
            None
        }
    };
    let mut watched: BTreeSet<PathBuf> = BTreeSet::new();
    let FileOptions { jobs, marks, sync_period, context, intake, metrics, status, stop } = options;
    let mut groups: Vec<Groups> = jobs.iter().map(|job| Groups::new(&job.config, &metrics)).collect();
    let mut follower = Follower::new(jobs, marks, &context, intake, metrics, handle.clone(), stop.clone());
    let mut last_scan: Option<i64> = None;
    let mut last_expiry = context.stamps.now();
    let mut is_first = true;
    while !stop.is_cancelled() {
        let seen = std::mem::take(&mut *noticed.lock());
        let now = context.stamps.now();
        let is_due = last_scan.is_none_or(|at| now.saturating_sub(at) >= sync_period.as_nanos() as i64 || now < at);
        if seen.rescan || is_due || follower.wants_scan() {
            last_scan = Some(now);
            let mut directories = BTreeSet::new();
            follower.scan(&mut groups, &mut directories, is_first);
            is_first = false;
            watch(&mut watcher, &mut watched, directories);
        }
        let busy = follower.look();
        if now.saturating_sub(last_expiry) >= EXPIRE_EVERY {
            context.measures.expire(now);
            last_expiry = now;
        }
        *status.files.lock() = follower.states();
        if busy {
            continue;
        }
        wait(&woken, &stop);
    }
    drop(watcher);
    stopper.abort();
}

/// Until something happens, and then a little longer.
fn wait(woken: &Receiver<()>, stop: &CancellationToken) {
    match woken.recv_timeout(LOOK) {
        Ok(()) if !stop.is_cancelled() => {
            let until = std::time::Instant::now() + GATHER;
            while let Some(left) = until.checked_duration_since(std::time::Instant::now()) {
                if stop.is_cancelled() || woken.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        }
        _ => {}
    }
}

fn watch(
    watcher: &mut Option<notify::RecommendedWatcher>,
    watched: &mut BTreeSet<PathBuf>,
    directories: BTreeSet<PathBuf>,
) {
    let Some(watcher) = watcher else { return };
    for gone in watched.difference(&directories) {
        // It may be gone itself.
        let _ = watcher.unwatch(gone);
    }
    let mut kept = BTreeSet::new();
    for directory in directories {
        if watched.contains(&directory) {
            kept.insert(directory);
            continue;
        }
        match watcher.watch(&directory, RecursiveMode::NonRecursive) {
            Ok(()) => {
                kept.insert(directory);
            }
            Err(error) => debug!(directory = %directory.display(), %error, "a directory cannot be watched"),
        }
    }
    *watched = kept;
}

impl Follower {
    /// What the status page shows.
    fn states(&self) -> Vec<FileState> {
        let tails = self.tails().map(|tail| FileState {
            job: self.job_name(tail.job).to_owned(),
            path: tail.path.display().to_string(),
            offset: tail.offset,
            size: if tail.compressed.is_some() { None } else { Some(tail.size) },
            state: match (tail.standing, &tail.error) {
                (_, Some(error)) => error.clone(),
                (tail::Standing::Current, None) => "following".to_owned(),
                (tail::Standing::Rotated(_), None) => "rotated".to_owned(),
            },
        });
        let failed = self.failures().map(|(job, path, error)| FileState {
            job: job.to_owned(),
            path: path.display().to_string(),
            offset: 0,
            size: None,
            state: error.to_owned(),
        });
        tails.chain(failed).collect()
    }
}
