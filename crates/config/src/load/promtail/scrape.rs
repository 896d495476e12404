//! Scrape jobs: where lines come from.

use std::path::PathBuf;

use super::super::discovery::UNSUPPORTED;
use super::super::http_client::tls_config;
use super::super::relabel::relabel_configs;
use super::sections::{SERVER_IGNORED, label_names, listen, size, socket_address};
use super::{duration, notice, stages};
use crate::decode::{Context, Fields};
use crate::discovery::{FileSdConfig, StaticConfig};
use crate::promtail::{
    DockerSdConfig, JournalConfig, PushTargetConfig, ShipScrapeConfig, SyslogConfig, SyslogFormat, SyslogTransport,
};
use crate::scalar::{ByteSize, Millis};
use crate::scrape::NameValidation;
use crate::yaml::Node;

const KEYS: &[&str] = &[
    "job_name",
    "pipeline_stages",
    "relabel_configs",
    "static_configs",
    "file_sd_configs",
    "docker_sd_configs",
    "journal",
    "syslog",
    "loki_push_api",
    "stdin",
    "decompression",
    "encoding",
];
const IGNORED: &[&str] = &["entry_parser"];
/// Sources of Promtail that this system does not read.
const OTHERS: &[&str] = &[
    "windows_events",
    "gcplog",
    "azure_event_hubs",
    "kafka",
    "gelf",
    "cloudflare",
    "heroku_drain",
    "consulagent_sd_configs",
    "dns_sd_configs",
    "http_sd_configs",
];

pub(super) fn scrape_configs(f: &Fields<'_, '_>) -> Vec<ShipScrapeConfig> {
    let jobs = f.sections("scrape_configs", scrape_config);
    let mut seen: Vec<&str> = Vec::new();
    for job in &jobs {
        if !job.job_name.is_empty() && seen.contains(&job.job_name.as_str()) {
            f.problem("scrape_configs", format!("the job name {:?} is used twice", job.job_name));
        }
        seen.push(&job.job_name);
    }
    jobs
}

fn scrape_config(context: &Context<'_>, node: &Node, path: String) -> Option<ShipScrapeConfig> {
    let f = Fields::open(context, node, path, &[KEYS, IGNORED, OTHERS, UNSUPPORTED]);
    notice(&f, IGNORED);
    for (key, at) in f.given() {
        if OTHERS.contains(&key) || (UNSUPPORTED.contains(&key) && key != "docker_sd_configs") {
            f.context.problem(
                at,
                &f.key(key),
                "is not supported yet; use static_configs, file_sd_configs, docker_sd_configs, journal, syslog, \
                 loki_push_api or stdin",
            );
        }
    }
    f.read("encoding", "utf-8; other encodings are not supported", |text| {
        matches!(text.to_lowercase().as_str(), "" | "utf-8" | "utf8" | "ascii" | "us-ascii").then_some(())
    });
    decompression(&f);
    if f.is_mapping() && f.text_or_empty("job_name").is_empty() {
        f.problem("job_name", "must be set");
    }
    Some(ShipScrapeConfig {
        job_name: f.text_or_empty("job_name"),
        pipeline_stages: stages::stages(&f, "pipeline_stages"),
        relabel_configs: relabel_configs(&f, "relabel_configs", NameValidation::Legacy),
        static_configs: f.sections("static_configs", static_config),
        file_sd_configs: f.sections("file_sd_configs", file_sd),
        docker_sd_configs: f.sections("docker_sd_configs", docker_sd),
        journal: f.get("journal").map(|node| journal(context, node, f.key("journal"))),
        syslog: f.get("syslog").and_then(|node| syslog(context, node, f.key("syslog"))),
        push: f.get("loki_push_api").map(|node| push(context, node, f.key("loki_push_api"))),
        stdin: f.has("stdin").then(|| match f.get("stdin") {
            Some(node) => Fields::open(context, node, f.key("stdin"), &[&["labels"]]).text_map("labels"),
            None => Default::default(),
        }),
    })
}

/// Compressed files are known by their names and first bytes; the section only says that they are meant.
fn decompression(outer: &Fields<'_, '_>) {
    let Some(node) = outer.get("decompression") else { return };
    const IGNORED: &[&str] = &["enabled", "initial_delay", "initial_sleep"];
    let f = Fields::open(outer.context, node, outer.key("decompression"), &[&["format"], IGNORED]);
    f.read("format", "gz, bz2 or zst", |text| matches!(text, "" | "gz" | "bz2" | "zst" | "zstd").then_some(()));
}

fn static_config(context: &Context<'_>, node: &Node, path: String) -> Option<StaticConfig> {
    let f = Fields::open(context, node, path, &[&["targets", "labels"]]);
    let labels = f.text_map("labels");
    label_names(&f, "labels", labels.keys());
    Some(StaticConfig { targets: f.texts("targets"), labels })
}

fn file_sd(context: &Context<'_>, node: &Node, path: String) -> Option<FileSdConfig> {
    let f = Fields::open(context, node, path, &[&["files", "refresh_interval"]]);
    let files: Vec<PathBuf> = f.texts("files").iter().map(|file| context.resolve(file)).collect();
    if files.is_empty() {
        f.problem("files", "at least one path is needed");
    }
    let default = FileSdConfig::default().refresh_interval;
    Some(FileSdConfig { files, refresh_interval: duration(&f, "refresh_interval").unwrap_or(default) })
}

