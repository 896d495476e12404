//! The YAML that users already write: parsed, validated, with `${ENV}` expanded. Every error names file, line, column and key.
//!
//! The types are plain data under the names that Prometheus uses, complete after loading: a job holds what `global` gave it.
//! This crate reads configuration files and nothing else; it opens no connection and reads no credential file.

mod alertmanager;
mod decode;
mod discovery;
mod environment;
mod error;
mod expand;
mod http_client;
mod limits;
mod load;
mod loki;
mod prometheus;
pub mod promtail;
mod relabel;
mod remote;
mod retention;
mod rule_tests;
mod rules;
mod scalar;
mod scrape;
mod selector;
mod yaml;

pub use alertmanager::{
    AlertingConfigFile, DayRange, InhibitRuleConfig, IntRange, IntegrationConfig, IntegrationKind, MatcherSyntax,
    NamedTimeInterval, ReceiverConfig, RouteConfig, Setting, Settings, SilenceLimits, TimeInterval, TimeRangeOfDay,
    Tree, matcher_text, matchers_text, parse_matcher, parse_matchers,
};
pub use discovery::{DiscoveryConfigs, DnsRecordType, DnsSdConfig, FileSdConfig, HttpSdConfig, StaticConfig};
pub use environment::{Environment, parse_env};
pub use error::{ConfigErrors, Problem};
pub use http_client::{
    Authorization, BasicAuth, HeaderValues, HttpClientConfig, OAuth2, ProxyConfig, TlsConfig, TlsVersion,
};
pub use limits::{LimitsConfig, TenantLimits};
pub use load::{
    Loaded, expand_pattern, load, load_alertmanager, load_alertmanager_text, load_loki, load_loki_text, load_promtail,
    load_promtail_text, load_rule_tests, load_rules, load_text, to_yaml,
};
pub use loki::{
    LokiCompactor, LokiConfig, LokiDeletion, LokiIngester, LokiLimits, LokiOtlp, LokiOtlpAction, LokiOtlpRule,
    LokiRetention,
};
pub use prometheus::{
    ExemplarsConfig, GlobalConfig, OtlpConfig, PrometheusConfig, RetentionConfig, RuntimeConfig, StorageConfig,
    TracingClient, TracingCompression, TracingConfig, TranslationStrategy, TsdbConfig,
};
pub use relabel::{AnchoredRegex, RelabelAction, RelabelConfig};
pub use remote::{
    AlertingConfig, AlertmanagerConfig, MetadataConfig, QueueConfig, RemoteReadConfig, RemoteWriteConfig,
    RemoteWriteMessage,
};
pub use retention::{DownsampleStep, RetentionRule};
pub use rule_tests::{AlertCase, AlertExpected, ExprCase, InputSeries, RuleTestGroup, RuleTests, SampleExpected};
pub use rules::{Placed, RuleConfig, RuleFile, RuleGroupConfig, RuleKind};
pub use scalar::{ByteSize, HIDDEN, Millis, Secret, Url};
pub use scrape::{NameEscaping, NameValidation, Scheme, ScrapeConfig, ScrapeProtocol};
pub use yaml::Position;

// What `skip_serializing_if` asks, so that the effective configuration shows only what says something.
fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero_u64(value: &u64) -> bool {
    *value == 0
}

fn is_zero_f64(value: &f64) -> bool {
    *value == 0.0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
