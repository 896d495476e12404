//! Reading Loki's configuration file, and the file of overrides that it may name.
//!
//! Most of Loki's sections set up parts of a cluster, caches and object stores. They are accepted, each with a notice, so that a
//! file can be moved over as it is; what is misspelt is still an error.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model::Tenant;

use super::loki_keys::{COMPACTOR, COMPACTOR_IDLE, INGESTER, INGESTER_IDLE, LIMITS, LIMITS_IDLE, OTLP, TOP, TOP_IDLE};
use super::{Loaded, read_text};
use crate::AnchoredRegex;
use crate::decode::{Context, Fields};
use crate::environment::Environment;
use crate::error::{ConfigErrors, Problem};
use crate::loki::{
    LokiCompactor, LokiConfig, LokiDeletion, LokiIngester, LokiLimits, LokiOtlp, LokiOtlpAction, LokiOtlpRule,
    LokiRetention,
};
use crate::scalar::{ByteSize, Millis};
use crate::selector::parse_selector;
use crate::yaml::{self, Node};

/// Reads, expands and validates a Loki configuration file, with `.env` as for the main configuration, and the file of overrides
/// that `runtime_config.file` names. Nothing of a configuration with an error is given; the error lists all that is wrong.
pub fn load_loki(path: &Path, env: &Environment) -> Result<Loaded<LokiConfig>, ConfigErrors> {
    let mut files = vec![path.to_owned()];
    let mut problems = Vec::new();
    let text = read_text(path).map_err(|problem| ConfigErrors(vec![problem]))?;
    let env = env.with_env_files(path, &mut files, &mut problems);
    read(path, &text, &env, files, problems)
}

/// As [`load_loki`] for a text that is not in a file yet; `path` names it in errors.
pub fn load_loki_text(text: &str, path: &Path, env: &Environment) -> Result<Loaded<LokiConfig>, ConfigErrors> {
    read(path, text, env, vec![path.to_owned()], Vec::new())
}

fn read(
    path: &Path,
    text: &str,
    env: &Environment,
    mut files: Vec<PathBuf>,
    mut problems: Vec<Problem>,
) -> Result<Loaded<LokiConfig>, ConfigErrors> {
    let context = Context::new(path, env);
    let (mut config, runtime) = document(&context, text, main_file).unwrap_or_default();
    problems.append(&mut context.problems.into_inner());
    let mut warnings = context.warnings.into_inner();
    for file in runtime {
        // Loki starts without the file, too, and reads it when it appears.
        let Ok(text) = read_text(&file) else {
            warnings.push(Problem::of_file(&file, "the file of runtime_config cannot be read; there are no overrides"));
            continue;
        };
        let context = Context::new(&file, env);
        let overrides = document(&context, &text, |context, node| overrides(context, node, &config.limits));
        config.overrides.extend(overrides.unwrap_or_default());
        problems.append(&mut context.problems.into_inner());
        warnings.append(&mut context.warnings.into_inner());
        files.push(file);
    }
    if problems.is_empty() {
        return Ok(Loaded { config, files, warnings });
    }
    problems.sort_by_key(|p| (files.iter().position(|file| *file == p.file), p.line, p.column));
    problems.dedup();
    Err(ConfigErrors(problems))
}

fn document<T: Default>(context: &Context<'_>, text: &str, decode: impl FnOnce(&Context<'_>, &Node) -> T) -> Option<T> {
    match yaml::parse(text) {
        Ok(document) => {
            for error in document.errors {
                context.problem(error.at, "", error.message);
            }
            document.root.map(|node| decode(context, &node))
        }
        Err(error) => {
            context.problem(error.at, "", error.message);
            None
        }
    }
}

