//! Metric families under construction, and their text form (Prometheus text 0.0.4).

use std::collections::BTreeMap;
use std::fmt::Write;

use model::float::format_g;

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Untyped,
}

#[derive(Debug)]
struct Family {
    help: String,
    kind: Kind,
    samples: BTreeMap<String, f64>,
}

/// Families in the order of their names. Of two samples with one name and label set the first stays.
#[derive(Debug, Default)]
pub(crate) struct Exposition(BTreeMap<String, Family>);

impl Exposition {
    /// Adds a counter.
    pub(crate) fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.add(Kind::Counter, name, help, labels, value);
    }

    /// Adds a gauge.
    pub(crate) fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.add(Kind::Gauge, name, help, labels, value);
    }

    /// Adds a value of unknown type.
    pub(crate) fn untyped(&mut self, name: &str, help: &str, value: f64) {
        self.add(Kind::Untyped, name, help, &[], value);
    }

    fn add(&mut self, kind: Kind, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        let family = match self.0.get_mut(name) {
            Some(family) => family,
            None => {
                let family = Family { help: help.to_owned(), kind, samples: BTreeMap::new() };
                self.0.entry(name.to_owned()).or_insert(family)
            }
        };
        let mut text = String::new();
        for (name, value) in labels {
            text.push_str(if text.is_empty() { "{" } else { "," });
            text.push_str(name);
            text.push_str("=\"");
            escape(&mut text, value, true);
            text.push('"');
        }
        if !labels.is_empty() {
            text.push('}');
        }
        family.samples.entry(text).or_insert(value);
    }

    /// Appends all families as text.
    pub(crate) fn write(&self, out: &mut String) {
        for (name, family) in &self.0 {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Untyped => "untyped",
            };
            let _ = write!(out, "# HELP {name} ");
            escape(out, &family.help, false);
            let _ = writeln!(out, "\n# TYPE {name} {kind}");
            for (labels, value) in &family.samples {
                let _ = writeln!(out, "{name}{labels} {}", format_g(*value));
            }
        }
    }
}

fn escape(out: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_sorted_families_once_each() {
        let mut out = Exposition::default();
        out.gauge("b", "say \"b\"\\\n", &[("x", "a\"\\\nb"), ("y", "")], 1.5);
        out.counter("a_total", "a", &[], 8_426_079_232.0);
        out.gauge("b", "ignored", &[("x", "1"), ("y", "2")], 2.0);
        out.gauge("b", "ignored", &[("x", "1"), ("y", "2")], 3.0);
        let mut text = String::new();
        out.write(&mut text);
        assert_eq!(
            text,
            "# HELP a_total a\n# TYPE a_total counter\na_total 8.426079232e+09\n\
             # HELP b say \"b\"\\\\\\n\n# TYPE b gauge\nb{x=\"1\",y=\"2\"} 2\nb{x=\"a\\\"\\\\\\nb\",y=\"\"} 1.5\n"
        );
    }
}
