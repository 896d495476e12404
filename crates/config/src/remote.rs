//! Other systems that a Prometheus configuration names: Alertmanagers, remote stores.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::discovery::DiscoveryConfigs;
use crate::http_client::HttpClientConfig;
use crate::is_false;
use crate::relabel::RelabelConfig;
use crate::scalar::{Millis, Url};
use crate::scrape::Scheme;

/// The section `alerting`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AlertingConfig {
    /// Rules over every alert's labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alert_relabel_configs: Vec<RelabelConfig>,
    /// Where alerts are sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alertmanagers: Vec<AlertmanagerConfig>,
}

/// One entry of `alerting.alertmanagers`. The API version is always `v2`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlertmanagerConfig {
    /// Scheme of the URL.
    pub scheme: Scheme,
    /// What stands before `/api/v2/alerts`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path_prefix: String,
    /// Time after which sending has failed. Default 10 s.
    pub timeout: Millis,
    /// Sources of addresses.
    #[serde(flatten)]
    pub discovery: DiscoveryConfigs,
    /// How they are reached.
    #[serde(flatten)]
    pub http: HttpClientConfig,
    /// Rules over the Alertmanager's labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relabel_configs: Vec<RelabelConfig>,
    /// Rules over the labels of alerts sent there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alert_relabel_configs: Vec<RelabelConfig>,
}

impl Default for AlertmanagerConfig {
    fn default() -> Self {
        AlertmanagerConfig {
            scheme: Scheme::Http,
            path_prefix: String::new(),
            timeout: Millis::from_secs(10),
            discovery: DiscoveryConfigs::default(),
            http: HttpClientConfig::default(),
            relabel_configs: Vec::new(),
            alert_relabel_configs: Vec::new(),
        }
    }
}

/// The message that remote write sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum RemoteWriteMessage {
    /// Remote write 1.0.
    #[default]
    #[serde(rename = "prometheus.WriteRequest")]
    V1,
    /// Remote write 2.0.
    #[serde(rename = "io.prometheus.write.v2.Request")]
    V2,
}

/// One entry of `remote_write`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RemoteWriteConfig {
    /// Where samples are sent.
    pub url: Url,
    /// Name in metrics and logs; unique where given.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Time after which a request has failed. Default 30 s.
    pub remote_timeout: Millis,
    /// Further headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Rules over the labels of samples sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write_relabel_configs: Vec<RelabelConfig>,
    /// Whether exemplars are sent.
    #[serde(skip_serializing_if = "is_false")]
    pub send_exemplars: bool,
    /// Whether native histograms are sent.
    #[serde(skip_serializing_if = "is_false")]
    pub send_native_histograms: bool,
    /// Whether connections go round all addresses of the name.
    #[serde(skip_serializing_if = "is_false")]
    pub round_robin_dns: bool,
    /// The message sent.
    pub protobuf_message: RemoteWriteMessage,
    /// How it is reached; HTTP/2 is off by default here.
    #[serde(flatten)]
    pub http: HttpClientConfig,
    /// Sharding and batching.
    pub queue_config: QueueConfig,
    /// Sending of metadata.
    pub metadata_config: MetadataConfig,
}

/// Sharding and batching of remote write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueConfig {
    /// Samples buffered per shard.
    pub capacity: u64,
    /// Most shards.
    pub max_shards: u64,
    /// Fewest shards.
    pub min_shards: u64,
    /// Samples in a request.
    pub max_samples_per_send: u64,
    /// Longest wait of a sample in the buffer.
    pub batch_send_deadline: Millis,
    /// First pause before a retry.
    pub min_backoff: Millis,
    /// Longest pause before a retry.
    pub max_backoff: Millis,
    /// Whether 429 is retried.
    #[serde(skip_serializing_if = "is_false")]
    pub retry_on_http_429: bool,
    /// Age above which samples are dropped; 0 keeps all.
    #[serde(skip_serializing_if = "Millis::is_zero")]
    pub sample_age_limit: Millis,
}

impl Default for QueueConfig {
    fn default() -> Self {
        QueueConfig {
            capacity: 10_000,
            max_shards: 50,
            min_shards: 1,
            max_samples_per_send: 2000,
            batch_send_deadline: Millis::from_secs(5),
            min_backoff: Millis(30),
            max_backoff: Millis::from_secs(5),
            retry_on_http_429: false,
            sample_age_limit: Millis(0),
        }
    }
}

/// Sending of metric metadata by remote write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MetadataConfig {
    /// Whether it is sent. Default true.
    pub send: bool,
    /// How often. Default 1 m.
    pub send_interval: Millis,
    /// Entries in a request.
    pub max_samples_per_send: u64,
}

impl Default for MetadataConfig {
    fn default() -> Self {
        MetadataConfig { send: true, send_interval: Millis::from_secs(60), max_samples_per_send: 2000 }
    }
}

/// One entry of `remote_read`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RemoteReadConfig {
    /// Where samples are asked for.
    pub url: Url,
    /// Name in metrics and logs; unique where given.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Time after which a request has failed. Default 1 m.
    pub remote_timeout: Millis,
    /// Bytes of one frame of a streamed answer.
    pub chunked_read_limit: u64,
    /// Further headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Whether it is asked for ranges that local storage should have in full.
    #[serde(skip_serializing_if = "is_false")]
    pub read_recent: bool,
    /// Labels that a selector must have for this store to be asked.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub required_matchers: BTreeMap<String, String>,
    /// Whether external labels are added to selectors. Default true.
    pub filter_external_labels: bool,
    /// How it is reached.
    #[serde(flatten)]
    pub http: HttpClientConfig,
}