/// The configuration, and the files of overrides that it names.
fn main_file(context: &Context<'_>, node: &Node) -> (LokiConfig, Vec<PathBuf>) {
    let f = Fields::open(context, node, "", &[TOP, TOP_IDLE]);
    notice(&f, TOP_IDLE);
    let limits = match f.get("limits_config") {
        Some(node) => limits(context, node, "limits_config", &LokiLimits::default()),
        None => LokiLimits::default(),
    };
    let mut runtime = Vec::new();
    if let Some(node) = f.get("runtime_config") {
        let f = Fields::open(context, node, "runtime_config", &[&["file", "period"]]);
        let paths = f.text_or_empty("file");
        runtime = paths.split(',').filter(|path| !path.is_empty()).map(|path| context.resolve(path.trim())).collect();
    }
    let config = LokiConfig {
        auth_enabled: f.boolean("auth_enabled"),
        limits,
        compactor: f.get("compactor").map(|node| compactor(context, node)).unwrap_or_default(),
        ingester: f.get("ingester").map(|node| ingester(context, node)).unwrap_or_default(),
        overrides: BTreeMap::new(),
    };
    let limits = &config.limits;
    if !config.compactor.retention_enabled
        && (!limits.retention_period.is_zero() || !limits.retention_stream.is_empty())
    {
        let message = "nothing is deleted for its age while `compactor.retention_enabled` is not true";
        f.context.warning(f.place("limits_config"), "limits_config.retention_period", message);
    }
    (config, runtime)
}

fn notice(f: &Fields<'_, '_>, idle: &[&str]) {
    for (key, at) in f.given().filter(|(key, _)| idle.contains(key)) {
        f.context.warning(at, &f.key(key), "accepted; it means nothing to a server that is one process");
    }
}

fn compactor(context: &Context<'_>, node: &Node) -> LokiCompactor {
    let f = Fields::open(context, node, "compactor", &[COMPACTOR, COMPACTOR_IDLE]);
    notice(&f, COMPACTOR_IDLE);
    let delays = ["retention_delete_delay", "delete_request_cancel_period"];
    for (key, at) in f.given().filter(|(key, _)| delays.contains(key)) {
        f.context.warning(
            at,
            &f.key(key),
            "accepted; deletions take effect when they are answered, and cannot be taken back",
        );
    }
    let default = LokiCompactor::default();
    LokiCompactor {
        retention_enabled: f.boolean("retention_enabled").unwrap_or(default.retention_enabled),
        retention_delete_delay: f.duration("retention_delete_delay").unwrap_or(default.retention_delete_delay),
        delete_request_cancel_period: f
            .duration("delete_request_cancel_period")
            .unwrap_or(default.delete_request_cancel_period),
    }
}

fn ingester(context: &Context<'_>, node: &Node) -> LokiIngester {
    let f = Fields::open(context, node, "ingester", &[INGESTER, INGESTER_IDLE]);
    notice(&f, INGESTER_IDLE);
    let max_chunk_age = f.duration("max_chunk_age").unwrap_or(LokiIngester::default().max_chunk_age);
    if max_chunk_age.is_zero() {
        f.problem("max_chunk_age", "must be more than 0");
    }
    LokiIngester { max_chunk_age }
}

fn overrides(context: &Context<'_>, node: &Node, others: &LokiLimits) -> BTreeMap<Tenant, LokiLimits> {
    let f = Fields::open(context, node, "", &[&["overrides", "configs", "multi_kv_config"]]);
    let mut overrides = BTreeMap::new();
    if let Some(node) = f.get("overrides") {
        for (path, entry) in context.map(node, "overrides") {
            match Tenant::new(&entry.key) {
                Ok(tenant) => {
                    overrides.insert(tenant, limits(context, &entry.value, &path, others));
                }
                Err(reason) => context.problem(entry.key_at, &path, reason.to_string()),
            }
        }
    }
    overrides
}

