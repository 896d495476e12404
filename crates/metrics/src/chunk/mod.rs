//! Samples as compressed bytes: the columns of which rows at rest consist, and the chunk of one series in memory.
//!
//! [`times`], [`values`], [`starts`] and [`histograms`] are columns of up to [`MAX_SAMPLES`] samples, each of which says
//! itself where it ends. A chunk holds some samples of one series in order of time, all floats or all histograms:
//!
//! ```text
//! flags u8 | times | [start times] | values or histograms
//! ```

pub(crate) mod histograms;
mod huffman;
mod ints;
mod pack;
mod residuals;
pub(crate) mod starts;
pub(crate) mod times;
pub(crate) mod values;

use std::cell::RefCell;
use std::sync::Arc;

use model::{FloatHistogram, SampleBuffer, TimeRange};

use crate::bytes::{Damaged, Reader, put_varint};

/// Most samples in one chunk, or in one column.
pub(crate) const MAX_SAMPLES: usize = 1024;

const HISTOGRAM: u8 = 1;
const STARTS: u8 = 2;

/// Appends a chunk of the rows `from..to` of a buffer, which must be all floats or all histograms.
pub(crate) fn encode(samples: &SampleBuffer, from: usize, to: usize, out: &mut Vec<u8>) {
    let times = &samples.timestamps[from..to];
    let starts = samples.start_timestamps.get(from..to).filter(|starts| starts.iter().any(|s| *s != 0));
    let begin = samples.histograms.partition_point(|(row, _)| (*row as usize) < from);
    let is_histogram = samples.histograms.get(begin).is_some_and(|(row, _)| *row as usize == from);
    out.push(u8::from(is_histogram) * HISTOGRAM + u8::from(starts.is_some()) * STARTS);
    times::encode(times, out);
    if let Some(starts) = starts {
        starts::encode(starts, out);
    }
    if is_histogram {
        let values: Vec<Arc<FloatHistogram>> =
            samples.histograms[begin..begin + times.len()].iter().map(|(_, h)| h.clone()).collect();
        histograms::encode(&values, out);
    } else {
        let bits: Vec<u64> = samples.values[from..to].iter().map(|v| v.to_bits()).collect();
        values::encode(&bits, out);
    }
}

/// Appends a chunk of floats given as bits.
pub(crate) fn encode_floats(times: &[i64], bits: &[u64], out: &mut Vec<u8>) {
    out.push(0);
    times::encode(times, out);
    values::encode(bits, out);
}

/// Reads the number of samples of a chunk and their first and last time.
pub(crate) fn span(bytes: &[u8]) -> Result<times::Span, Damaged> {
    let mut reader = Reader(bytes);
    flags(&mut reader)?;
    times::span(reader.0)
}

fn flags(reader: &mut Reader<'_>) -> Result<u8, Damaged> {
    let flags = reader.byte()?;
    if flags > HISTOGRAM | STARTS {
        return Err(Damaged("unknown chunk flags"));
    }
    Ok(flags)
}

#[derive(Default)]
struct Scratch {
    times: Vec<i64>,
    starts: Vec<i64>,
    values: Vec<f64>,
    histograms: Vec<Arc<FloatHistogram>>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Appends the samples of a chunk that lie in `range` to `out`.
pub(crate) fn decode(bytes: &[u8], range: TimeRange, out: &mut SampleBuffer) -> Result<(), Damaged> {
    let mut reader = Reader(bytes);
    let flags = flags(&mut reader)?;
    let span = times::span(reader.0)?;
    if !span.range.overlaps(&range) {
        return Ok(());
    }
    let count = span.count;
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.times.clear();
        scratch.starts.clear();
        scratch.values.clear();
        scratch.histograms.clear();
        let taken = times::decode(reader.0, count, &mut scratch.times)?;
        reader.take(taken)?;
        if flags & STARTS != 0 {
            let taken = starts::decode(reader.0, count, &mut scratch.starts)?;
            reader.take(taken)?;
        }
        let from = scratch.times.partition_point(|t| *t < range.start.ms());
        let to = scratch.times.partition_point(|t| *t <= range.end.ms());
        if flags & HISTOGRAM != 0 {
            histograms::decode(reader.0, count, &mut scratch.histograms)?;
            for row in from..to {
                out.push_histogram(scratch.times[row], scratch.histograms[row].clone());
                out.set_last_start(scratch.starts.get(row).copied().unwrap_or(0));
            }
            return Ok(());
        }
        values::decode(reader.0, count, &mut scratch.values)?;
        let has_starts = !scratch.starts.is_empty() || !out.start_timestamps.is_empty();
        if !has_starts {
            out.timestamps.extend_from_slice(&scratch.times[from..to]);
            out.values.extend_from_slice(&scratch.values[from..to]);
            return Ok(());
        }
        for row in from..to {
            out.push_float(scratch.times[row], scratch.values[row]);
            out.set_last_start(scratch.starts.get(row).copied().unwrap_or(0));
        }
        Ok(())
    })
}

/// Encodes all rows of a buffer as chunks of at most [`MAX_SAMPLES`], each preceded by its length.
pub(crate) fn encode_list(samples: &SampleBuffer, out: &mut Vec<u8>) {
    let mut chunk = Vec::new();
    let mut from = 0;
    let mut histograms = samples.histograms.iter().map(|(row, _)| *row as usize).peekable();
    while from < samples.len() {
        // A chunk ends where floats and histograms change over.
        let mut to = (from + MAX_SAMPLES).min(samples.len());
        match histograms.peek().copied() {
            Some(row) if row == from => {
                let mut end = from;
                while end < to && histograms.peek() == Some(&end) {
                    histograms.next();
                    end += 1;
                }
                to = end;
            }
            Some(row) => to = to.min(row),
            None => {}
        }
        chunk.clear();
        encode(samples, from, to, &mut chunk);
        push_listed(&chunk, out);
        from = to;
    }
}

/// Appends a chunk with its length in front.
pub(crate) fn push_listed(chunk: &[u8], out: &mut Vec<u8>) {
    put_varint(out, chunk.len() as u64);
    out.extend_from_slice(chunk);
}

/// Walks over chunks that were written by [`encode_list`] or [`push_listed`].
pub(crate) fn listed(bytes: &[u8]) -> impl Iterator<Item = Result<&[u8], Damaged>> {
    let mut reader = Reader(bytes);
    std::iter::from_fn(move || {
        if reader.is_empty() {
            return None;
        }
        let chunk = reader.count(1).and_then(|n| reader.take(n));
        if chunk.is_err() {
            reader = Reader(&[]);
        }
        Some(chunk)
    })
}

#[cfg(test)]
mod tests;
