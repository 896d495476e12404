//! `afferent export`: samples out of a data directory that no server uses, as Parquet or as OpenMetrics text.
//!
//! Metric by metric, so memory is bounded by the series of one metric and the samples of one series. OpenMetrics has no native
//! histograms: they are left out there, and how many is said at the end. So is what stored data is damaged.

mod families;
mod openmetrics;
mod parquet;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use api::parse_time;
use clap::{Args, ValueEnum};
use model::{
    LabelRequest, Labels, METRIC_NAME, Matcher, SampleBuffer, SelectRequest, SeriesSource, Tenant, TimeRange, Timestamp,
};

use self::families::{Family, families};
use crate::check::counted;
use crate::import::parse_tenant;
use crate::offline::{self, DataArgs};

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    data: DataArgs,

    /// Series to export, as a PromQL selector such as '{job="node"}'. Default: all.
    #[arg(long = "match", value_name = "SELECTOR", default_value = "{__name__!=\"\"}")]
    selector: String,

    /// First time to export: RFC 3339 or Unix seconds. Default: the beginning.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,

    /// Last time to export. Default: the end.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,

    /// Parquet: a row for each sample, with columns metric, labels (a map), timestamp (milliseconds), value, and histogram:
    /// JSON, for native histograms. OpenMetrics: text, which cannot hold native histograms.
    #[arg(long, value_name = "FORMAT")]
    format: ExportFormat,

    /// Whose samples.
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = parse_tenant)]
    tenant: Tenant,

    /// The file to write; replaced only when all is written. Exit status 1 if stored data was damaged and is missing in it.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    Parquet,
    Openmetrics,
}

/// What takes samples, in order of families, metrics and series.
trait Output {
    /// What follows belongs to this family.
    fn begin_family(&mut self, family: &Family) -> anyhow::Result<()>;
    /// Whether it can write native histograms.
    fn takes_histograms(&self) -> bool;
    /// Samples of one series, with histograms only where it takes them. Answers how many were written.
    fn write(&mut self, labels: &Labels, samples: &SampleBuffer) -> anyhow::Result<usize>;
    /// Nothing follows.
    fn finish(self: Box<Self>) -> anyhow::Result<File>;
}

/// What was written.
struct Written {
    /// In a sentence without its end.
    told: String,
    /// What is missing, each once.
    warnings: BTreeSet<String>,
}

/// Where a file is written until it is whole.
fn beside(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".unfinished");
    PathBuf::from(name)
}

/// Writes the file. What is damaged is named and left out, and then the answer is `false`.
pub(crate) fn run(args: &ExportArgs) -> anyhow::Result<bool> {
    let matchers = promql::parser::parse_metric_selector(&args.selector).map_err(|e| anyhow!("--match: {e}"))?;
    let time = |name, text: &Option<String>, default| match text {
        Some(text) => parse_time(text).map_err(|e| anyhow!("--{name}: {e}")),
        None => Ok(default),
    };
    let range = TimeRange {
        start: time("from", &args.from, TimeRange::ALL.start)?,
        end: time("to", &args.to, TimeRange::ALL.end)?,
    };
    if !args.data.data.join("metrics").is_dir() {
        return Err(anyhow!("there is no data in {}", args.data.data.display()));
    }
    let offline = offline::open(&args.data)?;
    // What is no file, such as `/dev/stdout`, is written to as it stands: a file renamed to its name would take its place.
    let in_place = std::fs::metadata(&args.output).is_ok_and(|found| !found.is_file());
    let unfinished = if in_place { args.output.clone() } else { beside(&args.output) };
    let file = File::options().write(true).create(!in_place).truncate(!in_place).open(&unfinished);
    let file = file.with_context(|| format!("cannot write {}", unfinished.display()))?;
    let output: Box<dyn Output> = match args.format {
        ExportFormat::Parquet => Box::new(parquet::Parquet::new(file)?),
        ExportFormat::Openmetrics => Box::new(openmetrics::OpenMetrics::new(BufWriter::new(file))),
    };
    let written = write_all(&offline.store, &args.tenant, &matchers, range, output).and_then(|written| {
        if !in_place {
            std::fs::rename(&unfinished, &args.output)?;
        }
        Ok(written)
    });
    match written {
        Ok(Written { told, warnings }) => {
            let mut out = std::io::stderr().lock();
            // Nobody to tell is no reason to fail.
            let _ = warnings.iter().try_for_each(|warning| writeln!(out, "incomplete: {warning}"));
            let _ = writeln!(out, "{told}");
            Ok(warnings.is_empty())
        }
        Err(error) => {
            if !in_place {
                let _ = std::fs::remove_file(&unfinished);
            }
            Err(error.context(format!("cannot write {}", args.output.display())))
        }
    }
}

/// Writes what matches; answers what to tell about it.
fn write_all(
    store: &metrics::Store,
    tenant: &Tenant,
    matchers: &[Matcher],
    range: TimeRange,
    mut output: Box<dyn Output>,
) -> anyhow::Result<Written> {
    let sets = [matchers.to_vec()];
    let request = LabelRequest { tenant, matcher_sets: &sets, range, limit: 0, memory: None };
    let names = store.label_values(METRIC_NAME, &request)?;
    let metadata = store.metadata(tenant, 0, None)?;
    // A copy with holes must not pass for a copy.
    let mut warnings: BTreeSet<String> = store.missing(tenant, range).into_iter().collect();
    let (mut series, mut written, mut left_out) = (0, 0, 0);
    let (mut samples, mut floats) = (SampleBuffer::default(), SampleBuffer::default());
    for family in families(&names, metadata) {
        output.begin_family(&family)?;
        for name in &family.metrics {
            let mut matchers = matchers.to_vec();
            matchers.push(Matcher::equal(METRIC_NAME, name));
            let set =
                store.select(&SelectRequest { tenant, matchers: &matchers, range, projection: None, memory: None })?;
            let mut order: Vec<(Labels, usize)> = (0..set.len()).map(|at| (set.labels(at), at)).collect();
            order.sort();
            for (labels, at) in order {
                samples.clear();
                set.read(at, range, &mut samples)?;
                if !output.takes_histograms() {
                    floats.clear();
                    let rows = (0..samples.len()).filter(|row| samples.histogram(*row).is_none());
                    rows.for_each(|row| floats.push_float(samples.timestamps[row], samples.values[row]));
                    left_out += samples.histograms.len();
                    std::mem::swap(&mut floats, &mut samples);
                }
                series += usize::from(!samples.is_empty());
                written += output.write(&labels, &samples)?;
            }
            warnings.extend(set.warnings());
        }
    }
    output.finish()?.sync_all()?;
    let mut told = format!("exported {series} series, {}", counted(written, "sample"));
    if left_out > 0 {
        let histograms = counted(left_out, "native histogram");
        told.push_str(&format!(
            "; left out {histograms}, which OpenMetrics cannot hold: use --format parquet for them"
        ));
    }
    Ok(Written { told, warnings })
}

/// Seconds with milliseconds after the point.
fn seconds(time: Timestamp) -> String {
    let (sign, ms) = (if time.ms() < 0 { "-" } else { "" }, time.ms().unsigned_abs());
    format!("{sign}{}.{:03}", ms / 1000, ms % 1000)
}
