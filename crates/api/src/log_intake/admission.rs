//! What of a request may go into the store: `limits_config`, in Loki's order and words (`pkg/distributor/validator.go`).
//!
//! Protocols hand over streams and entries as they decode them; what may stay is put into a batch at once, what may not is
//! counted by its reason. Labels and metadata that Loki finds out for itself are added here.

use std::borrow::Cow;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;

use config::LokiLimits;
use hashbrown::HashMap;
use model::{Labels, LabelsBuilder, LogBatch, Tenant};

use super::label_text::{self, Pairs};
use super::levels::{self, DETECTED_LEVEL};
use super::refusals::{Reason, Refusals};
use super::time_text;

/// The label that names the service.
pub(crate) const SERVICE_NAME: &str = "service_name";
pub(crate) const UNKNOWN_SERVICE: &str = "unknown_service";

/// A stream that entries may be added to.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    place: u32,
    level: Option<String>,
    /// Times of the entry before, as it came and as it is kept, in nanoseconds.
    last: Option<(i64, i64)>,
}

/// The times given to entries that came without one: the present, and no time twice, as equal entries of one time count once.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(AtomicI64);

impl Arrivals {
    fn take(&self, now: i64) -> i64 {
        let next = |last: i64| now.max(last.saturating_add(1));
        // The closure never answers `None`.
        let last = self.0.fetch_update(Relaxed, Relaxed, |last| Some(next(last)));
        next(last.unwrap_or(now))
    }
}

/// A request on its way into the store.
pub(crate) struct Admission<'a> {
    limits: &'a LokiLimits,
    /// In nanoseconds.
    now: i64,
    arrivals: &'a Arrivals,
    batch: LogBatch,
    known: HashMap<Labels, u32>,
    pub(crate) refusals: Refusals,
    /// Entries and bytes of lines and metadata that came, whatever became of them.
    pub(crate) received_lines: u64,
    pub(crate) received_bytes: u64,
    /// Bytes of lines that were cut.
    pub(crate) truncated: (u64, u64),
}

impl<'a> Admission<'a> {
    /// `now` is in nanoseconds.
    pub(crate) fn new(tenant: Tenant, limits: &'a LokiLimits, now: i64, arrivals: &'a Arrivals) -> Self {
        Admission {
            limits,
            now,
            arrivals,
            batch: LogBatch::new(tenant),
            known: HashMap::new(),
            refusals: Refusals::default(),
            received_lines: 0,
            received_bytes: 0,
            truncated: (0, 0),
        }
    }

    /// Makes room for lines and metadata of so many bytes.
    pub(crate) fn expect(&mut self, text_bytes: usize) {
        self.batch.reserve(text_bytes);
    }

    /// The time in nanoseconds of an entry that has none: the present, and another one for each.
    pub(crate) fn arrival(&self) -> i64 {
        self.arrivals.take(self.now)
    }

