//! The machine itself, read from `/proc` and `/sys` and exposed under node_exporter's names, labels and types, so that its
//! dashboards and rules work unchanged.
//!
//! A collector is one function per part of the machine, under the name that node_exporter gives it. One that fails sets its own
//! `node_scrape_collector_success` to 0 and nothing else; what it had found until then stays.

mod cpu;
mod disk;
mod files;
mod filesystem;
mod memory;
mod network;
mod network_class;
mod processes;
mod sensors;
mod sockets;
mod system;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Clock;
use thiserror::Error;
use tracing::debug;

use crate::exposition::Exposition;
use cpu::CpuCounters;
use filesystem::Prober;

/// Why a collector failed.
#[derive(Debug, Error)]
pub(crate) enum CollectError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} does not hold {expected}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        expected: &'static str,
    },
    /// The kernel or machine does not have it.
    #[error("not available on this machine")]
    NoData,
}

type Collector = fn(&Host, &mut Exposition) -> Result<(), CollectError>;

const COLLECTORS: [(&str, Collector); 26] = [
    ("arp", network::arp),
    ("conntrack", network::conntrack),
    ("cpu", cpu::cpu),
    ("cpufreq", cpu::cpufreq),
    ("diskstats", disk::diskstats),
    ("entropy", system::entropy),
    ("filefd", system::filefd),
    ("filesystem", filesystem::filesystem),
    ("hwmon", sensors::hwmon),
    ("kernel_hung", system::kernel_hung),
    ("loadavg", cpu::loadavg),
    ("meminfo", memory::meminfo),
    ("netclass", network_class::netclass),
    ("netdev", network::netdev),
    ("netstat", sockets::netstat),
    ("os", system::os),
    ("pressure", memory::pressure),
    ("schedstat", cpu::schedstat),
    ("sockstat", sockets::sockstat),
    ("softnet", network::softnet),
    ("stat", cpu::stat),
    ("thermal_zone", sensors::thermal_zone),
    ("time", system::time),
    ("udp_queues", sockets::udp_queues),
    ("uname", system::uname),
    ("vmstat", memory::vmstat),
];

/// Where the machine is found, and what is collected.
#[derive(Clone, Debug)]
pub struct Options {
    /// The proc file system, usually `/proc`.
    pub procfs: PathBuf,
    /// The sys file system, usually `/sys`.
    pub sysfs: PathBuf,
    /// The root of the machine's files, usually `/`; elsewhere where the host is mounted into a container.
    pub rootfs: PathBuf,
    /// udev's database, usually `/run/udev/data`.
    pub udev_data: PathBuf,
    /// How long all file systems together may take to answer; one that does not is reported as a device error. Default 1 s.
    pub mount_timeout: Duration,
    /// Also counts processes and threads by state, which reads two files per thread; off by default, as in node_exporter.
    pub processes: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            procfs: "/proc".into(),
            sysfs: "/sys".into(),
            rootfs: "/".into(),
            udev_data: "/run/udev/data".into(),
            mount_timeout: Duration::from_secs(1),
            processes: false,
        }
    }
}

/// The exporter of this machine.
#[derive(Debug)]
pub struct Host {
    options: Options,
    clock: Arc<dyn Clock>,
    cpu: CpuCounters,
    mounts: Prober,
}

impl Host {
    /// An exporter; reads nothing yet.
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Self {
        let mounts = Prober::new(options.mount_timeout);
        Host { options, clock, cpu: CpuCounters::default(), mounts }
    }

    /// Appends everything that is known now as Prometheus text exposition, families sorted by name. Blocks the thread: a few
    /// milliseconds as a rule, at most the mount timeout where a file system hangs.
    pub fn gather(&self, out: &mut String) {
        let mut exposition = Exposition::default();
        for (name, collect) in COLLECTORS {
            self.run(name, collect, &mut exposition);
        }
        if self.options.processes {
            self.run("processes", processes::processes, &mut exposition);
        }
        build_info(&mut exposition);
        exposition.write(out);
    }

    fn run(&self, name: &str, collect: Collector, out: &mut Exposition) {
        let start = Instant::now();
        let result = collect(self, out);
        let seconds = start.elapsed().as_secs_f64();
        if let Err(error) = &result {
            debug!(collector = name, %error, "collector failed");
        }
        let labels = [("collector", name)];
        let duration_help = "node_exporter: Duration of a collector scrape.";
        let success_help = "node_exporter: Whether a collector succeeded.";
        out.gauge("node_scrape_collector_duration_seconds", duration_help, &labels, seconds);
        out.gauge("node_scrape_collector_success", success_help, &labels, f64::from(u8::from(result.is_ok())));
    }

    fn proc_path(&self, path: &str) -> PathBuf {
        self.options.procfs.join(path)
    }

    fn sys_path(&self, path: &str) -> PathBuf {
        self.options.sysfs.join(path)
    }

    fn root_path(&self, path: &Path) -> PathBuf {
        self.options.rootfs.join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// node_exporter's dashboards list machines by this metric; `tags` tells who really exposes it.
fn build_info(out: &mut Exposition) {
    let help = "A metric with a constant '1' value labeled by version, revision, branch, goversion from which node_exporter was \
                built, and the goos and goarch for the build.";
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let labels = [
        ("branch", ""),
        ("goarch", arch),
        ("goos", "linux"),
        ("goversion", ""),
        ("revision", ""),
        ("tags", "afferent"),
        ("version", env!("CARGO_PKG_VERSION")),
    ];
    out.gauge("node_exporter_build_info", help, &labels, 1.0);
}
