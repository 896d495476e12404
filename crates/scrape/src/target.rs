//! A target: from discovered labels through relabelling to something that can be scraped.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::ScrapeConfig;
use model::duration::{format_duration_ms, parse_duration_ms};
use model::{Labels, LabelsBuilder, Timestamp};
use parking_lot::Mutex;

use crate::discovery::TargetGroup;
use crate::relabel::relabel;
use crate::snapshot::{FamilyMetadata, TargetHealth};

const ADDRESS: &str = "__address__";
const SCHEME: &str = "__scheme__";
const METRICS_PATH: &str = "__metrics_path__";
const INTERVAL: &str = "__scrape_interval__";
const TIMEOUT: &str = "__scrape_timeout__";
const PARAM_PREFIX: &str = "__param_";
const META_PREFIX: &str = "__meta_";
const NATIVE_HISTOGRAMS: &str = "__scrape_native_histograms__";
const KEEP_CLASSIC: &str = "__always_scrape_classic_histograms__";
const CONVERT_CLASSIC: &str = "__convert_classic_histograms_to_nhcb__";

/// Something that is scraped. All but the status is fixed: another label set or URL is another target.
#[derive(Debug)]
pub(crate) struct Target {
    /// Labels that the target's series carry: those that do not begin with `__`.
    pub(crate) labels: Labels,
    /// What is fetched.
    pub(crate) url: String,
    /// Milliseconds between scrapes.
    pub(crate) interval_ms: i64,
    /// Milliseconds after which a scrape has failed.
    pub(crate) timeout_ms: i64,
    /// Identity: all labels and the URL.
    pub(crate) hash: u64,
    /// How histograms are read.
    pub(crate) histograms: crate::exposition::ParseOptions,
    /// Where the target was found: a group and the position in it.
    pub(crate) origin: Mutex<(Arc<TargetGroup>, usize)>,
    /// What came of the last scrape.
    pub(crate) status: Mutex<TargetStatus>,
}

/// What came of the last scrape.
#[derive(Clone, Debug, Default)]
pub(crate) struct TargetStatus {
    pub(crate) health: TargetHealth,
    pub(crate) last_error: Option<Box<str>>,
    pub(crate) last_warning: Option<Box<str>>,
    pub(crate) last_scrape: Option<Timestamp>,
    pub(crate) duration_seconds: f64,
    pub(crate) samples: u64,
    pub(crate) families: Arc<[Arc<FamilyMetadata>]>,
}

/// The labels of a discovered target before relabelling: its own, its group's, and what the configuration says.
pub(crate) fn discovered_labels(config: &ScrapeConfig, group: &TargetGroup, index: usize) -> LabelsBuilder {
    let mut labels = group.labels.to_builder();
    for label in &group.targets[index] {
        labels.set(label.name, label.value);
    }
    let flag = |on: bool| if on { "true" } else { "false" };
    let defaults = [
        ("job", config.job_name.as_str()),
        (INTERVAL, &config.scrape_interval.to_string()),
        (TIMEOUT, &config.scrape_timeout.to_string()),
        (METRICS_PATH, &config.metrics_path),
        (SCHEME, config.scheme.as_str()),
        (CONVERT_CLASSIC, flag(config.convert_classic_histograms_to_nhcb)),
        (KEEP_CLASSIC, flag(config.always_scrape_classic_histograms)),
        (NATIVE_HISTOGRAMS, flag(config.scrape_native_histograms)),
    ];
    for (name, value) in defaults {
        if labels.get(name).is_empty() {
            labels.set(name, value);
        }
    }
    for (name, values) in &config.params {
        let name = format!("{PARAM_PREFIX}{name}");
        if let Some(first) = values.first()
            && labels.get(&name).is_empty()
        {
            labels.set(&name, first);
        }
    }
    labels
}

/// Relabels and checks a discovered target. `Ok(None)` where a rule drops it; the error says what makes it unusable.
pub(crate) fn make_target(
    config: &ScrapeConfig,
    group: &Arc<TargetGroup>,
    index: usize,
) -> Result<Option<Target>, String> {
    let mut labels = discovered_labels(config, group, index);
    if !relabel(&mut labels, &config.relabel_configs, config.metric_name_validation_scheme) {
        return Ok(None);
    }
    let address = labels.get(ADDRESS).to_owned();
    if address.is_empty() {
        return Err("no address".into());
    }
    if address.contains('/') {
        return Err(format!("{address:?} is not a valid hostname"));
    }
    let interval_ms = duration_label(&labels, INTERVAL, "interval")?;
    let timeout_ms = duration_label(&labels, TIMEOUT, "timeout")?;
    if timeout_ms > interval_ms {
        return Err(format!(
            "scrape timeout cannot be greater than scrape interval ({:?} > {:?})",
            labels.get(TIMEOUT),
            labels.get(INTERVAL)
        ));
    }
    let histograms = crate::exposition::ParseOptions {
        native_histograms: flag_label(&labels, NATIVE_HISTOGRAMS, "scrape native histograms")?,
        keep_classic_histograms: flag_label(&labels, KEEP_CLASSIC, "always scrape classic histograms")?,
        convert_classic_to_nhcb: flag_label(&labels, CONVERT_CLASSIC, "convert classic histograms to nhcb")?,
    };
    labels.retain(|name, _| !name.starts_with(META_PREFIX));
    if labels.get("instance").is_empty() {
        labels.set("instance", &address);
    }
    let all = labels.build();
    let url = url(&all, &config.params);
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(url.as_bytes(), all.hash64());
    Ok(Some(Target {
        labels: all.without(|name| name.starts_with("__")),
        url,
        interval_ms,
        timeout_ms,
        hash,
        histograms,
        origin: Mutex::new((group.clone(), index)),
        status: Mutex::default(),
    }))
}

