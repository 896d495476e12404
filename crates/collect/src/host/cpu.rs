//! Processors: time, load, frequency, scheduling; and the other counters of `/proc/stat`.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::files::{entries, line, name, number, numbered, read};
use super::{CollectError, Host};
use crate::exposition::Exposition;

/// `/proc/stat` counts in hundredths of a second on every architecture (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
const IDLE: usize = 3;

/// An idle counter that falls by so many seconds means that the processor was unplugged and counts anew.
const JUMP_BACK_SECONDS: f64 = 3.0;

/// The highest values seen: the kernel's counters may step back a little, which would look like a restart.
#[derive(Debug, Default)]
pub(super) struct CpuCounters(Mutex<BTreeMap<u32, [f64; 10]>>);

impl CpuCounters {
    fn advance(&self, seen: BTreeMap<u32, [f64; 10]>) -> BTreeMap<u32, [f64; 10]> {
        let mut known = self.0.lock();
        known.retain(|cpu, _| seen.contains_key(cpu));
        for (cpu, new) in seen {
            let old = known.entry(cpu).or_insert(new);
            if old[IDLE] - new[IDLE] >= JUMP_BACK_SECONDS {
                *old = new;
            }
            for (old, new) in old.iter_mut().zip(new) {
                *old = old.max(new);
            }
        }
        known.clone()
    }
}

/// node_exporter's `cpu`: seconds by processor and mode, throttling, which processors are online.
pub(super) fn cpu(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    let path = host.proc_path("stat");
    let text = read(&path)?;
    let mut seen = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(cpu) = words.next().and_then(|word| word.strip_prefix("cpu")?.parse::<u32>().ok()) else { continue };
        let mut seconds = [0.0; 10];
        for (slot, word) in seconds.iter_mut().zip(words) {
            let ticks: f64 =
                word.parse().map_err(|_| CollectError::Format { path: path.clone(), expected: "counters" })?;
            *slot = ticks / TICKS_PER_SECOND;
        }
        seen.insert(cpu, seconds);
    }
    if seen.is_empty() {
        return Err(CollectError::Format { path, expected: "processors" });
    }
    for (cpu, seconds) in host.cpu.advance(seen) {
        let cpu = cpu.to_string();
        let help = "Seconds the CPUs spent in each mode.";
        for (mode, seconds) in MODES.into_iter().zip(seconds) {
            out.counter("node_cpu_seconds_total", help, &[("cpu", &cpu), ("mode", mode)], seconds);
        }
        let help = "Seconds the CPUs spent in guests (VMs) for each mode.";
        for (mode, seconds) in [("user", seconds[8]), ("nice", seconds[9])] {
            out.counter("node_cpu_guest_seconds_total", help, &[("cpu", &cpu), ("mode", mode)], seconds);
        }
    }
    topology(host, out);
    Ok(())
}

/// What `/sys/devices/system/cpu` adds, where it is there.
fn topology(host: &Host, out: &mut Exposition) {
    let directory = host.sys_path("devices/system/cpu");
    let cpus = numbered(&directory, "cpu").unwrap_or_default();
    let counts_online = cpus.first().is_some_and(|(_, path)| path.join("online").exists());
    for (cpu, path) in &cpus {
        if counts_online {
            let help = "CPUs that are online and being scheduled.";
            let online = line(&path.join("online")).is_some_and(|text| text == "1");
            out.gauge("node_cpu_online", help, &[("cpu", &cpu.to_string())], f64::from(u8::from(online)));
        }
        let package = line(&path.join("topology/physical_package_id"));
        let core = line(&path.join("topology/core_id"));
        let (Some(package), Some(core)) = (package, core) else { continue };
        if let Some(count) = number(&path.join("thermal_throttle/core_throttle_count")) {
            let help = "Number of times this CPU core has been throttled.";
            out.counter("node_cpu_core_throttles_total", help, &[("core", &core), ("package", &package)], count);
        }
        if let Some(count) = number(&path.join("thermal_throttle/package_throttle_count")) {
            let help = "Number of times this CPU package has been throttled.";
            out.counter("node_cpu_package_throttles_total", help, &[("package", &package)], count);
        }
    }
    for cpu in line(&directory.join("isolated")).iter().flat_map(|list| cpu_list(list)) {
        let help = "Whether each core is isolated, information from /sys/devices/system/cpu/isolated.";
        out.gauge("node_cpu_isolated", help, &[("cpu", &cpu.to_string())], 1.0);
    }
}

/// Reads `0-3,8`.
fn cpu_list(text: &str) -> Vec<u32> {
    let ranges = text.split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse::<u32>().ok()?);
        // The kernel's own limit is 8192 processors.
        (last < 8192).then_some(first..=last)
    });
    ranges.flatten().collect()
}

