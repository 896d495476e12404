//! Pipelines: the stages of a job, compiled once, and run for each line.
//!
//! A pipeline that is cloned shares what all targets of a job share (rate limits, metrics) and begins with empty state of
//! what belongs to one target (joined lines, last times). Semantics: Promtail 3.x, `pkg/logentry/stages`.

mod build;
mod eventlog;
mod filters;
mod joining;
mod json;
mod labels;
mod logfmt;
pub(crate) mod measure;
mod pack;
mod patterns;
mod selector;
mod templates;
mod times;

use std::sync::Arc;

use config::promtail::{Place, StageConfig};

use crate::entry::Entry;
use crate::stamp::Stamps;

pub(crate) use filters::Bucket;
pub use measure::Measures;
pub use selector::{Selector, parse_labels};

/// What all pipelines of a process share.
#[derive(Clone, Debug)]
pub struct PipelineContext {
    /// The clock.
    pub stamps: Arc<Stamps>,
    /// Counters of dropped lines, and the metrics of `metrics` stages.
    pub measures: Arc<measure::Measures>,
}

impl PipelineContext {
    /// A context of its own.
    pub fn new(stamps: Arc<Stamps>, measures: Arc<measure::Measures>) -> Self {
        PipelineContext { stamps, measures }
    }
}

/// Stages, ready to run.
#[derive(Clone, Debug)]
pub struct Pipeline {
    steps: Vec<Step>,
    context: PipelineContext,
    pause: i64,
}

/// One stage.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    CopyLabels,
    Nested(Vec<Step>),
    Json(Arc<json::JsonStep>),
    Logfmt(Arc<logfmt::LogfmtStep>),
    Regex(Arc<patterns::RegexStep>),
    Replace(Arc<patterns::ReplaceStep>),
    Template(Arc<templates::TemplateStep>),
    Timestamp(times::TimestampStep),
    Labels(Arc<labels::LabelsStep>),
    Output(Arc<str>),
    Match(Arc<Selector>, Vec<Step>),
    MatchDrop(Arc<Selector>, measure::Dropped),
    Multiline(joining::MultilineStep),
    Partial(joining::PartialStep),
    Drop(Arc<filters::DropStep>),
    Limit(Arc<filters::LimitStep>),
    Sampling(Arc<filters::SamplingStep>),
    Pack(Arc<pack::PackStep>),
    Metrics(Arc<measure::MetricsStep>),
    Decolorize,
    EventLog(Arc<eventlog::EventLogStep>),
}

/// What a stage has done with a line.
pub(crate) enum Flow {
    /// On to the next stage.
    Next,
    /// The line is dropped or held back.
    Gone,
    /// These go on instead.
    Many(Vec<Entry<'static>>),
    /// On to the next stage; the source waits so many nanoseconds before its next line.
    Pause(i64),
}

impl Pipeline {
    /// Compiles stages. The error lists what cannot be compiled, and where it stands.
    pub fn new(stages: &[StageConfig], context: &PipelineContext) -> Result<Self, Vec<(Place, String)>> {
        let mut problems = Vec::new();
        let steps = build::steps(stages, context, &mut problems);
        if problems.is_empty() { Ok(Pipeline { steps, context: context.clone(), pause: 0 }) } else { Err(problems) }
    }

    /// True without stages: lines pass as they are.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Runs a line through; what comes out is handed to `out`, now or in a later call.
    pub fn run(&mut self, entry: Entry<'_>, out: &mut dyn FnMut(Entry<'_>)) {
        self.pause = self.pause.max(feed(&mut self.steps, entry, &self.context, out));
    }

