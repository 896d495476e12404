//! The sections of the file that stand alone: `global`, `runtime`, `storage`, `tracing`, `otlp`.

use std::collections::BTreeMap;

use model::Labels;

use crate::decode::Fields;
use crate::expand::expand_external_label;
use crate::prometheus::{
    ExemplarsConfig, GlobalConfig, OtlpConfig, RetentionConfig, RuntimeConfig, StorageConfig, TracingClient,
    TracingCompression, TracingConfig, TranslationStrategy, TsdbConfig,
};
use crate::scalar::{ByteSize, Secret};
use crate::scrape::NameValidation;

use super::http_client::{plain_headers, tls_config};
use super::scrape::{given_name_schemes, protocols};

pub(super) const GLOBAL_KEYS: &[&str] = &[
    "scrape_interval",
    "scrape_timeout",
    "scrape_protocols",
    "evaluation_interval",
    "rule_query_offset",
    "query_log_file",
    "scrape_failure_log_file",
    "external_labels",
    "body_size_limit",
    "sample_limit",
    "target_limit",
    "label_limit",
    "label_name_length_limit",
    "label_value_length_limit",
    "keep_dropped_targets",
    "metric_name_validation_scheme",
    "metric_name_escaping_scheme",
    "scrape_native_histograms",
    "convert_classic_histograms_to_nhcb",
    "always_scrape_classic_histograms",
    "extra_scrape_metrics",
];

/// The section `global`. As in Prometheus, a duration of 0 counts as not given.
pub(super) fn global(outer: &Fields<'_, '_>) -> GlobalConfig {
    let defaults = GlobalConfig::default();
    let Some(node) = outer.get("global") else { return defaults };
    let f = Fields::open(outer.context, node, "global", &[GLOBAL_KEYS]);
    let duration = |key: &str| f.duration(key).filter(|duration| !duration.is_zero());
    let scrape_interval = duration("scrape_interval").unwrap_or(defaults.scrape_interval);
    let scrape_timeout = duration("scrape_timeout");
    if let Some(timeout) = scrape_timeout
        && timeout > scrape_interval
    {
        let message = format!("scrape timeout {timeout} is greater than the scrape interval {scrape_interval}");
        f.problem("scrape_timeout", message);
    }
    let (names, escaping) = given_name_schemes(&f);
    let names = names.unwrap_or_default();
    let limit = |key: &str| f.unsigned(key).unwrap_or(0);
    GlobalConfig {
        scrape_interval,
        scrape_timeout: scrape_timeout.unwrap_or_else(|| defaults.scrape_timeout.min(scrape_interval)),
        scrape_protocols: protocols(&f),
        evaluation_interval: duration("evaluation_interval").unwrap_or(defaults.evaluation_interval),
        rule_query_offset: f.duration("rule_query_offset").unwrap_or_default(),
        query_log_file: f.path("query_log_file"),
        scrape_failure_log_file: f.path("scrape_failure_log_file"),
        external_labels: external_labels(&f, names),
        body_size_limit: f.byte_size("body_size_limit").unwrap_or(ByteSize(0)),
        sample_limit: limit("sample_limit"),
        target_limit: limit("target_limit"),
        label_limit: limit("label_limit"),
        label_name_length_limit: limit("label_name_length_limit"),
        label_value_length_limit: limit("label_value_length_limit"),
        keep_dropped_targets: limit("keep_dropped_targets"),
        metric_name_validation_scheme: names,
        metric_name_escaping_scheme: escaping,
        scrape_native_histograms: f.boolean("scrape_native_histograms").unwrap_or(false),
        convert_classic_histograms_to_nhcb: f.boolean("convert_classic_histograms_to_nhcb").unwrap_or(false),
        always_scrape_classic_histograms: f.boolean("always_scrape_classic_histograms").unwrap_or(false),
        extra_scrape_metrics: f.boolean("extra_scrape_metrics").unwrap_or(false),
    }
}