/// node_exporter's `cpufreq`, in hertz; `/sys` counts in kilohertz.
pub(super) fn cpufreq(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    const FREQUENCIES: [(&str, &str, &str); 7] = [
        ("cpuinfo_cur_freq", "node_cpu_frequency_hertz", "Current CPU thread frequency in hertz."),
        ("cpuinfo_avg_freq", "node_cpu_frequency_avg_hertz", "Average CPU thread frequency in hertz."),
        ("cpuinfo_min_freq", "node_cpu_frequency_min_hertz", "Minimum CPU thread frequency in hertz."),
        ("cpuinfo_max_freq", "node_cpu_frequency_max_hertz", "Maximum CPU thread frequency in hertz."),
        ("scaling_cur_freq", "node_cpu_scaling_frequency_hertz", "Current scaled CPU thread frequency in hertz."),
        ("scaling_min_freq", "node_cpu_scaling_frequency_min_hertz", "Minimum scaled CPU thread frequency in hertz."),
        ("scaling_max_freq", "node_cpu_scaling_frequency_max_hertz", "Maximum scaled CPU thread frequency in hertz."),
    ];
    for (cpu, path) in numbered(&host.sys_path("devices/system/cpu"), "cpu")? {
        let cpu = cpu.to_string();
        let directory = path.join("cpufreq");
        for (file, metric, help) in FREQUENCIES {
            if let Some(kilohertz) = number(&directory.join(file)) {
                out.gauge(metric, help, &[("cpu", &cpu)], kilohertz * 1000.0);
            }
        }
        let Some(governor) = line(&directory.join("scaling_governor")).filter(|g| !g.is_empty()) else { continue };
        let available = line(&directory.join("scaling_available_governors")).unwrap_or_default();
        for known in available.split_whitespace() {
            let value = f64::from(u8::from(known == governor));
            let labels = [("cpu", cpu.as_str()), ("governor", known)];
            out.gauge("node_cpu_scaling_governor", "Current enabled CPU frequency governor.", &labels, value);
        }
    }
    Ok(())
}

/// node_exporter's `stat`.
pub(super) fn stat(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    let path = host.proc_path("stat");
    let text = read(&path)?;
    let counter = |key: &str| -> Result<f64, CollectError> {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let value = line.and_then(|values| values.split_whitespace().next()?.parse().ok());
        value.ok_or(CollectError::Format { path: path.clone(), expected: "the counters of the scheduler" })
    };
    out.counter("node_intr_total", "Total number of interrupts serviced.", &[], counter("intr")?);
    out.counter("node_context_switches_total", "Total number of context switches.", &[], counter("ctxt")?);
    out.counter("node_forks_total", "Total number of forks.", &[], counter("processes")?);
    out.gauge("node_boot_time_seconds", "Node boot time, in unixtime.", &[], counter("btime")?);
    let help = "Number of processes in runnable state.";
    out.gauge("node_procs_running", help, &[], counter("procs_running")?);
    let help = "Number of processes blocked waiting for I/O to complete.";
    out.gauge("node_procs_blocked", help, &[], counter("procs_blocked")?);
    Ok(())
}

/// node_exporter's `loadavg`. Read as text: 32 bits would turn 1.49 into 1.4900000095.
pub(super) fn loadavg(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    let path = host.proc_path("loadavg");
    let text = read(&path)?;
    let mut words = text.split_whitespace();
    for (metric, help) in
        [("node_load1", "1m load average."), ("node_load5", "5m load average."), ("node_load15", "15m load average.")]
    {
        let value = words.next().and_then(|word| word.parse().ok());
        let value = value.ok_or(CollectError::Format { path: path.clone(), expected: "three averages" })?;
        out.gauge(metric, help, &[], value);
    }
    Ok(())
}

/// node_exporter's `schedstat`: fields 7 to 9 of each `cpu` line; the first two are nanoseconds.
pub(super) fn schedstat(host: &Host, out: &mut Exposition) -> Result<(), CollectError> {
    for line in read(&host.proc_path("schedstat"))?.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let [cpu, _, _, _, _, _, _, running, waiting, slices, ..] = words[..] else { continue };
        let Some(cpu) = cpu.strip_prefix("cpu") else { continue };
        let (Ok(running), Ok(waiting), Ok(slices)) = (running.parse::<f64>(), waiting.parse::<f64>(), slices.parse())
        else {
            continue;
        };
        let labels = [("cpu", cpu)];
        let help = "Number of seconds CPU spent running a process.";
        out.counter("node_schedstat_running_seconds_total", help, &labels, running / 1e9);
        let help = "Number of seconds spent by processing waiting for this CPU.";
        out.counter("node_schedstat_waiting_seconds_total", help, &labels, waiting / 1e9);
        let help = "Number of timeslices executed by CPU.";
        out.counter("node_schedstat_timeslices_total", help, &labels, slices);
    }
    Ok(())
}

/// The clock sources of `/sys/devices/system/clocksource`, as `(device, available, current)`.
pub(super) fn clock_sources(host: &Host) -> Result<Vec<(String, Vec<String>, String)>, CollectError> {
    let mut sources = Vec::new();
    for path in entries(&host.sys_path("devices/system/clocksource"))? {
        let Some(device) = name(&path).strip_prefix("clocksource").map(str::to_owned) else { continue };
        let available = line(&path.join("available_clocksource")).unwrap_or_default();
        let available = available.split_whitespace().map(str::to_owned).collect();
        let Some(current) = line(&path.join("current_clocksource")) else { continue };
        sources.push((device, available, current));
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_never_fall_unless_the_processor_starts_anew() {
        let counters = CpuCounters::default();
        let at = |user: f64, idle: f64| {
            let mut seconds = [0.0; 10];
            (seconds[0], seconds[IDLE]) = (user, idle);
            let known = counters.advance(BTreeMap::from([(0, seconds)]))[&0];
            (known[0], known[IDLE])
        };
        assert_eq!(at(10.0, 100.0), (10.0, 100.0));
        assert_eq!(at(9.0, 99.5), (10.0, 100.0));
        assert_eq!(at(11.0, 101.0), (11.0, 101.0));
        assert_eq!(at(1.0, 2.0), (1.0, 2.0));
    }

    #[test]
    fn reads_lists_of_processors() {
        assert_eq!(cpu_list("0-2,8"), [0, 1, 2, 8]);
        assert_eq!(cpu_list(""), Vec::<u32>::new());
        assert_eq!(cpu_list("x,3-1,1-99999999"), Vec::<u32>::new());
    }
}
