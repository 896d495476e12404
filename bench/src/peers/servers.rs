//! The servers that are measured: how each is started, brought to rest, and how its bytes are counted.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::http::Connection;
use super::pause;
use crate::process;

/// How long a server may take to start, to come to rest, and to rewrite its files.
const START_PATIENCE: Duration = Duration::from_secs(60);
const REST_PATIENCE: Duration = Duration::from_secs(180);
/// A server that takes less than this share of a core for a while is at rest.
const IDLE_SHARE: f64 = 0.03;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Afferent,
    VictoriaMetrics,
    Prometheus,
    Alertmanager,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Afferent => "Afferent",
            Kind::VictoriaMetrics => "VictoriaMetrics",
            Kind::Prometheus => "Prometheus",
            Kind::Alertmanager => "Alertmanager",
        }
    }

    /// The program, or `None` where it is not on this machine.
    pub(crate) fn program(self, afferent: &Path, peers: Option<&Path>) -> Option<PathBuf> {
        let path = match self {
            Kind::Afferent => afferent.to_owned(),
            Kind::VictoriaMetrics => peers?.join("usr/bin/victoria-metrics"),
            Kind::Prometheus => peers?.join("usr/bin/prometheus"),
            Kind::Alertmanager => peers?.join("usr/bin/prometheus-alertmanager"),
        };
        path.exists().then_some(path)
    }

    fn command(self, program: &Path, dir: &Path, address: &str) -> anyhow::Result<Command> {
        let data = dir.join("data");
        let mut command = Command::new(program);
        match self {
            Kind::Afferent => {
                let config = dir.join("prometheus.yml");
                std::fs::write(&config, "storage: {tsdb: {retention: {time: 1y}}}\n")?;
                command.arg("serve").args(["--classic-ports", "off", "--listen", address]);
                command.arg("--config").arg(config).arg("--data").arg(data);
            }
            Kind::VictoriaMetrics => {
                command.arg(format!("-storageDataPath={}", data.display()));
                command.arg(format!("-httpListenAddr={address}"));
                // By default it closes connections after two minutes, in the middle of a request.
                command.args(["-search.latencyOffset=0s", "-retentionPeriod=1y", "-http.connTimeout=1h"]);
            }
            Kind::Prometheus => {
                let config = dir.join("prometheus.yml");
                std::fs::write(&config, "global: {}\n")?;
                command.arg(format!("--config.file={}", config.display()));
                command.arg(format!("--storage.tsdb.path={}", data.display()));
                command.arg(format!("--web.listen-address={address}"));
                command.args(["--web.enable-remote-write-receiver", "--web.enable-admin-api", "--log.level=warn"]);
                // A sum over 100,000 series at 480 steps needs more than it grants by default, and 30 days more than two hours.
                command.args(["--query.max-samples=200000000", "--storage.tsdb.retention.time=1y"]);
            }
            Kind::Alertmanager => {
                command.arg(format!("--config.file={}", dir.join("alertmanager.yml").display()));
                command.arg(format!("--storage.path={}", data.display()));
                command.arg(format!("--web.listen-address={address}"));
                command.args(["--cluster.listen-address=", "--log.level=warn"]);
            }
        }
        Ok(command)
    }
}

/// A server that runs; it ends with this value.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    program: PathBuf,
    dir: PathBuf,
    pub(crate) address: String,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    /// Starts a server over the data in `dir`.
    pub(crate) fn start(kind: Kind, program: &Path, dir: &Path) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let child = spawn(kind, program, dir, &address)?;
        Ok(Server { kind, program: program.to_owned(), dir: dir.to_owned(), address, child })
    }

    /// Ends the process as a crash would.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts the server again over the same data.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        self.child = spawn(self.kind, &self.program, &self.dir, &self.address)?;
        Ok(())
    }

    pub(crate) fn id(&self) -> String {
        self.child.id().to_string()
    }

    pub(crate) fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(&self.address)
    }

    /// Waits until a path is answered by a body that `is_enough`; answers the time this took.
    pub(crate) fn wait_for(&mut self, path: &str, is_enough: impl Fn(&[u8]) -> bool) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        while begun.elapsed() < START_PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("{} ended by itself: {status}; its output is {}", self.kind.name(), self.log());
            }
            let answer = self.connect().and_then(|mut c| c.get(path));
            if answer.is_ok_and(|a| a.status == 200 && is_enough(&a.body)) {
                return Ok(begun.elapsed());
            }
            pause(Duration::from_millis(2));
        }
        anyhow::bail!("{} does not answer {path}", self.kind.name())
    }

    fn log(&self) -> String {
        let text = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        text.lines().rev().take(5).collect::<Vec<_>>().join(" | ")
    }

    /// Waits until the server has nothing left to do and has written what it acknowledged.
    pub(crate) fn rest(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        if self.kind == Kind::VictoriaMetrics {
            // It keeps what came in for five seconds before it writes it to disk.
            pause(Duration::from_secs(7));
        }
        let mut calm = 0;
        while calm < 3 && begun.elapsed() < REST_PATIENCE {
            let before = process::cpu_time_of_all(&self.id())?;
            pause(Duration::from_secs(1));
            let spent = process::cpu_time_of_all(&self.id())? - before;
            calm = if spent.as_secs_f64() < IDLE_SHARE { calm + 1 } else { 0 };
        }
        Ok(())
    }

    /// Makes everything that was sent visible to queries.
    pub(crate) fn make_visible(&self) -> anyhow::Result<()> {
        if self.kind == Kind::VictoriaMetrics {
            self.connect()?.get("/internal/force_flush")?;
        }
        Ok(())
    }

    /// Brings the data into the form in which it stays; answers its bytes.
    pub(crate) fn compact(&self) -> anyhow::Result<u64> {
        let data = self.dir.join("data");
        match self.kind {
            Kind::Afferent | Kind::VictoriaMetrics => {
                self.connect()?.get("/internal/force_merge")?;
                self.rest()?;
                bytes_under(&data)
            }
            Kind::Alertmanager => self.bytes(),
            // The head becomes a block two hours later; a snapshot writes the same block now.
            Kind::Prometheus => {
                let answer = self.connect()?.post("/api/v1/admin/tsdb/snapshot", "", b"")?;
                anyhow::ensure!(answer.status == 200, "snapshot: status {}", answer.status);
                let snapshots = data.join("snapshots");
                let bytes = bytes_under(&snapshots)?;
                std::fs::remove_dir_all(snapshots)?;
                Ok(bytes)
            }
        }
    }

    /// Bytes of everything that the server keeps on disk.
    pub(crate) fn bytes(&self) -> anyhow::Result<u64> {
        bytes_under(&self.dir.join("data"))
    }
}

fn spawn(kind: Kind, program: &Path, dir: &Path, address: &str) -> anyhow::Result<Child> {
    let log = File::options().create(true).append(true).open(dir.join("log"))?;
    let mut command = kind.command(program, dir, address)?;
    command.stdout(log.try_clone()?).stderr(log);
    command.spawn().with_context(|| format!("start {}", program.display()))
}

fn bytes_under(dir: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))? {
        let entry = entry?;
        // A file may have gone since it was listed.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { bytes_under(&entry.path()).unwrap_or(0) } else { metadata.len() };
    }
    Ok(bytes)
}