/// Labels in which Prometheus itself expands `$NAME`, an unset one being empty.
fn external_labels(f: &Fields<'_, '_>, names: NameValidation) -> Labels {
    let Some(node) = f.get("external_labels") else { return Labels::empty() };
    let mut labels = BTreeMap::new();
    for (path, entry) in f.context.map(node, &f.key("external_labels")) {
        if !names.is_valid_label_name(&entry.key) {
            f.context.problem(entry.key_at, &path, format!("{:?} is not a valid label name", entry.key));
        }
        let Some(raw) = f.context.raw_text(&entry.value, &path) else { continue };
        let (value, unset) = expand_external_label(raw, f.context.env);
        for name in unset {
            f.context.warning(
                entry.value.at,
                &path,
                format!("the environment variable {name} is not set; it counts as empty"),
            );
        }
        labels.insert(entry.key.clone(), value);
    }
    Labels::from_pairs(&labels)
}

/// The section `runtime`.
pub(super) fn runtime(outer: &Fields<'_, '_>) -> RuntimeConfig {
    let Some(node) = outer.get("runtime") else { return RuntimeConfig::default() };
    let f = Fields::open(outer.context, node, "runtime", &[&["gogc"]]);
    RuntimeConfig { gogc: f.signed("gogc") }
}

/// The section `storage`.
pub(super) fn storage(outer: &Fields<'_, '_>) -> StorageConfig {
    let Some(node) = outer.get("storage") else { return StorageConfig::default() };
    let f = Fields::open(outer.context, node, "storage", &[&["tsdb", "exemplars"]]);
    let exemplars = f.get("exemplars").map_or_else(ExemplarsConfig::default, |node| {
        let f = Fields::open(f.context, node, f.key("exemplars"), &[&["max_exemplars"]]);
        ExemplarsConfig { max_exemplars: f.signed("max_exemplars").unwrap_or_default() }
    });
    StorageConfig { tsdb: tsdb(&f), exemplars }
}

fn tsdb(outer: &Fields<'_, '_>) -> TsdbConfig {
    const KEYS: &[&str] =
        &["out_of_order_time_window", "stale_series_compaction_threshold", "chunk_encoding", "retention"];
    let Some(node) = outer.get("tsdb") else { return TsdbConfig::default() };
    let f = Fields::open(outer.context, node, outer.key("tsdb"), &[KEYS]);
    if let Some(node) = f.get("chunk_encoding") {
        let encoding = Fields::open(f.context, node, f.key("chunk_encoding"), &[&["floats"]]);
        encoding.choice("floats", &[("xor", ()), ("xor2", ())]);
        encoding.context.warning(
            node.at,
            &f.key("chunk_encoding"),
            "has no effect: each chunk takes its smallest encoding",
        );
    }
    TsdbConfig {
        out_of_order_time_window: f.duration("out_of_order_time_window"),
        stale_series_compaction_threshold: f.float("stale_series_compaction_threshold").unwrap_or(0.0),
        retention: retention(&f),
    }
}

fn retention(outer: &Fields<'_, '_>) -> RetentionConfig {
    let Some(node) = outer.get("retention") else { return RetentionConfig::default() };
    let f = Fields::open(outer.context, node, outer.key("retention"), &[&["time", "size", "percentage"]]);
    let percentage = f.read("percentage", "a number from 0 to 100", |text| {
        text.parse().ok().filter(|percentage: &f64| (0.0..=100.0).contains(percentage))
    });
    RetentionConfig {
        time: f.duration("time").unwrap_or_default(),
        size: f.byte_size("size").unwrap_or_default(),
        percentage: percentage.unwrap_or(0.0),
    }
}

