//! What was not stored of a request, counted by reason with the first example of each, for one line of text.
//!
//! Senders log the first line of an answer only (Prometheus reads at most 1,024 bytes of it).

use std::fmt::Write;

use model::{RejectReason, Tenant};

/// The reason as counters have it; texts name the tenant as well.
const SERIES_LIMIT: &str = "per-tenant series limit reached";
/// Longest example in characters.
const MAX_EXAMPLE: usize = 300;

/// What a problem took away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Floats and histograms.
    Samples,
    Exemplars,
    Metadata,
}

impl Lost {
    fn as_str(self) -> &'static str {
        match self {
            Lost::Samples => "samples",
            Lost::Exemplars => "exemplars",
            Lost::Metadata => "metadata",
        }
    }
}

#[derive(Clone, Debug)]
struct Problem {
    reason: &'static str,
    lost: Lost,
    count: u64,
    example: String,
}

/// All problems of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    /// The series limit was met: the same request may succeed later.
    pub(crate) met_limit: bool,
}

impl Problems {
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Counts what one problem took away; `example` is asked for the first of its reason only.
    pub(crate) fn add(&mut self, lost: Lost, reason: &'static str, count: u64, example: impl FnOnce() -> String) {
        if let Some(known) = self.list.iter_mut().find(|p| p.reason == reason && p.lost == lost) {
            known.count += count;
            return;
        }
        let mut example = example();
        if let Some((end, _)) = example.char_indices().nth(MAX_EXAMPLE) {
            example.truncate(end);
            example.push_str("...");
        }
        self.list.push(Problem { reason, lost, count, example });
    }

    /// Counts samples that the store refused.
    pub(crate) fn reject(&mut self, reason: RejectReason, example: impl FnOnce() -> String) {
        self.met_limit |= reason == RejectReason::SeriesLimit;
        self.add(Lost::Samples, reject_text(reason), 1, example);
    }

    /// Samples, or exemplars, that were not stored.
    pub(crate) fn count(&self, lost: Lost) -> u64 {
        self.list.iter().filter(|p| p.lost == lost).map(|p| p.count).sum()
    }

    /// Reasons and counts of samples.
    pub(crate) fn samples_by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.list.iter().filter(|p| p.lost == Lost::Samples && p.count > 0).map(|p| (p.reason, p.count))
    }

    /// One line; `samples` were in the request, which was a tenant's.
    pub(crate) fn describe(&self, samples: u64, tenant: &Tenant) -> String {
        let mut text = match self.count(Lost::Samples) {
            0 => "all samples were stored, but not all of the rest: ".to_owned(),
            lost if lost == samples => format!("none of {samples} samples could be stored: "),
            lost => format!("{lost} of {samples} samples could not be stored, the others were: "),
        };
        for (i, problem) in self.list.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            let Problem { reason, lost, count, example } = problem;
            let reason = match *reason {
                SERIES_LIMIT => series_limit_text(tenant),
                other => other.to_owned(),
            };
            // Writing to a string cannot fail.
            let _ = write!(text, "{separator}{reason} ({count} {}), first: {}", lost.as_str(), one_line(example));
        }
        text
    }
}

/// What is said of a series that does not fit.
pub(crate) fn series_limit_text(tenant: &Tenant) -> String {
    format!("tenant {:?} has as many series as limits.max_series allows", tenant.as_str())
}

/// What stands in answers; Prometheus' words where it has the case.
fn reject_text(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::OutOfOrder => "out of order sample",
        RejectReason::DuplicateTimestamp => "duplicate sample for timestamp",
        RejectReason::TooOld => "out of bounds: timestamp is too old",
        RejectReason::TooFarInFuture => "out of bounds: timestamp is too far in the future",
        RejectReason::InvalidLabels => "invalid metric name or labels",
        RejectReason::InvalidHistogram => "invalid histogram",
        RejectReason::UnknownSeries => "unknown series reference",
        RejectReason::SeriesLimit => SERIES_LIMIT,
        RejectReason::TooManyLabels => "the series has more labels than limits.max_label_names_per_series allows",
        RejectReason::LabelNameTooLong => "a label name is longer than limits.max_label_name_length allows",
        RejectReason::LabelValueTooLong => "a label value is longer than limits.max_label_value_length allows",
    }
}

fn one_line(text: &str) -> String {
    text.replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_reason_with_the_first_example() {
        let mut problems = Problems::default();
        assert!(problems.is_empty());
        problems.reject(RejectReason::OutOfOrder, || "{a=\"1\"}".into());
        problems.reject(RejectReason::OutOfOrder, || unreachable!());
        problems.add(Lost::Exemplars, "no sample", 1, || "x".repeat(400));
        let text = problems.describe(5, &Tenant::default());
        let start = "2 of 5 samples could not be stored, the others were: out of order sample (2 samples), first: {a=\"1\"}; \
                     no sample (1 exemplars), first: xxx";
        assert!(text.starts_with(start) && text.ends_with("xx..."), "{text}");
        assert_eq!(problems.count(Lost::Exemplars), 1);
        assert!(!problems.met_limit);
        problems.reject(RejectReason::SeriesLimit, String::new);
        assert!(problems.met_limit);
        let text = problems.describe(3, &Tenant::new("a").unwrap());
        assert!(text.starts_with("none of 3 samples could be stored"), "{text}");
        assert!(text.contains("tenant \"a\" has as many series as limits.max_series allows (1 samples)"), "{text}");
    }
}
