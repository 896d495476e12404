//! What happens to one line: filters, parsers, formatting. Compiled once for each thread that runs it.

mod format;
mod hints;
mod ip;
mod label_filter;
mod labels;
mod line_filter;
mod literals;
mod parsers;
mod search;

use std::borrow::Cow;
use std::sync::Arc;

use logfields::Scratch;
use model::{Clock, Matcher};
use thiserror::Error;

pub use labels::Category;

pub(crate) use hints::Wanted;
pub(crate) use label_filter::{CompiledLabelFilter, Verdict};
pub(crate) use labels::{ERROR, LineLabels, PRESERVE_ERROR, StreamLabels};
pub(crate) use line_filter::CompiledLineFilter;
pub(crate) use search::{CompiledSearch, FieldCondition, SearchNode, ValueTest};

use crate::kql::Kql;
use crate::syntax::ast::{LabelChoice, Stage};
use format::{LabelFormatter, LineFormatter};
use labels::ERROR_DETAILS;
pub(crate) use parsers::JSON_ERROR;
use parsers::Parser;

/// A stage whose text cannot be compiled. Loki says so only when the query is run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("parse error : stage '{stage}' : {reason}")]
pub struct StageError {
    /// The stage as written.
    pub stage: String,
    /// What is wrong with it.
    pub reason: String,
}

enum CompiledStage {
    LineFilter(CompiledLineFilter),
    LabelFilter(CompiledLabelFilter),
    Parser(Parser),
    Search(CompiledSearch),
    LineFormat(LineFormatter),
    LabelFormat(LabelFormatter),
    Decolorize(regex::bytes::Regex),
    Drop(Vec<LabelChoice>),
    Keep(Vec<LabelChoice>),
}

/// Colours and other sequences of terminals.
const ANSI: &str = "[\u{1B}\u{9B}][\\[\\]()#;?]*(?:(?:(?:[a-zA-Z0-9]*(?:;[a-zA-Z0-9]*)*)?\u{07})|(?:(?:[0-9]{1,4}(?:;[0-9]{0,4})*)?[0-9A-PRZcf-ntqry=><~]))";

/// A compiled pipeline with what it needs from line to line.
pub(crate) struct Pipeline {
    stages: Vec<CompiledStage>,
    wanted: Wanted,
    scratch: Scratch,
    /// Labels of the line that was processed last.
    pub(crate) labels: LineLabels,
}

impl Pipeline {
    /// Compiles the stages; `wanted` says which labels anybody will look at.
    pub(crate) fn new(stages: &[Stage], wanted: Wanted, clock: &Arc<dyn Clock>) -> Result<Self, StageError> {
        let mut compiled = Vec::with_capacity(stages.len());
        for stage in stages {
            let failed = |reason: String| StageError { stage: stage.to_string(), reason };
            if let Some(stage) = compile(stage, clock).map_err(failed)? {
                compiled.push(stage);
            }
        }
        Ok(Pipeline { stages: compiled, wanted, scratch: Scratch::default(), labels: LineLabels::default() })
    }

