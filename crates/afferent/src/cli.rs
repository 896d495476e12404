//! The command line, with its texts for people.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use model::duration::parse_duration_ms;

use crate::export::ExportArgs;
use crate::import::ImportWhat;
use crate::ship::ShipArgs;

/// Where `query` and `status` find the server.
const DEFAULT_SERVER: &str = "http://127.0.0.1:3000";

/// Monitoring for a service platform in one process: it speaks the protocols of Prometheus and its neighbours.
#[derive(Debug, Parser)]
#[command(name = "afferent", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server: scrape, store, answer queries, show the web application.
    Serve(Box<ServeArgs>),
    /// Check files before they are put to work.
    #[command(subcommand)]
    Check(CheckWhat),
    /// Run tests of queries.
    #[command(subcommand)]
    Test(TestWhat),
    /// Ask a running server and print the answer.
    #[command(subcommand)]
    Query(QueryLanguage),
    /// Say how a running server is doing. Exit status 1 if it cannot be reached or is not ready.
    Status(StatusArgs),
    /// Take over data from other systems, into a data directory that no server uses or through a running server. In a data
    /// directory all of it counts at the end, or nothing. Samples that are there already stay as they are. Exit status 1 if
    /// something was damaged or refused; the rest is taken over. The server drops what is older than its retention.
    #[command(subcommand)]
    Import(ImportWhat),
    /// Write samples of a data directory that no server uses to a file. Exit status 1 if stored data was damaged; the rest
    /// is written.
    Export(ExportArgs),
    /// Ship log lines to a server: files, containers, the journal, syslog, as a Promtail configuration says.
    Ship(ShipArgs),
    /// Print the version.
    Version,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Configuration: a file, or a directory that holds prometheus-config.yaml or prometheus.yml.
    #[arg(long, value_name = "PATH", default_value = "observability", env = "AFFERENT_CONFIG")]
    pub(crate) config: PathBuf,

    /// Directory for everything that is stored. Made if it does not exist; one server at a time may use it.
    #[arg(long, value_name = "DIR", default_value = "./data", env = "AFFERENT_DATA")]
    pub(crate) data: PathBuf,

    /// Address of the web application and of every API. Only loopback addresses are accepted.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000", env = "AFFERENT_LISTEN", value_parser = parse_address)]
    pub(crate) listen: SocketAddr,

    /// Also answer on the ports of the systems that are replaced (9090 for Prometheus), where they are free.
    #[arg(long, value_name = "ON|OFF", default_value = "on", env = "AFFERENT_CLASSIC_PORTS")]
    pub(crate) classic_ports: Switch,

    /// Memory budget, such as 512MiB or 2GiB. At the limit, writes and queries are answered with "try again later".
    /// At least 128MiB. Default: 60 % of what the machine or the control group has.
    #[arg(long, value_name = "SIZE", env = "AFFERENT_MEMORY", value_parser = parse_size)]
    pub(crate) memory: Option<u64>,

    /// Bucket for finished blocks instead of the data directory: s3://bucket/path, gs://bucket/path, az://container/path.
    /// Blocks that lie in the data directory move there at the start.
    /// Credentials come from the environment (AWS_*, GOOGLE_*, AZURE_*) or from the machine's identity.
    #[arg(long, value_name = "URL", env = "AFFERENT_BLOCKS")]
    pub(crate) blocks: Option<String>,

    /// Disk space in the data directory for pieces of blocks that lie in a bucket.
    #[arg(long, value_name = "SIZE", default_value = "4GiB", env = "AFFERENT_BLOCKS_CACHE", value_parser = parse_size)]
    pub(crate) blocks_cache: u64,

    /// Receive syslog at this address, RFC 5424 and RFC 3164, over TCP and UDP. May be given several times. Whoever reaches the
    /// address can send: there is no login in syslog.
    #[arg(long, value_name = "ADDRESS", env = "AFFERENT_SYSLOG", value_delimiter = ',')]
    pub(crate) syslog: Vec<SocketAddr>,

    /// Samples that one query may hold in memory.
    #[arg(long = "query.max-samples", value_name = "N", default_value_t = 50_000_000)]
    pub(crate) query_max_samples: usize,

    /// Time that one query may take.
    #[arg(long = "query.timeout", value_name = "DURATION", default_value = "2m", value_parser = parse_duration)]
    pub(crate) query_timeout: Duration,

    /// Queries that may run at a time; a few more wait.
    #[arg(long = "query.max-concurrency", value_name = "N", default_value_t = 20)]
    pub(crate) query_max_concurrency: usize,

    /// Queries that take longer than this are written to the log.
    #[arg(long = "query.slow-threshold", value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    pub(crate) query_slow_threshold: Duration,

    /// How long a sample stays visible to a query after its time.
    #[arg(long = "query.lookback-delta", value_name = "DURATION", default_value = "5m", value_parser = parse_duration)]
    pub(crate) query_lookback_delta: Duration,

    /// Parts of PromQL that change what queries answer, and so are off by default, as in Prometheus; separated by commas:
    /// promql-delayed-name-removal, use-start-timestamps, type-and-unit-labels. Experimental functions and the like are
    /// always on. Of Alertmanager: classic-mode or utf8-strict-mode, how matchers of alerts are read.
    #[arg(long = "enable-feature", value_name = "NAME,...", value_delimiter = ',', value_parser = parse_feature)]
    pub(crate) features: Vec<Feature>,

    /// Regular expression for the origins whose pages may read the API.
    #[arg(long = "web.cors.origin", value_name = "REGEX", default_value = ".*")]
    pub(crate) cors_origin: String,

    /// A further host name under which the server answers, such as the name that a proxy on this machine passes on.
    /// May be given several times.
    #[arg(long = "web.allowed-host", value_name = "NAME")]
    pub(crate) allowed_hosts: Vec<String>,

    /// Let callers that come through a proxy or under another name of this machine delete series and take snapshots, too.
    #[arg(long = "web.enable-admin-api")]
    pub(crate) enable_admin_api: bool,

    /// Allow POST /-/quit to stop the server.
    #[arg(long = "web.enable-lifecycle")]
    pub(crate) enable_lifecycle: bool,
}

