//! Scrape jobs, with what `global` gives them.

use crate::decode::{Context, Fields, one_of};
use crate::prometheus::GlobalConfig;
use crate::scalar::{ByteSize, Millis};
use crate::scrape::{NameEscaping, NameValidation, Scheme, ScrapeConfig, ScrapeProtocol};
use crate::yaml::Node;

use super::discovery::{self, discovery};
use super::http_client::{self, http_client};
use super::relabel::relabel_configs;

pub(super) const KEYS: &[&str] = &[
    "job_name",
    "scrape_interval",
    "scrape_timeout",
    "metrics_path",
    "scheme",
    "params",
    "honor_labels",
    "honor_timestamps",
    "track_timestamps_staleness",
    "scrape_protocols",
    "fallback_scrape_protocol",
    "scrape_native_histograms",
    "always_scrape_classic_histograms",
    "convert_classic_histograms_to_nhcb",
    "extra_scrape_metrics",
    "scrape_failure_log_file",
    "enable_compression",
    "body_size_limit",
    "sample_limit",
    "target_limit",
    "label_limit",
    "label_name_length_limit",
    "label_value_length_limit",
    "keep_dropped_targets",
    "native_histogram_bucket_limit",
    "native_histogram_min_bucket_factor",
    "metric_name_validation_scheme",
    "metric_name_escaping_scheme",
    "relabel_configs",
    "metric_relabel_configs",
];

pub(super) const SCHEMES: [(&str, Scheme); 2] = [("http", Scheme::Http), ("https", Scheme::Https)];

/// Reads one job. Rules and inheritance: Prometheus, `ScrapeConfig.Validate`.
pub(super) fn scrape_config(context: &Context<'_>, node: &Node, path: String, global: &GlobalConfig) -> ScrapeConfig {
    let f = Fields::open(
        context,
        node,
        path,
        &[KEYS, discovery::KEYS, http_client::KEYS, http_client::PROXY_KEYS, discovery::UNSUPPORTED],
    );
    let (scrape_interval, scrape_timeout) = interval_and_timeout(&f, global);
    let (names, escaping) = name_schemes(&f, global);
    let scrape_native_histograms = f.boolean("scrape_native_histograms").unwrap_or(global.scrape_native_histograms);
    let limit = |key: &str, from_global: u64| f.unsigned(key).filter(|limit| *limit > 0).unwrap_or(from_global);
    let config = ScrapeConfig {
        job_name: f.text_or_empty("job_name"),
        honor_labels: f.boolean("honor_labels").unwrap_or(false),
        honor_timestamps: f.boolean("honor_timestamps").unwrap_or(true),
        track_timestamps_staleness: f.boolean("track_timestamps_staleness").unwrap_or(false),
        params: params(&f),
        scrape_interval,
        scrape_timeout,
        scrape_protocols: protocols(&f).or_else(|| global.scrape_protocols.clone()).unwrap_or_else(|| {
            if scrape_native_histograms {
                ScrapeProtocol::PROTO_FIRST.to_vec()
            } else {
                ScrapeProtocol::TEXT_FIRST.to_vec()
            }
        }),
        fallback_scrape_protocol: f
            .text("fallback_scrape_protocol")
            .filter(|text| !text.is_empty())
            .and_then(|text| protocol(&text).map_err(|message| f.problem("fallback_scrape_protocol", message)).ok()),
        scrape_native_histograms,
        always_scrape_classic_histograms: f
            .boolean("always_scrape_classic_histograms")
            .unwrap_or(global.always_scrape_classic_histograms),
        convert_classic_histograms_to_nhcb: f
            .boolean("convert_classic_histograms_to_nhcb")
            .unwrap_or(global.convert_classic_histograms_to_nhcb),
        scrape_failure_log_file: f.path("scrape_failure_log_file").or_else(|| global.scrape_failure_log_file.clone()),
        metrics_path: f.text("metrics_path").unwrap_or_else(|| "/metrics".into()),
        scheme: f.choice("scheme", &SCHEMES).unwrap_or_default(),
        enable_compression: f.boolean("enable_compression").unwrap_or(true),
        body_size_limit: f
            .byte_size("body_size_limit")
            .filter(|limit| *limit != ByteSize(0))
            .unwrap_or(global.body_size_limit),
        sample_limit: limit("sample_limit", global.sample_limit),
        target_limit: limit("target_limit", global.target_limit),
        label_limit: limit("label_limit", global.label_limit),
        label_name_length_limit: limit("label_name_length_limit", global.label_name_length_limit),
        label_value_length_limit: limit("label_value_length_limit", global.label_value_length_limit),
        native_histogram_bucket_limit: limit("native_histogram_bucket_limit", 0),
        native_histogram_min_bucket_factor: f.float("native_histogram_min_bucket_factor").unwrap_or(0.0),
        keep_dropped_targets: limit("keep_dropped_targets", global.keep_dropped_targets),
        metric_name_validation_scheme: names,
        metric_name_escaping_scheme: escaping,
        extra_scrape_metrics: f.boolean("extra_scrape_metrics").unwrap_or(global.extra_scrape_metrics),
        discovery: discovery(&f),
        http: http_client(&f, true),
        relabel_configs: relabel_configs(&f, "relabel_configs", names),
        metric_relabel_configs: relabel_configs(&f, "metric_relabel_configs", names),
    };
    if f.is_mapping() && (f.get("job_name").is_none() || f.text("job_name").is_some_and(|name| name.is_empty())) {
        f.problem("job_name", "must be set");
    }
    config
}

