//! OpenTelemetry's names of metrics, units and attributes as Prometheus' names.
//!
//! The rules are those of `prometheus/otlptranslator` (`metric_namer.go`, `unit_namer.go`, `label_namer.go`).

use std::borrow::Cow;

use config::{OtlpConfig, TranslationStrategy};
use thiserror::Error;

/// Units by their UCUM code.
const UNITS: [(&str, &str); 25] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("%", "percent"),
];
/// Units after the slash.
const PER_UNITS: [(&str, &str); 7] =
    [("s", "second"), ("m", "minute"), ("h", "hour"), ("d", "day"), ("w", "week"), ("mo", "month"), ("y", "year")];

/// What a metric's type adds to its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameKind {
    /// `_ratio` where the unit is 1.
    Gauge,
    /// `_total`.
    Counter,
    /// Nothing.
    Other,
}

/// Why there is no name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum NameFault {
    #[error("normalization for metric {0:?} resulted in empty name")]
    EmptyMetric(String),
    #[error("normalization for metric {0:?} resulted in invalid name {1:?}")]
    Metric(String, String),
    #[error("label name is empty")]
    EmptyLabel,
    #[error("label name {0:?} contains only underscores")]
    UnderscoresOnly(String),
    #[error("normalization for label name {0:?} resulted in invalid name {1:?}")]
    Label(String, String),
}

/// How names are translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// Names stay as they are but for suffixes.
    pub(super) keeps_utf8: bool,
    adds_suffixes: bool,
    /// `key` before label names that begin with one underscore.
    sanitizes_underscore: bool,
    preserves_multiple_underscores: bool,
}

impl Names {
    pub(super) fn new(config: &OtlpConfig) -> Self {
        use TranslationStrategy as T;
        let strategy = config.translation_strategy;
        Names {
            keeps_utf8: matches!(strategy, T::NoUTF8EscapingWithSuffixes | T::NoTranslation),
            adds_suffixes: matches!(strategy, T::UnderscoreEscapingWithSuffixes | T::NoUTF8EscapingWithSuffixes),
            sanitizes_underscore: config.label_name_underscore_sanitization,
            preserves_multiple_underscores: config.label_name_preserve_multiple_underscores,
        }
    }

    /// The name of a metric family.
    pub(super) fn metric(&self, name: &str, unit: &str, kind: NameKind) -> Result<String, NameFault> {
        if self.keeps_utf8 {
            return Ok(if self.adds_suffixes { with_suffixes(name, unit, kind) } else { name.to_owned() });
        }
        let built = match self.adds_suffixes {
            true => prefixed(tokens_with_suffixes(name, unit, kind).join("_")),
            false => {
                let parts = name.split(|c| !is_metric_char(c) && c != '_').filter(|part| !part.is_empty());
                prefixed(parts.collect::<Vec<_>>().join("_"))
            }
        };
        if built.is_empty() {
            return Err(NameFault::EmptyMetric(name.to_owned()));
        }
        if built != name && built.bytes().all(|b| b == b'_') {
            return Err(NameFault::Metric(name.to_owned(), built));
        }
        Ok(built)
    }

    /// The name of a label.
    pub(super) fn label<'a>(&self, name: &'a str) -> Result<Cow<'a, str>, NameFault> {
        if name.is_empty() {
            return Err(NameFault::EmptyLabel);
        }
        if self.keeps_utf8 {
            let only_underscores = name.bytes().all(|b| b == b'_');
            return if only_underscores { Err(NameFault::UnderscoresOnly(name.to_owned())) } else { Ok(name.into()) };
        }
        let mut built = self.sanitized(name);
        if built.starts_with(|c: char| c.is_ascii_digit()) {
            built = Cow::Owned(format!("key_{built}"));
        } else if self.sanitizes_underscore && built.starts_with('_') && !built.starts_with("__") {
            built = Cow::Owned(format!("key{built}"));
        }
        if built.bytes().all(|b| b == b'_') {
            return Err(NameFault::Label(name.to_owned(), built.into_owned()));
        }
        Ok(built)
    }

    fn sanitized<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if self.preserves_multiple_underscores {
            if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Cow::Borrowed(name);
            }
            return Cow::Owned(name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect());
        }
        let inner = name.strip_prefix("__").and_then(|rest| rest.strip_suffix("__"));
        let mut built = String::with_capacity(name.len());
        built.push_str(if inner.is_some() { "__" } else { "" });
        let mut after_underscore = false;
        for c in inner.unwrap_or(name).chars() {
            if c.is_ascii_alphanumeric() {
                built.push(c);
            } else if !after_underscore {
                built.push('_');
            }
            after_underscore = !c.is_ascii_alphanumeric();
        }
        built.push_str(if inner.is_some() { "__" } else { "" });
        Cow::Owned(built)
    }
}

/// The unit as metadata shows it, such as `bytes_per_second`.
pub(super) fn unit_name(unit: &str) -> String {
    let (main, per) = unit_suffixes(unit);
    let joined =
        [clean_unit(&main), clean_unit(&per)].into_iter().filter(|u| !u.is_empty()).collect::<Vec<_>>().join("_");
    let without_first = joined.strip_prefix('_').unwrap_or(&joined);
    without_first.strip_suffix('_').unwrap_or(without_first).to_owned()
}

fn is_metric_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == ':'
}

/// A metric name does not begin with a digit.
fn prefixed(name: String) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