/// What `--enable-feature` turns on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    DelayedNameRemoval,
    StartTimestamps,
    TypeAndUnitLabels,
    /// Matchers and names of labels of alerts as Alertmanager had them before version 0.27.
    ClassicMode,
    /// Matchers of alerts in the newer syntax alone.
    Utf8StrictMode,
    /// A feature of Prometheus that is always on here.
    AlwaysOn(&'static str),
}

impl Feature {
    const ALWAYS_ON: [&str; 12] = [
        "created-timestamp-zero-ingestion",
        "exemplar-storage",
        "metadata-wal-records",
        "native-histograms",
        "otlp-deltatocumulative",
        "otlp-write-receiver",
        "promql-at-modifier",
        "promql-binop-fill-modifiers",
        "promql-duration-expr",
        "promql-experimental-functions",
        "promql-extended-range-selectors",
        "remote-write-receiver",
    ];

    /// Prometheus' or Alertmanager's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Feature::DelayedNameRemoval => "promql-delayed-name-removal",
            Feature::StartTimestamps => "use-start-timestamps",
            Feature::TypeAndUnitLabels => "type-and-unit-labels",
            Feature::ClassicMode => "classic-mode",
            Feature::Utf8StrictMode => "utf8-strict-mode",
            Feature::AlwaysOn(name) => name,
        }
    }
}

