//! The samples of a row as payloads, and back.
//!
//! Times, floats and histograms are payloads of their own. `values` holds the floats only: in a row that has histograms,
//! `histograms` begins with the runs of floats and histograms as counts, floats first.

use std::sync::Arc;

use model::{FloatHistogram, SampleBuffer};

use super::aggregates;
use crate::bytes::{Damaged, Reader};
use crate::chunk;

/// Most samples of a row.
pub(super) const MAX_SAMPLES: usize = chunk::MAX_SAMPLES;

/// Appends the float values of the rows `from..to`.
pub(super) fn put_values(samples: &SampleBuffer, from: usize, to: usize, scratch: &mut Vec<u64>, out: &mut Vec<u8>) {
    scratch.clear();
    let histograms = histograms_of(samples, from, to);
    let mut next = from;
    for (row, _) in histograms {
        scratch.extend(samples.values[next..*row as usize].iter().map(|v| v.to_bits()));
        next = *row as usize + 1;
    }
    scratch.extend(samples.values[next..to].iter().map(|v| v.to_bits()));
    if !scratch.is_empty() {
        chunk::values::encode(scratch, out);
    }
}

/// Appends the histograms of the rows `from..to`; nothing where there is none.
pub(super) fn put_histograms(samples: &SampleBuffer, from: usize, to: usize, out: &mut Vec<u8>) {
    let histograms = histograms_of(samples, from, to);
    if histograms.is_empty() {
        return;
    }
    aggregates::put_runs(histograms.iter().map(|(row, _)| *row as usize), from, to, out);
    let values: Vec<Arc<FloatHistogram>> = histograms.iter().map(|(_, h)| h.clone()).collect();
    chunk::histograms::encode(&values, out);
}

/// Appends the start timestamps of the rows `from..to`; nothing where none is known.
pub(super) fn put_starts(samples: &SampleBuffer, from: usize, to: usize, out: &mut Vec<u8>) {
    let starts = samples.start_timestamps.get(from..to).filter(|starts| starts.iter().any(|s| *s != 0));
    if let Some(starts) = starts {
        chunk::starts::encode(starts, out);
    }
}

fn histograms_of(samples: &SampleBuffer, from: usize, to: usize) -> &[(u32, Arc<FloatHistogram>)] {
    let begin = samples.histograms.partition_point(|(row, _)| (*row as usize) < from);
    let end = samples.histograms.partition_point(|(row, _)| (*row as usize) < to);
    &samples.histograms[begin..end]
}

/// Reads `count` times, which must be strictly increasing.
pub(super) fn get_times(bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Result<(), Damaged> {
    let begin = out.len();
    chunk::times::decode(bytes, count, out)?;
    let times = &out[begin..];
    if times.len() != count || !times.is_sorted_by(|a, b| a < b) {
        return Err(Damaged("times are out of order"));
    }
    Ok(())
}

/// The payloads of one row; empty where it has none of a kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Payloads<'a> {
    pub(super) values: &'a [u8],
    pub(super) histograms: &'a [u8],
    pub(super) starts: &'a [u8],
    pub(super) aggregates: &'a [u8],
}

/// Appends the samples `from..to` of a row with the given times.
pub(super) fn get_samples(
    times: &[i64],
    from: usize,
    to: usize,
    payloads: Payloads<'_>,
    out: &mut SampleBuffer,
) -> Result<(), Damaged> {
    let begin = out.timestamps.len();
    if payloads.histograms.is_empty() {
        get_floats(payloads.values, times.len(), &mut out.values)?;
        keep(&mut out.values, begin, from, to);
        out.timestamps.extend_from_slice(&times[from..to]);
    } else {
        get_mixed(times, from, to, payloads, out)?;
    }
    if !payloads.aggregates.is_empty() {
        aggregates::decode(payloads.aggregates, times.len(), from, to, begin, out)?;
    }
    if payloads.starts.is_empty() {
        if !out.start_timestamps.is_empty() {
            out.start_timestamps.resize(out.timestamps.len(), 0);
        }
        return Ok(());
    }
    out.start_timestamps.resize(begin, 0);
    chunk::starts::decode(payloads.starts, times.len(), &mut out.start_timestamps)?;
    if out.start_timestamps.len() != begin + times.len() {
        return Err(Damaged("start timestamps are missing"));
    }
    keep(&mut out.start_timestamps, begin, from, to);
    Ok(())
}

fn get_floats(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<(), Damaged> {
    let begin = out.len();
    if count > 0 {
        chunk::values::decode(bytes, count, out)?;
    }
    if out.len() == begin + count { Ok(()) } else { Err(Damaged("values are missing")) }
}

/// Of what was appended behind `begin`, leaves the places `from..to`.
fn keep<T: Copy>(values: &mut Vec<T>, begin: usize, from: usize, to: usize) {
    values.truncate(begin + to);
    if from > 0 {
        values.copy_within(begin + from.., begin);
        values.truncate(begin + to - from);
    }
}

fn get_mixed(
    times: &[i64],
    from: usize,
    to: usize,
    payloads: Payloads<'_>,
    out: &mut SampleBuffer,
) -> Result<(), Damaged> {
    let mut reader = Reader(payloads.histograms);
    let runs = aggregates::get_runs(&mut reader, times.len())?;
    let histograms: usize = runs.iter().map(|(_, h)| h).sum();
    let floats = times.len() - histograms;
    let mut values = Vec::with_capacity(floats);
    get_floats(payloads.values, floats, &mut values)?;
    let mut decoded = Vec::with_capacity(histograms);
    chunk::histograms::decode(reader.0, histograms, &mut decoded)?;
    if decoded.len() != histograms {
        return Err(Damaged("histograms are missing"));
    }
    let (mut values, mut decoded, mut row) = (values.into_iter(), decoded.into_iter(), 0);
    for (f, h) in runs {
        for value in values.by_ref().take(f) {
            if (from..to).contains(&row) {
                out.push_float(times[row], value);
            }
            row += 1;
        }
        for histogram in decoded.by_ref().take(h) {
            if (from..to).contains(&row) {
                out.push_histogram(times[row], histogram);
            }
            row += 1;
        }
    }
    Ok(())
}
