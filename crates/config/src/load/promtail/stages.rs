//! Pipeline stages. Rules for what goes together: Promtail, `pkg/logentry/stages`.

use super::duration;
use super::sections::size;
use crate::decode::{Context, Fields, one_of};
use crate::promtail::{
    CriStage, DropStage, EventLogMessageStage, GaugeAction, JsonStage, LimitStage, LogfmtStage, MatchStage,
    MetricAction, MetricStage, MultilineStage, PackStage, Place, RegexStage, ReplaceStage, SamplingStage, StageConfig,
    StageKind, TemplateStage, TenantStage, TimestampStage,
};
use crate::scalar::Millis;
use crate::yaml::{Entry, Node, Value};

/// Match stages within each other; deeper ones are refused.
const MOST_NESTED: usize = 20;

const NAMES: [&str; 25] = [
    "cri",
    "decolorize",
    "docker",
    "drop",
    "eventlogmessage",
    "geoip",
    "json",
    "labelallow",
    "labeldrop",
    "labels",
    "limit",
    "logfmt",
    "match",
    "metrics",
    "multiline",
    "output",
    "pack",
    "regex",
    "replace",
    "sampling",
    "static_labels",
    "structured_metadata",
    "template",
    "tenant",
    "timestamp",
];

/// Reads a list of stages.
pub(super) fn stages(f: &Fields<'_, '_>, key: &str) -> Vec<StageConfig> {
    match f.get(key) {
        Some(node) => list(f.context, node, &f.key(key), 0),
        None => Vec::new(),
    }
}

fn list(context: &Context<'_>, node: &Node, path: &str, depth: usize) -> Vec<StageConfig> {
    if depth > MOST_NESTED {
        context.problem(node.at, path, format!("more than {MOST_NESTED} match stages within each other"));
        return Vec::new();
    }
    let mut out = Vec::new();
    for (path, item) in context.items(node, path) {
        // `- docker` alone is what people write for stages without settings.
        if let Value::Scalar(name) = &item.value
            && matches!(name.as_str(), "docker" | "cri" | "decolorize")
        {
            let entry = Entry { key: name.clone(), key_at: item.at, value: Node { at: item.at, value: Value::Null } };
            out.extend(stage(context, &entry, &path, depth));
            continue;
        }
        match &item.value {
            Value::Mapping(entries) if entries.len() == 1 => out.extend(stage(context, &entries[0], &path, depth)),
            Value::Mapping(entries) => context.problem(
                item.at,
                &path,
                format!("a stage is a mapping with one key, its name; this one has {}", entries.len()),
            ),
            _ => context.problem(item.at, &path, "a stage is a mapping with one key, its name (ends with a `:`)"),
        }
    }
    out
}

