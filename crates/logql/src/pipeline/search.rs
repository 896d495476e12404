//! A search (KQL) on one line: its text, its labels, and, where a condition is about a field that no label decides, the fields of a
//! JSON or logfmt line.

use std::ops::ControlFlow;

use logfields::{LogfmtOptions, Scratch};
use memchr::memmem::Finder;
use regex::bytes::Regex;

use super::labels::{LineLabels, StreamLabels};
use crate::kql::{FieldName, FieldTest, Glob, Kql, text_pattern};
use crate::regexes;
use crate::syntax::ast::Comparison;
use crate::units;

/// The field that a line without fields is itself.
const MESSAGE: &str = "message";
/// The field whose value Loki finds out by itself, too.
const LEVEL: &str = "level";
const DETECTED_LEVEL: &str = "detected_level";

/// A compiled search.
pub(crate) struct CompiledSearch {
    pub(crate) node: SearchNode,
    pub(crate) conditions: Vec<FieldCondition>,
    met: Vec<bool>,
}

/// The tree of a compiled search; conditions on fields by their place.
pub(crate) enum SearchNode {
    All,
    And(Vec<SearchNode>),
    Or(Vec<SearchNode>),
    Not(Box<SearchNode>),
    Text(TextSearch),
    Field(usize),
}

/// A text that is looked for in a line.
pub(crate) enum TextSearch {
    Id(Box<Finder<'static>>),
    Regex(Regex),
}

/// A condition on a field.
pub(crate) struct FieldCondition {
    names: Names,
    pub(crate) test: ValueTest,
    /// Whether a line without such a field is meant itself.
    is_message: bool,
}

enum Names {
    These(Vec<String>),
    Like(Regex),
}

/// What is asked of a value.
pub(crate) enum ValueTest {
    Exists,
    Is { whole: Whole, words: Regex },
    Number(Comparison, f64),
    Duration(Comparison, i64),
    Bytes(Comparison, u64),
    Text(Comparison, String),
}

/// How a value is compared as a whole; case does not matter.
pub(crate) enum Whole {
    Equal(String),
    Regex(Regex),
}

impl CompiledSearch {
    /// Compiles a search. The error says what is too large in it.
    pub(crate) fn new(kql: &Kql) -> Result<Self, String> {
        let mut conditions = Vec::new();
        let node = compile(kql, &mut conditions)?;
        let met = vec![false; conditions.len()];
        Ok(CompiledSearch { node, conditions, met })
    }

    /// True where the line is meant.
    pub(crate) fn passes(
        &mut self,
        line: &[u8],
        stream: &StreamLabels,
        labels: &LineLabels,
        scratch: &mut Scratch,
    ) -> bool {
        let CompiledSearch { node, conditions, met } = self;
        let mut is_read = false;
        node.holds(line, &mut |place| {
            if !is_read {
                look(conditions, met, line, stream, labels, scratch);
                is_read = true;
            }
            met[place]
        })
    }
}

fn compile(kql: &Kql, conditions: &mut Vec<FieldCondition>) -> Result<SearchNode, String> {
    let mut each = |all: &[Kql]| all.iter().map(|kql| compile(kql, conditions)).collect::<Result<Vec<_>, _>>();
    Ok(match kql {
        Kql::All => SearchNode::All,
        Kql::And(all) => SearchNode::And(each(all)?),
        Kql::Or(all) => SearchNode::Or(each(all)?),
        Kql::Not(inner) => SearchNode::Not(Box::new(compile(inner, conditions)?)),
        Kql::Text(glob) => SearchNode::Text(match glob.as_text().filter(|_| glob.is_id()) {
            Some(id) => TextSearch::Id(Box::new(Finder::new(id.as_bytes()).into_owned())),
            None => TextSearch::Regex(regexes::search(&text_pattern(glob))?),
        }),
        Kql::Field(name, test) => {
            conditions.push(FieldCondition::new(name, test)?);
            SearchNode::Field(conditions.len() - 1)
        }
    })
}

impl SearchNode {
    fn holds(&self, line: &[u8], field: &mut dyn FnMut(usize) -> bool) -> bool {
        match self {
            SearchNode::All => true,
            SearchNode::And(all) => all.iter().all(|node| node.holds(line, field)),
            SearchNode::Or(all) => all.iter().any(|node| node.holds(line, field)),
            SearchNode::Not(inner) => !inner.holds(line, field),
            SearchNode::Text(TextSearch::Id(finder)) => finder.find(line).is_some(),
            SearchNode::Text(TextSearch::Regex(regex)) => regex.is_match(line),
            SearchNode::Field(place) => field(*place),
        }
    }
}

impl FieldCondition {
    fn new(name: &FieldName, test: &FieldTest) -> Result<Self, String> {
        let names = match name.0.as_text() {
            Some(LEVEL) => Names::These(vec![LEVEL.to_owned(), DETECTED_LEVEL.to_owned()]),
            Some(text) => Names::These(vec![logfields::sanitize(text)]),
            None => {
                let pieces = name.0.0.iter().map(|piece| sanitized_piece(piece)).collect::<Vec<_>>();
                Names::Like(regexes::search(&format!("^{}$", Glob(pieces).pattern(".*")))?)
            }
        };
        let is_message = matches!(&names, Names::These(names) if names[0] == MESSAGE);
        Ok(FieldCondition { names, test: ValueTest::new(test)?, is_message })
    }

