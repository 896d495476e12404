//! `afferent import`: samples of any age from files of other systems, into a data directory that no server uses.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use metrics::Importer;
use model::{Labels, Metadata, SampleBuffer, SampleValue, Tenant};
use scrape::exposition::{Entry, Format, ParseOptions, RawLabels, parser};
use tsdb::{Block, find_blocks};

use crate::check::counted;
use crate::offline::{self, DataArgs};

/// How often a person hears how far it is.
const REPORT_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, Subcommand)]
pub(crate) enum ImportWhat {
    /// Take over the blocks of a Prometheus: its data directory while it is stopped, a snapshot, or a single block.
    /// Its write-ahead log is not read: take a snapshot (POST /api/v1/admin/tsdb/snapshot) to have the newest samples too.
    Tsdb(ImportArgs),
    /// Take over samples written in the OpenMetrics text format, each with its timestamp. The file is held in memory.
    Openmetrics(ImportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// What to take over.
    #[arg(value_name = "PATH")]
    path: PathBuf,

    #[command(flatten)]
    data: DataArgs,
}

/// Imports everything or, after an error, nothing.
pub(crate) fn run(what: &ImportWhat) -> anyhow::Result<()> {
    let (ImportWhat::Tsdb(args) | ImportWhat::Openmetrics(args)) = what;
    // Whether there is anything to read is known before the store is touched.
    let source = std::fs::metadata(&args.path).with_context(|| format!("cannot read {}", args.path.display()))?;
    if source.is_dir() != matches!(what, ImportWhat::Tsdb(_)) {
        bail!("{} is {}", args.path.display(), if source.is_dir() { "a directory" } else { "not a directory" });
    }
    let offline = offline::open(&args.data)?;
    let mut importer = Importer::new(&offline.store, Tenant::default());
    let mut progress = Progress::new();
    match what {
        ImportWhat::Tsdb(_) => tsdb(&args.path, &mut importer, &mut progress)?,
        ImportWhat::Openmetrics(_) => openmetrics(&args.path, &mut importer, &mut progress)?,
    }
    let written = importer.finish()?;
    offline.store.close()?;
    progress.report(&format!("imported as {}", counted(written.len(), "block")));
    Ok(())
}

fn tsdb(path: &Path, importer: &mut Importer, progress: &mut Progress) -> anyhow::Result<()> {
    let dirs = find_blocks(path)?;
    if dirs.is_empty() {
        bail!("there is no block of Prometheus in {}: a block is a directory with a meta.json", path.display());
    }
    for (number, dir) in dirs.iter().enumerate() {
        let block = Block::open(dir)?;
        let mut last = Labels::empty();
        for piece in block.series()? {
            let piece = piece?;
            if progress.series == 0 || piece.labels != last {
                progress.series += 1;
                last = piece.labels.clone();
            }
            importer.add(&piece.labels, &piece.samples)?;
            progress.samples += piece.samples.len();
            progress.report_at_times(|| format!("block {} of {}", number + 1, dirs.len()));
        }
        progress.blocks += 1;
    }
    Ok(())
}

fn openmetrics(path: &Path, importer: &mut Importer, progress: &mut Progress) -> anyhow::Result<()> {
    let shown = path.display();
    let body = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    let mut parser = parser(&body, Format::OpenMetrics, ParseOptions::default());
    let mut family = (String::new(), Metadata::default());
    let (mut key, mut series, mut samples) = (Vec::new(), Labels::empty(), SampleBuffer::default());
    let mut raw = RawLabels::default();
    let fail = |error| anyhow::Error::new(error).context(format!("{shown} is not valid OpenMetrics"));
    while let Some(entry) = parser.advance().map_err(fail)? {
        let mut describe = |name: &str, change: &dyn Fn(&mut Metadata)| {
            if family.0 != name {
                family = (name.to_owned(), Metadata::default());
            }
            change(&mut family.1);
            importer.set_metadata(&family.0, family.1.clone());
        };
        let (timestamp, value) = match entry {
            Entry::Type { family, metric_type } => {
                describe(&family, &|m| m.metric_type = metric_type);
                continue;
            }
            Entry::Help { family, help } => {
                describe(&family, &|m| m.help = help.to_string());
                continue;
            }
            Entry::Unit { family, unit } => {
                describe(&family, &|m| m.unit = unit.to_string());
                continue;
            }
            Entry::Sample { timestamp, value } => (timestamp, value),
        };
        if key != parser.key() || progress.samples == 0 {
            importer.add(&series, &samples)?;
            samples.clear();
            key.clear();
            key.extend_from_slice(parser.key());
            raw.clear();
            parser.labels(&mut raw);
            series = Labels::from_pairs(raw.iter());
            progress.series += 1;
        }
        let Some(timestamp) = timestamp else {
            bail!("{shown}: a sample of {series} has no timestamp; only samples with their times can be taken over");
        };
        match value {
            SampleValue::Float(value) => samples.push_float(timestamp, value),
            SampleValue::Histogram(histogram) => samples.push_histogram(timestamp, histogram),
        }
        samples.set_last_start(parser.start_timestamp().unwrap_or(0));
        progress.samples += 1;
        progress.report_at_times(|| format!("{shown}"));
    }
    importer.add(&series, &samples)?;
    Ok(())
}

/// Says on stderr how far it is.
struct Progress {
    begin: Instant,
    reported: Instant,
    blocks: usize,
    /// A series counts once in each block, and once each time that a text comes back to it.
    series: usize,
    samples: usize,
}

impl Progress {
    fn new() -> Self {
        let now = Instant::now();
        Progress { begin: now, reported: now, blocks: 0, series: 0, samples: 0 }
    }

    fn report_at_times(&mut self, what: impl Fn() -> String) {
        if self.reported.elapsed() >= REPORT_EVERY {
            self.reported = Instant::now();
            self.report(&what());
        }
    }

    fn report(&self, what: &str) {
        let seconds = self.begin.elapsed().as_secs_f64();
        let rate = self.samples as f64 / seconds.max(0.001);
        let series = format!("{} series", self.series);
        let samples = counted(self.samples, "sample");
        let read = if self.blocks > 0 { format!(", {} read", counted(self.blocks, "block")) } else { String::new() };
        // Nobody to tell is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{what}: {series}, {samples}{read}, {seconds:.1} s, {rate:.0} samples/s");
    }
}
