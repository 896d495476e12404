//! The whole server beside its peers: one at a time, fed the same by remote write and asked the same afterwards.
//!
//! What is counted for each, in this order: CPU time of taking everything until it can be queried and the server is at rest;
//! memory; bytes on disk; the time from a start after `kill -9` to the first answer; CPU time and bytes of the form in which
//! data stays; the queries.

pub(crate) mod http;
mod payload;
mod queries;
mod report;
pub(crate) mod servers;
mod shares;

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use model::{Clock, SystemClock};

use crate::{process, say};
use payload::{Extent, Payloads};
use queries::{Cost, Query};
use servers::{Kind, Server};
use shares::Share;

/// Arguments of the `peers` workload.
#[derive(Args, Clone, Debug)]
pub(crate) struct PeersArguments {
    /// Active series.
    #[arg(long, default_value_t = 100_000)]
    series: usize,
    /// Minutes of scrapes; from a day on, other queries are asked: `--minutes 43200 --interval 60 --series 1000` is 30 days.
    #[arg(long, default_value_t = 120)]
    minutes: u64,
    /// Seconds between two scrapes.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(15..))]
    interval: u32,
    /// A tenth of the series, a quarter of the time.
    #[arg(long, conflicts_with_all = ["series", "minutes"])]
    quick: bool,
    /// Only these servers: afferent, victoriametrics, prometheus.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Our program; by default the one beside this program.
    #[arg(long)]
    afferent: Option<PathBuf>,
    /// Where the peers were unpacked.
    #[arg(long, env = "AFFERENT_PEERS")]
    peers: Option<PathBuf>,
    /// Directory for all data, some gigabytes, emptied in the end; a temporary one by default.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Measure no queries.
    #[arg(long)]
    no_queries: bool,
}

/// What was found out about one server.
struct Figures {
    kind: Kind,
    samples: u64,
    series: usize,
    ingest_wall: Duration,
    /// Until the server is at rest.
    ingest_cpu: Duration,
    resident: u64,
    peak: u64,
    bytes_as_written: u64,
    restart: Duration,
    restart_cpu: Duration,
    compaction_cpu: Duration,
    bytes: u64,
    peak_of_queries: u64,
    costs: Vec<Cost>,
    /// Where our own time goes, query by query; empty for others.
    shares: Vec<Share>,
}

/// Runs the workload.
pub(crate) fn run(arguments: &PeersArguments) -> anyhow::Result<()> {
    let (series, minutes) = if arguments.quick { (10_000, 30) } else { (arguments.series, arguments.minutes) };
    let interval = i64::from(arguments.interval) * 1000;
    let rounds = minutes * 60_000 / interval as u64;
    // Whole minutes, so that steps fall alike on all servers.
    let now = SystemClock.now().ms() / 60_000 * 60_000;
    let extent = Extent { series, rounds, start: now - rounds as i64 * interval, interval };
    anyhow::ensure!(series >= 100 && rounds >= 8, "at least 100 series and 2 minutes are needed");

    let temporary = match &arguments.dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    };
    let dir = temporary.context("make a directory for the data")?;
    say(&report::heading(SystemClock.now()))?;
    let begun = Instant::now();
    let payloads = payload::build(&dir.path().join("requests"), extent)?;
    say(&format!(
        "{series} series, {} samples in requests of {} ({:.1} bytes a sample), made in {:.0} s",
        payloads.samples,
        payload::BATCH,
        payloads.bytes as f64 / payloads.samples as f64,
        begun.elapsed().as_secs_f64()
    ))?;

    let queries = if arguments.no_queries { Vec::new() } else { queries::queries(extent) };
    let (mut measured, mut failed) = (Vec::new(), false);
    for kind in [Kind::Afferent, Kind::VictoriaMetrics, Kind::Prometheus] {
        let wanted = &arguments.only;
        if !wanted.is_empty() && !wanted.iter().any(|w| w.eq_ignore_ascii_case(kind.name())) {
            continue;
        }
        let beside = std::env::current_exe()?.with_file_name("afferent");
        let ours = arguments.afferent.as_deref().unwrap_or(&beside);
        let Some(program) = kind.program(ours, arguments.peers.as_deref()) else {
            say(&format!("{} is not on this machine and left out", kind.name()))?;
            continue;
        };
        let begun = Instant::now();
        let home = dir.path().join(kind.name());
        std::fs::create_dir(&home)?;
        match measure(kind, &program, &home, extent, &payloads, &queries) {
            Ok(figures) => {
                measured.push(figures);
                say(&format!("{} measured in {:.0} s", kind.name(), begun.elapsed().as_secs_f64()))?;
            }
            // The others' figures are not lost with it.
            Err(error) => {
                failed = true;
                say(&format!("{} failed: {error:#}", kind.name()))?;
            }
        }
        std::fs::remove_dir_all(&home)?;
    }
    say(&report::tables(&measured, &queries))?;
    say(&shares::table(&measured))?;
    anyhow::ensure!(!failed, "not all servers could be measured");
    Ok(())
}

fn measure(
    kind: Kind,
    program: &Path,
    home: &Path,
    extent: Extent,
    payloads: &Payloads,
    queries: &[Query],
) -> anyhow::Result<Figures> {
    let mut server = Server::start(kind, program, home)?;
    let ready = if kind == Kind::VictoriaMetrics { "/health" } else { "/-/ready" };
    server.wait_for(ready, |_| true)?;
    let before = process::cpu_time_of_all(&server.id())?;
    let begun = Instant::now();
    payloads.send(&server.address)?;
    server.make_visible()?;
    let ingest_wall = begun.elapsed();
    server.rest()?;
    let ingest_cpu = process::cpu_time_of_all(&server.id())? - before;
    let (resident, peak) = (process::resident_bytes(&server.id())?, process::peak_bytes(&server.id())?);
    let bytes_as_written = server.bytes()?;

    server.kill();
    server.restart()?;
    let has_result = |body: &[u8]| body.windows(9).any(|w| w == br#""metric":"#);
    let restart = server.wait_for(&queries::first_query(extent), has_result)?;
    let restart_cpu = process::cpu_time_of_all(&server.id())?;
    server.rest()?;

    let before = process::cpu_time_of_all(&server.id())?;
    let bytes = server.compact()?;
    let compaction_cpu = process::cpu_time_of_all(&server.id())? - before;
    let costs = queries.iter().map(|query| queries::measure(&server, query)).collect::<anyhow::Result<_>>()?;
    let shares = if kind == Kind::Afferent { shares::ask(&server, queries)? } else { Vec::new() };
    Ok(Figures {
        kind,
        samples: payloads.samples,
        series: extent.series,
        ingest_wall,
        ingest_cpu,
        resident,
        peak,
        bytes_as_written,
        restart,
        restart_cpu,
        compaction_cpu,
        bytes,
        peak_of_queries: process::peak_bytes(&server.id())?,
        costs,
        shares,
    })
}

/// Lets time pass.
pub(crate) fn pause(time: Duration) {
    let (_keep, never) = mpsc::channel::<()>();
    // Nothing is ever sent.
    let _ = never.recv_timeout(time);
}