fn duration_label(labels: &LabelsBuilder, name: &str, what: &str) -> Result<i64, String> {
    let ms = parse_duration_ms(labels.get(name)).map_err(|e| format!("error parsing scrape {what}: {e}"))?;
    if ms == 0 { Err(format!("scrape {what} cannot be 0")) } else { Ok(ms) }
}

/// Reads what Go's `strconv.ParseBool` reads.
fn flag_label(labels: &LabelsBuilder, name: &str, what: &str) -> Result<bool, String> {
    match labels.get(name) {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        other => Err(format!("error parsing {what}: {other:?} is neither true nor false")),
    }
}

/// `scheme://address/path?parameters`; a `__param_x` label stands for the first value of parameter `x`.
fn url(labels: &Labels, params: &BTreeMap<String, Vec<String>>) -> String {
    let mut params = params.clone();
    for label in labels {
        if let Some(name) = label.name.strip_prefix(PARAM_PREFIX) {
            let values = params.entry(name.to_owned()).or_default();
            match values.first_mut() {
                Some(first) => label.value.clone_into(first),
                None => values.push(label.value.to_owned()),
            }
        }
    }
    let part = |name| labels.get(name).unwrap_or_default();
    let path = part(METRICS_PATH);
    let slash = if path.starts_with('/') || path.is_empty() { "" } else { "/" };
    let mut url = format!("{}://{}{slash}{}", part(SCHEME), part(ADDRESS), escape_path(path));
    if params.values().any(|values| !values.is_empty()) {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, values) in &params {
            query.extend_pairs(values.iter().map(|value| (name, value)));
        }
        url.push('?');
        url.push_str(&query.finish());
    }
    url
}

fn escape_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

impl Target {
    /// Milliseconds from `now` to the first scrape: each target has its own place within the interval, the same after
    /// every restart.
    pub(crate) fn offset_ms(&self, now: Timestamp, seed: u64) -> i64 {
        let interval = self.interval_ms;
        let to_boundary = interval - now.ms().rem_euclid(interval);
        let own = ((self.hash ^ seed) % interval.unsigned_abs()) as i64;
        let next = to_boundary + own;
        if next > interval { next - interval } else { next }
    }

    /// The interval as Prometheus writes durations.
    pub(crate) fn interval_text(&self) -> String {
        format_duration_ms(self.interval_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(labels: &[(&str, &str)]) -> Arc<TargetGroup> {
        Arc::new(TargetGroup {
            source: "test".into(),
            targets: vec![Labels::from_pairs(labels.iter().copied())],
            labels: Labels::from_pairs([("env", "prod"), ("__meta_kind", "x")]),
        })
    }

    fn config() -> ScrapeConfig {
        let params = BTreeMap::from([("module".to_owned(), vec!["a b".to_owned(), "c".to_owned()])]);
        ScrapeConfig { job_name: "j".into(), params, ..ScrapeConfig::default() }
    }

    #[test]
    fn labels_and_url_come_together() {
        let target = make_target(&config(), &group(&[("__address__", "h:1"), ("__param_target", "x/y")]), 0);
        let target = target.unwrap().unwrap();
        assert_eq!(target.url, "http://h:1/metrics?module=a+b&module=c&target=x%2Fy");
        assert_eq!(target.labels.to_string(), r#"{env="prod", instance="h:1", job="j"}"#);
        assert_eq!((target.interval_ms, target.timeout_ms), (60_000, 10_000));
    }

    #[test]
    fn unusable_targets_say_why() {
        for (label, value, error) in [
            ("__address__", "http://h:1", "\"http://h:1\" is not a valid hostname"),
            ("__address__", "", "no address"),
            ("__scrape_interval__", "0s", "scrape interval cannot be 0"),
            ("__scrape_timeout__", "2m", "scrape timeout cannot be greater than scrape interval (\"2m\" > \"1m\")"),
            (
                "__scrape_native_histograms__",
                "yes",
                "error parsing scrape native histograms: \"yes\" is neither true nor false",
            ),
        ] {
            let found = make_target(&config(), &group(&[("__address__", "h:1"), (label, value)]), 0);
            assert_eq!(found.unwrap_err(), error);
        }
    }

    #[test]
    fn offsets_spread_over_the_interval_and_stay() {
        let mut seen = std::collections::BTreeSet::new();
        for i in 0..200 {
            let target = make_target(&config(), &group(&[("__address__", &format!("h{i}:1"))]), 0).unwrap().unwrap();
            let offset = target.offset_ms(Timestamp(1_700_000_000_000), 7);
            let later = target.offset_ms(Timestamp(1_700_000_010_000), 7);
            assert!((0..=60_000).contains(&offset));
            assert_eq!((offset - later).rem_euclid(60_000), 10_000, "the same moments of the wall clock");
            seen.insert(offset / 6_000);
        }
        assert_eq!(seen.len(), 10, "every tenth of the interval has targets");
    }
}