fn parse_feature(name: &str) -> Result<Feature, String> {
    let off = [
        Feature::DelayedNameRemoval,
        Feature::StartTimestamps,
        Feature::TypeAndUnitLabels,
        Feature::ClassicMode,
        Feature::Utf8StrictMode,
    ];
    let known = off.into_iter().chain(Feature::ALWAYS_ON.map(Feature::AlwaysOn));
    known.into_iter().find(|feature| feature.name() == name).ok_or_else(|| {
        let names = off.map(Feature::name).join(", ");
        format!("there is no such feature; those that can be turned on are {names}")
    })
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CheckWhat {
    /// Check configuration files of Prometheus, and of Loki (loki-config.yaml), and that the files which they name are there.
    /// Exit status 1 if any of them has an error.
    Config {
        /// Files, or directories that hold prometheus-config.yaml or prometheus.yml.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Check Prometheus rule files: form, expressions, templates, rules given twice. Exit status 1 if any has an error.
    Rules(CheckRulesArgs),
    /// Check Alertmanager configuration files: routes, matchers, receivers, times, templates. Exit status 1 if any has an error.
    Alertmanager {
        /// Files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TestRoutesArgs {
    /// Alertmanager configuration file.
    #[arg(long, value_name = "FILE", default_value = "observability/alertmanager-config.yaml")]
    pub(crate) config: PathBuf,

    /// Also print the way through the tree.
    #[arg(long)]
    pub(crate) tree: bool,

    /// Exit status 1 unless these are the receivers, in this order; separated by commas.
    #[arg(long = "verify.receivers", value_name = "NAME,...")]
    pub(crate) verify_receivers: Option<String>,

    /// Labels of an alert, each as name=value.
    #[arg(value_name = "LABEL")]
    pub(crate) labels: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckRulesArgs {
    /// Rule files.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Exit status 1 for rules given twice, too.
    #[arg(long)]
    pub(crate) lint_fatal: bool,

    /// The expressions are LogQL; so they are in a directory loki-rules without this.
    #[arg(long)]
    pub(crate) logql: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TestWhat {
    /// Say which receivers an alert with these labels would reach, as `amtool config routes test` does.
    Routes(TestRoutesArgs),
    /// Run unit tests of rules in promtool's format. Prints what is not as expected. Exit status 1 if anything is not.
    Rules {
        /// Files of tests.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,

        /// Run only tests whose name this pattern is found in. May be given several times.
        #[arg(long, value_name = "REGEX")]
        run: Vec<String>,
    },
    /// Run Prometheus' test language for PromQL (.test files): series, queries, and what they must answer. Prints each failure
    /// with its file and line, and last how many evaluations passed and failed. Exit status 1 if any failed.
    Promql {
        /// Files, or directories that hold .test files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum QueryLanguage {
    /// Evaluate a PromQL expression, at one instant or over a range of time.
    Promql(PromqlArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PromqlArgs {
    /// The expression, such as 'rate(node_cpu_seconds_total[5m])'.
    pub(crate) expr: String,

    #[command(flatten)]
    pub(crate) server: ServerArgs,

    /// When to evaluate: RFC 3339 or Unix seconds. Default: now.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["start", "end", "step"])]
    pub(crate) time: Option<String>,

    /// Begin of a range: RFC 3339 or Unix seconds.
    #[arg(long, value_name = "TIME", requires = "end")]
    pub(crate) start: Option<String>,

    /// End of a range.
    #[arg(long, value_name = "TIME", requires = "start")]
    pub(crate) end: Option<String>,

    /// Time between points of a range, such as 15s. Default: a hundredth of the range.
    #[arg(long, value_name = "DURATION", requires = "start")]
    pub(crate) step: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// Address of the server.
    #[arg(long, value_name = "URL", default_value = DEFAULT_SERVER, env = "AFFERENT_SERVER")]
    pub(crate) server: String,

    /// A table for people, or JSON for programs.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Output,
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let ms = parse_duration_ms(text).map_err(|e| e.to_string())?;
    match u64::try_from(ms) {
        Ok(ms) if ms > 0 => Ok(Duration::from_millis(ms)),
        _ => Err("a duration above zero is needed".to_owned()),
    }
}

/// `localhost` counts as 127.0.0.1, and a bare port as a port of it.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let numeric = text.replacen("localhost", "127.0.0.1", 1);
    let full = if numeric.starts_with(':') { format!("127.0.0.1{numeric}") } else { numeric };
    full.parse().map_err(|_| format!("{text:?} is not an address and a port, such as 127.0.0.1:3000 or [::1]:3000"))
}

/// Bytes, with decimal or binary units.
fn parse_size(text: &str) -> Result<u64, String> {
    let refuse = || format!("{text:?} is not a size; write it as 512MiB, 2GiB or 1.5GB");
    let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| refuse())?;
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(refuse()),
    };
    let bytes = number * factor as f64;
    if bytes >= 1.0 && bytes < u64::MAX as f64 { Ok(bytes as u64) } else { Err(refuse()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_and_addresses() {
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert_eq!(parse_size("1.5GB"), Ok(1_500_000_000));
        assert_eq!(parse_size("4096"), Ok(4096));
        for bad in ["", "GiB", "2XB", "-1GiB", "0", "1e3"] {
            assert!(parse_size(bad).is_err(), "{bad:?}");
        }
        assert_eq!(parse_address("localhost:80").unwrap().to_string(), "127.0.0.1:80");
        assert_eq!(parse_address(":80").unwrap().to_string(), "127.0.0.1:80");
        assert_eq!(parse_address("[::1]:80").unwrap().to_string(), "[::1]:80");
        assert!(parse_address("example.org:80").is_err());
    }

    #[test]
    fn instants_and_ranges_exclude_each_other() {
        let parse = |args: &[&str]| Cli::try_parse_from(["afferent", "query", "promql"].iter().chain(args)).is_ok();
        assert!(parse(&["up"]));
        assert!(parse(&["up", "--time", "1"]));
        assert!(parse(&["up", "--start", "1", "--end", "2", "--step", "1s"]));
        assert!(!parse(&["up", "--start", "1"]));
        assert!(!parse(&["up", "--time", "1", "--start", "1", "--end", "2"]));
        assert!(!parse(&[]));
    }
}
