//! The metric store alone, under a million generated series.
//!
//! The parent starts itself as a child that loads the store and then waits to be killed; the parent kills it and opens the
//! store again, so the restart is that of a crash.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use metrics::{Store, StoreOptions, SyncMode};
use model::{Clock, Labels, ManualClock, Sample, SampleSink, SeriesRef, Timestamp, WriteBatch};

use crate::generate::{Generated, SERIES_PER_INSTANCE};
use crate::{process, say};

const START: i64 = 1_767_225_600_000;
const INTERVAL_MS: i64 = 15_000;
/// Scrapes in flight.
const AT_A_TIME: usize = 1000;

/// Arguments of the `head` workload.
#[derive(Args, Clone, Debug)]
pub(crate) struct HeadArguments {
    /// Active series.
    #[arg(long, default_value_t = 1_000_000)]
    series: usize,
    /// Simulated minutes of 15 s scrapes; fewer if the time is up.
    #[arg(long, default_value_t = 240)]
    minutes: u64,
    /// Seconds that the load may take.
    #[arg(long, default_value_t = 90)]
    seconds: u64,
    /// Directory for the data; a temporary one by default.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Sync the log once a second instead of before each acknowledgement: a slow disk then takes no time from the load.
    #[arg(long)]
    sync_each_second: bool,
    /// Only open what an earlier run has left in the directory.
    #[arg(long, requires = "dir")]
    open_only: bool,
    #[arg(long, hide = true)]
    child: bool,
}

/// Runs the workload.
pub(crate) fn run(arguments: &HeadArguments) -> anyhow::Result<()> {
    match (&arguments.dir, arguments.child) {
        (Some(dir), true) => load(arguments, dir),
        (Some(dir), false) if arguments.open_only => open(dir, START),
        (Some(dir), false) => measure(arguments, dir),
        (None, _) => {
            let dir = tempfile::tempdir().context("make a directory for the data")?;
            measure(arguments, dir.path())
        }
    }
}

fn measure(arguments: &HeadArguments, dir: &Path) -> anyhow::Result<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["head", "--child", "--dir"])
        .arg(dir)
        .args(["--series", &arguments.series.to_string()])
        .args(["--minutes", &arguments.minutes.to_string()])
        .args(["--seconds", &arguments.seconds.to_string()])
        .args(arguments.sync_each_second.then_some("--sync-each-second"))
        .stdout(Stdio::piped())
        .spawn()
        .context("start the child that loads the store")?;
    let output = BufReader::new(child.stdout.take().context("the child has no output")?);
    let mut now = START;
    for line in output.lines() {
        let line = line?;
        match line.strip_prefix("loaded until ") {
            Some(time) => {
                now = time.parse().context("read the child's last line")?;
                break;
            }
            None => say(&line)?,
        }
    }
    child.kill().context("kill the child")?;
    child.wait()?;
    open(dir, now)
}

fn open(dir: &Path, now: i64) -> anyhow::Result<()> {
    let clock = Arc::new(ManualClock::new(Timestamp(now)));
    let (begun, cpu_begun) = (Instant::now(), process::cpu_time_of_all(process::SELF)?);
    let (store, report) = Store::open(dir, StoreOptions { background: false, ..StoreOptions::default() }, clock)?;
    say(&format!("restart after kill -9       {:>10.2} s", begun.elapsed().as_secs_f64()))?;
    say(&format!(
        "  CPU time                  {:>10.2} s",
        (process::cpu_time_of_all(process::SELF)? - cpu_begun).as_secs_f64()
    ))?;
    say(&format!("  resident memory           {:>10.1} MB", process::resident_bytes(process::SELF)? as f64 / 1e6))?;
    say(&format!("  highest until then        {:>10.1} MB", process::peak_bytes(process::SELF)? as f64 / 1e6))?;
    say(&format!("  series                    {:>10}", report.series))?;
    say(&format!("  samples replayed          {:>10}", report.replayed_samples))?;
    say(&format!("  log read                  {:>10.1} MB", report.wal_bytes as f64 / 1e6))?;
    drop(store);
    Ok(())
}

/// What a scraper keeps of its series.
type Target = Vec<(Labels, Option<SeriesRef>)>;