fn stage(context: &Context<'_>, entry: &Entry, path: &str, depth: usize) -> Option<StageConfig> {
    let key = format!("{path}.{}", entry.key);
    let node = &entry.value;
    let open = |known: &'static [&'static [&'static str]]| Fields::open(context, node, key.clone(), known);
    let kind = match entry.key.as_str() {
        "docker" => {
            open(&[&[]]);
            StageKind::Docker
        }
        "decolorize" => {
            open(&[&[]]);
            StageKind::Decolorize
        }
        "cri" => {
            let f = open(&[&["max_partial_lines", "max_partial_line_size", "max_partial_line_size_truncate"]]);
            StageKind::Cri(CriStage {
                max_partial_lines: f.unsigned("max_partial_lines").filter(|n| *n > 0).unwrap_or(100),
                max_partial_line_size: size(&f, "max_partial_line_size").unwrap_or_default(),
                max_partial_line_size_truncate: f.boolean("max_partial_line_size_truncate").unwrap_or(false),
            })
        }
        "json" => {
            let f = open(&[&["expressions", "source", "drop_malformed"]]);
            StageKind::Json(JsonStage {
                expressions: needed_pairs(&f, "expressions"),
                source: source(&f),
                drop_malformed: f.boolean("drop_malformed").unwrap_or(false),
            })
        }
        "logfmt" => {
            let f = open(&[&["mapping", "source"]]);
            StageKind::Logfmt(LogfmtStage { mapping: needed_pairs(&f, "mapping"), source: source(&f) })
        }
        "regex" => {
            let f = open(&[&["expression", "source"]]);
            StageKind::Regex(RegexStage { expression: pattern(&f, "expression", true), source: source(&f) })
        }
        "replace" => {
            let f = open(&[&["expression", "source", "replace"]]);
            StageKind::Replace(ReplaceStage {
                expression: pattern(&f, "expression", true),
                source: source(&f),
                replace: f.text_or_empty("replace"),
            })
        }
        "template" => {
            let f = open(&[&["source", "template"]]);
            StageKind::Template(TemplateStage { source: needed(&f, "source"), template: f.text_or_empty("template") })
        }
        "timestamp" => StageKind::Timestamp(timestamp(&open(&[&[
            "source",
            "format",
            "fallback_formats",
            "location",
            "action_on_failure",
        ]]))),
        "labels" => StageKind::Labels(label_pairs(context, node, &key)),
        "structured_metadata" => StageKind::StructuredMetadata(label_pairs(context, node, &key)),
        "static_labels" => StageKind::StaticLabels(
            context
                .map(node, &key)
                .filter_map(|(path, e)| Some((e.key.clone(), context.text(&e.value, &path)?)))
                .filter(|(_, value)| !value.is_empty())
                .collect(),
        ),
        "labelallow" => StageKind::LabelAllow(names(context, node, &key)),
        "labeldrop" => StageKind::LabelDrop(names(context, node, &key)),
        "output" => StageKind::Output(needed(&open(&[&["source"]]), "source")),
        "match" => StageKind::Match(matching(
            &open(&[&["pipeline_name", "selector", "stages", "action", "drop_counter_reason"]]),
            depth,
        )),
        "multiline" => {
            let f = open(&[&["firstline", "max_lines", "max_wait_time"]]);
            StageKind::Multiline(MultilineStage {
                firstline: pattern(&f, "firstline", true),
                max_lines: f.unsigned("max_lines").unwrap_or(128),
                max_wait_time: duration(&f, "max_wait_time").unwrap_or(Millis::from_secs(3)),
            })
        }
        "drop" => StageKind::Drop(drop_stage(&open(&[&[
            "source",
            "separator",
            "expression",
            "value",
            "older_than",
            "longer_than",
            "drop_counter_reason",
        ]]))),
        "limit" => {
            StageKind::Limit(limit(&open(&[&["rate", "burst", "drop", "by_label_name", "max_distinct_labels"]])))
        }
        "sampling" => {
            let f = open(&[&["rate", "drop_counter_reason"]]);
            let rate = f.float("rate").unwrap_or(0.0);
            if !(0.0..=1.0).contains(&rate) {
                f.problem("rate", format!("must be between 0.0 and 1.0, is {rate}"));
            }
            StageKind::Sampling(SamplingStage { rate, drop_counter_reason: reason(&f, "sampling_stage") })
        }
        "pack" => {
            let f = open(&[&["labels", "ingest_timestamp"]]);
            StageKind::Pack(PackStage {
                labels: f.texts("labels"),
                ingest_timestamp: f.boolean("ingest_timestamp").unwrap_or(true),
            })
        }
        "metrics" => StageKind::Metrics(metrics(context, node, &key)),
        "tenant" => StageKind::Tenant(tenant(&open(&[&["label", "source", "value"]]))?),
        "eventlogmessage" => {
            let f = open(&[&["source", "drop_invalid_labels", "overwrite_existing"]]);
            StageKind::EventLogMessage(EventLogMessageStage {
                source: f.text("source").unwrap_or_else(|| "message".into()),
                drop_invalid_labels: f.boolean("drop_invalid_labels").unwrap_or(false),
                overwrite_existing: f.boolean("overwrite_existing").unwrap_or(false),
            })
        }
        "geoip" => {
            context.problem(
                entry.key_at,
                &key,
                "the stage geoip is not supported: it needs a database of addresses; remove it",
            );
            return None;
        }
        other => {
            context.problem(entry.key_at, &key, format!("unknown stage {other:?}; {}", one_of(other, &NAMES)));
            return None;
        }
    };
    let place = Place { line: entry.key_at.line, column: entry.key_at.column, key };
    Some(StageConfig { place, kind })
}

/// A text that must be there.
fn needed(f: &Fields<'_, '_>, key: &str) -> String {
    let text = f.text_or_empty(key);
    if text.is_empty() {
        f.problem(key, "must be set");
    }
    text
}

fn source(f: &Fields<'_, '_>) -> Option<String> {
    let source = f.text("source");
    if source.as_deref() == Some("") {
        f.problem("source", "cannot be empty; remove it to read the line");
    }
    source
}

fn reason(f: &Fields<'_, '_>, default: &str) -> String {
    f.text("drop_counter_reason").filter(|text| !text.is_empty()).unwrap_or_else(|| default.into())
}

/// A regular expression that compiles.
fn pattern(f: &Fields<'_, '_>, key: &str, is_needed: bool) -> String {
    let text = f.text_or_empty(key);
    if text.is_empty() && is_needed {
        f.problem(key, "a regular expression must be set");
    }
    if let Err(error) = regex::bytes::Regex::new(&model::pattern::from_go(&text)) {
        let last = error.to_string();
        let last = last.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
        f.problem(key, format!("invalid regular expression {text:?}: {last}"));
    }
    text
}

/// Names with what they are taken from; the name itself where nothing is given.
fn pairs(context: &Context<'_>, node: &Node, path: &str) -> Vec<(String, String)> {
    let entries = context.map(node, path).filter_map(|(path, e)| Some((e.key.clone(), context.text(&e.value, &path)?)));
    entries.map(|(name, from)| if from.is_empty() { (name.clone(), name) } else { (name, from) }).collect()
}

fn needed_pairs(f: &Fields<'_, '_>, key: &str) -> Vec<(String, String)> {
    let found = f.get(key).map(|node| pairs(f.context, node, &f.key(key))).unwrap_or_default();
    if found.is_empty() {
        f.problem(key, "at least one entry is needed");
    }
    found
}

fn label_pairs(context: &Context<'_>, node: &Node, path: &str) -> Vec<(String, String)> {
    let found = pairs(context, node, path);
    for (name, _) in found.iter().filter(|(name, _)| !model::is_valid_legacy_label_name(name)) {
        context.problem(node.at, path, format!("{name:?} is not a valid label name"));
    }
    found
}

fn names(context: &Context<'_>, node: &Node, path: &str) -> Vec<String> {
    let found = context.texts(node, path);
    if found.is_empty() {
        context.problem(node.at, path, "at least one label name is needed");
    }
    found
}

fn timestamp(f: &Fields<'_, '_>) -> TimestampStage {
    TimestampStage {
        source: needed(f, "source"),
        format: needed(f, "format"),
        fallback_formats: f.texts("fallback_formats"),
        location: f.text("location"),
        fudge: f.choice("action_on_failure", &[("fudge", true), ("skip", false)]).unwrap_or(true),
    }
}

fn matching(f: &Fields<'_, '_>, depth: usize) -> MatchStage {
    let is_drop = f.choice("action", &[("keep", false), ("drop", true)]).unwrap_or(false);
    let stages = match f.get("stages") {
        Some(node) => list(f.context, node, &f.key("stages"), depth + 1),
        None => Vec::new(),
    };
    match (is_drop, f.get("stages").is_some()) {
        (true, true) => f.problem("stages", "a match stage that drops cannot have stages"),
        (false, false) => f.problem("stages", "at least one stage is needed"),
        _ => {}
    }
    MatchStage { selector: needed(f, "selector"), stages, drop: is_drop, drop_counter_reason: reason(f, "match_stage") }
}

fn drop_stage(f: &Fields<'_, '_>) -> DropStage {
    let source = match f.get("source") {
        Some(Node { value: Value::Sequence(_), .. }) => f.texts("source"),
        Some(_) => f.text("source").into_iter().collect(),
        None => Vec::new(),
    };
    let expression = f.get("expression").is_some().then(|| pattern(f, "expression", false));
    let stage = DropStage {
        source,
        separator: f.text("separator").unwrap_or_else(|| ";".into()),
        expression,
        value: f.text("value"),
        older_than: duration(f, "older_than"),
        longer_than: size(f, "longer_than"),
        drop_counter_reason: reason(f, "drop_stage"),
    };
    if stage.value.is_some() && stage.source.is_empty() {
        f.problem("value", "needs source");
    }
    if stage.value.is_some() && stage.expression.is_some() {
        f.problem("value", "excludes expression");
    }
    let says_something = !stage.source.is_empty()
        || stage.expression.is_some()
        || stage.older_than.is_some()
        || stage.longer_than.is_some();
    if !says_something {
        f.problem("", "a drop stage needs source, expression, older_than or longer_than");
    }
    stage
}

fn limit(f: &Fields<'_, '_>) -> LimitStage {
    let stage = LimitStage {
        rate: f.float("rate").unwrap_or(0.0),
        burst: f.unsigned("burst").unwrap_or(0),
        drop: f.boolean("drop").unwrap_or(false),
        by_label_name: f.text("by_label_name").filter(|name| !name.is_empty()),
        max_distinct_labels: f.unsigned("max_distinct_labels").unwrap_or(0).max(10_000),
    };
    if stage.rate <= 0.0 || stage.burst == 0 {
        f.problem("", "rate and burst must be above 0");
    }
    if stage.by_label_name.is_some() && !stage.drop {
        f.problem("by_label_name", "needs drop: true");
    }
    stage
}

fn tenant(f: &Fields<'_, '_>) -> Option<TenantStage> {
    let given = |key| f.text(key).filter(|text: &String| !text.is_empty());
    match (given("label"), given("source"), given("value")) {
        (Some(label), None, None) => Some(TenantStage::Label(label)),
        (None, Some(source), None) => Some(TenantStage::Source(source)),
        (None, None, Some(value)) => Some(TenantStage::Value(value)),
        _ => {
            f.problem("", "exactly one of label, source and value is needed");
            None
        }
    }
}

fn metrics(context: &Context<'_>, node: &Node, path: &str) -> Vec<MetricStage> {
    context.map(node, path).filter_map(|(path, entry)| metric(context, entry, path)).collect()
}

fn metric(context: &Context<'_>, entry: &Entry, path: String) -> Option<MetricStage> {
    let f = Fields::open(
        context,
        &entry.value,
        path,
        &[&["type", "description", "source", "prefix", "max_idle_duration", "config"]],
    );
    let kind = f.text_or_empty("type").to_lowercase();
    let empty = Node { at: f.at, value: Value::Null };
    let config = f.get("config").unwrap_or(&empty);
    let open = |known: &'static [&'static [&'static str]]| Fields::open(context, config, f.key("config"), known);
    let (action, value) = match kind.as_str() {
        "counter" => {
            let c = open(&[&["match_all", "count_entry_bytes", "value", "action"]]);
            let words = [("inc", false), ("add", true), ("Inc", false), ("Add", true)];
            let add = c.choice("action", &words);
            if add.is_none() && !c.has("action") {
                c.problem("action", "must be inc or add");
            }
            let add = add.unwrap_or(false);
            let match_all = c.boolean("match_all").unwrap_or(false);
            let count_entry_bytes = c.boolean("count_entry_bytes").unwrap_or(false);
            let value = c.text("value");
            if match_all && value.is_some() {
                c.problem("match_all", "cannot be combined with value");
            }
            if count_entry_bytes && !(match_all && add) {
                c.problem("count_entry_bytes", "needs match_all: true and action: add");
            }
            (MetricAction::Counter { add, match_all, count_entry_bytes }, value)
        }
        "gauge" => {
            let c = open(&[&["value", "action"]]);
            let words = [
                ("set", GaugeAction::Set),
                ("inc", GaugeAction::Inc),
                ("dec", GaugeAction::Dec),
                ("add", GaugeAction::Add),
                ("sub", GaugeAction::Sub),
            ];
            if !c.has("action") {
                c.problem("action", "must be set, inc, dec, add or sub");
            }
            (MetricAction::Gauge(c.choice("action", &words).unwrap_or(GaugeAction::Set)), c.text("value"))
        }
        "histogram" => {
            let c = open(&[&["value", "buckets"]]);
            let mut buckets = Vec::new();
            for text in c.texts("buckets") {
                match text.parse::<f64>() {
                    Ok(bound) if bound.is_finite() => buckets.push(bound),
                    _ => c.problem("buckets", format!("{text:?} is not a number")),
                }
            }
            if buckets.windows(2).any(|pair| pair[0] >= pair[1]) {
                c.problem("buckets", "must be in increasing order");
            }
            if buckets.is_empty() {
                buckets = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
            }
            (MetricAction::Histogram(buckets), c.text("value"))
        }
        other => {
            let kinds = ["counter", "gauge", "histogram"];
            f.problem("type", format!("invalid metric type {other:?}; {}", one_of(other, &kinds)));
            return None;
        }
    };
    let max_idle = duration(&f, "max_idle_duration").unwrap_or(Millis::from_secs(300));
    if max_idle < Millis::from_secs(1) {
        f.problem("max_idle_duration", "less than 1s is not allowed");
    }
    let prefix = f.text("prefix").filter(|prefix| !prefix.is_empty()).unwrap_or_else(|| "promtail_custom_".into());
    let name = format!("{prefix}{}", entry.key);
    if !model::is_valid_legacy_metric_name(&name) {
        f.problem("", format!("{name:?} is not a valid metric name"));
    }
    Some(MetricStage {
        name,
        description: f.text_or_empty("description"),
        source: f.text("source").unwrap_or_else(|| entry.key.clone()),
        max_idle,
        action,
        value,
    })
}
