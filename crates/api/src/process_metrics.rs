//! `process_*` metrics and the build, under the names of Prometheus' client libraries.

use procfs::process::{LimitValue, Process};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use crate::build::{APPLICATION_VERSION, COMPATIBLE_VERSION, REVISION};

/// Reads `/proc/self` when it is asked.
#[derive(Debug)]
struct ProcessCollector;

/// Adds metrics of this process and of its build.
pub fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(ProcessCollector));
    for (name, version) in [("prometheus_build_info", COMPATIBLE_VERSION), ("afferent_build_info", APPLICATION_VERSION)]
    {
        let info = Family::<Vec<(&str, &str)>, Gauge>::default();
        info.get_or_create(&vec![("version", version), ("revision", REVISION)]).set(1);
        registry.register(name, "What was built, as labels of a constant 1", info);
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        // A system without /proc has no such metrics; that is no reason to fail the scrape.
        let Ok(process) = Process::myself() else { return Ok(()) };
        let mut gauge = |name: &str, help: &str, value: Option<f64>| match value {
            Some(value) => {
                let metric = ConstGauge::new(value);
                metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
            }
            None => Ok(()),
        };
        let limits = process.limits().ok();
        let limit = |value: Option<LimitValue>| match value {
            Some(LimitValue::Value(value)) => Some(value as f64),
            Some(LimitValue::Unlimited) | None => None,
        };
        gauge("process_open_fds", "Number of open file descriptors", process.fd_count().ok().map(|n| n as f64))?;
        gauge(
            "process_max_fds",
            "Maximum number of open file descriptors",
            limit(limits.as_ref().map(|l| l.max_open_files.soft_limit)),
        )?;
        gauge(
            "process_virtual_memory_max_bytes",
            "Maximum amount of virtual memory available in bytes",
            limit(limits.as_ref().map(|l| l.max_address_space.soft_limit)),
        )?;
        let Ok(stat) = process.stat() else { return Ok(()) };
        let ticks = procfs::ticks_per_second() as f64;
        let resident = stat.rss as f64 * procfs::page_size() as f64;
        gauge("process_resident_memory_bytes", "Resident memory size in bytes", Some(resident))?;
        gauge("process_virtual_memory_bytes", "Virtual memory size in bytes", Some(stat.vsize as f64))?;
        gauge("process_threads", "Number of operating system threads", Some(stat.num_threads as f64))?;
        let booted = procfs::boot_time_secs().ok().map(|s| s as f64);
        gauge(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds",
            booted.map(|booted| booted + stat.starttime as f64 / ticks),
        )?;
        let cpu = ConstCounter::new((stat.utime + stat.stime) as f64 / ticks);
        let help = "Total user and system CPU time spent in seconds";
        cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, cpu.metric_type())?)
    }
}
