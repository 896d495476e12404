//! What differs between the two versions of the protocol.

use model::{Metadata, MetricType};
use thiserror::Error;

use super::labels::{LabelFault, RawLabel};
use super::wire::WireError;
use crate::ingest::cache::SeriesKey;

/// One version of the protocol: field numbers, and how texts are named. `'a` is the request.
pub(super) trait Dialect<'a> {
    /// Field of a series message that holds a histogram.
    const HISTOGRAMS: u32;
    /// Field of a series message that holds an exemplar.
    const EXEMPLARS: u32;
    /// Field of a series message that holds its metadata; 0 for none.
    const METADATA: u32;
    /// Field of a series message that holds the start timestamp of all samples; 0 for none.
    const CREATED: u32;
    /// Whether a series without samples, histograms and exemplars is an error.
    const NEEDS_SAMPLES: bool;
    /// Whether an exemplar that comes without a sample of its series in the same request is an error.
    const NEEDS_EXEMPLARS_WRITTEN: bool;

    /// The field of the request that holds a series.
    fn series_field(&self) -> u32;

    /// Names the labels whose fields are `head`; equal names mean equal labels. `None` where they cannot be read.
    fn key(&self, head: &'a [u8], scratch: &mut Vec<u8>) -> Option<SeriesKey>;

    /// Appends the labels of a series or an exemplar, in the order of the message.
    fn labels(&self, message: &'a [u8], out: &mut Vec<RawLabel<'a>>) -> Result<Result<(), LabelFault>, WireError>;

    /// Reads the metadata of a series.
    fn metadata(&self, message: &'a [u8]) -> Result<Result<RawMetadata<'a>, MetadataFault>, WireError>;
}

/// Metadata, not checked yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RawMetadata<'a> {
    /// As in the enumeration that both versions share.
    pub(super) metric_type: u64,
    pub(super) help: &'a [u8],
    pub(super) unit: &'a [u8],
    /// Tells this metadata from other metadata; 0 where nothing is said.
    pub(super) hash: u32,
}

/// Why metadata is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum MetadataFault {
    #[error("metadata {field} {reference} outside of symbols table (size {size})")]
    Reference { field: &'static str, reference: u64, size: usize },
    #[error("the help text or the unit is not valid UTF-8")]
    NotUtf8,
    #[error("more than {0} metric families in one request")]
    TooMany(usize),
}

impl RawMetadata<'_> {
    pub(super) fn metric_type(&self) -> MetricType {
        match self.metric_type {
            1 => MetricType::Counter,
            2 => MetricType::Gauge,
            3 => MetricType::Histogram,
            4 => MetricType::GaugeHistogram,
            5 => MetricType::Summary,
            6 => MetricType::Info,
            7 => MetricType::StateSet,
            _ => MetricType::Unknown,
        }
    }

    pub(super) fn check(&self) -> Result<Metadata, MetadataFault> {
        let text = |bytes| std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| MetadataFault::NotUtf8);
        Ok(Metadata { metric_type: self.metric_type(), help: text(self.help)?, unit: text(self.unit)? })
    }
}

/// The family of a series: classic histograms and summaries are several series under one family's metadata.
pub(super) fn family_of(name: &str, metric_type: MetricType) -> &str {
    let suffixes: &[&str] = match metric_type {
        MetricType::Histogram => &["_bucket", "_count", "_sum"],
        MetricType::GaugeHistogram => &["_bucket", "_gcount", "_gsum"],
        MetricType::Summary => &["_count", "_sum"],
        _ => &[],
    };
    let family = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
    family.filter(|family| !family.is_empty()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        for (name, metric_type, family) in [
            ("a_bucket", MetricType::Histogram, "a"),
            ("a_sum", MetricType::Histogram, "a"),
            ("a", MetricType::Histogram, "a"),
            ("a_gsum", MetricType::GaugeHistogram, "a"),
            ("a_count", MetricType::Summary, "a"),
            ("a_bucket", MetricType::Summary, "a_bucket"),
            ("a_total", MetricType::Counter, "a_total"),
            ("a_count", MetricType::Gauge, "a_count"),
            ("_sum", MetricType::Summary, "_sum"),
        ] {
            assert_eq!(family_of(name, metric_type), family, "{name}");
        }
    }
}
