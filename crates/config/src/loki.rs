//! Loki's configuration file, as far as it means something to one process: `limits_config` and what belongs to it.

use std::collections::BTreeMap;

use model::{Matcher, Tenant};
use serde::{Serialize, Serializer};

use crate::scalar::{ByteSize, Millis};
use crate::selector::parse_selector;

/// What a Loki configuration file decides here. Every key has Loki's name and default.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LokiConfig {
    /// Whether requests must name their tenant (`true`), may not (`false`: the header is ignored), or may (absent).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_enabled: Option<bool>,
    /// Of all tenants that have no entry of their own.
    #[serde(rename = "limits_config")]
    pub limits: LokiLimits,
    /// `compactor`.
    pub compactor: LokiCompactor,
    /// `ingester`.
    pub ingester: LokiIngester,
    /// Of single tenants, by name, from `runtime_config.file`: what an entry does not say is as for all others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "by_name")]
    pub overrides: BTreeMap<Tenant, LokiLimits>,
}

/// `compactor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LokiCompactor {
    /// Whether anything is deleted for its age.
    pub retention_enabled: bool,
    /// How long what a deletion hits is kept still; shown, not waited for.
    pub retention_delete_delay: Millis,
    /// How long a deletion may be taken back; shown, not honoured.
    pub delete_request_cancel_period: Millis,
}

/// `ingester`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LokiIngester {
    /// Twice the time that an entry may be behind the newest of its stream.
    pub max_chunk_age: Millis,
}

/// `limits_config`. A limit of 0 is no limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LokiLimits {
    /// MiB a second of lines and structured metadata that a tenant may send.
    pub ingestion_rate_mb: f64,
    /// MiB that a tenant may send at once.
    pub ingestion_burst_size_mb: f64,
    /// Bytes of a label name.
    pub max_label_name_length: u64,
    /// Bytes of a label value.
    pub max_label_value_length: u64,
    /// Labels of a stream.
    pub max_label_names_per_series: u64,
    /// Whether entries older than `reject_old_samples_max_age` are refused.
    pub reject_old_samples: bool,
    /// How old an entry may be.
    pub reject_old_samples_max_age: Millis,
    /// How far ahead of the clock an entry may be.
    pub creation_grace_period: Millis,
    /// Bytes of a line.
    pub max_line_size: ByteSize,
    /// Whether longer lines are cut instead of refused.
    pub max_line_size_truncate: bool,
    /// Whether entries of one stream and request with the same time are set apart by a nanosecond each.
    pub increment_duplicate_timestamp: bool,
    /// Labels whose value becomes `service_name` where a stream has none; the first that is there. Empty: no such label is added.
    pub discover_service_name: Vec<String>,
    /// Whether each entry gets its level as structured metadata `detected_level`.
    pub discover_log_levels: bool,
    /// Names under which a level is looked for.
    pub log_level_fields: Vec<String>,
    /// Streams of a tenant that take entries at a time, as Loki's two keys say; the smaller one counts.
    pub max_streams_per_user: u64,
    /// See `max_streams_per_user`.
    pub max_global_streams_per_user: u64,
    /// Whether entries may come in any order of time.
    pub unordered_writes: bool,
    /// Bytes a second that a stream may take.
    pub per_stream_rate_limit: ByteSize,
    /// Bytes that a stream may take at once.
    pub per_stream_rate_limit_burst: ByteSize,
    /// Whether structured metadata is taken.
    pub allow_structured_metadata: bool,
    /// Bytes of the structured metadata of an entry.
    pub max_structured_metadata_size: ByteSize,
    /// Pairs of structured metadata of an entry.
    pub max_structured_metadata_entries_count: u64,
    /// What becomes of OpenTelemetry's attributes.
    pub otlp_config: LokiOtlp,
    /// Series of an answer to a metric query. 0, which is the default here: as many as memory allows.
    pub max_query_series: u64,
    /// How far back queries see.
    pub max_query_lookback: Millis,
    /// The longest time between `start` and `end`.
    pub max_query_length: Millis,
    /// The longest range within a query.
    pub max_query_range: Millis,
    /// Entries of an answer.
    pub max_entries_limit_per_query: u64,
    /// Live tails of a tenant at a time.
    pub max_concurrent_tail_requests: u64,
    /// Time that a query may take; absent: as the server's own limit says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_timeout: Option<Millis>,
    /// Whether the volume endpoints answer.
    pub volume_enabled: bool,
    /// Series of an answer of the volume endpoints.
    pub volume_max_series: u64,
    /// Labels that a selector must name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_labels: Vec<String>,
    /// How long entries are kept, where `compactor.retention_enabled`.
    pub retention_period: Millis,
    /// The same for the streams of a selector.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retention_stream: Vec<LokiRetention>,
    /// Whether deletions are taken, and what they do.
    pub deletion_mode: LokiDeletion,
}

