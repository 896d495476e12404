//! `eventlogmessage`: `key: value` lines of the message of a Windows event.

use std::sync::Arc;

use config::promtail::EventLogMessageStage;

use crate::entry::{Entry, Extract};

/// The stage.
#[derive(Debug)]
pub(crate) struct EventLogStep(EventLogMessageStage);

impl EventLogStep {
    pub(super) fn new(config: &EventLogMessageStage) -> Self {
        EventLogStep(config.clone())
    }

    pub(super) fn apply(&self, entry: &mut Entry<'_>) {
        let Some(text) = entry.extracted.bytes(&self.0.source) else { return };
        let text = String::from_utf8_lossy(&text).into_owned();
        for line in text.split("\r\n") {
            let Some((key, value)) = line.split_once(':') else { continue };
            let mut key = key.to_owned();
            if !model::is_valid_legacy_label_name(&key) {
                if self.0.drop_invalid_labels {
                    continue;
                }
                key = mended(&key);
            }
            if entry.extracted.has(&key) && !self.0.overwrite_existing {
                key += "_extracted";
            }
            entry.extracted.set(&Arc::from(key), Extract::text(value.trim()));
        }
    }
}

fn mended(key: &str) -> String {
    if key.is_empty() {
        return "_".into();
    }
    let fits = |at: usize, c: char| c.is_ascii_alphabetic() || c == '_' || (at > 0 && c.is_ascii_digit());
    key.char_indices().map(|(at, c)| if fits(at, c) { c } else { '_' }).collect()
}
