//! The whole of a Prometheus 3.x configuration file as plain data.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::Labels;
use serde::Serialize;

use crate::http_client::TlsConfig;
use crate::limits::LimitsConfig;
use crate::remote::{AlertingConfig, RemoteReadConfig, RemoteWriteConfig};
use crate::retention::RetentionRule;
use crate::scalar::{ByteSize, Millis, Secret};
use crate::scrape::{NameEscaping, NameValidation, ScrapeConfig, ScrapeProtocol};
use crate::{is_default, is_false, is_zero_f64, is_zero_u64};

/// A Prometheus configuration file.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PrometheusConfig {
    /// Defaults of all jobs.
    pub global: GlobalConfig,
    /// Settings of the process.
    #[serde(skip_serializing_if = "is_default")]
    pub runtime: RuntimeConfig,
    /// Where alerts are sent.
    #[serde(skip_serializing_if = "is_default")]
    pub alerting: AlertingConfig,
    /// Rule files; the last part may hold `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rule_files: Vec<PathBuf>,
    /// Files with further jobs; the last part may hold `*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scrape_config_files: Vec<PathBuf>,
    /// Jobs of the file itself; [`PrometheusConfig::all_scrape_configs`] adds those of `scrape_config_files`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scrape_configs: Vec<ScrapeConfig>,
    /// Jobs found in `scrape_config_files`, in the order of the files.
    #[serde(skip)]
    pub included_scrape_configs: Vec<ScrapeConfig>,
    /// Storage settings.
    pub storage: StorageConfig,
    /// Keeping and thinning by selector; Prometheus does not have it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retention: Vec<RetentionRule>,
    /// What each tenant may send; Prometheus does not have it.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: LimitsConfig,
    /// Where the process sends its own traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing: Option<TracingConfig>,
    /// Remote stores written to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remote_write: Vec<RemoteWriteConfig>,
    /// Remote stores read from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remote_read: Vec<RemoteReadConfig>,
    /// Translation of OpenTelemetry metrics.
    pub otlp: OtlpConfig,
}

impl PrometheusConfig {
    /// All jobs: those of the file, then those of `scrape_config_files`. Names are unique among them.
    pub fn all_scrape_configs(&self) -> impl Iterator<Item = &ScrapeConfig> {
        self.scrape_configs.iter().chain(&self.included_scrape_configs)
    }
}

/// The section `global`: defaults of all jobs. All limits: 0 means no limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GlobalConfig {
    /// Time between scrapes. Default 1 m.
    pub scrape_interval: Millis,
    /// Time after which a scrape has failed. Default 10 s, or the interval where that is shorter.
    pub scrape_timeout: Millis,
    /// Formats to negotiate; `None` lets each job choose by whether it scrapes native histograms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scrape_protocols: Option<Vec<ScrapeProtocol>>,
    /// Time between evaluations of a rule group. Default 1 m.
    pub evaluation_interval: Millis,
    /// How far into the past rules are evaluated. Default 0 s.
    #[serde(skip_serializing_if = "Millis::is_zero")]
    pub rule_query_offset: Millis,
    /// File to which queries are logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_log_file: Option<PathBuf>,
    /// File to which failed scrapes are logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scrape_failure_log_file: Option<PathBuf>,
    /// Labels added to what leaves this system: alerts, remote write, federation.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub external_labels: Labels,
    /// Uncompressed bytes of an answer.
    #[serde(skip_serializing_if = "ByteSize::is_zero")]
    pub body_size_limit: ByteSize,
    /// Samples of a scrape.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub sample_limit: u64,
    /// Targets of a job.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub target_limit: u64,
    /// Labels of a sample.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub label_limit: u64,
    /// Bytes of a label name.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub label_name_length_limit: u64,
    /// Bytes of a label value.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub label_value_length_limit: u64,
    /// Dropped targets remembered per job.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub keep_dropped_targets: u64,
    /// Which names are valid.
    pub metric_name_validation_scheme: NameValidation,
    /// Which escaping is asked for; `None` follows the validation scheme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_name_escaping_scheme: Option<NameEscaping>,
    /// Whether native histograms are stored.
    pub scrape_native_histograms: bool,
    /// Whether classic histograms become native ones with custom buckets.
    #[serde(skip_serializing_if = "is_false")]
    pub convert_classic_histograms_to_nhcb: bool,
    /// Whether classic buckets are stored beside native ones.
    #[serde(skip_serializing_if = "is_false")]
    pub always_scrape_classic_histograms: bool,
    /// Whether the extra series about each scrape are stored.
    pub extra_scrape_metrics: bool,
}

impl Default for GlobalConfig {
    fn default() -> Self {
        GlobalConfig {
            scrape_interval: Millis::from_secs(60),
            scrape_timeout: Millis::from_secs(10),
            scrape_protocols: None,
            evaluation_interval: Millis::from_secs(60),
            rule_query_offset: Millis(0),
            query_log_file: None,
            scrape_failure_log_file: None,
            external_labels: Labels::empty(),
            body_size_limit: ByteSize(0),
            sample_limit: 0,
            target_limit: 0,
            label_limit: 0,
            label_name_length_limit: 0,
            label_value_length_limit: 0,
            keep_dropped_targets: 0,
            metric_name_validation_scheme: NameValidation::Utf8,
            metric_name_escaping_scheme: None,
            scrape_native_histograms: false,
            convert_classic_histograms_to_nhcb: false,
            always_scrape_classic_histograms: false,
            extra_scrape_metrics: false,
        }
    }
}

