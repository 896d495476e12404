//! A Promtail configuration: where log lines come from, what is done to them, and where they go.
//!
//! Complete after loading. What Promtail knows and this system does not need is accepted with a notice.

mod stages;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

pub use stages::*;

use crate::discovery::{FileSdConfig, StaticConfig};
use crate::http_client::{HttpClientConfig, TlsConfig};
use crate::relabel::RelabelConfig;
use crate::scalar::{ByteSize, Millis, Url};

/// Where a piece of a configuration stands, for messages of those who look at it more closely than loading does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Line, counted from 1.
    pub line: usize,
    /// Column, counted from 1.
    pub column: usize,
    /// The key, as `scrape_configs[0].pipeline_stages[1].match`.
    pub key: String,
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PromtailConfig {
    /// The shipper's own HTTP server.
    pub server: ShipServerConfig,
    /// Where lines go.
    pub clients: Vec<ShipClientConfig>,
    /// What remembers how far files are read.
    pub positions: PositionsConfig,
    /// Where lines come from.
    pub scrape_configs: Vec<ShipScrapeConfig>,
    /// How files are looked for.
    pub target_config: TargetConfig,
    /// Limits over all sources.
    pub limits: ShipLimits,
    /// The buffer on disk.
    pub buffer: BufferConfig,
}

/// `server`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShipServerConfig {
    /// False where no server is wanted.
    pub enabled: bool,
    /// Address of `/metrics`, `/ready` and `/targets`. Port 0 is any free one.
    pub listen: SocketAddr,
}

impl Default for ShipServerConfig {
    /// Promtail listens on port 80 of every address; here it is 9080 of loopback, the port of Promtail's own examples.
    fn default() -> Self {
        ShipServerConfig { enabled: true, listen: SocketAddr::from(([127, 0, 0, 1], 9080)) }
    }
}

/// One entry of `clients`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShipClientConfig {
    /// Where lines are pushed, with the whole path.
    pub url: Url,
    /// Name in messages; empty where not given.
    pub name: String,
    /// Longest wait of a line before its batch is sent. Default 1 s.
    pub batchwait: Millis,
    /// Bytes of lines after which a batch is sent. Default 1 MiB.
    pub batchsize: u64,
    /// First pause before a batch is sent again. Default 500 ms.
    pub min_backoff: Millis,
    /// Longest pause. Default 5 m.
    pub max_backoff: Millis,
    /// Labels added to every stream.
    pub external_labels: BTreeMap<String, String>,
    /// Tenant of lines that have none of their own.
    pub tenant_id: Option<String>,
    /// Time after which a request has failed. Default 10 s.
    pub timeout: Millis,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// Whether a batch that is refused with 429 is dropped instead of sent again.
    pub drop_rate_limited_batches: bool,
    /// Credentials, TLS, proxy.
    pub http: HttpClientConfig,
}

/// `positions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionsConfig {
    /// The file. Default `/var/log/positions.yaml`.
    pub filename: PathBuf,
    /// How often it is written. Default 10 s.
    pub sync_period: Millis,
    /// Begins anew where the file cannot be read, instead of refusing to start.
    pub ignore_invalid_yaml: bool,
}

impl Default for PositionsConfig {
    fn default() -> Self {
        PositionsConfig {
            filename: PathBuf::from("/var/log/positions.yaml"),
            sync_period: Millis::from_secs(10),
            ignore_invalid_yaml: false,
        }
    }
}

/// The buffer on disk: Promtail's section `wal`, with a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferConfig {
    /// Its directory; beside the positions file where not given.
    pub dir: Option<PathBuf>,
    /// Bytes at which sources wait. Default 1 GiB.
    pub max_size: ByteSize,
}

impl Default for BufferConfig {
    fn default() -> Self {
        BufferConfig { dir: None, max_size: ByteSize(1 << 30) }
    }
}

/// `target_config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetConfig {
    /// How often patterns are looked through for new files even if no change was noticed. Default 10 s.
    pub sync_period: Millis,
}

impl Default for TargetConfig {
    fn default() -> Self {
        TargetConfig { sync_period: Millis::from_secs(10) }
    }
}