    /// Runs a line through; `None` where it is filtered out. The labels are then in [`Pipeline::labels`].
    pub(crate) fn process<'l>(
        &mut self,
        stream: &StreamLabels,
        timestamp: i64,
        line: &'l [u8],
        metadata: &[(&str, &str)],
    ) -> Option<Cow<'l, [u8]>> {
        self.labels.clear();
        for (name, value) in metadata {
            self.labels.add_metadata(stream, name, value);
        }
        let mut line = Cow::Borrowed(line);
        let Pipeline { stages, wanted, scratch, labels } = self;
        for stage in stages {
            match stage {
                CompiledStage::LineFilter(filter) if !filter.passes(&line) => return None,
                CompiledStage::LabelFilter(filter) if !filter.passes(stream, labels) => return None,
                CompiledStage::LineFilter(_) | CompiledStage::LabelFilter(_) => {}
                CompiledStage::Search(search) => {
                    if !search.passes(&line, stream, labels, scratch) {
                        return None;
                    }
                }
                CompiledStage::Parser(parser) => {
                    if let Some(unpacked) = parser.run(&line, stream, labels, wanted, scratch) {
                        line = Cow::Owned(unpacked);
                    }
                }
                CompiledStage::LineFormat(formatter) => {
                    if let Some(formatted) = formatter.run(timestamp, &line, stream, labels) {
                        line = Cow::Owned(formatted);
                    }
                }
                CompiledStage::LabelFormat(formatter) => formatter.run(timestamp, &line, stream, labels),
                CompiledStage::Decolorize(ansi) => {
                    if let Cow::Owned(plain) = ansi.replace_all(&line, &b""[..]) {
                        line = Cow::Owned(plain);
                    }
                }
                CompiledStage::Drop(choices) => drop_labels(choices, stream, labels),
                CompiledStage::Keep(choices) => keep_labels(choices, stream, labels),
            }
        }
        Some(line)
    }
}

fn compile(stage: &Stage, clock: &Arc<dyn Clock>) -> Result<Option<CompiledStage>, String> {
    Ok(Some(match stage {
        Stage::LineFilter(filter) => {
            let filter = CompiledLineFilter::new(filter)?;
            if filter.is_all() {
                return Ok(None);
            }
            CompiledStage::LineFilter(filter)
        }
        Stage::Search(Kql::All) => return Ok(None),
        Stage::Search(kql) => CompiledStage::Search(CompiledSearch::new(kql)?),
        Stage::LabelFilter(filter) => CompiledStage::LabelFilter(CompiledLabelFilter::new(filter)?),
        Stage::LineFormat(template) => CompiledStage::LineFormat(LineFormatter::new(template, clock)?),
        Stage::LabelFormat(formats) => CompiledStage::LabelFormat(LabelFormatter::new(formats, clock)?),
        Stage::Decolorize => {
            CompiledStage::Decolorize(regex::bytes::Regex::new(ANSI).map_err(|error| error.to_string())?)
        }
        Stage::Drop(choices) => CompiledStage::Drop(choices.clone()),
        Stage::Keep(choices) => CompiledStage::Keep(choices.clone()),
        parser => CompiledStage::Parser(Parser::new(parser)?),
    }))
}

fn drop_labels(choices: &[LabelChoice], stream: &StreamLabels, labels: &mut LineLabels) {
    for choice in choices {
        let (name, matcher): (&str, Option<&Matcher>) = match choice {
            LabelChoice::Name(name) => (name, None),
            LabelChoice::Matcher(matcher) => (&matcher.name, Some(matcher)),
        };
        let is_meant = |value: &str| matcher.is_none_or(|matcher| matcher.matches(value));
        match name {
            ERROR if is_meant(labels.error()) => labels.reset_error(),
            ERROR_DETAILS if is_meant(labels.details()) => labels.reset_details(),
            ERROR | ERROR_DETAILS => {}
            name => {
                let value = labels.get(stream, name);
                if value.is_some() && is_meant(value.unwrap_or("")) {
                    labels.delete(name);
                }
            }
        }
    }
}

fn keep_labels(choices: &[LabelChoice], stream: &StreamLabels, labels: &mut LineLabels) {
    let mut gone: Vec<String> = Vec::new();
    labels.each(stream, &mut |_, name, value| {
        let is_kept = choices.iter().any(|choice| match choice {
            LabelChoice::Name(kept) => kept == name,
            LabelChoice::Matcher(matcher) => matcher.name == name && matcher.matches(value),
        });
        if !is_kept && !matches!(name, ERROR | ERROR_DETAILS | PRESERVE_ERROR) {
            gone.push(name.to_owned());
        }
    });
    gone.iter().for_each(|name| labels.delete(name));
}
