//! The column coders alone: bytes a sample, nanoseconds a sample to encode and to decode, and what zstd would still take off.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use metrics::codec;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::generate::{Generated, SERIES_PER_INSTANCE};
use crate::say;

#[derive(Debug, Args)]
pub(crate) struct CodecArguments {
    /// Samples of a row.
    #[arg(long, default_value_t = 480)]
    samples: usize,
    /// Rows of each kind.
    #[arg(long, default_value_t = 1000)]
    rows: usize,
    /// Measurements, of which the fastest counts.
    #[arg(long, default_value_t = 9)]
    repeat: usize,
    /// Recorded series as well: a line for each, values apart by spaces.
    #[arg(long)]
    recorded: Option<PathBuf>,
}

type Columns<T> = Vec<Vec<T>>;
type Decode<D> = fn(&[u8], usize, &mut Vec<D>) -> Result<usize, codec::Damaged>;

pub(crate) fn run(arguments: &CodecArguments) -> anyhow::Result<()> {
    anyhow::ensure!((1..=codec::MAX_SAMPLES).contains(&arguments.samples), "a row has 1 to 1,024 samples");
    say(&format!("{:34} {:>9} {:>9} {:>10} {:>10}", "values", "B/sample", "with zstd", "encode ns", "decode ns"))?;
    for (name, column) in generated(arguments) {
        measure_values(name, &column, arguments.repeat)?;
    }
    for (name, column) in simulated(arguments) {
        measure_values(name, &column, arguments.repeat)?;
    }
    if let Some(path) = &arguments.recorded {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut all = Columns::new();
        for line in text.lines() {
            let values = line.split_whitespace().map(|v| v.parse().map(f64::to_bits)).collect::<Result<Vec<_>, _>>()?;
            all.extend(values.chunks(arguments.samples).map(<[u64]>::to_vec));
        }
        measure_values("recorded", &all, arguments.repeat)?;
        all.retain(|row| row.iter().any(|v| *v != row[0]));
        measure_values("recorded, constant rows left out", &all, arguments.repeat)?;
    }
    say(&format!("\n{:34} {:>9} {:>9} {:>10} {:>10}", "times", "B/sample", "with zstd", "encode ns", "decode ns"))?;
    for (name, column) in times(arguments) {
        measure_times(name, &column, arguments.repeat)?;
    }
    Ok(())
}

/// Rows of the made-up platform, as a whole and by kind.
fn generated(arguments: &CodecArguments) -> Vec<(&'static str, Columns<u64>)> {
    let row = |number: usize| -> Vec<u64> {
        let series = Generated::new(number);
        (0..arguments.samples as u64).map(|round| series.value(round).to_bits()).collect()
    };
    let is_constant = |row: &[u64]| row.iter().all(|v| *v == row[0]);
    let rows = |wanted: &dyn Fn(usize, &[u64]) -> bool| -> Columns<u64> {
        let numbered = (0..).map(|number| (number % SERIES_PER_INSTANCE, row(number)));
        numbered.filter(|(position, row)| wanted(*position, row)).map(|(_, row)| row).take(arguments.rows).collect()
    };
    let is_sum = |position: usize| position < 70 && position % 14 == 12;
    vec![
        ("generated: all", rows(&|_, _| true)),
        ("generated: constants", rows(&|_, row| is_constant(row))),
        ("generated: counters, buckets", rows(&|p, row| p < 82 && !is_sum(p) && !is_constant(row))),
        ("generated: sums of seconds", rows(&|p, row| is_sum(p) && !is_constant(row))),
        ("generated: noisy gauges", rows(&|p, row| p >= 82 && !is_constant(row))),
    ]
}