/// The section `runtime`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RuntimeConfig {
    /// Percentage for Go's garbage collector; kept so that files load, without effect here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gogc: Option<i64>,
}

/// The section `storage`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StorageConfig {
    /// Samples.
    #[serde(skip_serializing_if = "is_default")]
    pub tsdb: TsdbConfig,
    /// Exemplars.
    pub exemplars: ExemplarsConfig,
}

/// The section `storage.tsdb`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TsdbConfig {
    /// How far behind the newest sample of a series one is still accepted; `None` where not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_of_order_time_window: Option<Millis>,
    /// Share of stale series that starts their compaction; 0 where not set.
    #[serde(skip_serializing_if = "is_zero_f64")]
    pub stale_series_compaction_threshold: f64,
    /// How long and how much is kept.
    #[serde(skip_serializing_if = "is_default")]
    pub retention: RetentionConfig,
}

/// The section `storage.tsdb.retention`. 0 means not set.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RetentionConfig {
    /// Age above which samples are deleted.
    #[serde(skip_serializing_if = "Millis::is_zero")]
    pub time: Millis,
    /// Bytes above which the oldest blocks are deleted.
    #[serde(skip_serializing_if = "ByteSize::is_zero")]
    pub size: ByteSize,
    /// Percentage of the disk above which the oldest blocks are deleted, 0 to 100.
    #[serde(skip_serializing_if = "is_zero_f64")]
    pub percentage: f64,
}

/// The section `storage.exemplars`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExemplarsConfig {
    /// Exemplars kept in memory; 0 or less keeps none. Default 100,000.
    pub max_exemplars: i64,
}

impl Default for ExemplarsConfig {
    fn default() -> Self {
        ExemplarsConfig { max_exemplars: 100_000 }
    }
}

/// How traces travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TracingClient {
    /// OTLP over gRPC, the default.
    #[default]
    Grpc,
    /// OTLP over HTTP.
    Http,
}

/// How traces are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TracingCompression {
    /// gzip
    Gzip,
}

/// The section `tracing`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TracingConfig {
    /// How traces travel.
    pub client_type: TracingClient,
    /// `host:port`.
    pub endpoint: String,
    /// Share of traces kept, 0 to 1.
    #[serde(skip_serializing_if = "is_zero_f64")]
    pub sampling_fraction: f64,
    /// Without TLS.
    #[serde(skip_serializing_if = "is_false")]
    pub insecure: bool,
    /// Certificates.
    #[serde(skip_serializing_if = "is_default")]
    pub tls_config: TlsConfig,
    /// Further headers; shown as secrets, because they often are.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Secret>,
    /// How requests are compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<TracingCompression>,
    /// Time after which a request has failed.
    #[serde(skip_serializing_if = "Millis::is_zero")]
    pub timeout: Millis,
}

/// How OpenTelemetry names become Prometheus names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum TranslationStrategy {
    /// Other characters become `_`, and unit and type are appended. The default.
    #[default]
    UnderscoreEscapingWithSuffixes,
    /// Other characters become `_`, nothing is appended.
    UnderscoreEscapingWithoutSuffixes,
    /// Names stay, unit and type are appended.
    NoUTF8EscapingWithSuffixes,
    /// Names stay as they are.
    NoTranslation,
}

/// The section `otlp`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OtlpConfig {
    /// Whether every resource attribute becomes a label.
    #[serde(skip_serializing_if = "is_false")]
    pub promote_all_resource_attributes: bool,
    /// Resource attributes that become labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub promote_resource_attributes: Vec<String>,
    /// Resource attributes left out where all are promoted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore_resource_attributes: Vec<String>,
    /// How names are translated.
    pub translation_strategy: TranslationStrategy,
    /// Whether `service.name` and the like are kept in `target_info` too.
    #[serde(skip_serializing_if = "is_false")]
    pub keep_identifying_resource_attributes: bool,
    /// Whether explicit-bucket histograms become native ones with custom buckets.
    #[serde(skip_serializing_if = "is_false")]
    pub convert_histograms_to_nhcb: bool,
    /// Whether the scope's name, version and attributes become labels.
    #[serde(skip_serializing_if = "is_false")]
    pub promote_scope_metadata: bool,
    /// Whether `key` is put before label names that start with `_`. Default true.
    pub label_name_underscore_sanitization: bool,
    /// Whether `__` inside label names stays. Default true.
    pub label_name_preserve_multiple_underscores: bool,
}

impl Default for OtlpConfig {
    fn default() -> Self {
        OtlpConfig {
            promote_all_resource_attributes: false,
            promote_resource_attributes: Vec::new(),
            ignore_resource_attributes: Vec::new(),
            translation_strategy: TranslationStrategy::default(),
            keep_identifying_resource_attributes: false,
            convert_histograms_to_nhcb: false,
            promote_scope_metadata: false,
            label_name_underscore_sanitization: true,
            label_name_preserve_multiple_underscores: true,
        }
    }
}