fn load(arguments: &HeadArguments, dir: &Path) -> anyhow::Result<()> {
    let count = arguments.series;
    let numbers = |target: usize| target * SERIES_PER_INSTANCE..((target + 1) * SERIES_PER_INSTANCE).min(count);
    let mut targets: Vec<Target> = (0..count.div_ceil(SERIES_PER_INSTANCE))
        .map(|target| numbers(target).map(|n| (Generated::new(n).labels(0), None)).collect())
        .collect();
    // Making up values costs more than keeping them: that is measured first and taken off.
    let generate_begun = process::cpu_time(process::SELF)?;
    let made: usize = targets.iter().enumerate().map(|(n, target)| scrape(n, target, 1).rows.len()).sum();
    let generating = (process::cpu_time(process::SELF)? - generate_begun).as_secs_f64() / made as f64;

    let clock = Arc::new(ManualClock::new(Timestamp(START)));
    let sync = match arguments.sync_each_second {
        true => SyncMode::Interval(Duration::from_secs(1)),
        false => SyncMode::Always,
    };
    let options = StoreOptions { background: false, sync, ..StoreOptions::default() };
    let (flush_bytes, flush_ms) = (options.flush_wal_bytes, options.flush_interval.as_millis() as i64);
    let base = process::resident_bytes(process::SELF)?;
    let (store, _) = Store::open(dir, options, clock.clone())?;
    let per_series = |bytes: u64| bytes.saturating_sub(base) as f64 / count as f64;

    let begun = Instant::now();
    let mut phases = Phases::default();
    let (mut samples, mut worst, mut flushed_at) = (0_u64, 0, START);
    let mut rounds = 0;
    loop {
        let is_over = rounds * 15 >= arguments.minutes * 60 || begun.elapsed().as_secs() >= arguments.seconds;
        let due = clock.now().ms() + INTERVAL_MS - flushed_at >= flush_ms || store.stats().wal_bytes >= flush_bytes;
        // The load ends just before a flush: the worst moment for a restart.
        if is_over && due {
            break;
        }
        let cpu_begun = process::cpu_time(process::SELF)?;
        let appended = scrape_all(&store, &mut targets, rounds)?;
        let cpu = (process::cpu_time(process::SELF)? - cpu_begun).as_secs_f64() - generating * appended as f64;
        samples += appended;
        if rounds == 0 {
            phases.creating = cpu;
            say(&format!(
                "memory, just created        {:>10.0} bytes a series",
                per_series(process::resident_bytes(process::SELF)?)
            ))?;
        } else {
            phases.appending += cpu;
        }
        rounds += 1;
        clock.advance_ms(INTERVAL_MS);
        worst = worst.max(process::resident_bytes(process::SELF)?);
        if due {
            let cpu_begun = process::cpu_time(process::SELF)?;
            store.flush()?;
            store.maintain()?;
            phases.upkeep += (process::cpu_time(process::SELF)? - cpu_begun).as_secs_f64();
            flushed_at = clock.now().ms();
            worst = worst.max(process::resident_bytes(process::SELF)?);
        }
    }
    let stats = store.stats();
    let known = samples - count as u64;
    say(&format!("active series               {:>10}", stats.active_series))?;
    say(&format!("simulated                   {:>10.1} min of 15 s scrapes", rounds as f64 / 4.0))?;
    say(&format!(
        "memory, after the load      {:>10.0} bytes a series",
        per_series(process::resident_bytes(process::SELF)?)
    ))?;
    say(&format!("memory, highest seen        {:>10.0} bytes a series", per_series(worst)))?;
    say(&format!("memory, own estimate        {:>10.0} bytes a series", stats.memory_bytes as f64 / count as f64))?;
    say(&format!("new series                  {:>10.0} k a CPU second", count as f64 / phases.creating / 1e3))?;
    say(&format!(
        "append with hints           {:>10.2} M samples a CPU second",
        known as f64 / phases.appending / 1e6
    ))?;
    let all = phases.appending + phases.upkeep;
    say(&format!("  flush and merge included  {:>10.2} M samples a CPU second", known as f64 / all / 1e6))?;
    say(&format!(
        "log                         {:>10.2} bytes a sample",
        stats.wal_written_bytes as f64 / samples as f64
    ))?;
    say(&format!("blocks                      {:>10.2} bytes a sample", stats.block_bytes as f64 / samples as f64))?;
    say(&format!("loaded until {}", clock.now().ms()))?;
    std::io::stdout().flush()?;
    // Until the parent kills us.
    std::thread::park();
    Ok(())
}

/// CPU seconds.
#[derive(Default)]
struct Phases {
    creating: f64,
    appending: f64,
    upkeep: f64,
}

fn scrape(number: usize, target: &Target, round: u64) -> WriteBatch {
    let mut batch = WriteBatch::default();
    batch.rows.reserve_exact(target.len());
    let first = number * SERIES_PER_INSTANCE;
    let time = START + round as i64 * INTERVAL_MS - INTERVAL_MS + Generated::new(first).offset_ms(round);
    for (position, (labels, hint)) in target.iter().enumerate() {
        let value = Generated::new(first + position).value(round);
        batch.push(labels.clone(), *hint, Sample::float(Timestamp(time), value));
    }
    batch
}

/// Scrapes all targets once, some of them at a time, and keeps the references; answers the number of samples.
fn scrape_all(store: &Store, targets: &mut [Target], round: u64) -> anyhow::Result<u64> {
    let mut samples = 0;
    for (group, members) in targets.chunks_mut(AT_A_TIME).enumerate() {
        let batches = members.iter().enumerate().map(|(i, target)| scrape(group * AT_A_TIME + i, target, round));
        let pending: Vec<_> = batches.map(|batch| store.append(batch)).collect();
        for (append, target) in pending.into_iter().zip(members) {
            let report = futures::executor::block_on(append)?;
            anyhow::ensure!(report.rejected.is_empty(), "the store refused {:?}", report.rejected.first());
            samples += target.len() as u64;
            target.iter_mut().zip(report.refs).for_each(|((_, hint), known)| *hint = known);
        }
    }
    Ok(samples)
}
