//! What the samples of a downsampled row stand for, as bytes: which samples carry an aggregate, then a column for each number.
//!
//! ```text
//! (without | with)* until all samples are told of | counts | sums | minima | maxima | lost | resets | changes | spans
//! ```

use model::{Aggregate, SampleBuffer};

use crate::bytes::{Damaged, Reader, put_varint};
use crate::chunk::{starts, values};

/// Appends the aggregates of the rows `from..to`; nothing where there is none.
pub(super) fn encode(samples: &SampleBuffer, from: usize, to: usize, out: &mut Vec<u8>) {
    let begin = samples.aggregates.partition_point(|(row, _)| (*row as usize) < from);
    let end = samples.aggregates.partition_point(|(row, _)| (*row as usize) < to);
    let aggregates = &samples.aggregates[begin..end];
    if aggregates.is_empty() {
        return;
    }
    put_runs(aggregates.iter().map(|(row, _)| *row as usize), from, to, out);
    let mut floats = |get: fn(&Aggregate) -> f64| {
        let bits: Vec<u64> = aggregates.iter().map(|(_, aggregate)| get(aggregate).to_bits()).collect();
        values::encode(&bits, out);
    };
    floats(|a| a.count.into());
    floats(|a| a.sum);
    floats(|a| a.min);
    floats(|a| a.max);
    floats(|a| a.lost);
    floats(|a| a.resets.into());
    floats(|a| a.changes.into());
    let spans: Vec<i64> = aggregates.iter().map(|(_, aggregate)| aggregate.span_ms).collect();
    starts::encode(&spans, out);
}

/// Appends the aggregates of the samples `from..to` of a row of `count` samples; the first of those is sample `base` of `out`.
pub(super) fn decode(
    bytes: &[u8],
    count: usize,
    from: usize,
    to: usize,
    base: usize,
    out: &mut SampleBuffer,
) -> Result<(), Damaged> {
    let mut reader = Reader(bytes);
    let runs = get_runs(&mut reader, count)?;
    let n: usize = runs.iter().map(|(_, with)| with).sum();
    let mut rest = reader.0;
    let mut floats = || {
        let mut column = Vec::with_capacity(n);
        let used = if n > 0 { values::decode(rest, n, &mut column)? } else { 0 };
        rest = rest.get(used..).ok_or(Damaged("aggregates end too early"))?;
        if column.len() == n { Ok(column) } else { Err(Damaged("aggregates are missing")) }
    };
    let (counts, sums, minima, maxima, lost) = (floats()?, floats()?, floats()?, floats()?, floats()?);
    let (resets, changes) = (floats()?, floats()?);
    let mut spans = Vec::with_capacity(n);
    starts::decode(rest, n, &mut spans)?;
    if spans.len() != n {
        return Err(Damaged("aggregates are missing"));
    }
    let (mut row, mut at) = (0, 0);
    for (without, with) in runs {
        row += without;
        for _ in 0..with {
            if (from..to).contains(&row) {
                let aggregate = Aggregate {
                    count: counts[at] as u32,
                    sum: sums[at],
                    min: minima[at],
                    max: maxima[at],
                    lost: lost[at],
                    resets: resets[at] as u32,
                    changes: changes[at] as u32,
                    span_ms: spans[at],
                };
                out.aggregates.push(((base + row - from) as u32, aggregate));
            }
            row += 1;
            at += 1;
        }
    }
    Ok(())
}

/// Writes which of the rows `from..to` are `chosen`: how many are not, how many are, and so on.
pub(super) fn put_runs(chosen: impl Iterator<Item = usize>, from: usize, to: usize, out: &mut Vec<u8>) {
    let (mut run, mut next) = (from..from, from);
    let mut put = |run: &std::ops::Range<usize>, next: &mut usize| {
        put_varint(out, (run.start - *next) as u64);
        put_varint(out, run.len() as u64);
        *next = run.end;
    };
    for row in chosen {
        if row == run.end {
            run.end += 1;
            continue;
        }
        if !run.is_empty() {
            put(&run, &mut next);
        }
        run = row..row + 1;
    }
    put(&run, &mut next);
    if next < to {
        put(&(to..to), &mut next);
    }
}

/// Reads what [`put_runs`] wrote of `count` rows.
pub(super) fn get_runs(reader: &mut Reader<'_>, count: usize) -> Result<Vec<(usize, usize)>, Damaged> {
    let (mut runs, mut told) = (Vec::new(), 0);
    while told < count {
        let (without, with) = (reader.varint()? as usize, reader.varint()? as usize);
        let left = count - told;
        if without > left || with > left - without || without + with == 0 {
            return Err(Damaged("runs of samples do not fit"));
        }
        told += without + with;
        runs.push((without, with));
    }
    Ok(runs)
}
