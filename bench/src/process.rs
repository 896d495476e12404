//! What the kernel counts for a process: this one (`self`) or another by its id.

use std::time::Duration;

use anyhow::Context;

/// This process.
pub(crate) const SELF: &str = "self";

/// Bytes of resident memory.
pub(crate) fn resident_bytes(process: &str) -> anyhow::Result<u64> {
    status_bytes(process, "VmRSS:")
}

/// The most resident memory that a process ever had, in bytes.
pub(crate) fn peak_bytes(process: &str) -> anyhow::Result<u64> {
    status_bytes(process, "VmHWM:")
}

fn status_bytes(process: &str, field: &str) -> anyhow::Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let line = status.lines().find_map(|l| l.strip_prefix(field)).with_context(|| format!("{path} has no {field}"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().with_context(|| format!("{field} is not a number"))?;
    Ok(kib * 1024)
}

/// CPU time of all living threads of a process, exact but without threads that have ended.
pub(crate) fn cpu_time(process: &str) -> anyhow::Result<Duration> {
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

/// CPU time of a process with that of threads that have ended, user and system, to ten milliseconds.
pub(crate) fn cpu_time_of_all(process: &str) -> anyhow::Result<Duration> {
    const TICKS_A_SECOND: u64 = 100; // USER_HZ, the same on every architecture that we run on
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).context("read the figures of a process")?;
    // The name, in parentheses, may contain spaces. User and system time are the 14th and 15th field, the name is the second.
    let (_, fields) = stat.rsplit_once(") ").context("the figures of a process have no name")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_A_SECOND))
}
