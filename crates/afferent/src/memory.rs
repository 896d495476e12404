//! The memory budget: how much of the machine the process takes, and which part of it each room may fill.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use model::Resident;
use nix::sys::resource::{Resource, getrlimit};
use tracing::{info, warn};

/// A pool of the allocator for each so many bytes of the budget.
#[cfg(target_env = "gnu")]
const BYTES_PER_ARENA: u64 = 256 << 20;
/// Bytes that a pool keeps free at its end: less, and what one page of logs took is given back and taken anew for the next one.
#[cfg(target_env = "gnu")]
const KEPT_FREE: libc::c_int = 8 << 20;
/// From so many bytes on, memory is asked of the system for itself, and goes back when it is free.
#[cfg(target_env = "gnu")]
const MAPPED_ALONE: libc::c_int = 4 << 20;
/// Bytes of a page, which `/proc/self/statm` counts in.
const PAGE: u64 = 4096;
/// More is of no use to requests under way.
const MOST_IN_FLIGHT: u64 = 512 << 20;
/// More is of no use to receivers.
const MOST_KNOWN: u64 = 512 << 20;
/// The share of what there is that is taken where nobody says how much.
const DEFAULT_SHARE: f64 = 0.6;
/// Taken where the system does not tell how much there is.
const UNKNOWN: u64 = 1 << 30;
/// Less is not enough to run at all; what the rooms get is as if there were so much.
const SMALLEST: u64 = 128 << 20;
/// What no account counts: code, threads, tables of the allocator, free memory between what is used, flushes, compaction, scrapes
/// and the log's queue take so much and a share of the whole.
const RESERVE: u64 = 48 << 20;
const RESERVE_SHARE: f64 = 0.2;
/// Where the process takes more than this share of the budget, nobody gets more until it takes less.
const MARK_SHARE: f64 = 0.8;

/// Shares of the budget, in bytes. What they leave is the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) total: u64,
    /// Series and samples that are in no block yet.
    pub(crate) head: u64,
    /// Cached pages of blocks.
    pub(crate) block_cache: u64,
    /// Log entries that are in no block yet.
    pub(crate) log_head: u64,
    /// Cached parts of blocks of logs.
    pub(crate) log_cache: u64,
    /// All queries together.
    pub(crate) queries: u64,
    /// One query.
    pub(crate) one_query: u64,
    /// Requests with samples that are read and decoded.
    pub(crate) in_flight: u64,
    /// What receivers remember of series.
    pub(crate) known_series: u64,
}

impl Budget {
    /// Divides the budget that was asked for, or a share of what this process may have, and says so in the log. Refuses what
    /// nobody could work with.
    pub(crate) fn of(asked: Option<u64>) -> anyhow::Result<Budget> {
        if let Some(bytes) = asked.filter(|bytes| *bytes < SMALLEST) {
            bail!(
                "--memory {bytes} (bytes) is too little: the server needs {} MiB at least, such as --memory 128MiB; \
                 without --memory it takes 60 % of what the machine or the control group has",
                SMALLEST >> 20
            );
        }
        let (total, reason) = whole(asked);
        let budget = Budget::divide(total);
        if total < SMALLEST {
            warn!(total, smallest = SMALLEST, "the memory budget is too small to be kept");
        }
        let Budget { head, block_cache, log_head, log_cache, queries, one_query, .. } = budget;
        info!(total, reason, head, block_cache, log_head, log_cache, queries, one_query, "memory budget in bytes");
        Ok(budget)
    }

    fn divide(total: u64) -> Budget {
        let whole = total.max(SMALLEST);
        let rooms = whole - RESERVE - (whole as f64 * RESERVE_SHARE) as u64;
        let share = |share: f64| (rooms as f64 * share) as u64;
        let queries = share(0.23);
        Budget {
            total,
            head: share(0.36),
            block_cache: share(0.08),
            log_head: share(0.1),
            log_cache: share(0.04),
            queries,
            one_query: queries / 2,
            in_flight: share(0.12).min(MOST_IN_FLIGHT),
            known_series: share(0.07).min(MOST_KNOWN),
        }
    }

    /// Looks after what the process really takes.
    pub(crate) fn resident(&self) -> Arc<Resident> {
        Resident::new((self.total.max(SMALLEST) as f64 * MARK_SHARE) as u64, resident_bytes, give_back)
    }
}

/// The budget, and where it comes from.
fn whole(asked: Option<u64>) -> (u64, String) {
    match asked {
        Some(bytes) => (bytes, "as asked for".to_owned()),
        None => {
            let (available, source) = available(Path::new("/"), address_space());
            ((available as f64 * DEFAULT_SHARE) as u64, format!("60 % of {available} bytes ({source})"))
        }
    }
}

