//! OpenMetrics text.

use std::path::Path;

use anyhow::{Context, bail};
use model::{Labels, Metadata, SampleBuffer, SampleValue};
use scrape::exposition::{Entry, Format, ParseOptions, RawLabels, parser};

use super::progress::Progress;
use super::target::Target;

/// Samples of one series that are handed over together.
const MOST_SAMPLES: usize = 1 << 16;

/// Hands over all samples of a file, with what it says of families.
pub(super) fn read(path: &Path, target: &mut dyn Target, progress: &mut Progress) -> anyhow::Result<()> {
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
            target.describe(&family.0, &family.1);
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
        let is_another = key != parser.key() || series.is_empty();
        if (is_another || samples.len() >= MOST_SAMPLES) && !samples.is_empty() {
            progress.count(&series, samples.len());
            target.add(&series, &samples)?;
            samples.clear();
        }
        if is_another {
            key.clear();
            key.extend_from_slice(parser.key());
            raw.clear();
            parser.labels(&mut raw);
            series = Labels::from_pairs(raw.iter());
        }
        let Some(timestamp) = timestamp else {
            bail!("{shown}: a sample of {series} has no timestamp; only samples with their times can be taken over");
        };
        match value {
            SampleValue::Float(value) => samples.push_float(timestamp, value),
            SampleValue::Histogram(histogram) => samples.push_histogram(timestamp, histogram),
        }
        samples.set_last_start(parser.start_timestamp().unwrap_or(0));
        progress.report_at_times(|| format!("{shown}"));
    }
    if !samples.is_empty() {
        progress.count(&series, samples.len());
        target.add(&series, &samples)?;
    }
    Ok(())
}
