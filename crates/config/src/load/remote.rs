//! Alertmanagers and remote stores.

use crate::decode::{Context, Fields};
use crate::prometheus::GlobalConfig;
use crate::remote::{
    AlertingConfig, AlertmanagerConfig, MetadataConfig, QueueConfig, RemoteReadConfig, RemoteWriteConfig,
    RemoteWriteMessage,
};
use crate::scalar::Millis;
use crate::scrape::NameValidation;
use crate::yaml::Node;

use super::discovery::{self, discovery};
use super::http_client::{self, http_client, plain_headers};
use super::relabel::relabel_configs;
use super::scrape::SCHEMES;

/// Cloud sign-in of remote stores and Alertmanagers.
const CLOUD_KEYS: &[&str] = &["sigv4", "azuread", "google_iam"];

fn refuse_cloud_sign_in(f: &Fields<'_, '_>) {
    for (key, at) in f.given().filter(|(key, _)| CLOUD_KEYS.contains(key)) {
        f.context.problem(at, &f.key(key), "is not supported yet; use basic_auth, authorization or oauth2");
    }
}

/// The section `alerting`.
pub(super) fn alerting(context: &Context<'_>, node: &Node, path: &str, names: NameValidation) -> AlertingConfig {
    let f = Fields::open(context, node, path, &[&["alert_relabel_configs", "alertmanagers"]]);
    AlertingConfig {
        alert_relabel_configs: relabel_configs(&f, "alert_relabel_configs", names),
        alertmanagers: f.sections("alertmanagers", |context, node, path| alertmanager(context, node, path, names)),
    }
}

fn alertmanager(context: &Context<'_>, node: &Node, path: String, names: NameValidation) -> Option<AlertmanagerConfig> {
    const KEYS: &[&str] =
        &["scheme", "path_prefix", "timeout", "api_version", "relabel_configs", "alert_relabel_configs"];
    let f = Fields::open(
        context,
        node,
        path,
        &[KEYS, discovery::KEYS, http_client::KEYS, http_client::PROXY_KEYS, CLOUD_KEYS, discovery::UNSUPPORTED],
    );
    refuse_cloud_sign_in(&f);
    f.read("api_version", "v2, the only API of Alertmanager since 0.27", |text| (text == "v2").then_some(()));
    Some(AlertmanagerConfig {
        scheme: f.choice("scheme", &SCHEMES).unwrap_or_default(),
        path_prefix: f.text_or_empty("path_prefix"),
        timeout: f.duration("timeout").unwrap_or(Millis::from_secs(10)),
        discovery: discovery(&f),
        http: http_client(&f, true),
        relabel_configs: relabel_configs(&f, "relabel_configs", names),
        alert_relabel_configs: relabel_configs(&f, "alert_relabel_configs", names),
    })
}

/// One entry of `remote_write`.
pub(super) fn remote_write(
    context: &Context<'_>,
    node: &Node,
    path: String,
    global: &GlobalConfig,
) -> Option<RemoteWriteConfig> {
    const KEYS: &[&str] = &[
        "url",
        "name",
        "remote_timeout",
        "headers",
        "write_relabel_configs",
        "send_exemplars",
        "send_native_histograms",
        "round_robin_dns",
        "protobuf_message",
        "failed_request_logging",
        "queue_config",
        "metadata_config",
    ];
    const MESSAGES: [(&str, RemoteWriteMessage); 2] = [
        ("prometheus.WriteRequest", RemoteWriteMessage::V1),
        ("io.prometheus.write.v2.Request", RemoteWriteMessage::V2),
    ];
    let f = Fields::open(context, node, path, &[KEYS, http_client::KEYS, http_client::PROXY_KEYS, CLOUD_KEYS]);
    refuse_cloud_sign_in(&f);
    f.boolean("failed_request_logging");
    let url = required_url(&f);
    let name = f.text_or_empty("name");
    let remote_timeout = f.duration("remote_timeout").unwrap_or(Millis::from_secs(30));
    let headers = plain_headers(&f);
    let write_relabel_configs = relabel_configs(&f, "write_relabel_configs", global.metric_name_validation_scheme);
    let send_exemplars = f.boolean("send_exemplars").unwrap_or(false);
    let send_native_histograms = f.boolean("send_native_histograms").unwrap_or(false);
    let round_robin_dns = f.boolean("round_robin_dns").unwrap_or(false);
    let protobuf_message = f.choice("protobuf_message", &MESSAGES).unwrap_or_default();
    let http = http_client(&f, false);
    let queue_config = queue_config(&f);
    let metadata_config = metadata_config(&f);
    Some(RemoteWriteConfig {
        url: url?,
        name,
        remote_timeout,
        headers,
        write_relabel_configs,
        send_exemplars,
        send_native_histograms,
        round_robin_dns,
        protobuf_message,
        http,
        queue_config,
        metadata_config,
    })
}

