//! From stages as configured to stages that run.

use std::sync::Arc;

use config::promtail::{CriStage, JsonStage, Place, RegexStage, StageConfig, StageKind, TenantStage, TimestampStage};

use super::joining::{MultilineStep, PartialStep};
use super::labels::LabelsStep;
use super::measure::{Dropped, MetricsStep};
use super::{PipelineContext, Selector, Step};
use super::{eventlog, filters, json, logfmt, pack, patterns, templates, times};
use crate::entry::TENANT_LABEL;

type Problems = Vec<(Place, String)>;

pub(super) fn steps(stages: &[StageConfig], cx: &PipelineContext, problems: &mut Problems) -> Vec<Step> {
    let mut out = Vec::with_capacity(stages.len());
    for stage in stages {
        match step(stage, cx, problems) {
            Ok(step) => out.push(step),
            Err(reason) => problems.push((stage.place.clone(), reason)),
        }
    }
    out
}

fn step(stage: &StageConfig, cx: &PipelineContext, problems: &mut Problems) -> Result<Step, String> {
    Ok(match &stage.kind {
        StageKind::Docker => Step::Nested(docker()?),
        StageKind::Cri(cri) => Step::Nested(container_runtime(cri)?),
        StageKind::Json(config) => Step::Json(Arc::new(json::JsonStep::new(config)?)),
        StageKind::Logfmt(config) => Step::Logfmt(Arc::new(logfmt::LogfmtStep::new(config))),
        StageKind::Regex(config) => Step::Regex(Arc::new(patterns::RegexStep::new(config)?)),
        StageKind::Replace(config) => Step::Replace(Arc::new(patterns::ReplaceStep::new(config, cx.stamps.clone())?)),
        StageKind::Template(config) => {
            Step::Template(Arc::new(templates::TemplateStep::new(config, cx.stamps.clone())?))
        }
        StageKind::Timestamp(config) => Step::Timestamp(times::TimestampStep::new(config)?),
        StageKind::Labels(pairs) => Step::Labels(Arc::new(LabelsStep::set(pairs))),
        StageKind::StructuredMetadata(pairs) => Step::Labels(Arc::new(LabelsStep::metadata(pairs))),
        StageKind::LabelAllow(names) => Step::Labels(Arc::new(LabelsStep::allow(names))),
        StageKind::LabelDrop(names) => Step::Labels(Arc::new(LabelsStep::remove(names))),
        StageKind::StaticLabels(pairs) => Step::Labels(Arc::new(LabelsStep::fixed(pairs))),
        StageKind::Output(source) => Step::Output(Arc::from(source.as_str())),
        StageKind::Match(config) => {
            let selector = Arc::new(Selector::parse(&config.selector).map_err(|reason| {
                format!("invalid selector syntax for match stage {:?}: {reason}", config.selector)
            })?);
            if config.drop {
                Step::MatchDrop(selector, Dropped::new(&cx.measures, &config.drop_counter_reason))
            } else {
                let mut nested = vec![Step::CopyLabels];
                nested.extend(steps(&config.stages, cx, problems));
                Step::Match(selector, nested)
            }
        }
        StageKind::Multiline(config) => Step::Multiline(MultilineStep::new(config)?),
        StageKind::Drop(config) => Step::Drop(Arc::new(filters::DropStep::new(config, &cx.measures)?)),
        StageKind::Limit(config) => Step::Limit(Arc::new(filters::LimitStep::new(config, &cx.measures))),
        StageKind::Sampling(config) => Step::Sampling(Arc::new(filters::SamplingStep::new(config, &cx.measures))),
        StageKind::Pack(config) => Step::Pack(Arc::new(pack::PackStep::new(config))),
        StageKind::Metrics(config) => Step::Metrics(Arc::new(MetricsStep::new(config, &cx.measures))),
        StageKind::Tenant(config) => Step::Labels(Arc::new(match config {
            TenantStage::Label(label) => LabelsStep::copy(label, TENANT_LABEL),
            TenantStage::Source(source) => LabelsStep::set_unless_empty(source, TENANT_LABEL),
            TenantStage::Value(value) => LabelsStep::fixed(&[(TENANT_LABEL.to_owned(), value.clone())]),
        })),
        StageKind::Decolorize => Step::Decolorize,
        StageKind::EventLogMessage(config) => Step::EventLog(Arc::new(eventlog::EventLogStep::new(config))),
    })
}

fn pair(name: &str, from: &str) -> (String, String) {
    (name.to_owned(), from.to_owned())
}

fn rfc3339(source: &str) -> Result<Step, String> {
    Ok(Step::Timestamp(times::TimestampStep::new(&TimestampStage {
        source: source.to_owned(),
        format: "RFC3339Nano".to_owned(),
        fallback_formats: Vec::new(),
        location: None,
        fudge: true,
    })?))
}

/// `docker`: `{"log": ..., "stream": ..., "time": ...}`.
fn docker() -> Result<Vec<Step>, String> {
    let extract = JsonStage {
        expressions: vec![pair("output", "log"), pair("stream", "stream"), pair("timestamp", "time")],
        source: None,
        drop_malformed: false,
    };
    Ok(vec![
        Step::CopyLabels,
        Step::Json(Arc::new(json::JsonStep::new(&extract)?)),
        Step::Labels(Arc::new(LabelsStep::set(&[pair("stream", "stream")]))),
        rfc3339("timestamp")?,
        Step::Output(Arc::from("output")),
    ])
}

/// `cri`: `<time> <stream> <flags> <content>`; lines with the flag `P` are parts of one.
fn container_runtime(config: &CriStage) -> Result<Vec<Step>, String> {
    let extract = RegexStage {
        expression: r"^(?s)(?P<time>\S+?) (?P<stream>stdout|stderr) (?P<flags>\S+?) (?P<content>.*)$".to_owned(),
        source: None,
    };
    Ok(vec![
        Step::CopyLabels,
        Step::Regex(Arc::new(patterns::RegexStep::new(&extract)?)),
        Step::Labels(Arc::new(LabelsStep::set(&[pair("stream", "stream")]))),
        rfc3339("time")?,
        Step::Output(Arc::from("content")),
        Step::Output(Arc::from("tags")),
        Step::Partial(PartialStep::new(config)),
    ])
}