/// `limits_config`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShipLimits {
    /// Lines a second over all sources, where limited.
    pub readline_rate: Option<ReadlineRate>,
    /// Most bytes of a line; 0 for no limit.
    pub max_line_size: ByteSize,
    /// Whether a longer line is cut instead of dropped.
    pub max_line_size_truncate: bool,
}

/// `readline_rate_enabled` and its neighbours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReadlineRate {
    /// Lines a second.
    pub rate: f64,
    /// Lines at once.
    pub burst: u64,
    /// Whether lines above it are dropped instead of waiting.
    pub drop: bool,
}

/// One entry of `scrape_configs`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShipScrapeConfig {
    /// Name, unique.
    pub job_name: String,
    /// What is done to each line, in order.
    pub pipeline_stages: Vec<StageConfig>,
    /// Rules over the labels of targets and of lines from syslog, journal and push.
    pub relabel_configs: Vec<RelabelConfig>,
    /// Files by `__path__`.
    pub static_configs: Vec<StaticConfig>,
    /// Groups like `static_configs`, from files.
    pub file_sd_configs: Vec<FileSdConfig>,
    /// Containers.
    pub docker_sd_configs: Vec<DockerSdConfig>,
    /// systemd's journal.
    pub journal: Option<JournalConfig>,
    /// A syslog receiver.
    pub syslog: Option<SyslogConfig>,
    /// A receiver of Loki's push protocol.
    pub push: Option<PushTargetConfig>,
    /// Standard input.
    pub stdin: Option<BTreeMap<String, String>>,
}

/// One entry of `docker_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerSdConfig {
    /// `unix:///var/run/docker.sock` or `tcp://host:port`.
    pub host: String,
    /// How often containers are looked for. Default 1 m.
    pub refresh_interval: Millis,
    /// Docker's filters: a name and its values.
    pub filters: Vec<(String, Vec<String>)>,
    /// `__meta_docker_network_ip` port where a container has none. Default 80.
    pub port: u64,
    /// What stands for the host in the network mode `host`. Default `localhost`.
    pub host_networking_host: String,
}

/// `journal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    /// Whether the whole entry is the line, as JSON.
    pub json: bool,
    /// Oldest entry that is read at the first start. Default 7 h.
    pub max_age: Millis,
    /// Labels of every line.
    pub labels: BTreeMap<String, String>,
    /// Directory of the journal's files; the machine's own where not given.
    pub path: Option<PathBuf>,
    /// `FIELD=value`, as `journalctl` takes them.
    pub matches: Vec<String>,
}

/// The format of syslog messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyslogFormat {
    /// RFC 5424.
    #[default]
    Rfc5424,
    /// RFC 3164.
    Rfc3164,
    /// Each message says which of them it is. No key of Promtail's.
    Either,
}

/// The transport of syslog messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyslogTransport {
    /// TCP, with TLS where certificates are given.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// `syslog`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogConfig {
    /// Address listened on.
    pub listen: SocketAddr,
    /// Transport.
    pub transport: SyslogTransport,
    /// Format.
    pub format: SyslogFormat,
    /// Time after which a silent connection is closed. Default 120 s.
    pub idle_timeout: Millis,
    /// Whether structured data becomes `__syslog_message_sd_*`.
    pub label_structured_data: bool,
    /// Whether level, process, kind of message and structured data become structured metadata. No key of Promtail's.
    pub metadata: bool,
    /// Labels of every line.
    pub labels: BTreeMap<String, String>,
    /// Whether the time of the message is kept.
    pub use_incoming_timestamp: bool,
    /// Whether the line is the whole message instead of its text.
    pub use_rfc5424_message: bool,
    /// Most bytes of a message. Default 8192.
    pub max_message_length: u64,
    /// The server's certificate, key and clients' authority; plain TCP where none is given.
    pub tls: Option<TlsConfig>,
}

/// `loki_push_api`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushTargetConfig {
    /// Address listened on.
    pub listen: SocketAddr,
    /// Labels added to every stream.
    pub labels: BTreeMap<String, String>,
    /// Whether the times of entries are kept instead of the time of arrival.
    pub use_incoming_timestamp: bool,
}
