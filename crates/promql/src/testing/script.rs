//! Reads a test script into commands.

use std::sync::LazyLock;

use model::duration::parse_duration_ms;
use model::{Labels, Sample, SampleValue, Timestamp};
use regex::Regex;

use super::TestingError;
use super::notation::start_times;
use crate::parser::{SequenceValue, parse_number, parse_series_description, split_metric, unquote};

/// One command with the line it starts at (from 1).
pub(super) struct Command {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) action: Result<Action, TestingError>,
}

pub(super) enum Action {
    Clear,
    Load(Load),
    Eval(Box<Eval>),
}

pub(super) struct Load {
    pub(super) series: Vec<(Labels, Vec<Sample>)>,
    pub(super) with_nhcb: bool,
}

/// When a query is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Instant(i64),
    Range { start: i64, end: i64, step: i64 },
}

pub(super) struct Eval {
    pub(super) line: usize,
    pub(super) expr: String,
    pub(super) when: When,
    /// Times of the points of an expected matrix.
    pub(super) points: Option<(i64, i64, i64)>,
    pub(super) expected: Expected,
    pub(super) ordered: bool,
    pub(super) fail: Option<Vec<Expectation>>,
    pub(super) warn: Annotated,
    pub(super) info: Annotated,
    /// Not to be repeated as a range query.
    pub(super) instant_only: bool,
}

#[derive(Default)]
pub(super) enum Expected {
    #[default]
    Nothing,
    Scalar(f64),
    String(String),
    Series(Vec<(Labels, Vec<SequenceValue>)>),
}

/// What is said about annotations of one kind.
#[derive(Default)]
pub(super) struct Annotated {
    /// `eval_warn`, `eval_info`: at least one.
    pub(super) some: bool,
    /// `expect no_warn`, `expect no_info`
    pub(super) none: bool,
    pub(super) expected: Vec<Expectation>,
}

#[derive(Clone, Debug)]
pub(super) enum Expectation {
    Any,
    Message(String),
    Pattern(Regex),
}

impl Expectation {
    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Expectation::Any => true,
            Expectation::Message(message) => message == text,
            Expectation::Pattern(pattern) => pattern.is_match(text),
        }
    }
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern that tests compile")
}

static LOAD: LazyLock<Regex> = LazyLock::new(|| pattern(r"^load(?:_(with_nhcb))?\s+(.+?)$"));
static EVAL_INSTANT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)$"));
static EVAL_RANGE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$"));
static EXPECT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$"));
static EXPECT_RANGE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^expect range vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)$"));

/// Reads all commands; one that cannot be read carries its error, and reading goes on after its block.
pub(super) fn commands(text: &str) -> Vec<Command> {
    let lines: Vec<&str> = text.lines().map(str::trim).map(|l| if l.starts_with('#') { "" } else { l }).collect();
    let mut commands = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let head = lines[at];
        if head.is_empty() {
            at += 1;
            continue;
        }
        let word = head.split([' ', '\t']).next().unwrap_or("").to_lowercase();
        let is_block = word.starts_with("load") || word.starts_with("eval");
        let rest = &lines[at + 1..];
        let length = if is_block { rest.iter().take_while(|l| !l.is_empty()).count() } else { 0 };
        let mut block = Block { first_line: at + 1, head, lines: &rest[..length], used: length };
        let action = match word.as_str() {
            "clear" => Ok(Action::Clear),
            _ if word.starts_with("load") => block.load().map(Action::Load),
            _ if word.starts_with("eval") => block.eval().map(|eval| Action::Eval(Box::new(eval))),
            _ => Err(block.error(0, format!("invalid command {head:?}"))),
        };
        commands.push(Command { line: at + 1, text: head.to_owned(), action });
        at += 1 + block.used;
    }
    commands
}

struct Block<'a> {
    first_line: usize,
    head: &'a str,
    /// The lines after the head, up to an empty one.
    lines: &'a [&'a str],
    /// How many of them belong to the command.
    used: usize,
}