/// An entry of `retention_stream`. Of several that match a stream, the one of the highest priority counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LokiRetention {
    /// Which streams, as `{env="dev"}`.
    pub selector: String,
    /// Larger ones come first.
    pub priority: i64,
    /// How long their entries are kept.
    pub period: Millis,
}

impl LokiRetention {
    /// The matchers of the selector.
    pub fn matchers(&self) -> Vec<Matcher> {
        // An entry is only made of a selector that was read once already.
        parse_selector(&self.selector).unwrap_or_default()
    }
}

/// What deletions do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum LokiDeletion {
    /// They are refused.
    #[serde(rename = "disabled")]
    Disabled,
    /// What they hit is left out of answers.
    #[serde(rename = "filter-only")]
    FilterOnly,
    /// The same, and compaction removes it.
    #[serde(rename = "filter-and-delete")]
    FilterAndDelete,
}

/// What becomes of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LokiOtlpAction {
    /// A label of the stream.
    IndexLabel,
    /// Structured metadata of the entry.
    StructuredMetadata,
    /// Nothing.
    Drop,
}

/// `otlp_config`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LokiOtlp {
    /// For attributes of resources; those in [`LokiOtlp::DEFAULT_LABELS`] are in the list unless `ignore_defaults` was said.
    #[serde(serialize_with = "resource_attributes")]
    pub resource_attributes: Vec<LokiOtlpRule>,
    /// For attributes of scopes.
    pub scope_attributes: Vec<LokiOtlpRule>,
    /// For attributes of log records.
    pub log_attributes: Vec<LokiOtlpRule>,
    /// Whether the text of the severity is a label of the stream.
    pub severity_text_as_label: bool,
}

/// One entry of a list of `otlp_config`; the first that names an attribute counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LokiOtlpRule {
    /// What becomes of the attributes.
    pub action: LokiOtlpAction,
    /// Their names, as OpenTelemetry writes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
    /// A pattern for whole names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<crate::AnchoredRegex>,
}

impl LokiOtlpRule {
    /// True where the entry is about this attribute.
    pub fn is_about(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|name| name == attribute)
            || self.regex.as_ref().is_some_and(|regex| regex.is_match(attribute))
    }
}

impl LokiOtlp {
    /// Attributes of resources that become labels (Loki's `default_resource_attributes_as_index_labels`).
    pub const DEFAULT_LABELS: [&str; 18] = [
        "service.name",
        "service.namespace",
        "service.instance.id",
        "deployment.environment",
        "deployment.environment.name",
        "cloud.region",
        "cloud.availability_zone",
        "k8s.cluster.name",
        "k8s.namespace.name",
        "k8s.pod.name",
        "k8s.container.name",
        "container.name",
        "k8s.replicaset.name",
        "k8s.deployment.name",
        "k8s.statefulset.name",
        "k8s.daemonset.name",
        "k8s.cronjob.name",
        "k8s.job.name",
    ];

    pub(crate) fn default_rule() -> LokiOtlpRule {
        LokiOtlpRule {
            action: LokiOtlpAction::IndexLabel,
            attributes: Self::DEFAULT_LABELS.map(str::to_owned).to_vec(),
            regex: None,
        }
    }
}

impl Default for LokiOtlp {
    fn default() -> Self {
        LokiOtlp {
            resource_attributes: vec![Self::default_rule()],
            scope_attributes: Vec::new(),
            log_attributes: Vec::new(),
            severity_text_as_label: false,
        }
    }
}

