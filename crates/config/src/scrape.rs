//! One scrape job, complete: after loading, everything that `global` gives is filled in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::discovery::DiscoveryConfigs;
use crate::http_client::HttpClientConfig;
use crate::relabel::RelabelConfig;
use crate::scalar::{ByteSize, Millis};
use crate::{is_false, is_zero_f64, is_zero_u64};

/// An exposition format that a scrape may negotiate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum ScrapeProtocol {
    /// Delimited protobuf, the only one with native histograms.
    PrometheusProto,
    /// OpenMetrics 1.0.0 text.
    #[serde(rename = "OpenMetricsText1.0.0")]
    OpenMetricsText1_0_0,
    /// OpenMetrics 0.0.1 text.
    #[serde(rename = "OpenMetricsText0.0.1")]
    OpenMetricsText0_0_1,
    /// Prometheus text 1.0.0: quoted UTF-8 names.
    #[serde(rename = "PrometheusText1.0.0")]
    PrometheusText1_0_0,
    /// Prometheus text 0.0.4.
    #[serde(rename = "PrometheusText0.0.4")]
    PrometheusText0_0_4,
}

impl ScrapeProtocol {
    /// All protocols, most wanted first: the order used where native histograms are scraped.
    pub const PROTO_FIRST: [ScrapeProtocol; 5] = [
        ScrapeProtocol::PrometheusProto,
        ScrapeProtocol::OpenMetricsText1_0_0,
        ScrapeProtocol::OpenMetricsText0_0_1,
        ScrapeProtocol::PrometheusText1_0_0,
        ScrapeProtocol::PrometheusText0_0_4,
    ];

    /// The default order.
    pub const TEXT_FIRST: [ScrapeProtocol; 4] = [
        ScrapeProtocol::OpenMetricsText1_0_0,
        ScrapeProtocol::OpenMetricsText0_0_1,
        ScrapeProtocol::PrometheusText1_0_0,
        ScrapeProtocol::PrometheusText0_0_4,
    ];

    /// The name as written in the file (case-sensitive).
    pub fn as_str(self) -> &'static str {
        match self {
            ScrapeProtocol::PrometheusProto => "PrometheusProto",
            ScrapeProtocol::OpenMetricsText1_0_0 => "OpenMetricsText1.0.0",
            ScrapeProtocol::OpenMetricsText0_0_1 => "OpenMetricsText0.0.1",
            ScrapeProtocol::PrometheusText1_0_0 => "PrometheusText1.0.0",
            ScrapeProtocol::PrometheusText0_0_4 => "PrometheusText0.0.4",
        }
    }

    /// The media type asked for in `Accept`.
    pub fn media_type(self) -> &'static str {
        match self {
            ScrapeProtocol::PrometheusProto => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
            ScrapeProtocol::OpenMetricsText1_0_0 => "application/openmetrics-text;version=1.0.0",
            ScrapeProtocol::OpenMetricsText0_0_1 => "application/openmetrics-text;version=0.0.1",
            ScrapeProtocol::PrometheusText1_0_0 => "text/plain;version=1.0.0",
            ScrapeProtocol::PrometheusText0_0_4 => "text/plain;version=0.0.4",
        }
    }
}