fn docker_sd(context: &Context<'_>, node: &Node, path: String) -> Option<DockerSdConfig> {
    const IGNORED: &[&str] = &["match_first_network", "follow_redirects", "enable_http2"];
    let f = Fields::open(
        context,
        node,
        path,
        &[&["host", "refresh_interval", "filters", "port", "host_networking_host"], IGNORED],
    );
    notice(&f, IGNORED);
    let host = f.text("host").unwrap_or_else(|| "unix:///var/run/docker.sock".into());
    let known = ["unix://", "tcp://", "http://"].iter().any(|scheme| host.starts_with(scheme));
    if !known {
        f.problem("host", "expected unix:///path/to/docker.sock, tcp://host:port or http://host:port");
    }
    let filters = f.sections("filters", |context, node, path| {
        let f = Fields::open(context, node, path, &[&["name", "values"]]);
        Some((f.text_or_empty("name"), f.texts("values")))
    });
    Some(DockerSdConfig {
        host,
        refresh_interval: duration(&f, "refresh_interval").filter(|i| !i.is_zero()).unwrap_or(Millis::from_secs(60)),
        filters,
        port: f.unsigned("port").unwrap_or(80),
        host_networking_host: f.text("host_networking_host").unwrap_or_else(|| "localhost".into()),
    })
}

fn journal(context: &Context<'_>, node: &Node, path: String) -> JournalConfig {
    let f = Fields::open(context, node, path, &[&["json", "max_age", "labels", "path", "matches"]]);
    let labels = f.text_map("labels");
    label_names(&f, "labels", labels.keys());
    let matches: Vec<String> = f.text_or_empty("matches").split_whitespace().map(str::to_owned).collect();
    if matches.iter().any(|m| !m.contains('=')) {
        f.problem("matches", "expected FIELD=value, several of them with blanks between");
    }
    JournalConfig {
        json: f.boolean("json").unwrap_or(false),
        max_age: duration(&f, "max_age").unwrap_or(Millis::from_secs(7 * 3600)),
        labels,
        path: f.text("path").filter(|path| !path.is_empty()).map(PathBuf::from),
        matches,
    }
}

fn syslog(context: &Context<'_>, node: &Node, path: String) -> Option<SyslogConfig> {
    const KEYS: &[&str] = &[
        "listen_address",
        "listen_protocol",
        "syslog_format",
        "idle_timeout",
        "label_structured_data",
        "labels",
        "use_incoming_timestamp",
        "use_rfc5424_message",
        "max_message_length",
        "tls_config",
    ];
    let f = Fields::open(context, node, path, &[KEYS]);
    let labels = f.text_map("labels");
    label_names(&f, "labels", labels.keys());
    let formats = [("rfc5424", SyslogFormat::Rfc5424), ("rfc3164", SyslogFormat::Rfc3164)];
    let transports = [("tcp", SyslogTransport::Tcp), ("udp", SyslogTransport::Udp)];
    let config = SyslogConfig {
        listen: f.read("listen_address", "host:port or :port", socket_address).unwrap_or_else(|| {
            if !f.has("listen_address") {
                f.problem("listen_address", "must be set, such as 127.0.0.1:1514");
            }
            std::net::SocketAddr::from(([127, 0, 0, 1], 0))
        }),
        transport: f.choice("listen_protocol", &transports).unwrap_or_default(),
        format: f.choice("syslog_format", &formats).unwrap_or_default(),
        idle_timeout: duration(&f, "idle_timeout").filter(|t| !t.is_zero()).unwrap_or(Millis::from_secs(120)),
        label_structured_data: f.boolean("label_structured_data").unwrap_or(false),
        metadata: false,
        labels,
        use_incoming_timestamp: f.boolean("use_incoming_timestamp").unwrap_or(false),
        use_rfc5424_message: f.boolean("use_rfc5424_message").unwrap_or(false),
        max_message_length: size(&f, "max_message_length").filter(|s| !s.is_zero()).map_or(8192, ByteSize::bytes),
        tls: f.get("tls_config").is_some().then(|| tls_config(&f, "tls_config")),
    };
    if config.transport == SyslogTransport::Udp && config.tls.is_some() {
        f.problem("tls_config", "needs listen_protocol: tcp");
    }
    Some(config)
}

fn push(context: &Context<'_>, node: &Node, path: String) -> PushTargetConfig {
    let f = Fields::open(context, node, path, &[&["server", "labels", "use_incoming_timestamp"]]);
    let labels = f.text_map("labels");
    label_names(&f, "labels", labels.keys());
    if f.get("server").is_none() {
        f.problem("server", "must be set, with http_listen_port");
    }
    let listen = f.get("server").map(|node| {
        let server = Fields::open(
            context,
            node,
            f.key("server"),
            &[&["http_listen_address", "http_listen_port"], SERVER_IGNORED],
        );
        notice(&server, SERVER_IGNORED);
        listen(&server, 3500)
    });
    PushTargetConfig {
        listen: listen.unwrap_or_else(|| std::net::SocketAddr::from(([127, 0, 0, 1], 3500))),
        labels,
        use_incoming_timestamp: f.boolean("use_incoming_timestamp").unwrap_or(false),
    }
}
