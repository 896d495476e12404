//! Everything but scrape jobs and stages.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::super::http_client::{self, http_client, plain_headers};
use super::{duration, notice};
use crate::decode::{Context, Fields};
use crate::promtail::{
    BufferConfig, PositionsConfig, ReadlineRate, ShipClientConfig, ShipLimits, ShipServerConfig, TargetConfig,
};
use crate::scalar::{ByteSize, Millis};
use crate::yaml::Node;

/// Keys of `server` in Promtail and in the receivers that carry one, which say nothing to this server.
pub(super) const SERVER_IGNORED: &[&str] = &[
    "profiling_enabled",
    "register_instrumentation",
    "graceful_shutdown_timeout",
    "http_server_read_timeout",
    "http_server_write_timeout",
    "http_server_idle_timeout",
    "http_listen_network",
    "http_listen_conn_limit",
    "http_path_prefix",
    "grpc_listen_address",
    "grpc_listen_port",
    "grpc_listen_network",
    "grpc_listen_conn_limit",
    "grpc_server_max_recv_msg_size",
    "grpc_server_max_send_msg_size",
    "grpc_server_max_concurrent_streams",
    "log_level",
    "log_format",
    "log_source_ips_enabled",
    "external_url",
    "health_check_target",
    "enable_runtime_reload",
    "reload",
];

pub(super) fn server(outer: &Fields<'_, '_>) -> ShipServerConfig {
    let defaults = ShipServerConfig::default();
    let Some(node) = outer.get("server") else { return defaults };
    let f = Fields::open(
        outer.context,
        node,
        outer.key("server"),
        &[&["disable", "http_listen_address", "http_listen_port"], SERVER_IGNORED],
    );
    notice(&f, SERVER_IGNORED);
    ShipServerConfig { enabled: !f.boolean("disable").unwrap_or(false), listen: listen(&f, defaults.listen.port()) }
}

/// `http_listen_address` and `http_listen_port`; loopback where no address is given.
pub(super) fn listen(f: &Fields<'_, '_>, default_port: u16) -> SocketAddr {
    let port = f.read("http_listen_port", "a port, 0 to 65535", |text| text.parse().ok());
    let address = f.read("http_listen_address", "an IP address or localhost", ip_address);
    SocketAddr::new(address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), port.unwrap_or(default_port))
}

fn ip_address(text: &str) -> Option<IpAddr> {
    match text {
        "" | "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        text => text.trim_start_matches('[').trim_end_matches(']').parse().ok(),
    }
}

/// `host:port`; no host means every address.
pub(super) fn socket_address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.rsplit_once(':')?;
    let host = if host.is_empty() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { ip_address(host)? };
    Some(SocketAddr::new(host, port.parse().ok()?))
}

/// A number of bytes, with or without a unit.
pub(super) fn size(f: &Fields<'_, '_>, key: &str) -> Option<ByteSize> {
    f.read(key, "a number of bytes, or a size such as 256KB or 1MiB (powers of 1024)", |text| {
        let plain = text.replace('_', "");
        if let Ok(bytes) = plain.parse() {
            Some(ByteSize(bytes))
        } else {
            ByteSize::parse(&text.to_uppercase().replace("IB", "iB"))
        }
    })
}

pub(super) fn client(context: &Context<'_>, node: &Node, path: String) -> Option<ShipClientConfig> {
    const KEYS: &[&str] = &[
        "url",
        "name",
        "batchwait",
        "batchsize",
        "backoff_config",
        "external_labels",
        "tenant_id",
        "timeout",
        "headers",
        "drop_rate_limited_batches",
    ];
    const IGNORED: &[&str] = &["stream_lag_labels"];
    let f = Fields::open(context, node, path, &[KEYS, IGNORED, http_client::KEYS, http_client::PROXY_KEYS]);
    notice(&f, IGNORED);
    let (min_backoff, max_backoff) = backoff(&f);
    let batchsize = size(&f, "batchsize").map_or(1 << 20, ByteSize::bytes);
    if batchsize == 0 || batchsize > MOST_BATCH {
        f.problem("batchsize", format!("must be above 0 and at most {MOST_BATCH} bytes"));
    }
    let tenant_id = f.text("tenant_id").filter(|tenant| !tenant.is_empty());
    if let Some(tenant) = &tenant_id
        && let Err(error) = model::Tenant::new(tenant)
    {
        f.problem("tenant_id", error.to_string());
    }
    let external_labels = f.text_map("external_labels");
    label_names(&f, "external_labels", external_labels.keys());
    let http = http_client(&f, true);
    if http.oauth2.is_some() {
        f.problem("oauth2", "is not supported yet; use basic_auth, authorization or bearer_token");
    }
    let headers = plain_headers(&f);
    let batchwait = duration(&f, "batchwait").unwrap_or(Millis::from_secs(1));
    if !f.has("url") {
        f.problem("url", "must be set, such as http://localhost:3100/loki/api/v1/push");
        return None;
    }
    Some(ShipClientConfig {
        url: f.url("url", &["http", "https"])?,
        name: f.text_or_empty("name"),
        batchwait,
        batchsize,
        min_backoff,
        max_backoff,
        external_labels,
        tenant_id,
        timeout: duration(&f, "timeout").filter(|t| !t.is_zero()).unwrap_or(Millis::from_secs(10)),
        headers,
        drop_rate_limited_batches: f.boolean("drop_rate_limited_batches").unwrap_or(false),
        http,
    })
}