/// One set of limits; what it does not say is taken from another.
fn limits(context: &Context<'_>, node: &Node, path: &str, others: &LokiLimits) -> LokiLimits {
    let f = Fields::open(context, node, path, &[LIMITS, LIMITS_IDLE]);
    notice(&f, LIMITS_IDLE);
    let other = others.clone();
    let count = |key: &str, other: u64| f.unsigned(key).unwrap_or(other);
    let flag = |key: &str, other: bool| f.boolean(key).unwrap_or(other);
    let time = |key: &str, other: Millis| f.duration(key).unwrap_or(other);
    let texts = |key: &str, other: Vec<String>| if f.has(key) { f.texts(key) } else { other };
    let rate = |key: &str, other: f64| {
        let rate = f.float(key).unwrap_or(other);
        if rate < 0.0 {
            f.problem(key, "must be 0 or more");
        }
        rate
    };
    let deletion = [
        ("disabled", LokiDeletion::Disabled),
        ("filter-only", LokiDeletion::FilterOnly),
        ("filter-and-delete", LokiDeletion::FilterAndDelete),
    ];
    let is_without_retention = !f.has("retention_stream");
    LokiLimits {
        ingestion_rate_mb: rate("ingestion_rate_mb", other.ingestion_rate_mb),
        ingestion_burst_size_mb: rate("ingestion_burst_size_mb", other.ingestion_burst_size_mb),
        max_label_name_length: count("max_label_name_length", other.max_label_name_length),
        max_label_value_length: count("max_label_value_length", other.max_label_value_length),
        max_label_names_per_series: count("max_label_names_per_series", other.max_label_names_per_series),
        reject_old_samples: flag("reject_old_samples", other.reject_old_samples),
        reject_old_samples_max_age: time("reject_old_samples_max_age", other.reject_old_samples_max_age),
        creation_grace_period: time("creation_grace_period", other.creation_grace_period),
        max_line_size: size(&f, "max_line_size", other.max_line_size),
        max_line_size_truncate: flag("max_line_size_truncate", other.max_line_size_truncate),
        increment_duplicate_timestamp: flag("increment_duplicate_timestamp", other.increment_duplicate_timestamp),
        discover_service_name: texts("discover_service_name", other.discover_service_name),
        discover_log_levels: flag("discover_log_levels", other.discover_log_levels),
        log_level_fields: texts("log_level_fields", other.log_level_fields),
        max_streams_per_user: count("max_streams_per_user", other.max_streams_per_user),
        max_global_streams_per_user: count("max_global_streams_per_user", other.max_global_streams_per_user),
        unordered_writes: flag("unordered_writes", other.unordered_writes),
        per_stream_rate_limit: size(&f, "per_stream_rate_limit", other.per_stream_rate_limit),
        per_stream_rate_limit_burst: size(&f, "per_stream_rate_limit_burst", other.per_stream_rate_limit_burst),
        allow_structured_metadata: flag("allow_structured_metadata", other.allow_structured_metadata),
        max_structured_metadata_size: size(&f, "max_structured_metadata_size", other.max_structured_metadata_size),
        max_structured_metadata_entries_count: count(
            "max_structured_metadata_entries_count",
            other.max_structured_metadata_entries_count,
        ),
        otlp_config: f.get("otlp_config").map_or(other.otlp_config, |node| otlp(&f, node)),
        max_query_series: count("max_query_series", other.max_query_series),
        max_query_lookback: time("max_query_lookback", other.max_query_lookback),
        max_query_length: time("max_query_length", other.max_query_length),
        max_query_range: time("max_query_range", other.max_query_range),
        max_entries_limit_per_query: count("max_entries_limit_per_query", other.max_entries_limit_per_query),
        max_concurrent_tail_requests: count("max_concurrent_tail_requests", other.max_concurrent_tail_requests),
        query_timeout: f.duration("query_timeout").or(other.query_timeout),
        volume_enabled: flag("volume_enabled", other.volume_enabled),
        volume_max_series: count("volume_max_series", other.volume_max_series),
        required_labels: texts("required_labels", other.required_labels),
        retention_period: time("retention_period", other.retention_period),
        retention_stream: if is_without_retention {
            other.retention_stream
        } else {
            f.sections("retention_stream", retention)
        },
        deletion_mode: f.choice("deletion_mode", &deletion).unwrap_or(other.deletion_mode),
    }
}

