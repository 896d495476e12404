//! Sources other than files: started here, a task or a few for each.

mod docker;
mod journal;
mod push;
mod stdin;
mod syslog;

use std::sync::Arc;

use config::promtail::PromtailConfig;
use config::{NameValidation, RelabelConfig};
use hashbrown::HashMap;
use model::Labels;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::ShipError;
use crate::batch::Batch;
use crate::entry::{BaseLabels, Entry};
use crate::files::visible;
use crate::intake::Stopped;
use crate::pipeline::Pipeline;
use crate::positions::{Mark, Marks};
use crate::shipper::SourceContext;

/// Sets of labels that a source remembers.
const MOST_REMEMBERED: usize = 2000;

/// Starts every source that a configuration names. Addresses that cannot be listened on are an error.
pub(crate) async fn start(
    config: &PromtailConfig,
    pipelines: &[Pipeline],
    marks: &Marks,
    context: &Arc<SourceContext>,
    exhausted: &CancellationToken,
) -> Result<Vec<JoinHandle<()>>, ShipError> {
    let mut tasks = Vec::new();
    for (job, pipeline) in config.scrape_configs.iter().zip(pipelines) {
        let source = |kind, name: &str| Source::new(&job.job_name, kind, name, &job.relabel_configs, pipeline, context);
        if let Some(labels) = &job.stdin {
            tasks.push(tokio::spawn(stdin::run(source("stdin", "-"), labels.clone(), exhausted.clone())));
        }
        if let Some(syslog) = &job.syslog {
            tasks.push(syslog::start(source("syslog", &syslog.listen.to_string()), syslog).await?);
        }
        if let Some(push) = &job.push {
            tasks.push(push::start(source("push", &push.listen.to_string()), push).await?);
        }
        if let Some(journal) = &job.journal {
            let key = format!("cursor-{}", job.job_name);
            let cursor = marks.get(&key).map(Mark::text);
            tasks.push(tokio::spawn(journal::run(source("journal", "journal"), journal.clone(), key, cursor)));
        }
        for docker in &job.docker_sd_configs {
            let source = source("docker", &docker.host);
            tasks.push(tokio::spawn(docker::run(source, docker.clone(), marks.clone())));
        }
    }
    Ok(tasks)
}

/// What every source does with its lines: relabelling, the pipeline, handing over.
pub(crate) struct Source {
    pub(crate) job: String,
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) context: Arc<SourceContext>,
    rules: Arc<[RelabelConfig]>,
    pipeline: Pipeline,
    known: HashMap<Vec<(String, String)>, Option<Arc<BaseLabels>>>,
    lines: u64,
}

impl Source {
    fn new(
        job: &str,
        kind: &'static str,
        name: &str,
        rules: &[RelabelConfig],
        pipeline: &Pipeline,
        context: &Arc<SourceContext>,
    ) -> Self {
        let source = Source {
            job: job.to_owned(),
            kind,
            name: name.to_owned(),
            context: context.clone(),
            rules: rules.into(),
            pipeline: pipeline.clone(),
            known: HashMap::new(),
            lines: 0,
        };
        source.tell("running");
        source
    }

    /// Another one of the same job, for a connection or a container, with pipeline state of its own.
    pub(crate) fn sibling(&self, name: &str) -> Self {
        let context = &self.context;
        Source::new(&self.job, self.kind, name, &self.rules, &self.pipeline, context)
    }

    /// Tells the status page.
    pub(crate) fn tell(&self, state: &str) {
        self.context.status.tell(&self.job, self.kind, &self.name, self.lines, state);
    }

    /// Nanoseconds since the Unix epoch, ever later ones.
    pub(crate) fn stamp(&self) -> i64 {
        self.context.pipelines.stamps.take(1)
    }

    /// The labels that lines begin with, after relabelling; `None` where a rule drops them.
    pub(crate) fn base(&mut self, pairs: Vec<(String, String)>) -> Option<Arc<BaseLabels>> {
        if let Some(known) = self.known.get(&pairs) {
            return known.clone();
        }
        let mut builder = Labels::from_pairs(pairs.iter().map(|(name, value)| (name, value))).to_builder();
        let keep = scrape::relabel::relabel(&mut builder, &self.rules, NameValidation::Legacy);
        let base = keep.then(|| BaseLabels::new(visible(builder.iter())));
        if self.known.len() >= MOST_REMEMBERED {
            self.known.clear();
        }
        self.known.insert(pairs, base.clone());
        base
    }

    /// Runs a line through the pipeline into a batch.
    pub(crate) fn put(&mut self, batch: &mut Batch, entry: Entry<'_>) {
        self.lines += 1;
        let intake = &self.context.intake;
        self.pipeline.run(entry, &mut |entry| intake.put(batch, entry));
    }

    /// Hands on what was held back for its time, or everything.
    pub(crate) fn tick(&mut self, batch: &mut Batch, everything: bool) {
        if self.pipeline.holds() {
            let intake = &self.context.intake;
            self.pipeline.tick(everything, &mut |entry| intake.put(batch, entry));
        }
    }

    /// True where nothing is held back, so that a position may be remembered.
    pub(crate) fn is_clear(&self) -> bool {
        !self.pipeline.holds()
    }

    /// Hands a batch over; waits for room, and for a rate limit.
    pub(crate) async fn submit(&mut self, batch: Batch) -> Result<(), Stopped> {
        self.tell("running");
        if !batch.is_empty() {
            self.context.intake.submit(batch).await?;
        }
        if let Some(nanos) = self.pipeline.take_pause() {
            let until = Instant::now() + std::time::Duration::from_nanos(nanos.unsigned_abs());
            tokio::select! {
                () = sleep_until(until) => {}
                () = self.context.stop.cancelled() => {}
            }
        }
        Ok(())
    }

    /// As [`Source::submit`], and waits until the batch is durable.
    pub(crate) async fn submit_durable(&mut self, batch: Batch) -> Result<(), Stopped> {
        self.tell("running");
        if batch.is_empty() { Ok(()) } else { self.context.intake.submit_durable(batch).await }
    }
}

/// Pairs of a configuration's labels.
pub(crate) fn owned(labels: &std::collections::BTreeMap<String, String>) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A name that labels may have: what is not a letter, digit or underscore becomes an underscore.
pub(crate) fn label_name(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