/// Which metric and label names are valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NameValidation {
    /// Any non-empty UTF-8.
    #[default]
    Utf8,
    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`.
    Legacy,
}

impl NameValidation {
    /// True where a label may have this name.
    pub fn is_valid_label_name(self, name: &str) -> bool {
        match self {
            NameValidation::Utf8 => !name.is_empty(),
            NameValidation::Legacy => model::is_valid_legacy_label_name(name),
        }
    }
}

/// How a target is asked to escape names that are not classic ones; sent as `escaping=` in `Accept`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NameEscaping {
    /// Not at all.
    #[default]
    #[serde(rename = "allow-utf-8")]
    AllowUtf8,
    /// Other characters become `_`.
    Underscores,
    /// `.` becomes `_dot_`, `_` becomes `__`.
    Dots,
    /// `U__` and hexadecimal code points.
    Values,
}

impl NameEscaping {
    /// All schemes.
    pub const ALL: [NameEscaping; 4] =
        [NameEscaping::AllowUtf8, NameEscaping::Underscores, NameEscaping::Dots, NameEscaping::Values];

    /// The name as written in the file and in `Accept`.
    pub fn as_str(self) -> &'static str {
        match self {
            NameEscaping::AllowUtf8 => "allow-utf-8",
            NameEscaping::Underscores => "underscores",
            NameEscaping::Dots => "dots",
            NameEscaping::Values => "values",
        }
    }
}

/// The scheme of a target's URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// `http`, the default.
    #[default]
    Http,
    /// `https`.
    Https,
}

impl Scheme {
    /// The name as written in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// One entry of `scrape_configs`. All limits: 0 means no limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScrapeConfig {
    /// The value of the label `job`; unique among all jobs.
    pub job_name: String,
    /// Whether the target's own labels win over `job`, `instance` and the like. Default false.
    #[serde(skip_serializing_if = "is_false")]
    pub honor_labels: bool,
    /// Whether the target's timestamps are used. Default true.
    pub honor_timestamps: bool,
    /// Whether series with their own timestamps get staleness markers. Default false.
    pub track_timestamps_staleness: bool,
    /// Query parameters of the scrape.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Vec<String>>,
    /// Time between scrapes.
    pub scrape_interval: Millis,
    /// Time after which a scrape has failed; at most the interval.
    pub scrape_timeout: Millis,
    /// Formats to negotiate, most wanted first; never empty.
    pub scrape_protocols: Vec<ScrapeProtocol>,
    /// The format assumed where the target's content type says nothing usable; without it such a scrape fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_scrape_protocol: Option<ScrapeProtocol>,
    /// Whether native histograms are stored. Default false.
    pub scrape_native_histograms: bool,
    /// Whether classic buckets are stored beside native ones. Default false.
    pub always_scrape_classic_histograms: bool,
    /// Whether classic histograms become native ones with custom buckets. Default false.
    pub convert_classic_histograms_to_nhcb: bool,
    /// File to which failed scrapes are logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scrape_failure_log_file: Option<PathBuf>,
    /// Path of the scrape. Default `/metrics`.
    pub metrics_path: String,
    /// Scheme of the scrape.
    pub scheme: Scheme,
    /// Whether a gzip answer is asked for. Default true.
    pub enable_compression: bool,
    /// Uncompressed bytes of an answer, above which the scrape fails.
    #[serde(skip_serializing_if = "ByteSize::is_zero")]
    pub body_size_limit: ByteSize,
    /// Samples left after relabelling, above which the scrape fails.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub sample_limit: u64,
    /// Targets left after relabelling, above which all scrapes of the job fail.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub target_limit: u64,
    /// Labels of a sample, above which the scrape fails.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub label_limit: u64,
    /// Bytes of a label name, above which the scrape fails.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub label_name_length_limit: u64,
    /// Bytes of a label value, above which the scrape fails.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub label_value_length_limit: u64,
    /// Buckets of a native histogram, above which neighbours are merged.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub native_histogram_bucket_limit: u64,
    /// Growth factor of a native histogram's buckets, below which neighbours are merged.
    #[serde(skip_serializing_if = "is_zero_f64")]
    pub native_histogram_min_bucket_factor: f64,
    /// Dropped targets remembered for the targets page.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub keep_dropped_targets: u64,
    /// Which names are valid.
    pub metric_name_validation_scheme: NameValidation,
    /// Which escaping is asked for.
    pub metric_name_escaping_scheme: NameEscaping,
    /// Whether `scrape_timeout_seconds`, `scrape_sample_limit` and `scrape_body_size_bytes` are stored too. Default false.
    pub extra_scrape_metrics: bool,
    /// Sources of targets.
    #[serde(flatten)]
    pub discovery: DiscoveryConfigs,
    /// How targets are reached.
    #[serde(flatten)]
    pub http: HttpClientConfig,
    /// Rules over a target's labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relabel_configs: Vec<RelabelConfig>,
    /// Rules over each sample's labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metric_relabel_configs: Vec<RelabelConfig>,
}

impl Default for ScrapeConfig {
    /// An unnamed job under the default `global` section: every minute with a timeout of 10 s.
    fn default() -> Self {
        ScrapeConfig {
            job_name: String::new(),
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            params: BTreeMap::new(),
            scrape_interval: Millis::from_secs(60),
            scrape_timeout: Millis::from_secs(10),
            scrape_protocols: ScrapeProtocol::TEXT_FIRST.to_vec(),
            fallback_scrape_protocol: None,
            scrape_native_histograms: false,
            always_scrape_classic_histograms: false,
            convert_classic_histograms_to_nhcb: false,
            scrape_failure_log_file: None,
            metrics_path: "/metrics".into(),
            scheme: Scheme::Http,
            enable_compression: true,
            body_size_limit: ByteSize(0),
            sample_limit: 0,
            target_limit: 0,
            label_limit: 0,
            label_name_length_limit: 0,
            label_value_length_limit: 0,
            native_histogram_bucket_limit: 0,
            native_histogram_min_bucket_factor: 0.0,
            keep_dropped_targets: 0,
            metric_name_validation_scheme: NameValidation::Utf8,
            metric_name_escaping_scheme: NameEscaping::AllowUtf8,
            extra_scrape_metrics: false,
            discovery: DiscoveryConfigs::default(),
            http: HttpClientConfig::default(),
            relabel_configs: Vec::new(),
            metric_relabel_configs: Vec::new(),
        }
    }
}
