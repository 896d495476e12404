//! The remote write receiver over HTTP, as a process of its own, so that its CPU time is the server's alone.
//!
//! The parent makes up requests and sends them over a few connections. The first round creates the series; then follow the
//! rounds that are measured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use api::{RemoteWrite, remote_write_router};
use clap::{Args, ValueEnum};
use metrics::{Store, StoreOptions};
use model::{AppendFuture, AppendReport, Clock, Labels, SampleSink, SeriesRef, SystemClock, WriteBatch};

use crate::generate::Generated;
use crate::protobuf::{put_bytes, put_varint};
use crate::{process, say};

const INTERVAL_MS: i64 = 15_000;

/// Where samples end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sink {
    /// Nowhere: what remains is HTTP, decompression and decoding.
    None,
    /// The metric store.
    Store,
}

/// Version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protocol {
    V1,
    V2,
}

/// Arguments of the `remote-write` workload.
#[derive(Args, Clone, Debug)]
pub(crate) struct RemoteWriteArguments {
    /// Active series.
    #[arg(long, default_value_t = 100_000)]
    series: usize,
    /// Series in one request, one sample each.
    #[arg(long, default_value_t = 5_000)]
    batch: usize,
    /// Rounds of 15 s scrapes that are measured; they end before the present.
    #[arg(long, default_value_t = 60)]
    rounds: u64,
    /// Connections.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    #[arg(long, value_enum, default_value = "store")]
    sink: Sink,
    #[arg(long, value_enum, default_value = "v1")]
    protocol: Protocol,
    /// Directory for the data; a temporary one by default.
    #[arg(long)]
    dir: Option<PathBuf>,
    #[arg(long, hide = true)]
    child: bool,
}

/// Runs the workload.
pub(crate) fn run(arguments: &RemoteWriteArguments) -> anyhow::Result<()> {
    match (&arguments.dir, arguments.child) {
        (Some(dir), true) => serve(arguments.sink, dir),
        (Some(dir), false) => measure(arguments, dir),
        (None, _) => {
            let dir = tempfile::tempdir().context("make a directory for the data")?;
            measure(arguments, dir.path())
        }
    }
}

/// Answers as a store would, and keeps nothing.
#[derive(Default)]
struct NoSink {
    next: AtomicU64,
}

impl SampleSink for NoSink {
    fn append(&self, batch: WriteBatch) -> AppendFuture {
        let fresh = || SeriesRef(self.next.fetch_add(1, Ordering::Relaxed));
        let refs = batch.rows.iter().map(|row| Some(row.hint.unwrap_or_else(fresh))).collect();
        Box::pin(async move { Ok(AppendReport { refs, ..AppendReport::default() }) })
    }
}

#[tokio::main]
async fn serve(sink: Sink, dir: &Path) -> anyhow::Result<()> {
    let sink: Arc<dyn SampleSink> = match sink {
        Sink::None => Arc::new(NoSink::default()),
        Sink::Store => Store::open(dir, StoreOptions::default(), Arc::new(SystemClock))?.0,
    };
    let router = remote_write_router(RemoteWrite::new(sink, Arc::new(SystemClock), 256 << 20));
    let listener = api::bind("127.0.0.1:0".parse()?).await?;
    say(&format!("listening on {}", listener.local_addr()?))?;
    api::serve(vec![(listener, router)], tokio_util::sync::CancellationToken::new(), Duration::ZERO).await;
    Ok(())
}

fn measure(arguments: &RemoteWriteArguments, dir: &Path) -> anyhow::Result<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["remote-write", "--child", "--sink"])
        .arg(if arguments.sink == Sink::None { "none" } else { "store" })
        .arg("--dir")
        .arg(dir)
        .stdout(Stdio::piped())
        .spawn()
        .context("start the server")?;
    let measured = load(arguments, &mut child);
    child.kill().context("stop the server")?;
    child.wait()?;
    measured
}

fn load(arguments: &RemoteWriteArguments, child: &mut std::process::Child) -> anyhow::Result<()> {
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("the server has no output")?).read_line(&mut line)?;
    let address = line.trim().strip_prefix("listening on ").context("the server names no address")?;
    let server = child.id().to_string();
    let labels: Vec<Labels> = (0..arguments.series).map(|n| Generated::new(n).labels(0)).collect();
    let sender =
        Sender { arguments, labels: &labels, address, start: SystemClock.now().ms(), bytes: AtomicU64::new(0) };

    let cpu = process::cpu_time(&server)?;
    sender.send(0..1)?;
    let created = process::cpu_time(&server)?;
    sender.bytes.store(0, Ordering::Relaxed);
    let begun = Instant::now();
    sender.send(1..arguments.rounds + 1)?;
    let spent = (process::cpu_time(&server)? - created).as_secs_f64();
    let samples = arguments.series as f64 * arguments.rounds as f64;
    say(&format!(
        "new series                  {:>10.0} k a CPU second",
        arguments.series as f64 / (created - cpu).as_secs_f64() / 1e3
    ))?;
    say(&format!("known series                {:>10.2} M samples a CPU second", samples / spent / 1e6))?;
    say(&format!("  server                    {:>10.0} ns a sample", spent / samples * 1e9))?;
    say(&format!(
        "  wall                      {:>10.2} M samples a second",
        samples / begun.elapsed().as_secs_f64() / 1e6
    ))?;
    say(&format!(
        "compressed                  {:>10.1} bytes a sample",
        sender.bytes.load(Ordering::Relaxed) as f64 / samples
    ))?;
    Ok(())
}