fn required_url(f: &Fields<'_, '_>) -> Option<crate::Url> {
    if f.get("url").is_none() {
        f.problem("url", "must be set");
        return None;
    }
    f.url("url", &["http", "https"])
}

fn queue_config(outer: &Fields<'_, '_>) -> QueueConfig {
    const KEYS: &[&str] = &[
        "capacity",
        "max_shards",
        "min_shards",
        "max_samples_per_send",
        "batch_send_deadline",
        "min_backoff",
        "max_backoff",
        "retry_on_http_429",
        "sample_age_limit",
    ];
    let defaults = QueueConfig::default();
    let Some(node) = outer.get("queue_config") else { return defaults };
    let f = Fields::open(outer.context, node, outer.key("queue_config"), &[KEYS]);
    let positive = |key: &str, default: u64| {
        let value = f.unsigned(key).unwrap_or(default);
        if value == 0 {
            f.problem(key, "must be above 0");
        }
        value
    };
    let config = QueueConfig {
        capacity: positive("capacity", defaults.capacity),
        max_shards: positive("max_shards", defaults.max_shards),
        min_shards: positive("min_shards", defaults.min_shards),
        max_samples_per_send: positive("max_samples_per_send", defaults.max_samples_per_send),
        batch_send_deadline: f.duration("batch_send_deadline").unwrap_or(defaults.batch_send_deadline),
        min_backoff: f.duration("min_backoff").unwrap_or(defaults.min_backoff),
        max_backoff: f.duration("max_backoff").unwrap_or(defaults.max_backoff),
        retry_on_http_429: f.boolean("retry_on_http_429").unwrap_or(false),
        sample_age_limit: f.duration("sample_age_limit").unwrap_or_default(),
    };
    if config.min_shards > config.max_shards && config.max_shards > 0 {
        f.problem("min_shards", format!("is greater than max_shards ({})", config.max_shards));
    }
    if config.max_backoff < config.min_backoff {
        f.problem("max_backoff", format!("is less than min_backoff ({})", config.min_backoff));
    }
    config
}

fn metadata_config(outer: &Fields<'_, '_>) -> MetadataConfig {
    let defaults = MetadataConfig::default();
    let Some(node) = outer.get("metadata_config") else { return defaults };
    let f = Fields::open(
        outer.context,
        node,
        outer.key("metadata_config"),
        &[&["send", "send_interval", "max_samples_per_send"]],
    );
    MetadataConfig {
        send: f.boolean("send").unwrap_or(true),
        send_interval: f.duration("send_interval").unwrap_or(defaults.send_interval),
        max_samples_per_send: f.unsigned("max_samples_per_send").unwrap_or(defaults.max_samples_per_send),
    }
}

/// One entry of `remote_read`.
pub(super) fn remote_read(context: &Context<'_>, node: &Node, path: String) -> Option<RemoteReadConfig> {
    const KEYS: &[&str] = &[
        "url",
        "name",
        "remote_timeout",
        "chunked_read_limit",
        "headers",
        "read_recent",
        "required_matchers",
        "filter_external_labels",
    ];
    let f = Fields::open(context, node, path, &[KEYS, http_client::KEYS, http_client::PROXY_KEYS]);
    let url = required_url(&f);
    let name = f.text_or_empty("name");
    let remote_timeout = f.duration("remote_timeout").unwrap_or(Millis::from_secs(60));
    let chunked_read_limit = f.unsigned("chunked_read_limit").unwrap_or(50_000_000);
    let headers = plain_headers(&f);
    let read_recent = f.boolean("read_recent").unwrap_or(false);
    let required_matchers = f.text_map("required_matchers");
    let filter_external_labels = f.boolean("filter_external_labels").unwrap_or(true);
    let http = http_client(&f, true);
    Some(RemoteReadConfig {
        url: url?,
        name,
        remote_timeout,
        chunked_read_limit,
        headers,
        read_recent,
        required_matchers,
        filter_external_labels,
        http,
    })
}
