//! Entries that were not stored, counted by reason with the first example of each.

use std::fmt::Write;

use model::LogRejectReason;

/// Bytes of an example that are kept: an answer need not hold all labels of a bomb.
const MAX_EXAMPLE: usize = 8 << 10;

/// Why an entry was not stored; names as in `loki_discarded_samples_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    /// The protocol's form of one entry is wrong; the request's others were read.
    Malformed,
    MissingLabels,
    InvalidLabels,
    DuplicateLabelNames,
    MaxLabelNames,
    LabelNameTooLong,
    LabelValueTooLong,
    GreaterThanMaxSampleAge,
    TooFarInFuture,
    LineTooLong,
    DisallowedStructuredMetadata,
    StructuredMetadataTooLarge,
    StructuredMetadataTooMany,
    RateLimited,
    /// The store's own reasons.
    Store(LogRejectReason),
}

impl Reason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Reason::Malformed => "malformed_entry",
            Reason::MissingLabels => "missing_labels",
            Reason::InvalidLabels => "invalid_labels",
            Reason::DuplicateLabelNames => "duplicate_label_names",
            Reason::MaxLabelNames => "max_label_names_per_series",
            Reason::LabelNameTooLong => "label_name_too_long",
            Reason::LabelValueTooLong => "label_value_too_long",
            Reason::GreaterThanMaxSampleAge => "greater_than_max_sample_age",
            Reason::TooFarInFuture => "too_far_in_future",
            Reason::LineTooLong => "line_too_long",
            Reason::DisallowedStructuredMetadata => "disallowed_structured_metadata",
            Reason::StructuredMetadataTooLarge => "structured_metadata_too_large",
            Reason::StructuredMetadataTooMany => "structured_metadata_too_many",
            Reason::RateLimited => "rate_limited",
            Reason::Store(reason) => reason.as_str(),
        }
    }

    /// True where the same request may succeed later.
    pub(crate) fn passes(self) -> bool {
        matches!(self, Reason::RateLimited | Reason::Store(LogRejectReason::StreamLimit | LogRejectReason::StreamRate))
    }
}

#[derive(Clone, Debug)]
struct Refusal {
    reason: Reason,
    /// How often it was met: a refused stream counts once.
    met: u64,
    entries: u64,
    bytes: u64,
    example: String,
}

/// All refusals of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals {
    list: Vec<Refusal>,
    /// The reason of the stream whose entries are being counted.
    stream: Option<Reason>,
    /// Places in the batch of entries that were admitted and then refused, ascending.
    of_batch: Vec<(usize, Reason)>,
    /// Place of the reason that was met last.
    last: usize,
}

impl Refusals {
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn of(&mut self, reason: Reason, example: impl FnOnce() -> String) -> &mut Refusal {
        let at = self.list.iter().position(|known| known.reason == reason).unwrap_or_else(|| {
            let mut example = example();
            example.truncate(example.floor_char_boundary(MAX_EXAMPLE));
            self.list.push(Refusal { reason, met: 0, entries: 0, bytes: 0, example });
            self.list.len() - 1
        });
        self.last = at;
        &mut self.list[at]
    }

    /// The example of the reason that was met last.
    pub(crate) fn last_example(&self) -> String {
        self.list.get(self.last).map(|refusal| refusal.example.clone()).unwrap_or_default()
    }

    /// Remembers that an entry of the batch was refused; in ascending order.
    pub(super) fn note(&mut self, place: usize, reason: Reason) {
        self.of_batch.push((place, reason));
    }

    /// Why an entry of the batch was refused, if it was.
    pub(crate) fn of_entry(&self, place: usize) -> Option<Reason> {
        let at = self.of_batch.binary_search_by_key(&place, |(place, _)| *place).ok()?;
        Some(self.of_batch[at].1)
    }

    /// Refuses an entry; `example` is asked for the first of its reason only.
    pub(crate) fn refuse(&mut self, reason: Reason, bytes: usize, example: impl FnOnce() -> String) {
        let refusal = self.of(reason, example);
        refusal.met += 1;
        refusal.entries += 1;
        refusal.bytes += bytes as u64;
    }

    /// Refuses a stream; its entries are counted by [`Refusals::lose`].
    pub(crate) fn refuse_stream(&mut self, reason: Reason, example: impl FnOnce() -> String) {
        self.of(reason, example).met += 1;
        self.stream = Some(reason);
    }

    /// Tells of a reason as of one thing, however many entries it hit.
    pub(crate) fn as_one(&mut self, reason: Reason) {
        if let Some(refusal) = self.list.iter_mut().find(|known| known.reason == reason) {
            refusal.met = 1;
        }
    }

    /// Counts an entry of the stream that was refused last.
    pub(crate) fn lose(&mut self, bytes: usize) {
        if let Some(reason) = self.stream {
            let refusal = self.of(reason, String::new);
            refusal.entries += 1;
            refusal.bytes += bytes as u64;
        }
    }

    /// True where the tenant's rate was exceeded: nothing was stored, and all may be at another time.
    pub(crate) fn is_rate_limited(&self) -> bool {
        self.list.iter().any(|refusal| refusal.reason == Reason::RateLimited)
    }

    /// Entries that were not stored.
    pub(crate) fn entries(&self) -> u64 {
        self.list.iter().map(|refusal| refusal.entries).sum()
    }

    /// Reason, entries and bytes.
    pub(crate) fn by_reason(&self) -> impl Iterator<Item = (Reason, u64, u64)> {
        self.list.iter().map(|refusal| (refusal.reason, refusal.entries, refusal.bytes))
    }

    /// True where some of it may succeed later.
    pub(crate) fn may_pass(&self) -> bool {
        self.list.iter().any(|refusal| refusal.reason.passes())
    }

    /// One text as Loki groups them: a single one as it is, several with their counts.
    pub(crate) fn describe(&self) -> String {
        if let [Refusal { met: 1, example, .. }] = self.list.as_slice() {
            return example.clone();
        }
        let mut text = String::new();
        for (at, refusal) in self.list.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{separator}{} errors like: {}", refusal.met, refusal.example);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_told_as_it_is_and_more_by_count() {
        let mut refusals = Refusals::default();
        refusals.refuse(Reason::LineTooLong, 10, || "too long".into());
        assert_eq!(refusals.describe(), "too long");
        refusals.refuse(Reason::LineTooLong, 20, || unreachable!());
        refusals.refuse_stream(Reason::MissingLabels, || "no labels".into());
        refusals.lose(1);
        refusals.lose(2);
        assert_eq!(refusals.describe(), "2 errors like: too long; 1 errors like: no labels");
        let counts: Vec<_> = refusals.by_reason().map(|(r, n, b)| (r.as_str(), n, b)).collect();
        assert_eq!(counts, [("line_too_long", 2, 30), ("missing_labels", 2, 3)]);
        assert!(!refusals.may_pass());
        refusals.refuse(Reason::Store(LogRejectReason::StreamRate), 1, || "fast".into());
        assert!(refusals.may_pass());
        assert_eq!(refusals.entries(), 5);
    }
}
