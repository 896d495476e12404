//! Processes and threads, counted by state.

use std::collections::BTreeMap;
use std::path::Path;

use super::files::{entries, name, read, required_number};
use super::{CollectError, Host};
use crate::exposition::Exposition;

/// node_exporter's `processes`. What ends while it is counted is left out.
pub(super) fn processes(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    let mut states: BTreeMap<String, u32> = BTreeMap::new();
    let mut thread_states: BTreeMap<String, u32> = BTreeMap::new();
    let (mut pids, mut threads) = (0_u32, 0_u32);
    for process in entries(&host.options.procfs)?.iter().filter(|path| is_number(path)) {
        let Some((state, count)) = state_and_threads(process) else { continue };
        pids += 1;
        threads += count;
        *states.entry(state).or_default() += 1;
        for thread in entries(&process.join("task")).unwrap_or_default() {
            if let Some((state, _)) = state_and_threads(&thread) {
                *thread_states.entry(state).or_default() += 1;
            }
        }
    }
    out.gauge("node_processes_threads", "Allocated threads in system", &[], f64::from(threads));
    let limit = required_number(&host.proc_path("sys/kernel/threads-max"))?;
    out.gauge("node_processes_max_threads", "Limit of threads in the system", &[], limit);
    for (state, count) in states {
        let help = "Number of processes in each state.";
        out.gauge("node_processes_state", help, &[("state", &state)], f64::from(count));
    }
    for (state, count) in thread_states {
        let help = "Number of threads in each state.";
        out.gauge("node_processes_threads_state", help, &[("thread_state", &state)], f64::from(count));
    }
    out.gauge("node_processes_pids", "Number of PIDs", &[], f64::from(pids));
    let limit = required_number(&host.proc_path("sys/kernel/pid_max"))?;
    out.gauge("node_processes_max_processes", "Number of max PIDs limit", &[], limit);
    Ok(())
}

fn is_number(path: &Path) -> bool {
    name(path).bytes().all(|b| b.is_ascii_digit())
}

/// Fields 3 and 20 of `stat`; the name in field 2 may hold blanks and parentheses.
fn state_and_threads(directory: &Path) -> Option<(String, u32)> {
    let text = read(&directory.join("stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?.to_owned();
    let threads = fields.nth(16)?.parse().ok()?;
    Some((state, threads))
}
