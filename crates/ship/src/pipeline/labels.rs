//! Stages that change labels and structured metadata: `labels`, `structured_metadata`, `labelallow`, `labeldrop`,
//! `static_labels`, `tenant`.

use std::sync::Arc;

use crate::entry::{Entry, Extract};

/// A stage of this file.
#[derive(Debug)]
pub(crate) enum LabelsStep {
    /// Labels from extracted values: name and source.
    Set(Vec<(Arc<str>, Arc<str>)>),
    /// Structured metadata from extracted values, or else from labels: name and source.
    Metadata(Vec<(Arc<str>, Arc<str>)>),
    /// Only these stay.
    Allow(Vec<Arc<str>>),
    /// These go.
    Remove(Vec<Arc<str>>),
    /// Fixed ones.
    Fixed(Vec<(Arc<str>, Arc<str>)>),
    /// One label from another; nothing where that is empty.
    Copy { from: Arc<str>, to: Arc<str> },
    /// One label from an extracted value; nothing where that is empty.
    SetUnlessEmpty { from: Arc<str>, to: Arc<str> },
}

fn shared(pairs: &[(String, String)]) -> Vec<(Arc<str>, Arc<str>)> {
    pairs.iter().map(|(name, from)| (Arc::from(name.as_str()), Arc::from(from.as_str()))).collect()
}

impl LabelsStep {
    pub(super) fn set(pairs: &[(String, String)]) -> Self {
        LabelsStep::Set(shared(pairs))
    }

    pub(super) fn metadata(pairs: &[(String, String)]) -> Self {
        LabelsStep::Metadata(shared(pairs))
    }

    pub(super) fn fixed(pairs: &[(String, String)]) -> Self {
        LabelsStep::Fixed(shared(pairs))
    }

    pub(super) fn allow(names: &[String]) -> Self {
        LabelsStep::Allow(names.iter().map(|name| Arc::from(name.as_str())).collect())
    }

    pub(super) fn remove(names: &[String]) -> Self {
        LabelsStep::Remove(names.iter().map(|name| Arc::from(name.as_str())).collect())
    }

    pub(super) fn copy(from: &str, to: &str) -> Self {
        LabelsStep::Copy { from: Arc::from(from), to: Arc::from(to) }
    }

    pub(super) fn set_unless_empty(from: &str, to: &str) -> Self {
        LabelsStep::SetUnlessEmpty { from: Arc::from(from), to: Arc::from(to) }
    }

    pub(super) fn apply(&self, entry: &mut Entry<'_>) {
        match self {
            LabelsStep::Set(pairs) => {
                for (name, source) in pairs {
                    // A label that is no UTF-8 would be refused by every receiver.
                    if let Some(value) = entry.extracted.bytes(source)
                        && let Ok(value) = std::str::from_utf8(&value)
                    {
                        entry.labels.set(name, value);
                    }
                }
            }
            LabelsStep::Metadata(pairs) => metadata(entry, pairs),
            LabelsStep::Allow(names) => {
                let gone: Vec<String> = entry
                    .labels
                    .pairs()
                    .iter()
                    .filter(|(name, _)| !names.iter().any(|allowed| **allowed == **name))
                    .map(|(name, _)| (*name).to_owned())
                    .collect();
                gone.iter().for_each(|name| entry.labels.remove(name));
            }
            LabelsStep::Remove(names) => names.iter().for_each(|name| entry.labels.remove(name)),
            LabelsStep::Fixed(pairs) => pairs.iter().for_each(|(name, value)| entry.labels.set(name, value)),
            LabelsStep::Copy { from, to } => {
                let value = entry.labels.get(from).unwrap_or_default().to_owned();
                if !value.is_empty() {
                    entry.labels.set(to, &value);
                }
            }
            LabelsStep::SetUnlessEmpty { from, to } => {
                if let Some(value) = entry.extracted.bytes(from)
                    && let Ok(value) = std::str::from_utf8(&value)
                    && !value.is_empty()
                {
                    entry.labels.set(to, value);
                }
            }
        }
    }
}

/// Extracted values come first, labels of the same name second; a label whose value became metadata goes.
fn metadata(entry: &mut Entry<'_>, pairs: &[(Arc<str>, Arc<str>)]) {
    let mut taken: Vec<(&Arc<str>, Box<str>)> = Vec::with_capacity(pairs.len());
    for (name, source) in pairs {
        if let Some(value) = entry.extracted.bytes(source)
            && let Ok(value) = std::str::from_utf8(&value)
        {
            let value: Box<str> = value.into();
            entry.metadata.push((name.clone(), value.clone()));
            taken.push((source, value));
        }
    }
    for (name, source) in pairs {
        if taken.iter().any(|(known, _)| *known == source) {
            continue;
        }
        if let Some(value) = entry.labels.get(source) {
            let value: Box<str> = value.into();
            entry.metadata.push((name.clone(), value.clone()));
            taken.push((source, value));
        }
    }
    for (source, value) in taken {
        if entry.labels.get(source) == Some(&*value) {
            entry.labels.remove(source);
        }
    }
}

/// What every pipeline begins with: labels count as extracted. At the top the target's labels do so by themselves.
pub(super) fn copy_to_extracted(entry: &mut Entry<'_>) {
    for (name, value) in entry.labels.pairs() {
        let is_known = entry.extracted.bytes(name).is_some_and(|known| *known == *value.as_bytes());
        if !is_known {
            entry.extracted.set(&Arc::from(name), Extract::text(value));
        }
    }
}