    fn is_about(&self, name: &str) -> bool {
        match &self.names {
            Names::These(names) => names.iter().any(|own| own == name),
            Names::Like(regex) => regex.is_match(name.as_bytes()),
        }
    }

    /// The names of the field, where columns can be asked for them.
    pub(crate) fn names(&self) -> Option<&[String]> {
        match &self.names {
            Names::These(names) if !self.is_message => Some(names),
            _ => None,
        }
    }
}

/// As [`logfields::sanitize`], which would put something in front of a leading digit.
fn sanitized_piece(piece: &str) -> String {
    piece.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

impl ValueTest {
    fn new(test: &FieldTest) -> Result<Self, String> {
        Ok(match test {
            FieldTest::Exists => ValueTest::Exists,
            FieldTest::Is(glob) => ValueTest::Is {
                whole: match glob.as_text() {
                    Some(text) => Whole::Equal(text.to_lowercase()),
                    None => Whole::Regex(regexes::search(&format!("(?is)^{}$", glob.pattern(".*")))?),
                },
                words: regexes::search(&format!("(?i)(?:^|\\W)(?:{})(?:$|\\W)", glob.pattern("\\S*")))?,
            },
            FieldTest::Compare(op, text) => {
                let text = text.trim();
                match (text.parse::<f64>(), units::duration(text), units::bytes(text)) {
                    (Ok(number), ..) => ValueTest::Number(*op, number),
                    (_, Ok(nanos), _) => ValueTest::Duration(*op, nanos),
                    (_, _, Ok(bytes)) => ValueTest::Bytes(*op, bytes),
                    _ => ValueTest::Text(*op, text.to_owned()),
                }
            }
        })
    }

    /// True where the value is meant.
    pub(crate) fn is_met(&self, value: &str) -> bool {
        match self {
            ValueTest::Exists => true,
            ValueTest::Is { whole, words } => {
                whole.is_met(value)
                    // A value of several words is a text, of which some words are enough.
                    || value.contains(char::is_whitespace) && words.is_match(value.as_bytes())
            }
            ValueTest::Number(op, want) => value.parse::<f64>().is_ok_and(|value| op.holds(value, *want)),
            ValueTest::Duration(op, want) => units::duration(value).is_ok_and(|value| op.holds(value, *want)),
            ValueTest::Bytes(op, want) => units::bytes(value).is_ok_and(|value| op.holds(value, *want)),
            ValueTest::Text(op, want) => op.holds(value, want.as_str()),
        }
    }
}

impl Whole {
    fn is_met(&self, value: &str) -> bool {
        match self {
            Whole::Equal(text) if text.is_ascii() => value.eq_ignore_ascii_case(text),
            Whole::Equal(text) => value.to_lowercase() == *text,
            Whole::Regex(regex) => regex.is_match(value.as_bytes()),
        }
    }
}

/// Finds out which conditions a line meets.
fn look(
    conditions: &[FieldCondition],
    met: &mut [bool],
    line: &[u8],
    stream: &StreamLabels,
    labels: &LineLabels,
    scratch: &mut Scratch,
) {
    let mut has_message = false;
    for (condition, met) in conditions.iter().zip(met.iter_mut()) {
        *met = match &condition.names {
            Names::These(names) => names.iter().filter_map(|name| labels.get(stream, name)).any(|value| {
                has_message |= condition.is_message;
                condition.test.is_met(value)
            }),
            Names::Like(regex) => {
                let mut is_met = false;
                labels.each(stream, &mut |_, name, value| {
                    is_met |= regex.is_match(name.as_bytes()) && condition.test.is_met(value);
                });
                is_met
            }
        };
    }
    let mut missing = met.iter().filter(|met| !**met).count();
    if missing == 0 {
        return;
    }
    let mut visit = |name: &str, value: &str| {
        has_message |= name == MESSAGE;
        for (condition, met) in conditions.iter().zip(met.iter_mut()) {
            if !*met && condition.is_about(name) && condition.test.is_met(value) {
                *met = true;
                missing -= 1;
            }
        }
        if missing == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    if is_object(line) {
        // What is no JSON after all has the fields that were found up to there.
        let _ = logfields::json(line, scratch, &mut visit);
    } else if memchr::memchr(b'=', line).is_some() {
        // Not strict: there is no error.
        let _ = logfields::logfmt(line, LogfmtOptions::default(), scratch, &mut visit);
    }
    if has_message {
        return;
    }
    for (condition, met) in conditions.iter().zip(met.iter_mut()) {
        if condition.is_message && !*met {
            *met = condition.test.is_met(&String::from_utf8_lossy(line));
        }
    }
}

/// True for a line that is read as JSON.
pub(crate) fn is_object(line: &[u8]) -> bool {
    line.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}
