//! The requests that every server is sent: made once, compressed, in a file, so that sending costs hardly more than copying.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use model::Labels;

use super::http::Connection;
use super::pause;
use crate::generate::Generated;
use crate::protobuf::{put_bytes, put_varint};

/// Series in a request, one sample each.
pub(super) const BATCH: usize = 5_000;
const CONNECTIONS: usize = 4;
const HEADERS: &str = "content-type: application/x-protobuf\r\ncontent-encoding: snappy\r\nx-prometheus-remote-write-version: 0.1.0\r\nuser-agent: bench\r\n";

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Active series.
    pub(super) series: usize,
    /// Scrapes of each.
    pub(super) rounds: u64,
    /// Begin of the first round, milliseconds since the epoch.
    pub(super) start: i64,
    /// Milliseconds between two scrapes of a series; at least 15,000.
    pub(super) interval: i64,
}

impl Extent {
    /// When the last sample lies behind, in milliseconds since the epoch.
    pub(super) fn end(self) -> i64 {
        self.start + self.rounds as i64 * self.interval
    }
}

/// Requests in a file, in order of rounds, each round cut into the same batches of series.
pub(super) struct Payloads {
    file: File,
    /// Begin and length of each request.
    places: Vec<(u64, usize)>,
    batches: usize,
    pub(super) bytes: u64,
    /// Samples in all of them; the markers of series that end count.
    pub(super) samples: u64,
}

/// One series on its way: its labels encoded, before and after its instance was replaced.
struct Line {
    series: Generated,
    labels: [Vec<u8>; 2],
}

fn encoded(labels: &Labels) -> Vec<u8> {
    let (mut out, mut pair) = (Vec::new(), Vec::new());
    for label in labels.iter() {
        pair.clear();
        put_bytes(&mut pair, 1, label.name.as_bytes());
        put_bytes(&mut pair, 2, label.value.as_bytes());
        put_bytes(&mut out, 1, &pair);
    }
    out
}

impl Line {
    fn new(number: usize, rounds: u64) -> Self {
        let series = Generated::new(number);
        let replaced = series.restart(rounds).is_some_and(|r| r.replaced);
        let after = if replaced { encoded(&series.labels(1)) } else { Vec::new() };
        Line { series, labels: [encoded(&series.labels(0)), after] }
    }

    /// Appends what a scrape of the round finds; answers the number of samples.
    fn append(&self, extent: Extent, round: u64, out: &mut Vec<u8>) -> u64 {
        let time = extent.start + round as i64 * extent.interval + self.series.offset_ms(round);
        match self.series.restart(extent.rounds) {
            Some(restart) if round >= restart.at => {
                let is_over = restart.replaced && round == restart.at;
                if is_over {
                    put_series(&self.labels[0], time, model::stale_nan(), out);
                }
                let labels = &self.labels[usize::from(restart.replaced)];
                put_series(labels, time, self.series.value(round - restart.at), out);
                1 + u64::from(is_over)
            }
            _ => {
                put_series(&self.labels[0], time, self.series.value(round), out);
                1
            }
        }
    }
}

fn put_series(labels: &[u8], time: i64, value: f64, out: &mut Vec<u8>) {
    let mut sample = Vec::with_capacity(24);
    sample.push(1 << 3 | 1);
    sample.extend_from_slice(&value.to_le_bytes());
    sample.push(2 << 3);
    put_varint(&mut sample, time as u64);
    out.push(1 << 3 | 2);
    put_varint(out, (labels.len() + 2 + sample.len()) as u64);
    out.extend_from_slice(labels);
    put_bytes(out, 2, &sample);
}

/// Makes the requests on all cores.
pub(super) fn build(path: &Path, extent: Extent) -> anyhow::Result<Payloads> {
    let file = File::options().create(true).truncate(true).read(true).write(true).open(path)?;
    let lines: Vec<Line> = (0..extent.series).map(|n| Line::new(n, extent.rounds)).collect();
    let batches: Vec<&[Line]> = lines.chunks(BATCH).collect();
    let requests = batches.len() * extent.rounds as usize;
    let (next, samples) = (AtomicUsize::new(0), AtomicU64::new(0));
    let written = Mutex::new((0_u64, vec![(0, 0); requests]));
    let work = || -> anyhow::Result<()> {
        let (mut message, mut compressed) = (Vec::new(), Vec::new());
        let mut encoder = snap::raw::Encoder::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= requests {
                return Ok(());
            }
            let round = (number / batches.len()) as u64;
            message.clear();
            let count: u64 =
                batches[number % batches.len()].iter().map(|l| l.append(extent, round, &mut message)).sum();
            samples.fetch_add(count, Ordering::Relaxed);
            compressed.resize(snap::raw::max_compress_len(message.len()), 0);
            let length = encoder.compress(&message, &mut compressed)?;
            let mut written = written.lock().expect("no writer panicked");
            let at = written.0;
            written.0 += length as u64;
            written.1[number] = (at, length);
            drop(written);
            file.write_all_at(&compressed[..length], at)?;
        }
    };
    on_threads(std::thread::available_parallelism().map_or(2, usize::from), |_| work())?;
    let (bytes, places) = written.into_inner().expect("no writer panicked");
    (&file).flush()?;
    Ok(Payloads { file, places, batches: batches.len(), bytes, samples: samples.into_inner() })
}

fn on_threads(count: usize, work: impl Fn(usize) -> anyhow::Result<()> + Sync) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..count).map(|n| scope.spawn(move || work(n))).collect();
        threads.into_iter().try_for_each(|t| t.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?)
    })
}

impl Payloads {
    /// Sends everything. A series always goes over the same connection, so that its samples come in order.
    pub(super) fn send(&self, address: &str) -> anyhow::Result<()> {
        on_threads(CONNECTIONS, |connection| {
            let mut server = Connection::open(address)?;
            let mut body = Vec::new();
            for (number, (at, length)) in self.places.iter().enumerate() {
                if number % self.batches % CONNECTIONS == connection {
                    body.resize(*length, 0);
                    self.file.read_exact_at(&mut body, *at)?;
                    send_one(&mut server, &body)?;
                }
            }
            Ok(())
        })
    }
}

/// Sends a request until it is taken; a server may ask for patience.
fn send_one(server: &mut Connection, body: &[u8]) -> anyhow::Result<()> {
    for _ in 0..600 {
        let answer = server.post("/api/v1/write", HEADERS, body).context("send samples")?;
        match answer.status {
            200..=299 => return Ok(()),
            429 | 503 => pause(Duration::from_millis(100)),
            status => anyhow::bail!("status {status}: {}", String::from_utf8_lossy(&answer.body)),
        }
    }
    anyhow::bail!("the server took no samples for a minute")
}