struct Sender<'a> {
    arguments: &'a RemoteWriteArguments,
    labels: &'a [Labels],
    address: &'a str,
    start: i64,
    bytes: AtomicU64,
}

impl Sender<'_> {
    /// Sends some rounds, one after the other, each over all connections.
    fn send(&self, rounds: std::ops::Range<u64>) -> anyhow::Result<()> {
        let connect = || TcpStream::connect(self.address).context("connect to the server");
        let mut connections: Vec<_> = (0..self.arguments.connections).map(|_| connect()).collect::<Result<_, _>>()?;
        for round in rounds {
            let next = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                let senders: Vec<_> =
                    connections.iter_mut().map(|c| scope.spawn(|| self.send_some(c, round, &next))).collect();
                senders.into_iter().try_for_each(|s| s.join().map_err(|_| anyhow::anyhow!("a sender panicked"))?)
            })?;
        }
        Ok(())
    }

    fn send_some(&self, connection: &mut TcpStream, round: u64, next: &AtomicUsize) -> anyhow::Result<()> {
        loop {
            let first = next.fetch_add(self.arguments.batch, Ordering::Relaxed);
            if first >= self.labels.len() {
                return Ok(());
            }
            let last = (first + self.arguments.batch).min(self.labels.len());
            let message = self.message(first..last, round);
            let body = snap::raw::Encoder::new().compress_vec(&message)?;
            self.bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
            let content_type = match self.arguments.protocol {
                Protocol::V1 => "application/x-protobuf",
                Protocol::V2 => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            };
            let head = format!(
                "POST /api/v1/write HTTP/1.1\r\nhost: {}\r\ncontent-type: {content_type}\r\ncontent-encoding: snappy\r\ncontent-length: {}\r\n\r\n",
                self.address,
                body.len()
            );
            connection.write_all(head.as_bytes())?;
            connection.write_all(&body)?;
            let mut answer = [0; 4096];
            let length = connection.read(&mut answer)?;
            let answer = String::from_utf8_lossy(&answer[..length]);
            anyhow::ensure!(answer.starts_with("HTTP/1.1 204"), "the server answered {answer}");
        }
    }

    fn message(&self, series: std::ops::Range<usize>, round: u64) -> Vec<u8> {
        let ago = (self.arguments.rounds + 1 - round) as i64 * INTERVAL_MS;
        let mut symbols = Symbols::default();
        let mut messages = Vec::new();
        let mut one = Vec::new();
        for number in series {
            one.clear();
            match self.arguments.protocol {
                Protocol::V1 => self.labels[number].iter().for_each(|label| {
                    let mut pair = Vec::new();
                    put_bytes(&mut pair, 1, label.name.as_bytes());
                    put_bytes(&mut pair, 2, label.value.as_bytes());
                    put_bytes(&mut one, 1, &pair);
                }),
                Protocol::V2 => {
                    let mut references = Vec::new();
                    self.labels[number].iter().for_each(|label| {
                        put_varint(&mut references, symbols.reference(label.name));
                        put_varint(&mut references, symbols.reference(label.value));
                    });
                    put_bytes(&mut one, 1, &references);
                }
            }
            let generated = Generated::new(number);
            let time = self.start - ago - INTERVAL_MS + generated.offset_ms(round);
            let mut sample = vec![1 << 3 | 1];
            sample.extend_from_slice(&generated.value(round).to_le_bytes());
            sample.push(2 << 3);
            put_varint(&mut sample, time as u64);
            put_bytes(&mut one, 2, &sample);
            let field = if self.arguments.protocol == Protocol::V1 { 1 } else { 5 };
            put_bytes(&mut messages, field, &one);
        }
        let mut message = symbols.encoded;
        message.append(&mut messages);
        message
    }
}

/// The symbols table of one request.
#[derive(Default)]
struct Symbols {
    places: std::collections::HashMap<String, u64>,
    encoded: Vec<u8>,
}

impl Symbols {
    fn reference(&mut self, text: &str) -> u64 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        if self.places.is_empty() {
            put_bytes(&mut self.encoded, 4, b"");
            self.places.insert(String::new(), 0);
        }
        let place = self.places.len() as u64;
        put_bytes(&mut self.encoded, 4, text.as_bytes());
        self.places.insert(text.to_owned(), place);
        place
    }
}