/// Rows with the statistics of what services count and measure.
fn simulated(arguments: &CodecArguments) -> Vec<(&'static str, Columns<u64>)> {
    let rows = |step: &dyn Fn(&mut StdRng, f64) -> f64, shown: &dyn Fn(f64) -> f64| -> Columns<u64> {
        let mut random = StdRng::seed_from_u64(1);
        let mut row = |_| {
            let mut state = f64::from(random.random_range(0..100_000));
            let mut next = |_| {
                state = step(&mut random, state);
                shown(state).to_bits()
            };
            (0..arguments.samples).map(&mut next).collect()
        };
        (0..arguments.rows).map(&mut row).collect()
    };
    let as_it_is = |v: f64| v;
    let nanoseconds = |random: &mut StdRng| f64::from(random.random_range(0..100_000_000)) / 1e9;
    let normal = |random: &mut StdRng| (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
    vec![
        ("counter, 1 in 20 rises", rows(&|r, v| v + f64::from(poisson(r, 0.05)), &as_it_is)),
        ("counter, Poisson 0.5", rows(&|r, v| v + f64::from(poisson(r, 0.5)), &as_it_is)),
        ("counter, Poisson 5", rows(&|r, v| v + f64::from(poisson(r, 5.0)), &as_it_is)),
        ("counter, Poisson 50", rows(&|r, v| v + f64::from(poisson(r, 50.0)), &as_it_is)),
        (
            "counter with resets",
            rows(&|r, v| if r.random_range(0..100) == 0 { 0.0 } else { v + f64::from(poisson(r, 20.0)) }, &as_it_is),
        ),
        ("sum of durations in ns", rows(&|r, v| (0..5).fold(v % 1000.0, |sum, _| sum + nanoseconds(r)), &as_it_is)),
        ("random walk, 1 decimal", rows(&|r, v| v % 1000.0 + normal(r) / 5.0, &|v| (v * 10.0).round() / 10.0)),
        (
            "0 with spikes",
            rows(&|r, _| if r.random_range(0..30) == 0 { f64::from(r.random::<u16>()) } else { 0.0 }, &as_it_is),
        ),
        ("ratios", rows(&|r, _| f64::from(r.random_range(0..1000)) / f64::from(r.random_range(1000..1050)), &as_it_is)),
        ("full floats in 50 to 60", rows(&|r, _| 50.0 + 10.0 * r.random::<f64>(), &as_it_is)),
        ("random single floats", rows(&|r, _| f64::from(r.random::<f32>()), &as_it_is)),
        ("random bits", rows(&|r, _| f64::from_bits(r.random()), &as_it_is)),
    ]
}

/// How often something happens that happens `mean` times on average.
fn poisson(random: &mut StdRng, mean: f64) -> u32 {
    let least = (-mean).exp();
    let mut product = random.random::<f64>();
    let mut count = 0;
    while product > least {
        product *= random.random::<f64>();
        count += 1;
    }
    count
}

fn times(arguments: &CodecArguments) -> Vec<(&'static str, Columns<i64>)> {
    let rows = |step: &dyn Fn(&mut StdRng, i64) -> i64, jitter: &dyn Fn(&mut StdRng) -> i64| -> Columns<i64> {
        let mut random = StdRng::seed_from_u64(2);
        let mut row = |_| {
            let mut pace = 1_700_000_000_000;
            let mut next = |i| {
                pace += step(&mut random, i);
                pace + jitter(&mut random)
            };
            (0..arguments.samples as i64).map(&mut next).collect()
        };
        (0..arguments.rows).map(&mut row).collect()
    };
    let late = |r: &mut StdRng| if r.random_range(0..50) == 0 { r.random_range(0..8000) } else { r.random_range(0..3) };
    vec![
        ("every 15 s", rows(&|_, _| 15_000, &|_| 0)),
        ("every 15 s, a gap each 100", rows(&|_, i| if i % 100 == 0 { 75_000 } else { 15_000 }, &|_| 0)),
        ("every 15 s, jitter of 4 ms", rows(&|_, _| 15_000, &|r| r.random_range(0..4))),
        ("every 15 s, jitter of 100 ms", rows(&|_, _| 15_000, &|r| r.random_range(0..100))),
        ("15 s after the last, 0 to 4 ms late", rows(&|r, _| 15_000 + r.random_range(0..5), &|_| 0)),
        ("jitter of 3 ms, 2 % seconds late", rows(&|_, _| 15_000, &late)),
    ]
}

fn measure_values(name: &str, columns: &Columns<u64>, repeat: usize) -> anyhow::Result<()> {
    measure(name, columns, repeat, codec::encode_values, codec::decode_values, |v: &f64| v.to_bits())
}

fn measure_times(name: &str, columns: &Columns<i64>, repeat: usize) -> anyhow::Result<()> {
    measure(name, columns, repeat, codec::encode_times, codec::decode_times, |t: &i64| *t)
}

fn measure<T: Copy + PartialEq, D>(
    name: &str,
    columns: &Columns<T>,
    repeat: usize,
    encode: fn(&[T], &mut Vec<u8>),
    decode: Decode<D>,
    bits: fn(&D) -> T,
) -> anyhow::Result<()> {
    let samples = columns.iter().map(Vec::len).sum::<usize>() as f64;
    let (mut encode_ns, mut decode_ns) = (f64::MAX, f64::MAX);
    let mut bytes = Vec::with_capacity(16 * 1024);
    let encoded = columns.iter().map(|column| {
        bytes.clear();
        encode(column, &mut bytes);
        bytes.clone()
    });
    let encoded: Vec<Vec<u8>> = encoded.collect();
    let mut back = Vec::with_capacity(codec::MAX_SAMPLES);
    for _ in 0..repeat.max(1) {
        let begin = Instant::now();
        for column in columns {
            bytes.clear();
            encode(column, &mut bytes);
            black_box(&bytes);
        }
        encode_ns = encode_ns.min(begin.elapsed().as_nanos() as f64 / samples);
        let begin = Instant::now();
        for (column, bytes) in columns.iter().zip(&encoded) {
            back.clear();
            decode(bytes, column.len(), &mut back)?;
            black_box(&back);
        }
        decode_ns = decode_ns.min(begin.elapsed().as_nanos() as f64 / samples);
    }
    let mut page_bytes = 0;
    for (columns, page) in columns.chunks(64).zip(encoded.chunks(64)) {
        page_bytes += zstd::bulk::compress(&page.concat(), 3)?.len();
        for (column, bytes) in columns.iter().zip(page) {
            back.clear();
            decode(bytes, column.len(), &mut back)?;
            anyhow::ensure!(back.iter().map(bits).eq(column.iter().copied()), "{name} came back changed");
        }
    }
    let bytes = encoded.iter().map(Vec::len).sum::<usize>() as f64 / samples;
    say(&format!("{name:34} {bytes:9.3} {:9.3} {encode_ns:10.1} {decode_ns:10.2}", page_bytes as f64 / samples))?;
    Ok(())
}
