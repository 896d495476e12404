//! What of a pipeline can be answered without running it line by line.

use model::{LineFormat, LogPage};

use super::group::GroupBy;
use crate::kql::Kql;
use crate::pipeline::{CompiledLabelFilter, CompiledLineFilter, CompiledSearch, StreamLabels, Wanted};
use crate::syntax::ast::{LabelFilter, Stage, Unwrap};

/// The parts of a pipeline that pages are asked about.
pub(crate) struct Shape {
    /// Filters on lines as they are stored: those before any stage that changes lines.
    pub(crate) line_filters: Vec<CompiledLineFilter>,
    /// How many of the pipeline's stages those are; true where all stages that filter lines are among them.
    pub(crate) simple: Option<Simple>,
    /// True where no stage gives or takes a label.
    pub(crate) keeps_labels: bool,
}

/// A pipeline of line filters, at most one `json` or `logfmt`, and label filters: columns can answer it.
pub(crate) struct Simple {
    pub(crate) parser: Option<LineFormat>,
    pub(crate) filters: Vec<CompiledLabelFilter>,
    /// What is left of searches beside their line filters.
    pub(crate) searches: Vec<CompiledSearch>,
    /// Labels without which no line passes.
    required: Vec<String>,
    /// Some of them, and the text that a line has where `json` finds them. Only names that stand in a
    /// line as they are; that somebody writes the letters of a name as escapes (`\\u0073tatus`) is not provided for.
    keys: Vec<(String, Vec<u8>)>,
}

impl Simple {
    /// True where there is nothing to ask columns for.
    pub(crate) fn passes_all(&self) -> bool {
        self.filters.is_empty() && self.searches.is_empty()
    }

    /// Texts that every line that passes contains, in a page of this stream.
    pub(crate) fn needs<'s>(
        &'s self,
        stream: &'s StreamLabels,
        page: &'s dyn LogPage,
    ) -> impl Iterator<Item = &'s [u8]> {
        let is_parsed = |name: &str| stream.labels.get(name).is_none() && !page.may_have_metadata(name);
        self.keys.iter().filter(move |(name, _)| is_parsed(name)).map(|(_, text)| text.as_slice())
    }

    /// Labels without which no line passes.
    pub(crate) fn required(&self) -> impl Iterator<Item = &str> {
        self.required.iter().map(String::as_str)
    }
}

impl Shape {
    /// Looks at stages that have been compiled before.
    pub(crate) fn of(stages: &[Stage], unwrap: Option<&Unwrap>, wanted: &Wanted) -> Shape {
        let changes_line = |stage: &&Stage| matches!(stage, Stage::LineFormat(_) | Stage::Unpack | Stage::Decolorize);
        let as_stored = stages.iter().position(|stage| changes_line(&stage)).unwrap_or(stages.len());
        let line_filters: Vec<CompiledLineFilter> = stages[..as_stored]
            .iter()
            .flat_map(|stage| match stage {
                Stage::LineFilter(filter) => vec![filter.clone()],
                Stage::Search(kql) => kql.line_filters(),
                _ => Vec::new(),
            })
            .filter_map(|filter| CompiledLineFilter::new(&filter).ok())
            .filter(|filter| !filter.is_all())
            .collect();
        let only_filters =
            |stage: &Stage| matches!(stage, Stage::LineFilter(_) | Stage::LabelFilter(_) | Stage::Search(_));
        let keeps_labels = stages.iter().all(only_filters);
        Shape { line_filters, simple: simple(stages, unwrap, wanted), keeps_labels }
    }

    /// Texts that every line of interest contains.
    pub(crate) fn fragments(&self) -> Vec<Vec<u8>> {
        let certain = self.line_filters.iter().filter(|filter| filter.needs().len() == 1);
        certain.map(|filter| filter.needs()[0].clone()).collect()
    }

    /// True where one of the filters passes no line at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.line_filters.iter().any(CompiledLineFilter::is_none)
    }
}

fn simple(stages: &[Stage], unwrap: Option<&Unwrap>, wanted: &Wanted) -> Option<Simple> {
    let mut simple =
        Simple { parser: None, filters: Vec::new(), searches: Vec::new(), required: Vec::new(), keys: Vec::new() };
    let mut filters = Vec::new();
    let mut add = |filter: &LabelFilter| {
        filters.push(CompiledLabelFilter::new(filter).ok()?);
        Some(())
    };
    let mut parser = None;
    for stage in stages {
        match stage {
            Stage::LineFilter(_) => {}
            Stage::Search(kql) => match kql.rest() {
                Kql::All => {}
                rest => simple.searches.push(CompiledSearch::new(&rest).ok()?),
            },
            Stage::Json if parser.is_none() => parser = Some(LineFormat::Json),
            Stage::Logfmt { strict: false, keep_empty: false } if parser.is_none() => parser = Some(LineFormat::Logfmt),
            // What a filter before the parser finds is not what it would find after it.
            Stage::LabelFilter(filter)
                if parser.is_some()
                    || !stages.iter().any(|stage| matches!(stage, Stage::Json | Stage::Logfmt { .. })) =>
            {
                add(filter)?;
            }
            _ => return None,
        }
    }
    if let Some(unwrap) = unwrap {
        for filter in &unwrap.filters {
            add(filter)?;
        }
    }
    simple.filters = filters;
    simple.parser = parser.filter(|_| *wanted != Wanted::Nothing);
    if simple.parser == Some(LineFormat::Json) {
        let mut names: Vec<&str> = unwrap.iter().map(|unwrap| unwrap.label.as_str()).collect();
        simple.filters.iter().for_each(|filter| filter.required(&mut names));
        let is_as_written = |name: &&str| name.len() > 2 && name.bytes().all(|b| b.is_ascii_alphabetic());
        simple.required = names.iter().map(|name| (*name).to_owned()).collect();
        let key = |name: &str| (name.to_owned(), format!("\"{name}\"").into_bytes());
        simple.keys = names.into_iter().filter(is_as_written).map(key).collect();
    }
    Some(simple)
}

impl GroupBy {
    /// The names of `by`; blank for one series, `None` where any label may count.
    pub(crate) fn names(&self) -> Option<&[String]> {
        match self {
            GroupBy::One => Some(&[]),
            GroupBy::By(names) => Some(names),
            GroupBy::Without(_) => None,
        }
    }
}
