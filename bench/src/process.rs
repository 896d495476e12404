//! What the kernel counts for this process.

use std::time::Duration;

use anyhow::Context;

/// Bytes of resident memory of this process.
pub(crate) fn resident_bytes() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("/proc/self/status has no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().context("VmRSS is not a number")?;
    Ok(kib * 1024)
}

/// CPU time of all threads of this process, user and system.
pub(crate) fn cpu_time() -> anyhow::Result<Duration> {
    cpu_time_of("self")
}

/// CPU time of all living threads of a process, by its id.
pub(crate) fn cpu_time_of(process: &str) -> anyhow::Result<Duration> {
    let schedstat = |path: std::path::PathBuf| -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(path)?;
        Ok(text.split(' ').next().unwrap_or("0").parse()?)
    };
    let mut nanos = 0;
    for task in std::fs::read_dir(format!("/proc/{process}/task")).context("list the threads of a process")? {
        // A thread may have ended since it was listed.
        nanos += schedstat(task?.path().join("schedstat")).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}

/// CPU time of this process with that of threads that have ended, user and system, to ten milliseconds.
pub(crate) fn cpu_time_of_all() -> anyhow::Result<Duration> {
    const TICKS_A_SECOND: u64 = 100; // USER_HZ, the same on every architecture that we run on
    let stat = std::fs::read_to_string("/proc/self/stat").context("read /proc/self/stat")?;
    // The name, in parentheses, may contain spaces. User and system time are the 14th and 15th field, the name is the second.
    let (_, fields) = stat.rsplit_once(") ").context("/proc/self/stat has no name")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_A_SECOND))
}