fn tokens_with_suffixes<'a>(name: &'a str, unit: &str, kind: NameKind) -> Vec<Cow<'a, str>> {
    let mut tokens: Vec<Cow<'a, str>> =
        name.split(|c| !is_metric_char(c)).filter(|token| !token.is_empty()).map(Cow::Borrowed).collect();
    let (main, per) = unit_suffixes(unit);
    let (mut main, mut per) = (clean_unit(&main), clean_unit(&per));
    if tokens.iter().any(|token| **token == main) {
        main.clear();
    }
    per = if per == "per_" { String::new() } else { per.strip_suffix('_').unwrap_or(&per).to_owned() };
    if tokens.iter().any(|token| **token == per) {
        per.clear();
    }
    if !per.is_empty() {
        main = main.strip_suffix('_').unwrap_or(&main).to_owned();
    }
    tokens.extend([main, per].into_iter().filter(|suffix| !suffix.is_empty()).map(Cow::Owned));
    let last = match kind {
        NameKind::Counter => "total",
        NameKind::Gauge if unit == "1" => "ratio",
        _ => return tokens,
    };
    tokens.retain(|token| token != last);
    tokens.push(Cow::Borrowed(last));
    tokens
}

/// Suffixes on a name that otherwise stays as it is.
fn with_suffixes(name: &str, unit: &str, kind: NameKind) -> String {
    let last = match kind {
        NameKind::Gauge if unit == "1" => "ratio",
        NameKind::Counter => "total",
        _ => "",
    };
    let (main, per) = unit_suffixes(unit);
    let mut built = without_suffix(without_suffix(name, last), &per).to_owned();
    if !main.is_empty() && !built.ends_with(&main) {
        built = format!("{built}_{main}");
    }
    for suffix in [per.as_str(), last] {
        if !suffix.is_empty() {
            built.push('_');
            built.push_str(suffix);
        }
    }
    built
}

/// The name without a suffix and the character before it.
fn without_suffix<'a>(name: &'a str, suffix: &str) -> &'a str {
    let is_longer = name.len() > suffix.len() + 1;
    match name.strip_suffix(suffix) {
        Some(rest) if is_longer && !suffix.is_empty() => {
            let end = rest.char_indices().next_back().map_or(0, |(at, _)| at);
            &rest[..end]
        }
        _ => name,
    }
}

/// The words for a unit: before the slash, and `per_` with what is behind it.
fn unit_suffixes(unit: &str) -> (String, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let word = |code: &str, words: &[(&str, &str)]| {
        let code = code.trim();
        if code.contains(['{', '}']) {
            return String::new();
        }
        words.iter().find(|(known, _)| *known == code).map_or(code, |(_, word)| word).to_owned()
    };
    let main = if main.trim() == "1" { String::new() } else { word(main, &UNITS) };
    let per = word(per, &PER_UNITS);
    (main, if per.is_empty() { per } else { format!("per_{per}") })
}

/// Only characters of metric names, no two underscores in a row, none in front.
fn clean_unit(unit: &str) -> String {
    let mut clean = String::with_capacity(unit.len());
    for c in unit.chars() {
        let c = if is_metric_char(c) { c } else { '_' };
        if c != '_' || !clean.ends_with('_') {
            clean.push(c);
        }
    }
    clean.strip_prefix('_').map(str::to_owned).unwrap_or(clean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// A line of `names.jsonl`.
    #[derive(Deserialize)]
    struct Case {
        /// The strategy, or absent for the default.
        strategy: Option<String>,
        #[serde(default)]
        kind: String,
        metric: Option<String>,
        label: Option<String>,
        #[serde(default)]
        unit: String,
        #[serde(default)]
        plain: bool,
        want: Option<String>,
        /// What metadata says of the unit.
        want_unit: Option<String>,
    }

    #[test]
    fn cases() {
        let mut wrong = String::new();
        let mut check = |line: &str, got: Option<&str>, want: Option<&str>| {
            if got != want {
                wrong += &format!("{line}\n  got {got:?}\n");
            }
        };
        let text = include_str!("names.jsonl");
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            let case: Case = serde_json::from_str(line).unwrap_or_else(|e| panic!("line {}: {e}", at + 1));
            let strategy = match case.strategy.as_deref() {
                None => TranslationStrategy::UnderscoreEscapingWithSuffixes,
                Some("UnderscoreEscapingWithoutSuffixes") => TranslationStrategy::UnderscoreEscapingWithoutSuffixes,
                Some("NoUTF8EscapingWithSuffixes") => TranslationStrategy::NoUTF8EscapingWithSuffixes,
                Some("NoTranslation") => TranslationStrategy::NoTranslation,
                Some(other) => panic!("line {}: {other}", at + 1),
            };
            let names = Names::new(&OtlpConfig {
                translation_strategy: strategy,
                label_name_underscore_sanitization: !case.plain,
                label_name_preserve_multiple_underscores: !case.plain,
                ..OtlpConfig::default()
            });
            let kind = match case.kind.as_str() {
                "gauge" => NameKind::Gauge,
                "counter" => NameKind::Counter,
                _ => NameKind::Other,
            };
            if let Some(metric) = &case.metric {
                let built = names.metric(metric, &case.unit, kind).ok();
                check(line, built.as_deref(), case.want.as_deref());
            }
            if let Some(label) = &case.label {
                check(line, names.label(label).ok().as_deref(), case.want.as_deref());
            }
            if let Some(want) = &case.want_unit {
                check(line, Some(&unit_name(&case.unit)), Some(want));
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }
}
