//! Conditions on labels. A value that cannot be read as what it is compared with lets the line pass, with an error.

use regex::bytes::Regex;

use super::ip::IpMatcher;
use super::labels::{ERROR, LineLabels, StreamLabels};
use crate::regexes::{self, Simple};
use crate::syntax::ast::{Comparison, LabelFilter};
use crate::units;
use model::MatchOp;

const LABEL_FILTER_ERROR: &str = "LabelFilterErr";

/// A compiled condition.
#[derive(Clone, Debug)]
pub(crate) enum CompiledLabelFilter {
    Text { name: String, negated: bool, test: TextTest },
    Number(String, Comparison, f64),
    Duration(String, Comparison, i64),
    Bytes(String, Comparison, u64),
    Ip { name: String, negated: bool, matcher: IpMatcher },
    And(Box<CompiledLabelFilter>, Box<CompiledLabelFilter>),
    Or(Box<CompiledLabelFilter>, Box<CompiledLabelFilter>),
}

/// How a text is compared.
#[derive(Clone, Debug)]
pub(crate) enum TextTest {
    All,
    NotEmpty,
    Equal(String),
    Contains(String),
    Regex(Regex),
    Any(Vec<TextTest>),
}

impl TextTest {
    fn of(simple: &Simple) -> Result<Self, String> {
        Ok(match simple {
            Simple::All => TextTest::All,
            Simple::NotEmpty => TextTest::NotEmpty,
            Simple::Equal(text, false) => TextTest::Equal(text.clone()),
            Simple::Contains(text, false) => TextTest::Contains(text.clone()),
            Simple::Equal(text, true) => TextTest::Regex(regexes::fold_search(text, true)?),
            Simple::Contains(text, true) => TextTest::Regex(regexes::fold_search(text, false)?),
            Simple::Any(all) => TextTest::Any(all.iter().map(TextTest::of).collect::<Result<_, _>>()?),
        })
    }

    /// True where the value is meant.
    pub(crate) fn is_match(&self, value: &str) -> bool {
        match self {
            TextTest::All => true,
            TextTest::NotEmpty => !value.is_empty(),
            TextTest::Equal(text) => value == text,
            TextTest::Contains(text) => value.contains(text.as_str()),
            TextTest::Regex(regex) => regex.is_match(value.as_bytes()),
            TextTest::Any(all) => all.iter().any(|test| test.is_match(value)),
        }
    }
}

/// What a filter says of one value, as far as the value alone decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Pass or not.
    Is(bool),
    /// The value cannot be compared; the line passes with this error.
    Error(String),
}

impl CompiledLabelFilter {
    /// Compiles a condition. The error says what is wrong with it.
    pub(crate) fn new(filter: &LabelFilter) -> Result<Self, String> {
        use CompiledLabelFilter as C;
        Ok(match filter {
            LabelFilter::Text(matcher) => {
                let negated = matches!(matcher.op, MatchOp::NotEqual | MatchOp::NotRegex);
                let test = match matcher.op {
                    MatchOp::Equal | MatchOp::NotEqual => TextTest::Equal(matcher.value.clone()),
                    MatchOp::Regex | MatchOp::NotRegex => match regexes::simplify(&matcher.value, true) {
                        Some(simple) => TextTest::of(&simple)?,
                        None => TextTest::Regex(regexes::anchored(&matcher.value)?),
                    },
                };
                C::Text { name: matcher.name.clone(), negated, test }
            }
            LabelFilter::Number(name, op, value) => C::Number(name.clone(), *op, *value),
            LabelFilter::Duration(name, op, nanos) => C::Duration(name.clone(), *op, *nanos),
            LabelFilter::Bytes(name, op, bytes) => C::Bytes(name.clone(), *op, *bytes),
            LabelFilter::Ip { name, negated, pattern } => {
                C::Ip { name: name.clone(), negated: *negated, matcher: IpMatcher::parse(pattern)? }
            }
            LabelFilter::And(left, right) => C::And(Box::new(C::new(left)?), Box::new(C::new(right)?)),
            LabelFilter::Or(left, right) => C::Or(Box::new(C::new(left)?), Box::new(C::new(right)?)),
        })
    }

    /// True where the line passes.
    pub(crate) fn passes(&self, stream: &StreamLabels, labels: &mut LineLabels) -> bool {
        use CompiledLabelFilter as C;
        match self {
            C::And(left, right) => {
                let left = left.passes(stream, labels);
                right.passes(stream, labels) && left
            }
            C::Or(left, right) => left.passes(stream, labels) || right.passes(stream, labels),
            C::Text { name, .. } if name == ERROR => self.verdict(Some(labels.error())) == Verdict::Is(true),
            C::Ip { .. } if labels.has_error() => true,
            C::Text { name, .. }
            | C::Number(name, ..)
            | C::Duration(name, ..)
            | C::Bytes(name, ..)
            | C::Ip { name, .. } => match self.verdict(labels.get(stream, name)) {
                Verdict::Is(passes) => passes,
                Verdict::Error(details) => {
                    if !labels.has_error() {
                        labels.set_error(LABEL_FILTER_ERROR, Some(&details));
                    }
                    true
                }
            },
        }
    }

    /// The label that a simple condition looks at.
    pub(crate) fn name(&self) -> Option<&str> {
        use CompiledLabelFilter as C;
        match self {
            C::Text { name, .. }
            | C::Number(name, ..)
            | C::Duration(name, ..)
            | C::Bytes(name, ..)
            | C::Ip { name, .. } => Some(name),
            C::And(..) | C::Or(..) => None,
        }
    }

    /// Adds the labels without which no line passes.
    pub(crate) fn required<'f>(&'f self, names: &mut Vec<&'f str>) {
        match self {
            CompiledLabelFilter::And(left, right) => {
                left.required(names);
                right.required(names);
            }
            // A line with an error passes where addresses are compared.
            CompiledLabelFilter::Or(..) | CompiledLabelFilter::Ip { .. } => {}
            simple => names.extend(simple.name().filter(|_| simple.verdict(None) == Verdict::Is(false))),
        }
    }

    /// What a simple condition says of the value of its label.
    pub(crate) fn verdict(&self, value: Option<&str>) -> Verdict {
        use CompiledLabelFilter as C;
        let compared = |result: Result<bool, String>| result.map_or_else(Verdict::Error, Verdict::Is);
        match (self, value) {
            (C::Text { negated, test, .. }, value) => {
                let is_match = test.is_match(value.unwrap_or(""));
                Verdict::Is(is_match != *negated)
            }
            (C::And(..) | C::Or(..), _) | (_, None) => Verdict::Is(false),
            (C::Number(_, op, want), Some(value)) => compared(units::number(value).map(|value| op.holds(value, *want))),
            (C::Duration(_, op, want), Some(value)) => {
                compared(units::duration(value).map(|value| op.holds(value, *want)))
            }
            (C::Bytes(_, op, want), Some(value)) => compared(units::bytes(value).map(|value| op.holds(value, *want))),
            (C::Ip { negated, matcher, .. }, Some(value)) => Verdict::Is(matcher.is_in(value.as_bytes()) != *negated),
        }
    }
}