fn interval_and_timeout(f: &Fields<'_, '_>, global: &GlobalConfig) -> (Millis, Millis) {
    let interval = f.duration("scrape_interval").filter(|d| !d.is_zero()).unwrap_or(global.scrape_interval);
    let timeout = f.duration("scrape_timeout").filter(|d| !d.is_zero());
    if let Some(timeout) = timeout
        && timeout > interval
    {
        let message = format!("scrape timeout {timeout} is greater than the scrape interval {interval}");
        f.problem("scrape_timeout", message);
    }
    (interval, timeout.unwrap_or_else(|| global.scrape_timeout.min(interval)))
}

/// A list of protocols without repetition; `None` where the key is absent.
pub(super) fn protocols(f: &Fields<'_, '_>) -> Option<Vec<ScrapeProtocol>> {
    let node = f.get("scrape_protocols")?;
    let key = f.key("scrape_protocols");
    let mut protocols = Vec::new();
    let mut wrong = false;
    for (path, item) in f.context.items(node, &key) {
        let Some(text) = f.context.text(item, &path) else { continue };
        match protocol(&text) {
            Ok(known) if protocols.contains(&known) => {
                f.context.problem(item.at, &path, format!("{text} is listed twice"))
            }
            Ok(known) => protocols.push(known),
            Err(message) => {
                wrong = true;
                f.context.problem(item.at, &path, message);
            }
        }
    }
    if protocols.is_empty() && !wrong {
        f.problem("scrape_protocols", "cannot be empty");
    }
    (!protocols.is_empty()).then_some(protocols)
}

fn protocol(text: &str) -> Result<ScrapeProtocol, String> {
    let known = ScrapeProtocol::PROTO_FIRST.into_iter().find(|protocol| protocol.as_str() == text);
    known.ok_or_else(|| {
        format!("unknown scrape protocol {text:?}; {}", one_of(text, &ScrapeProtocol::PROTO_FIRST.map(|p| p.as_str())))
    })
}

/// The keys `metric_name_validation_scheme` and `metric_name_escaping_scheme`, where they are given.
pub(super) fn given_name_schemes(f: &Fields<'_, '_>) -> (Option<NameValidation>, Option<NameEscaping>) {
    let validation = f
        .choice("metric_name_validation_scheme", &[("utf8", NameValidation::Utf8), ("legacy", NameValidation::Legacy)]);
    let escaping = f.choice("metric_name_escaping_scheme", &NameEscaping::ALL.map(|e| (e.as_str(), e)));
    (validation, escaping)
}

fn name_schemes(f: &Fields<'_, '_>, global: &GlobalConfig) -> (NameValidation, NameEscaping) {
    let (own_names, own_escaping) = given_name_schemes(f);
    let names = own_names.unwrap_or(global.metric_name_validation_scheme);
    let follow = |names| match names {
        NameValidation::Legacy => NameEscaping::Underscores,
        NameValidation::Utf8 => NameEscaping::AllowUtf8,
    };
    let escaping = own_escaping.unwrap_or_else(|| match own_names {
        Some(names) => follow(names),
        None => global.metric_name_escaping_scheme.unwrap_or_else(|| follow(global.metric_name_validation_scheme)),
    });
    if escaping == NameEscaping::AllowUtf8 && names == NameValidation::Legacy {
        f.problem(
            "metric_name_escaping_scheme",
            "allow-utf-8 needs metric_name_validation_scheme: utf8; for legacy names expected one of underscores, dots, values",
        );
    }
    (names, escaping)
}

fn params(f: &Fields<'_, '_>) -> std::collections::BTreeMap<String, Vec<String>> {
    let Some(node) = f.get("params") else { return Default::default() };
    let params = f.context.map(node, &f.key("params"));
    params.map(|(path, entry)| (entry.key.clone(), f.context.texts(&entry.value, &path))).collect()
}
