//! OpenMetrics text, as `promtool tsdb create-blocks-from openmetrics` and `afferent import openmetrics` read it.

use std::fs::File;
use std::io::{BufWriter, Write};

use model::{Labels, METRIC_NAME, SampleBuffer, Timestamp, is_valid_legacy_label_name, is_valid_legacy_metric_name};

use super::families::Family;
use super::{Output, seconds};

/// A text on its way into a file.
pub(super) struct OpenMetrics {
    out: BufWriter<File>,
}

impl OpenMetrics {
    pub(super) fn new(out: BufWriter<File>) -> Self {
        OpenMetrics { out }
    }
}

impl Output for OpenMetrics {
    fn begin_family(&mut self, family: &Family) -> anyhow::Result<()> {
        let is_plain = is_valid_legacy_metric_name(&family.name);
        let name = if is_plain { family.name.clone() } else { format!("\"{}\"", escaped(&family.name)) };
        writeln!(self.out, "# TYPE {name} {}", family.metadata.metric_type.as_str())?;
        // A unit has to be the end of the name.
        let unit = &family.metadata.unit;
        if !unit.is_empty() && family.name.strip_suffix(unit.as_str()).is_some_and(|stem| stem.ends_with('_')) {
            writeln!(self.out, "# UNIT {name} {unit}")?;
        }
        if !family.metadata.help.is_empty() {
            writeln!(self.out, "# HELP {name} {}", escaped(&family.metadata.help))?;
        }
        Ok(())
    }

    fn takes_histograms(&self) -> bool {
        false
    }

    fn write(&mut self, labels: &Labels, samples: &SampleBuffer) -> anyhow::Result<usize> {
        let series = series(labels);
        // No text can say that a series went stale.
        let rows = (0..samples.len()).filter(|row| !samples.is_stale(*row));
        let mut written = 0;
        for row in rows {
            let value = model::float::format_f(samples.values[row]);
            writeln!(self.out, "{series} {value} {}", seconds(Timestamp(samples.timestamps[row])))?;
            written += 1;
        }
        Ok(written)
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<File> {
        self.out.write_all(b"# EOF\n")?;
        Ok(self.out.into_inner()?)
    }
}

fn series(labels: &Labels) -> String {
    let metric = labels.metric_name();
    let is_plain = is_valid_legacy_metric_name(metric);
    let mut pairs = Vec::new();
    if !is_plain {
        pairs.push(format!("\"{}\"", escaped(metric)));
    }
    for label in labels.iter().filter(|label| label.name != METRIC_NAME) {
        let value = escaped(label.value);
        pairs.push(match is_valid_legacy_label_name(label.name) {
            true => format!("{}=\"{value}\"", label.name),
            false => format!("\"{}\"=\"{value}\"", escaped(label.name)),
        });
    }
    let name = if is_plain { metric } else { "" };
    if pairs.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", pairs.join(",")) }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