    /// Hands out what was held back for its time, or everything that is held back.
    pub fn tick(&mut self, everything: bool, out: &mut dyn FnMut(Entry<'_>)) {
        tick(&mut self.steps, &self.context, everything, out);
    }

    /// True where lines are held back.
    pub fn holds(&self) -> bool {
        self.held_from().is_some()
    }

    /// Where the earliest line that is held back begins.
    pub fn held_from(&self) -> Option<u64> {
        held_from(&self.steps)
    }

    /// Nanoseconds for which the source should wait now, because of a `limit` stage that does not drop.
    pub fn take_pause(&mut self) -> Option<i64> {
        let pause = std::mem::take(&mut self.pause);
        (pause > 0).then_some(pause)
    }
}

fn feed(steps: &mut [Step], mut entry: Entry<'_>, cx: &PipelineContext, out: &mut dyn FnMut(Entry<'_>)) -> i64 {
    let mut pause = 0;
    let mut rest = steps;
    while let Some((step, next)) = rest.split_first_mut() {
        let nested = match step {
            Step::Nested(steps) => Some(steps),
            Step::Match(selector, steps) if selector.matches(&entry) => Some(steps),
            _ => None,
        };
        if let Some(nested) = nested {
            let mut later = 0;
            let now = feed(nested, entry, cx, &mut |entry| later = later.max(feed(next, entry, cx, out)));
            return pause.max(now).max(later);
        }
        match step.apply(&mut entry, cx) {
            Flow::Next => {}
            Flow::Gone => return pause,
            Flow::Pause(nanos) => pause = pause.max(nanos),
            Flow::Many(entries) => {
                for entry in entries {
                    pause = pause.max(feed(next, entry, cx, out));
                }
                return pause;
            }
        }
        rest = next;
    }
    out(entry);
    pause
}

fn tick(steps: &mut [Step], cx: &PipelineContext, everything: bool, out: &mut dyn FnMut(Entry<'_>)) {
    let mut rest = steps;
    while let Some((step, next)) = rest.split_first_mut() {
        match step {
            Step::Nested(nested) | Step::Match(_, nested) => {
                tick(nested, cx, everything, &mut |entry| {
                    feed(next, entry, cx, out);
                });
            }
            Step::Multiline(multiline) => {
                for entry in multiline.overdue(cx.stamps.now(), everything) {
                    feed(next, entry, cx, out);
                }
            }
            Step::Partial(partial) if everything => {
                for entry in partial.drain() {
                    feed(next, entry, cx, out);
                }
            }
            _ => {}
        }
        rest = next;
    }
}

fn held_from(steps: &[Step]) -> Option<u64> {
    let held = steps.iter().filter_map(|step| match step {
        Step::Nested(steps) | Step::Match(_, steps) => held_from(steps),
        Step::Multiline(multiline) => multiline.held_from(),
        Step::Partial(partial) => partial.held_from(),
        _ => None,
    });
    held.min()
}

impl Step {
    fn apply(&mut self, entry: &mut Entry<'_>, cx: &PipelineContext) -> Flow {
        match self {
            Step::CopyLabels => labels::copy_to_extracted(entry),
            Step::Json(step) => {
                if !step.apply(entry) {
                    return Flow::Gone;
                }
            }
            Step::Logfmt(step) => step.apply(entry),
            Step::Regex(step) => step.apply(entry),
            Step::Replace(step) => step.apply(entry),
            Step::Template(step) => step.apply(entry),
            Step::Timestamp(step) => step.apply(entry, cx),
            Step::Labels(step) => step.apply(entry),
            Step::Output(source) => {
                if let Some(line) = entry.extracted.bytes(source) {
                    let line = line.into_owned();
                    entry.line = line.into();
                }
            }
            Step::Nested(_) | Step::Match(..) => {}
            Step::MatchDrop(selector, dropped) => {
                if selector.matches(entry) {
                    dropped.count();
                    return Flow::Gone;
                }
            }
            Step::Multiline(step) => return step.apply(entry, cx.stamps.now()),
            Step::Partial(step) => return step.apply(entry),
            Step::Drop(step) => {
                if step.drops(entry, cx.stamps.now()) {
                    return Flow::Gone;
                }
            }
            Step::Limit(step) => return step.apply(entry, cx.stamps.now()),
            Step::Sampling(step) => {
                if !step.keeps() {
                    return Flow::Gone;
                }
            }
            Step::Pack(step) => step.apply(entry, &cx.stamps),
            Step::Metrics(step) => step.apply(entry, cx.stamps.now()),
            Step::Decolorize => patterns::decolorize(entry),
            Step::EventLog(step) => step.apply(entry),
        }
        Flow::Next
    }
}

/// What a stage with an optional `source` reads: the extracted value, or the line. `None` where there is nothing to read.
pub(crate) fn input<'e>(entry: &'e Entry<'_>, source: Option<&Arc<str>>) -> Option<std::borrow::Cow<'e, [u8]>> {
    match source {
        Some(name) => entry.extracted.bytes(name),
        None => Some(std::borrow::Cow::Borrowed(&entry.line)),
    }
}
