//! Which labels anybody will look at: parsers take no others from a line, and stop when they have them all.

use super::labels::{DUPLICATE, ERROR};
use crate::syntax::ast::{LabelFormatValue, Stage, Unwrap};

/// The labels that matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Any may.
    #[default]
    All,
    /// None does: parsers need not run.
    Nothing,
    /// These. The first of several values counts, as in Loki.
    Only(Vec<String>),
}

impl Wanted {
    /// What a metric query looks at: labels that stages read, the names of `by`, and the unwrapped label.
    ///
    /// `by` is `None` where all labels of a line name its series.
    pub(crate) fn of(stages: &[Stage], unwrap: Option<&Unwrap>, by: Option<&[String]>) -> Wanted {
        let Some(by) = by else { return Wanted::All };
        let mut names: Vec<String> = Vec::new();
        let mut add = |name: &str| {
            names.push(name.to_owned());
            if let Some(plain) = name.strip_suffix(DUPLICATE) {
                names.push(plain.to_owned());
            }
        };
        for stage in stages {
            match stage {
                Stage::LabelFilter(filter) => filter.names(&mut add),
                Stage::LineFormat(template) => match super::format::fields(template) {
                    Some(fields) => fields.iter().for_each(|field| add(field)),
                    None => return Wanted::All,
                },
                Stage::LabelFormat(formats) => {
                    for format in formats {
                        match &format.value {
                            LabelFormatValue::Rename(label) => add(label),
                            LabelFormatValue::Template(template) => match super::format::fields(template) {
                                Some(fields) => fields.iter().for_each(|field| add(field)),
                                None => return Wanted::All,
                            },
                        }
                    }
                }
                _ => {}
            }
        }
        if let Some(unwrap) = unwrap {
            add(&unwrap.label);
            unwrap.filters.iter().for_each(|filter| filter.names(&mut add));
        }
        by.iter().for_each(|name| add(name));
        names.sort_unstable();
        names.dedup();
        if names.is_empty() { Wanted::Nothing } else { Wanted::Only(names) }
    }

    /// True where the query asks for lines with errors.
    pub(crate) fn preserves_error(&self) -> bool {
        matches!(self, Wanted::Only(names) if names.iter().any(|name| name == ERROR))
    }
}