/// Tells the allocator of the C library how much it may keep free, in proportion to the budget; before the first thread starts. It
/// has pools for up to eight times as many threads as there are cores, and each keeps up to 64 MiB of what it has once had: a
/// process that lives on 150 MiB was seen at 250.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)] // the C library has no safe way to say it
pub(crate) fn prepare_allocator(asked: Option<u64>) {
    let (total, _) = whole(asked);
    let arenas = (total / BYTES_PER_ARENA).clamp(2, 256) as libc::c_int;
    for (what, value) in
        [(libc::M_ARENA_MAX, arenas), (libc::M_TRIM_THRESHOLD, KEPT_FREE), (libc::M_MMAP_THRESHOLD, MAPPED_ALONE)]
    {
        // SAFETY: `mallopt` takes no pointer, and no other thread is there yet. What it does not know it refuses.
        unsafe { libc::mallopt(what, value) };
    }
}

#[cfg(not(target_env = "gnu"))]
pub(crate) fn prepare_allocator(_: Option<u64>) {}

/// What the process has of the machine's memory, in bytes.
fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * PAGE)
}

/// Gives back to the system what the allocator keeps free.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)] // the C library has no safe way to say it
fn give_back() {
    // SAFETY: `malloc_trim` takes no pointer and may be called by any thread at any time (malloc_trim(3): MT-Safe).
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn give_back() {}

fn address_space() -> Option<u64> {
    let (soft, _) = getrlimit(Resource::RLIMIT_AS).ok()?;
    (soft < i64::MAX as u64).then_some(soft)
}

/// The least of what the machine has, the control group allows, and the process may address.
fn available(root: &Path, address_space: Option<u64>) -> (u64, &'static str) {
    let found = [
        (machine(root), "of the machine"),
        (control_group(root), "limit of the control group"),
        (address_space, "limit of the address space"),
    ];
    let least = found.into_iter().filter_map(|(bytes, source)| Some((bytes?, source))).min_by_key(|(bytes, _)| *bytes);
    least.unwrap_or((UNKNOWN, "the system does not tell"))
}

fn machine(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The tightest limit on the way from the process' own group to the root, in either version of control groups. Within a
/// container the path of `/proc/self/cgroup` may not exist, because its own group is mounted as the root.
fn control_group(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        if controllers.is_empty() {
            limits.extend(limits_above(&root.join("sys/fs/cgroup"), path, "memory.max"));
        } else if controllers.split(',').any(|controller| controller == "memory") {
            limits.extend(limits_above(&root.join("sys/fs/cgroup/memory"), path, "memory.limit_in_bytes"));
        }
    }
    limits.into_iter().min()
}

fn limits_above(mount: &Path, group: &str, file: &str) -> Vec<u64> {
    let group: PathBuf = mount.join(group.trim_start_matches('/'));
    let up = group.ancestors().take_while(|path| path.starts_with(mount));
    // Version 1 writes "no limit" as a number near the largest one; the machine's own memory is less than that.
    up.filter_map(|path| fs::read_to_string(path.join(file)).ok()?.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:        8000000 kB\nMemFree:         1 kB\n");

    #[test]
    fn the_tightest_limit_counts() {
        let found = |files: &[(&str, &str)], address_space| available(machine_with(files).path(), address_space);
        assert_eq!(found(&[], None), (UNKNOWN, "the system does not tell"));
        assert_eq!(found(&[MEMINFO], None), (8_192_000_000, "of the machine"));
        assert_eq!(found(&[MEMINFO], Some(5000)), (5000, "limit of the address space"));
        let second = [
            MEMINFO,
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/memory.max", "1000000\n"),
        ];
        assert_eq!(found(&second, None), (1_000_000, "limit of the control group"));
        let in_container =
            [MEMINFO, ("proc/self/cgroup", "0::/not/mounted\n"), ("sys/fs/cgroup/memory.max", "2000000\n")];
        assert_eq!(found(&in_container, None), (2_000_000, "limit of the control group"));
        let first = [
            MEMINFO,
            ("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/x\n"),
            ("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "3000000\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        assert_eq!(found(&first, None), (3_000_000, "limit of the control group"));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let error = Budget::of(Some(1024)).unwrap_err().to_string();
        assert!(error.contains("--memory 1024") && error.contains("128 MiB at least"), "{error}");
        assert_eq!(Budget::of(Some(SMALLEST)).unwrap().total, SMALLEST);
    }

    #[test]
    fn the_rooms_get_less_than_there_is() {
        for total in [SMALLEST, 256 << 20, 1 << 40] {
            let budget = Budget::divide(total);
            let Budget { head, block_cache, log_head, log_cache, queries, in_flight, known_series, .. } = budget;
            let rooms = head + block_cache + log_head + log_cache + queries + in_flight + known_series;
            assert!(rooms + total / 5 < total);
            assert!(budget.one_query < budget.queries);
        }
        assert_eq!(Budget::divide(1).head, Budget::divide(SMALLEST).head);
        assert!(resident_bytes().unwrap() > 1 << 20);
    }
}
