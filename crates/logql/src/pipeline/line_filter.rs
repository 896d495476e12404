//! Filters on the text of a line, and what of them can be known before lines are cut out of a page.

use memchr::memmem::{self, Finder};
use regex::bytes::Regex;

use super::ip::IpMatcher;
use crate::pattern::Pattern;
use crate::regexes::{self, Simple};
use crate::syntax::ast::{LineFilter, LineMatch, LineOp};

/// A compiled filter.
#[derive(Clone, Debug)]
pub(crate) struct CompiledLineFilter {
    negated: bool,
    test: Test,
    /// Where not blank, lines that pass contain one of these: a filter for pages and a way to find lines.
    needs: Vec<Vec<u8>>,
    /// The text, in small letters, that exactly the passing lines contain in whatever case.
    folded: Option<Vec<u8>>,
    /// What is found in lines that stand one behind the other is what is found in each.
    is_within_lines: bool,
}

#[derive(Clone, Debug)]
enum Test {
    All,
    NotEmpty,
    Contains(Box<Finder<'static>>),
    Regex(Regex),
    Pattern(Pattern),
    Ip(IpMatcher),
    Any(Vec<Test>),
}

impl CompiledLineFilter {
    /// Compiles a filter. The error says what is wrong with its text.
    pub(crate) fn new(filter: &LineFilter) -> Result<Self, String> {
        let tests = filter.alternatives.iter().map(|one| compile(filter.op, one)).collect::<Result<Vec<_>, _>>()?;
        let test = tests.into_iter().reduce(either).unwrap_or(Test::All);
        let negated = filter.op.is_negated();
        let needs = if negated { Vec::new() } else { needs(&test, filter) };
        let folded = match filter.alternatives.as_slice() {
            [one] if filter.op == LineOp::Regex => folded(&one.text),
            _ => None,
        };
        let is_within_lines = match (&test, filter.alternatives.as_slice()) {
            (Test::Regex(_), [one]) => super::literals::is_within_lines(&one.text),
            _ => false,
        };
        Ok(CompiledLineFilter { negated, test, needs, folded, is_within_lines })
    }

    /// True where the line passes.
    pub(crate) fn passes(&self, line: &[u8]) -> bool {
        self.test.is_match(line) != self.negated
    }

    /// True where every line passes.
    pub(crate) fn is_all(&self) -> bool {
        matches!((&self.test, self.negated), (Test::All, false))
    }

    /// True where no line passes.
    pub(crate) fn is_none(&self) -> bool {
        matches!((&self.test, self.negated), (Test::All, true))
    }

    /// Texts of which every passing line contains at least one; blank where nothing is known.
    pub(crate) fn needs(&self) -> &[Vec<u8>] {
        &self.needs
    }

    /// True where every line that contains one of the needed texts passes.
    pub(crate) fn is_settled_by_needs(&self) -> bool {
        !self.negated
            && match &self.test {
                Test::Contains(_) => true,
                Test::Any(all) => all.iter().all(|test| matches!(test, Test::Contains(_))),
                _ => false,
            }
    }

    /// The text, in small letters, that exactly the passing lines contain in whatever case.
    pub(crate) fn folded(&self) -> Option<&[u8]> {
        self.folded.as_deref()
    }

    /// The expression that the passing lines contain, where many lines may be searched at once.
    pub(crate) fn over_lines(&self) -> Option<&Regex> {
        match &self.test {
            Test::Regex(regex) if self.is_within_lines && !self.negated => Some(regex),
            _ => None,
        }
    }

    /// The text that lines that do not pass contain.
    pub(crate) fn excluded(&self) -> Option<&[u8]> {
        match (&self.test, self.negated) {
            (Test::Contains(finder), true) => Some(finder.needle()),
            _ => None,
        }
    }
}

fn compile(op: LineOp, one: &LineMatch) -> Result<Test, String> {
    if one.is_ip {
        return match op {
            LineOp::Contains | LineOp::NotContains => IpMatcher::parse(&one.text).map(Test::Ip),
            _ => Err("ip: invalid operation".to_owned()),
        };
    }
    match op {
        LineOp::Contains | LineOp::NotContains => Ok(contains(&one.text)),
        LineOp::Pattern | LineOp::NotPattern => Pattern::filter(&one.text).map(Test::Pattern),
        LineOp::Regex | LineOp::NotRegex => match regexes::simplify(&one.text, false) {
            Some(simple) => of_simple(&simple),
            None => regexes::search(&one.text).map(Test::Regex),
        },
    }
}

/// The text that an expression looks for in whatever case, where ASCII alone matters: `k` and `s` have kin beyond it.
fn folded(pattern: &str) -> Option<Vec<u8>> {
    let Some(Simple::Contains(text, true)) = regexes::simplify(pattern, false) else { return None };
    let small = text.to_ascii_lowercase().into_bytes();
    let is_plain = |b: &u8| b.is_ascii() && !matches!(b, b'k' | b's');
    (small.len() >= 3 && small.iter().all(is_plain)).then_some(small)
}

fn contains(text: &str) -> Test {
    match text.is_empty() {
        true => Test::All,
        false => Test::Contains(Box::new(memmem::Finder::new(text.as_bytes()).into_owned())),
    }
}

fn of_simple(simple: &Simple) -> Result<Test, String> {
    Ok(match simple {
        Simple::All => Test::All,
        Simple::NotEmpty => Test::NotEmpty,
        Simple::Contains(text, false) | Simple::Equal(text, false) => contains(text),
        Simple::Contains(text, true) | Simple::Equal(text, true) => Test::Regex(regexes::fold_search(text, false)?),
        Simple::Any(all) => Test::Any(all.iter().map(of_simple).collect::<Result<_, _>>()?),
    })
}

/// Loki forgets an alternative that everything satisfies beside others.
fn either(left: Test, right: Test) -> Test {
    match (left, right) {
        (Test::All, other) | (other, Test::All) => other,
        (Test::Any(mut all), other) => {
            all.push(other);
            Test::Any(all)
        }
        (left, right) => Test::Any(vec![left, right]),
    }
}

impl Test {
    fn is_match(&self, line: &[u8]) -> bool {
        match self {
            Test::All => true,
            Test::NotEmpty => !line.is_empty(),
            Test::Contains(finder) => finder.find(line).is_some(),
            Test::Regex(regex) => regex.is_match(line),
            Test::Pattern(pattern) => pattern.is_match(line),
            Test::Ip(matcher) => matcher.is_in(line),
            Test::Any(all) => all.iter().any(|test| test.is_match(line)),
        }
    }
}

fn needs(test: &Test, filter: &LineFilter) -> Vec<Vec<u8>> {
    match test {
        Test::Contains(finder) => vec![finder.needle().to_vec()],
        Test::Pattern(pattern) => {
            pattern.literals().max_by_key(|text| text.len()).map(<[u8]>::to_vec).into_iter().collect()
        }
        Test::Regex(_) => match filter.alternatives.as_slice() {
            [one] => super::literals::required(&one.text).unwrap_or_default(),
            _ => Vec::new(),
        },
        Test::Any(all) => {
            let mut texts = Vec::new();
            for test in all {
                match test {
                    Test::Contains(finder) => texts.push(finder.needle().to_vec()),
                    _ => return Vec::new(),
                }
            }
            texts
        }
        Test::All | Test::NotEmpty | Test::Ip(_) => Vec::new(),
    }
}