impl Default for LokiCompactor {
    fn default() -> Self {
        LokiCompactor {
            retention_enabled: false,
            retention_delete_delay: Millis::from_secs(2 * 3600),
            delete_request_cancel_period: Millis::from_secs(24 * 3600),
        }
    }
}

impl Default for LokiIngester {
    fn default() -> Self {
        LokiIngester { max_chunk_age: Millis::from_secs(2 * 3600) }
    }
}

/// Where Loki looks for the name of a service.
const SERVICE_LABELS: [&str; 13] = [
    "service",
    "app",
    "application",
    "app_name",
    "name",
    "app_kubernetes_io_name",
    "container",
    "container_name",
    "k8s_container_name",
    "component",
    "workload",
    "job",
    "k8s_job_name",
];

/// Where Loki looks for a level.
const LEVEL_FIELDS: [&str; 14] = [
    "level",
    "LEVEL",
    "Level",
    "log.level",
    "severity",
    "SEVERITY",
    "Severity",
    "SeverityText",
    "lvl",
    "LVL",
    "Lvl",
    "severity_text",
    "Severity_Text",
    "SEVERITY_TEXT",
];

impl Default for LokiLimits {
    fn default() -> Self {
        LokiLimits {
            ingestion_rate_mb: 4.0,
            ingestion_burst_size_mb: 6.0,
            max_label_name_length: 1024,
            max_label_value_length: 2048,
            max_label_names_per_series: 15,
            reject_old_samples: true,
            reject_old_samples_max_age: Millis::from_secs(7 * 24 * 3600),
            creation_grace_period: Millis::from_secs(600),
            max_line_size: ByteSize(256 << 10),
            max_line_size_truncate: false,
            increment_duplicate_timestamp: false,
            discover_service_name: SERVICE_LABELS.map(str::to_owned).to_vec(),
            discover_log_levels: true,
            log_level_fields: LEVEL_FIELDS.map(str::to_owned).to_vec(),
            max_streams_per_user: 0,
            max_global_streams_per_user: 5000,
            unordered_writes: true,
            per_stream_rate_limit: ByteSize(3 << 20),
            per_stream_rate_limit_burst: ByteSize(15 << 20),
            allow_structured_metadata: true,
            max_structured_metadata_size: ByteSize(64 << 10),
            max_structured_metadata_entries_count: 128,
            otlp_config: LokiOtlp::default(),
            max_query_series: 0,
            max_query_lookback: Millis(0),
            max_query_length: Millis::from_secs(721 * 3600),
            max_query_range: Millis(0),
            max_entries_limit_per_query: 5000,
            max_concurrent_tail_requests: 10,
            query_timeout: None,
            volume_enabled: true,
            volume_max_series: 1000,
            required_labels: Vec::new(),
            retention_period: Millis(0),
            retention_stream: Vec::new(),
            deletion_mode: LokiDeletion::FilterAndDelete,
        }
    }
}

impl LokiLimits {
    /// Streams of a tenant that may take entries at a time; 0 for no limit.
    pub fn max_streams(&self) -> u64 {
        match (self.max_streams_per_user, self.max_global_streams_per_user) {
            (0, other) | (other, 0) => other,
            (one, other) => one.min(other),
        }
    }
}

impl LokiConfig {
    /// The limits of a tenant.
    pub fn limits_of(&self, tenant: &Tenant) -> &LokiLimits {
        self.overrides.get(tenant).unwrap_or(&self.limits)
    }

    /// How far an entry may be behind the newest of its stream.
    pub fn out_of_order_window(&self) -> Millis {
        Millis(self.ingester.max_chunk_age.0 / 2)
    }

    /// The configuration as YAML with every default filled in, as `/config` shows it.
    pub fn to_yaml(&self) -> String {
        serde_saphyr::to_string(self).expect("plain data with text keys always serializes")
    }
}

fn by_name<S: Serializer>(overrides: &BTreeMap<Tenant, LokiLimits>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(overrides.iter().map(|(tenant, limits)| (tenant.as_str(), limits)))
}

fn resource_attributes<S: Serializer>(rules: &[LokiOtlpRule], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Section<'a> {
        ignore_defaults: bool,
        attributes_config: &'a [LokiOtlpRule],
    }
    Section { ignore_defaults: true, attributes_config: rules }.serialize(serializer)
}