/// A batch is held in memory a few times; 16 MiB is far beyond what receivers take.
const MOST_BATCH: u64 = 16 << 20;

fn backoff(outer: &Fields<'_, '_>) -> (Millis, Millis) {
    let defaults = (Millis(500), Millis::from_secs(300));
    let Some(node) = outer.get("backoff_config") else { return defaults };
    let f = Fields::open(
        outer.context,
        node,
        outer.key("backoff_config"),
        &[&["min_period", "max_period"], &["max_retries"]],
    );
    if f.has("max_retries") {
        f.unsigned("max_retries");
        let at = f.place("max_retries");
        f.context.warning(at, &f.key("max_retries"), "is ignored: a batch is sent again until it is taken");
    }
    let min = duration(&f, "min_period").filter(|period| !period.is_zero()).unwrap_or(defaults.0);
    let max = duration(&f, "max_period").filter(|period| !period.is_zero()).unwrap_or(defaults.1);
    if max < min {
        f.problem("max_period", "is below min_period");
    }
    (min, max)
}

pub(super) fn label_names<'a>(f: &Fields<'_, '_>, key: &str, names: impl Iterator<Item = &'a String>) {
    for name in names.filter(|name| !model::is_valid_legacy_label_name(name)) {
        f.problem(key, format!("{name:?} is not a valid label name"));
    }
}

pub(super) fn positions(outer: &Fields<'_, '_>) -> PositionsConfig {
    let defaults = PositionsConfig::default();
    let Some(node) = outer.get("positions") else { return defaults };
    const IGNORED: &[&str] = &["pattern"];
    let f = Fields::open(
        outer.context,
        node,
        outer.key("positions"),
        &[&["filename", "sync_period", "ignore_invalid_yaml"], IGNORED],
    );
    notice(&f, IGNORED);
    PositionsConfig {
        filename: f.text("filename").filter(|name| !name.is_empty()).map_or(defaults.filename, PathBuf::from),
        sync_period: duration(&f, "sync_period").filter(|p| !p.is_zero()).unwrap_or(defaults.sync_period),
        ignore_invalid_yaml: f.boolean("ignore_invalid_yaml").unwrap_or(false),
    }
}

pub(super) fn target_config(outer: &Fields<'_, '_>) -> TargetConfig {
    let defaults = TargetConfig::default();
    let Some(node) = outer.get("target_config") else { return defaults };
    const IGNORED: &[&str] = &["stdin"];
    let f = Fields::open(outer.context, node, outer.key("target_config"), &[&["sync_period"], IGNORED]);
    notice(&f, IGNORED);
    TargetConfig { sync_period: duration(&f, "sync_period").filter(|p| !p.is_zero()).unwrap_or(defaults.sync_period) }
}

pub(super) fn limits(outer: &Fields<'_, '_>) -> ShipLimits {
    let Some(node) = outer.get("limits_config") else { return ShipLimits::default() };
    const KEYS: &[&str] = &[
        "readline_rate",
        "readline_burst",
        "readline_rate_enabled",
        "readline_rate_drop",
        "max_line_size",
        "max_line_size_truncate",
    ];
    const IGNORED: &[&str] = &["max_streams"];
    let f = Fields::open(outer.context, node, outer.key("limits_config"), &[KEYS, IGNORED]);
    notice(&f, IGNORED);
    let rate = ReadlineRate {
        rate: f.float("readline_rate").unwrap_or(10_000.0),
        burst: f.unsigned("readline_burst").unwrap_or(10_000),
        drop: f.boolean("readline_rate_drop").unwrap_or(true),
    };
    if rate.rate <= 0.0 || rate.burst == 0 {
        f.problem("readline_rate", "rate and burst must be above 0");
    }
    ShipLimits {
        readline_rate: f.boolean("readline_rate_enabled").unwrap_or(false).then_some(rate),
        max_line_size: size(&f, "max_line_size").unwrap_or_default(),
        max_line_size_truncate: f.boolean("max_line_size_truncate").unwrap_or(false),
    }
}

pub(super) fn buffer(outer: &Fields<'_, '_>) -> BufferConfig {
    let defaults = BufferConfig::default();
    let Some(node) = outer.get("wal") else { return defaults };
    const IGNORED: &[&str] = &["enabled", "max_segment_age", "cleaner", "watch_config"];
    let f = Fields::open(outer.context, node, outer.key("wal"), &[&["dir", "max_size"], IGNORED]);
    notice(&f, IGNORED);
    let max_size = size(&f, "max_size").unwrap_or(defaults.max_size);
    if max_size.bytes() < LEAST_BUFFER {
        f.problem("max_size", format!("must be at least {}", ByteSize(LEAST_BUFFER)));
    }
    BufferConfig { dir: f.text("dir").filter(|dir| !dir.is_empty()).map(PathBuf::from), max_size }
}

/// A few segments of the buffer.
const LEAST_BUFFER: u64 = 1 << 20;