impl Block<'_> {
    /// An error in a line of the block: 0 is the head.
    fn error(&self, line: usize, message: impl ToString) -> TestingError {
        TestingError::Script { line: self.first_line + line, message: message.to_string() }
    }

    fn duration(&self, line: usize, text: &str) -> Result<i64, TestingError> {
        parse_duration_ms(text).map_err(|e| self.error(line, e))
    }

    fn load(&mut self) -> Result<Load, TestingError> {
        let head = LOAD.captures(self.head);
        let head = head.ok_or_else(|| self.error(0, "invalid load command. (load[_with_nhcb] <step:duration>)"))?;
        let step = self.duration(0, &head[2])?;
        let mut series: Vec<(Labels, Vec<Sample>)> = Vec::new();
        let mut pending: Option<(usize, Labels, Vec<Option<i64>>)> = None;
        for (i, line) in self.lines.iter().enumerate() {
            let number = i + 1;
            if is_start_line(line) {
                if pending.is_some() {
                    return Err(self.error(number - 1, "@st line has no following sample line"));
                }
                let (labels, starts) = self.start_line(number, line)?;
                pending = Some((number, labels, starts));
                continue;
            }
            let described = parse_series_description(line).map_err(|e| self.error(number, e))?;
            let starts = match pending.take() {
                None => Vec::new(),
                Some((at, labels, starts)) => {
                    if labels != described.labels {
                        return Err(self.error(at, "@st metric does not match the following sample line metric"));
                    }
                    if starts.len() != described.values.len() {
                        let (found, wanted) = (starts.len(), described.values.len());
                        return Err(self.error(at, format!("@st line has {found} values but sample line has {wanted}")));
                    }
                    starts
                }
            };
            let samples = samples(&described.values, &starts, step);
            // A second line for the same metric replaces the first.
            series.retain(|(labels, _)| *labels != described.labels);
            series.push((described.labels, samples));
        }
        if let Some((at, ..)) = pending {
            return Err(self.error(at, "@st line has no following sample line"));
        }
        Ok(Load { series, with_nhcb: head.get(1).is_some() })
    }

    fn start_line(&self, number: usize, line: &str) -> Result<(Labels, Vec<Option<i64>>), TestingError> {
        let (labels, rest) = split_metric(line).map_err(|e| self.error(number, e))?;
        let sequence = rest.strip_prefix("@st").ok_or_else(|| self.error(number, "invalid @st line"))?;
        let starts = start_times(sequence).map_err(|e| self.error(number, format!("invalid @st sequence: {e}")))?;
        Ok((labels, starts))
    }

    fn eval(&mut self) -> Result<Eval, TestingError> {
        let (mode, when, expr) = self.eval_head()?;
        let mut eval = Eval {
            line: self.first_line,
            expr,
            when,
            points: match when {
                When::Instant(_) => None,
                When::Range { start, end, step } => Some((start, end, step)),
            },
            expected: Expected::default(),
            ordered: mode == "ordered",
            fail: (mode == "fail").then(Vec::new),
            warn: Annotated { some: mode == "warn", ..Annotated::default() },
            info: Annotated { some: mode == "info", ..Annotated::default() },
            instant_only: false,
        };
        for (i, line) in self.lines.iter().enumerate() {
            if self.eval_line(i + 1, line, mode == "fail", &mut eval)? {
                self.used = i + 1;
                break;
            }
        }
        Ok(eval)
    }

    fn eval_head(&self) -> Result<(String, When, String), TestingError> {
        if let Some(head) = EVAL_INSTANT.captures(self.head) {
            let at = self.duration(0, head.get(2).map_or("", |m| m.as_str()))?;
            return Ok((text_of(&head, 1), When::Instant(at), text_of(&head, 3)));
        }
        let head = EVAL_RANGE.captures(self.head).ok_or_else(|| {
            let usage = "invalid evaluation command. Must be either 'eval[_fail|_warn|_ordered] instant [at <offset:duration>] \
                         <query>' or 'eval[_fail|_warn] range from <from> to <to> step <step> <query>'";
            self.error(0, usage)
        })?;
        let (start, end, step) = self.times(0, &head, 2)?;
        Ok((text_of(&head, 1), When::Range { start, end, step }, text_of(&head, 5)))
    }

    /// Start, end and step from three captures in a row.
    fn times(&self, line: usize, found: &regex::Captures<'_>, first: usize) -> Result<(i64, i64, i64), TestingError> {
        let mut times = [0; 3];
        for (i, time) in times.iter_mut().enumerate() {
            *time = self.duration(line, &found[first + i])?;
        }
        let [start, end, step] = times;
        if end < start {
            return Err(self.error(line, "invalid test definition, end timestamp is before start timestamp"));
        }
        Ok((start, end, step))
    }

    /// Takes one line after the head of an evaluation; true where it is the last of the block.
    fn eval_line(&self, number: usize, line: &str, legacy_fail: bool, eval: &mut Eval) -> Result<bool, TestingError> {
        if legacy_fail && let Some(message) = line.strip_prefix("expected_fail_message") {
            eval.fail = Some(vec![Expectation::Message(message.trim().to_owned())]);
            return Ok(true);
        }
        if legacy_fail && let Some(text) = line.strip_prefix("expected_fail_regexp") {
            eval.fail = Some(vec![self.regex(number, text)?]);
            return Ok(true);
        }
        if line.starts_with("expect range vector") {
            let found = EXPECT_RANGE
                .captures(line)
                .ok_or_else(|| self.error(number, format!("invalid range vector definition {line:?}")))?;
            let (start, end, step) = self.times(number, &found, 1)?;
            eval.points = Some((start, end, step));
            eval.when = When::Instant(end);
            eval.instant_only = true;
            return Ok(false);
        }
        if let Some(quoted) = line.strip_prefix("expect string") {
            let text = unquote(quoted.trim()).ok_or_else(|| {
                self.error(number, "expected string literal not valid - check that the string is correctly quoted")
            })?;
            eval.expected = Expected::String(text);
            eval.instant_only = true;
            return Ok(false);
        }
        if line.split(' ').next() == Some("expect") {
            self.expectation(number, line, eval)?;
            return Ok(false);
        }
        if let Ok(value) = signed_number(line) {
            eval.expected = Expected::Scalar(value);
            return Ok(true);
        }
        let described = parse_series_description(line).map_err(|e| self.error(number, e))?;
        if described.values.len() > 1 && eval.points.is_none() {
            let hint = "expecting multiple values in instant evaluation not allowed. consider using 'expect range vector' \
                        directive to enable a range vector result for an instant query";
            return Err(self.error(number, hint));
        }
        match &mut eval.expected {
            Expected::Series(series) => series.push((described.labels, described.values)),
            other => *other = Expected::Series(vec![(described.labels, described.values)]),
        }
        Ok(false)
    }

    fn expectation(&self, number: usize, line: &str, eval: &mut Eval) -> Result<(), TestingError> {
        let found = EXPECT.captures(line).ok_or_else(|| {
            self.error(number, "invalid expect statement, must match `expect <type> <match_type>: <string>` format")
        })?;
        let expectation = match found.get(2).map(|m| m.as_str()) {
            None => Expectation::Any,
            Some("msg") => Expectation::Message(text_of(&found, 3).trim().to_owned()),
            Some(_) => self.regex(number, &found[3])?,
        };
        match &found[1] {
            "ordered" => eval.ordered = true,
            "fail" => eval.fail.get_or_insert_default().push(expectation),
            "warn" => eval.warn.expected.push(expectation),
            "no_warn" => eval.warn.none = true,
            "info" => eval.info.expected.push(expectation),
            _ => eval.info.none = true,
        }
        for (word, kind) in [("warn", &eval.warn), ("info", &eval.info)] {
            if kind.none && !kind.expected.is_empty() {
                let message = format!("invalid expect lines, {word} and no_{word} cannot be used together");
                return Err(self.error(number, message));
            }
        }
        if eval.fail.as_ref().is_some_and(|f| f.len() > 1) {
            return Err(self.error(number, "invalid expect lines, multiple expect fail lines are not allowed"));
        }
        Ok(())
    }

    fn regex(&self, number: usize, text: &str) -> Result<Expectation, TestingError> {
        Regex::new(text.trim()).map(Expectation::Pattern).map_err(|e| self.error(number, e))
    }
}

fn text_of(found: &regex::Captures<'_>, group: usize) -> String {
    found.get(group).map_or_else(String::new, |m| m.as_str().to_owned())
}

fn is_start_line(line: &str) -> bool {
    line.split([' ', '\t']).next().is_some_and(|metric| metric.ends_with("@st"))
}

fn signed_number(text: &str) -> Result<f64, String> {
    match text.strip_prefix('-') {
        Some(rest) => parse_number(rest).map(|v| -v),
        None => parse_number(text.strip_prefix('+').unwrap_or(text)),
    }
}

fn samples(values: &[SequenceValue], starts: &[Option<i64>], step: i64) -> Vec<Sample> {
    let sample = |(i, value): (usize, &SequenceValue)| {
        let timestamp = i as i64 * step;
        let value = match value {
            SequenceValue::Omitted => return None,
            SequenceValue::Float(v) => SampleValue::Float(*v),
            SequenceValue::Histogram { value, .. } => SampleValue::Histogram(value.clone()),
        };
        let start = starts.get(i).copied().flatten().map(|offset| Timestamp(timestamp + offset));
        Some(Sample { timestamp: Timestamp(timestamp), start_timestamp: start, value })
    };
    values.iter().enumerate().filter_map(sample).collect()
}
