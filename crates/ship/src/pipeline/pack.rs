//! `pack`: labels and extracted values move into the line, which becomes a JSON object with the line as `_entry`.

use std::sync::Arc;

use config::promtail::PackStage;

use crate::entry::Entry;
use crate::stamp::Stamps;

/// The stage.
#[derive(Debug)]
pub(crate) struct PackStep {
    labels: Vec<String>,
    ingest_timestamp: bool,
}

impl PackStep {
    pub(super) fn new(config: &PackStage) -> Self {
        let mut labels = config.labels.clone();
        labels.sort();
        labels.dedup();
        PackStep { labels, ingest_timestamp: config.ingest_timestamp }
    }

    pub(super) fn apply(&self, entry: &mut Entry<'_>, stamps: &Arc<Stamps>) {
        let mut out = String::from("{");
        let mut packed = Vec::new();
        for name in &self.labels {
            let Some(value) = entry.extracted.bytes(name) else { continue };
            push_json(&mut out, name.as_bytes());
            out.push(':');
            push_json(&mut out, &value);
            out.push(',');
            packed.push(name);
        }
        out.push_str("\"_entry\":");
        push_json(&mut out, &entry.line);
        out.push('}');
        packed.into_iter().for_each(|name| entry.labels.remove(name));
        entry.line = out.into_bytes().into();
        if self.ingest_timestamp {
            entry.timestamp = stamps.take(1);
        }
    }
}

/// As Go's `json.Marshal`: with `<`, `>` and `&` escaped.
fn push_json(out: &mut String, text: &[u8]) {
    let value = gotemplate::Value::Str(text.into());
    match gotemplate::json::marshal(&value, usize::MAX) {
        Ok(json) => out.push_str(&json),
        Err(_) => out.push_str("\"\""),
    }
}