    pub(crate) fn limits(&self) -> &'a LokiLimits {
        self.limits
    }

    /// The batch of what may stay.
    pub(crate) fn into_batch(self) -> (LogBatch, Refusals) {
        (self.batch, self.refusals)
    }

    /// A stream by its labels as text.
    pub(crate) fn stream_named(&mut self, text: &str) -> Option<Stream> {
        match label_text::parse(text) {
            Ok(pairs) => self.stream(&pairs),
            Err(reason) => {
                self.refusals.refuse_stream(Reason::InvalidLabels, || format!("couldn't parse labels: {reason}"));
                None
            }
        }
    }

    /// A stream by its labels; `None` where it is refused, and with it its entries, which [`Admission::lost`] counts.
    pub(crate) fn stream(&mut self, pairs: &Pairs<'_>) -> Option<Stream> {
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_ref(), v.as_ref())).collect();
        self.stream_of(&pairs)
    }

    /// The same by plain pairs. Labels without a value count as absent.
    pub(crate) fn stream_of(&mut self, pairs: &[(&str, &str)]) -> Option<Stream> {
        if pairs.iter().all(|(_, value)| value.is_empty()) {
            let text = || "error at least one label pair is required per stream".to_owned();
            self.refusals.refuse_stream(Reason::MissingLabels, text);
            return None;
        }
        let as_text: Pairs<'_> = pairs.iter().map(|(n, v)| (Cow::Borrowed(*n), Cow::Borrowed(*v))).collect();
        if let Some(fault) = label_text::fault(&as_text) {
            self.refusals.refuse_stream(Reason::InvalidLabels, || format!("couldn't parse labels: {fault}"));
            return None;
        }
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
            if !builder.get(name).is_empty() {
                let text = || {
                    format!("stream '{}' has duplicate label name: '{name}'", Labels::from_pairs(pairs.iter().copied()))
                };
                self.refusals.refuse_stream(Reason::DuplicateLabelNames, text);
                return None;
            }
            builder.set(name, value);
        }
        let level = match self.discovers_levels() {
            true => levels::of_labels(&self.limits.log_level_fields, |name| {
                Some(builder.get(name)).filter(|value| !value.is_empty())
            }),
            false => None,
        };
        let own_service = !builder.get(SERVICE_NAME).is_empty();
        let service = match self.limits.discover_service_name.as_slice() {
            _ if own_service => None,
            [] => None,
            names => {
                let named = names.iter().map(|name| builder.get(name)).find(|value| !value.is_empty());
                Some(named.unwrap_or(UNKNOWN_SERVICE).to_owned())
            }
        };
        if let Some((reason, text)) = self.label_fault(pairs) {
            self.refusals.refuse_stream(reason, || text);
            return None;
        }
        if let Some(service) = &service {
            builder.set(SERVICE_NAME, service);
        }
        let labels = builder.build();
        let place = match self.known.get(&labels) {
            Some(place) => *place,
            None => {
                let place = self.batch.add_stream(labels.clone());
                self.known.insert(labels, place);
                place
            }
        };
        Some(Stream { place, level, last: None })
    }

    fn label_fault(&self, pairs: &[(&str, &str)]) -> Option<(Reason, String)> {
        let limits = self.limits;
        let labels = || Labels::from_pairs(pairs.iter().filter(|(_, value)| !value.is_empty()).copied());
        let count = pairs.iter().filter(|(name, value)| !value.is_empty() && *name != SERVICE_NAME).count();
        if is_over(count, limits.max_label_names_per_series) {
            let most = limits.max_label_names_per_series;
            let text = format!("entry for stream '{}' has {count} label names; limit {most}", labels());
            return Some((Reason::MaxLabelNames, text));
        }
        let mut sorted = pairs.to_vec();
        sorted.sort_unstable();
        for (name, value) in sorted {
            if is_over(name.len(), limits.max_label_name_length) {
                let text = format!("stream '{}' has label name too long: '{name}'", labels());
                return Some((Reason::LabelNameTooLong, text));
            }
            if is_over(value.len(), limits.max_label_value_length) {
                let text = format!("stream '{}' has label value too long: '{value}'", labels());
                return Some((Reason::LabelValueTooLong, text));
            }
        }
        None
    }

    fn discovers_levels(&self) -> bool {
        self.limits.discover_log_levels && self.limits.allow_structured_metadata
    }

    /// Counts an entry that its protocol cannot read.
    pub(crate) fn malformed(&mut self, bytes: usize, reason: impl FnOnce() -> String) {
        self.received_lines += 1;
        self.received_bytes += bytes as u64;
        self.refusals.refuse(Reason::Malformed, bytes, reason);
    }

    /// Entries that were admitted so far.
    pub(crate) fn admitted(&self) -> usize {
        self.batch.len()
    }

    /// Counts an entry whose stream was refused.
    pub(crate) fn lost(&mut self, line_bytes: usize) {
        self.received_lines += 1;
        self.received_bytes += line_bytes as u64;
        self.refusals.lose(line_bytes);
    }

    /// Adds an entry; its time is in nanoseconds.
    pub(crate) fn entry(&mut self, stream: &mut Stream, time: i64, line: &[u8], metadata: &[(&str, &str)]) {
        let metadata_bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.received_lines += 1;
        self.received_bytes += (line.len() + metadata_bytes) as u64;
        if let Some((reason, text)) = self.entry_fault(stream, time, line, metadata, metadata_bytes) {
            self.refusals.refuse(reason, line.len(), || text);
            return;
        }
        let mut line = line;
        let most = self.limits.max_line_size.bytes();
        if is_over(line.len(), most) {
            self.truncated.0 += 1;
            self.truncated.1 += line.len() as u64 - most;
            line = &line[..most as usize];
        }
        let mut kept = time;
        if self.limits.increment_duplicate_timestamp
            && let Some((came, kept_before)) = stream.last
            && (time == came || time == kept_before)
        {
            kept = kept_before.saturating_add(1);
        }
        stream.last = Some((time, kept));
        if !self.discovers_levels() {
            self.batch.push(stream.place, kept, line, metadata.iter().copied());
            return;
        }
        if metadata.iter().any(|(name, _)| *name == DETECTED_LEVEL) {
            let normal: Vec<(&str, Cow<'_, str>)> = metadata
                .iter()
                .map(|(name, value)| match *name {
                    DETECTED_LEVEL => (*name, levels::normal(value)),
                    _ => (*name, Cow::Borrowed(*value)),
                })
                .collect();
            self.batch.push(stream.place, kept, line, normal.iter().map(|(name, value)| (*name, value.as_ref())));
            return;
        }
        let found;
        let level = match &stream.level {
            Some(level) => level.as_str(),
            None => {
                found = levels::of_entry(&self.limits.log_level_fields, metadata, line);
                found.as_ref()
            }
        };
        if level.is_empty() {
            self.batch.push(stream.place, kept, line, metadata.iter().copied());
        } else {
            let metadata = metadata.iter().copied().chain([(DETECTED_LEVEL, level)]);
            self.batch.push(stream.place, kept, line, metadata);
        }
    }

    fn entry_fault(
        &self,
        stream: &Stream,
        time: i64,
        line: &[u8],
        metadata: &[(&str, &str)],
        metadata_bytes: usize,
    ) -> Option<(Reason, String)> {
        let limits = self.limits;
        let labels = || &self.batch.streams()[stream.place as usize];
        if limits.reject_old_samples {
            let oldest = self.now.saturating_sub(limits.reject_old_samples_max_age.ms().saturating_mul(1_000_000));
            if time < oldest {
                let (time, oldest) = (time_text::seconds(time), time_text::seconds(oldest));
                let text = format!(
                    "entry for stream '{}' has timestamp too old: {time}, oldest acceptable timestamp is: {oldest}",
                    labels()
                );
                return Some((Reason::GreaterThanMaxSampleAge, text));
            }
        }
        let newest = self.now.saturating_add(limits.creation_grace_period.ms().saturating_mul(1_000_000));
        if time > newest {
            let text = format!("entry for stream '{}' has timestamp too new: {}", labels(), time_text::seconds(time));
            return Some((Reason::TooFarInFuture, text));
        }
        let most = limits.max_line_size.bytes();
        if is_over(line.len(), most) && !limits.max_line_size_truncate {
            let text = format!(
                "Max entry size '{most}' bytes exceeded for stream '{}' while adding an entry with length '{}' bytes",
                labels(),
                line.len()
            );
            return Some((Reason::LineTooLong, text));
        }
        if metadata.is_empty() {
            return None;
        }
        if !limits.allow_structured_metadata {
            let text = format!(
                "stream '{}' includes structured metadata, but this feature is disallowed. Please see \
                 `limits_config.allow_structured_metadata` or contact your Loki administrator to enable it.",
                labels()
            );
            return Some((Reason::DisallowedStructuredMetadata, text));
        }
        let most = limits.max_structured_metadata_size.bytes();
        if is_over(metadata_bytes, most) {
            let text = format!(
                "stream '{}' has structured metadata too large: '{metadata_bytes}' bytes, limit: '{most}' bytes. Please see \
                 `limits_config.max_structured_metadata_size` or contact your Loki administrator to increase it.",
                labels()
            );
            return Some((Reason::StructuredMetadataTooLarge, text));
        }
        let most = limits.max_structured_metadata_entries_count;
        if is_over(metadata.len(), most) {
            let text = format!(
                "stream '{}' has too many structured metadata labels: '{}', limit: '{most}'. Please see \
                 `limits_config.max_structured_metadata_entries_count` or contact your Loki administrator to increase it.",
                labels(),
                metadata.len()
            );
            return Some((Reason::StructuredMetadataTooMany, text));
        }
        None
    }
}

/// True beyond a limit; 0 is none.
fn is_over(size: usize, limit: u64) -> bool {
    limit > 0 && size as u64 > limit
}

/// A name of structured metadata as Loki keeps it (`otlptranslator.NormalizeLabel`): other characters than those of labels are
/// `_`, and none begins with a digit.
pub(crate) fn metadata_name(name: &str) -> Cow<'_, str> {
    let is_plain = |name: &str| {
        let begins_well =
            !name.starts_with(|c: char| c.is_ascii_digit()) && (!name.starts_with('_') || name.starts_with("__"));
        begins_well && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if name.is_empty() || is_plain(name) {
        return Cow::Borrowed(name);
    }
    let mut out: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert_str(0, "key_");
    } else if out.starts_with('_') && !out.starts_with("__") {
        out.insert_str(0, "key");
    }
    Cow::Owned(out)
}