/// The section `tracing`.
pub(super) fn tracing(outer: &Fields<'_, '_>) -> Option<TracingConfig> {
    const KEYS: &[&str] = &[
        "client_type",
        "endpoint",
        "sampling_fraction",
        "insecure",
        "tls_config",
        "headers",
        "compression",
        "timeout",
    ];
    let node = outer.get("tracing")?;
    let f = Fields::open(outer.context, node, "tracing", &[KEYS]);
    let config = TracingConfig {
        client_type: f
            .choice("client_type", &[("grpc", TracingClient::Grpc), ("http", TracingClient::Http)])
            .unwrap_or_default(),
        endpoint: f.text_or_empty("endpoint"),
        sampling_fraction: f.float("sampling_fraction").unwrap_or(0.0),
        insecure: f.boolean("insecure").unwrap_or(false),
        tls_config: tls_config(&f, "tls_config"),
        headers: plain_headers(&f).into_iter().map(|(name, value)| (name, Secret::new(value))).collect(),
        compression: f.choice("compression", &[("gzip", TracingCompression::Gzip)]),
        timeout: f.duration("timeout").unwrap_or_default(),
    };
    if config.endpoint.is_empty() {
        f.problem("endpoint", "must be set");
    }
    Some(config)
}

/// The section `otlp`.
pub(super) fn otlp(outer: &Fields<'_, '_>, names: NameValidation) -> OtlpConfig {
    use TranslationStrategy as T;
    const KEYS: &[&str] = &[
        "promote_all_resource_attributes",
        "promote_resource_attributes",
        "ignore_resource_attributes",
        "translation_strategy",
        "keep_identifying_resource_attributes",
        "convert_histograms_to_nhcb",
        "promote_scope_metadata",
        "label_name_underscore_sanitization",
        "label_name_preserve_multiple_underscores",
    ];
    const STRATEGIES: [(&str, TranslationStrategy); 4] = [
        ("UnderscoreEscapingWithSuffixes", T::UnderscoreEscapingWithSuffixes),
        ("UnderscoreEscapingWithoutSuffixes", T::UnderscoreEscapingWithoutSuffixes),
        ("NoUTF8EscapingWithSuffixes", T::NoUTF8EscapingWithSuffixes),
        ("NoTranslation", T::NoTranslation),
    ];
    let Some(node) = outer.get("otlp") else { return OtlpConfig::default() };
    let f = Fields::open(outer.context, node, "otlp", &[KEYS]);
    let promote_all = f.boolean("promote_all_resource_attributes").unwrap_or(false);
    let promote_resource_attributes = attributes(&f, "promote_resource_attributes");
    let ignore_resource_attributes = attributes(&f, "ignore_resource_attributes");
    if promote_all && !promote_resource_attributes.is_empty() {
        f.problem("promote_resource_attributes", "excludes promote_all_resource_attributes");
    }
    if !promote_all && !ignore_resource_attributes.is_empty() {
        f.problem("ignore_resource_attributes", "needs promote_all_resource_attributes: true");
    }
    let translation_strategy = f.choice("translation_strategy", &STRATEGIES).unwrap_or_default();
    let keeps_utf8 = matches!(translation_strategy, T::NoTranslation | T::NoUTF8EscapingWithSuffixes);
    if keeps_utf8 && names == NameValidation::Legacy {
        f.problem("translation_strategy", "is not allowed where global.metric_name_validation_scheme is legacy");
    }
    OtlpConfig {
        promote_all_resource_attributes: promote_all,
        promote_resource_attributes,
        ignore_resource_attributes,
        translation_strategy,
        keep_identifying_resource_attributes: f.boolean("keep_identifying_resource_attributes").unwrap_or(false),
        convert_histograms_to_nhcb: f.boolean("convert_histograms_to_nhcb").unwrap_or(false),
        promote_scope_metadata: f.boolean("promote_scope_metadata").unwrap_or(false),
        label_name_underscore_sanitization: f.boolean("label_name_underscore_sanitization").unwrap_or(true),
        label_name_preserve_multiple_underscores: f.boolean("label_name_preserve_multiple_underscores").unwrap_or(true),
    }
}

/// Names of resource attributes: trimmed, none empty, none twice.
fn attributes(f: &Fields<'_, '_>, key: &str) -> Vec<String> {
    let mut attributes: Vec<String> = Vec::new();
    for attribute in f.texts(key) {
        let attribute = attribute.trim();
        if attribute.is_empty() {
            f.problem(key, "an attribute name cannot be empty");
        } else if attributes.iter().any(|known| known == attribute) {
            f.problem(key, format!("{attribute:?} is listed twice"));
        } else {
            attributes.push(attribute.to_owned());
        }
    }
    attributes
}
