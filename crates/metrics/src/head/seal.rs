//! Samples into chunks, and what makes two samples the same.

use std::sync::Arc;

use model::{FloatHistogram, Sample, SampleBuffer, SampleValue};

use crate::{chunk, merge};

/// Answers the number of chunks.
pub(super) fn seal_rare(buffer: &mut SampleBuffer, sealed: &mut Vec<u8>) -> u32 {
    let mut bytes = Vec::new();
    chunk::encode_list(buffer, &mut bytes);
    sealed.reserve_exact(bytes.len());
    sealed.extend_from_slice(&bytes);
    *buffer = SampleBuffer::default();
    chunk::listed(&bytes).count() as u32
}

pub(super) fn seal_late(buffer: &mut SampleBuffer, sealed: &mut Vec<u8>) -> u32 {
    merge::normalise(buffer, 0);
    seal_rare(buffer, sealed)
}

/// Appends a chunk without the slack that `Vec` would add: there is one such string for each of a million series.
pub(super) fn push_sealed(bytes: &[u8], sealed: &mut Vec<u8>) {
    sealed.reserve_exact(bytes.len() + crate::bytes::varint_len(bytes.len() as u64));
    chunk::push_listed(bytes, sealed);
}

/// Appends a sample to a buffer.
pub(crate) fn push_sample(buffer: &mut SampleBuffer, sample: &Sample) {
    let t = sample.timestamp.ms();
    match &sample.value {
        SampleValue::Float(value) => buffer.push_float(t, *value),
        SampleValue::Histogram(histogram) => buffer.push_histogram(t, histogram.clone()),
    }
    buffer.set_last_start(sample.start_timestamp.map_or(0, |s| s.ms()));
}

pub(super) fn same_value(known: &SampleBuffer, value: &SampleValue) -> bool {
    match (known.histograms.first(), value) {
        (Some((0, a)), SampleValue::Histogram(b)) => encoded(a) == encoded(b),
        (None, SampleValue::Float(b)) => known.values[0].to_bits() == b.to_bits(),
        _ => false,
    }
}

/// A histogram as bytes, so that NaN equals itself.
pub(super) fn encoded(histogram: &FloatHistogram) -> Vec<u8> {
    let mut one = SampleBuffer::default();
    one.push_histogram(0, Arc::new(histogram.clone()));
    let mut out = Vec::new();
    chunk::encode(&one, 0, 1, &mut out);
    out
}

pub(super) fn hash_of(histogram: &FloatHistogram) -> u64 {
    xxhash_rust::xxh3::xxh3_64(&encoded(histogram))
}