/// Bytes as Loki writes them: `256KB`, `256kb`, or a plain number.
fn size(f: &Fields<'_, '_>, key: &str, other: ByteSize) -> ByteSize {
    let read = |text: &str| {
        let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let (number, unit) = text.split_at(digits);
        match unit.trim().to_ascii_uppercase().as_str() {
            "" => number.parse().ok().map(ByteSize),
            "B" => ByteSize::parse(&format!("{number}B")),
            unit => ByteSize::parse(&format!("{number}{}iB", unit.trim_end_matches("IB").trim_end_matches('B'))),
        }
    };
    f.read(key, "a number of bytes, such as 256KB, 3MB or 1048576 (units are powers of 1024)", read).unwrap_or(other)
}

fn retention(context: &Context<'_>, node: &Node, path: String) -> Option<LokiRetention> {
    let f = Fields::open(context, node, path, &[&["selector", "priority", "period"]]);
    if !f.is_mapping() {
        return None;
    }
    for key in ["selector", "period"] {
        if !f.has(key) {
            f.problem("", format!("`{key}` is missing"));
        }
    }
    let selector = f.text_or_empty("selector");
    if f.has("selector")
        && let Err(reason) = parse_selector(&selector)
    {
        f.problem("selector", format!("{selector:?} is not a selector: {reason}"));
    }
    let period = f.duration("period").unwrap_or_default();
    if f.has("period") && period.is_zero() {
        f.problem("period", "must be more than 0");
    }
    Some(LokiRetention { selector, priority: f.signed("priority").unwrap_or(0), period })
}

fn otlp(outer: &Fields<'_, '_>, node: &Node) -> LokiOtlp {
    let f = Fields::open(outer.context, node, outer.key("otlp_config"), &[OTLP]);
    let mut resource_attributes = Vec::new();
    let mut ignores_defaults = false;
    if let Some(node) = f.get("resource_attributes") {
        let f =
            Fields::open(f.context, node, f.key("resource_attributes"), &[&["ignore_defaults", "attributes_config"]]);
        ignores_defaults = f.boolean("ignore_defaults").unwrap_or(false);
        resource_attributes = f.sections("attributes_config", otlp_rule);
    }
    if !ignores_defaults {
        resource_attributes.push(LokiOtlp::default_rule());
    }
    LokiOtlp {
        resource_attributes,
        scope_attributes: f.sections("scope_attributes", otlp_rule),
        log_attributes: f.sections("log_attributes", otlp_rule),
        severity_text_as_label: f.boolean("severity_text_as_label").unwrap_or(false),
    }
}

fn otlp_rule(context: &Context<'_>, node: &Node, path: String) -> Option<LokiOtlpRule> {
    let f = Fields::open(context, node, path, &[&["action", "attributes", "regex"]]);
    if !f.is_mapping() {
        return None;
    }
    let actions = [
        ("index_label", LokiOtlpAction::IndexLabel),
        ("structured_metadata", LokiOtlpAction::StructuredMetadata),
        ("drop", LokiOtlpAction::Drop),
    ];
    let action = f.choice("action", &actions);
    if !f.has("action") {
        f.problem("", "`action` is missing: index_label, structured_metadata or drop");
    }
    let regex = f.text("regex").filter(|text| !text.is_empty()).and_then(|text| {
        let compiled = AnchoredRegex::new(&text);
        compiled.map_err(|reason| f.problem("regex", format!("invalid regular expression {text:?}: {reason}"))).ok()
    });
    let attributes = f.texts("attributes");
    if f.has("attributes") == f.has("regex") {
        f.problem("", "either `attributes` or `regex` must be given");
    }
    Some(LokiOtlpRule { action: action?, attributes, regex })
}
