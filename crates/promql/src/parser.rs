//! Reads PromQL: queries, series selectors, and the series descriptions of tests.
//!
//! A recursive-descent parser with one precedence loop for binary operators. Errors carry Prometheus' wording and the place
//! they speak of. A syntax error ends the reading; faults of meaning (types, labels) are collected, so that an editor can
//! show all of them.

mod binary;
mod check;
mod duration;
mod expression;
mod selector;
mod series;
mod text;

use std::fmt;

use model::{Labels, Matcher};

pub use series::{SequenceValue, SeriesDescription};
use text::parse_duration;
pub(crate) use text::{parse_number, quote_bytes, unquote};

use crate::ast::{Expr, Span};
use crate::lexer::{Token, TokenKind, Tokens, tokenize};

/// Expressions nested deeper than this are refused, so that no input can exhaust the stack.
const MAX_NESTING: usize = 200;
/// Trees deeper than this (as from long chains of operators) are refused.
const MAX_TREE_DEPTH: usize = 1000;

/// Which experimental parts of the language are understood. All of them by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseOptions {
    /// Functions and aggregations that Prometheus hides behind `promql-experimental-functions`.
    pub experimental_functions: bool,
    /// Arithmetic in durations (`promql-duration-expr`).
    pub duration_expressions: bool,
    /// `anchored` and `smoothed` (`promql-extended-range-selectors`).
    pub extended_range_selectors: bool,
    /// `fill`, `fill_left`, `fill_right` (`promql-binop-fill-modifiers`).
    pub fill_modifiers: bool,
}

impl Default for ParseOptions {
    fn default() -> Self {
        ParseOptions {
            experimental_functions: true,
            duration_expressions: true,
            extended_range_selectors: true,
            fill_modifiers: true,
        }
    }
}

impl ParseOptions {
    /// The language without any experimental part.
    pub fn stable() -> Self {
        ParseOptions {
            experimental_functions: false,
            duration_expressions: false,
            extended_range_selectors: false,
            fill_modifiers: false,
        }
    }
}

/// One thing that is wrong with a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Bytes of the query that it speaks of.
    pub span: Span,
    /// What is wrong, without the place.
    pub message: String,
}

/// Everything that is wrong with a query, in the order found. Displays the first error as Prometheus does:
/// `1:5: parse error: unexpected end of input`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseErrors {
    /// At least one.
    pub errors: Vec<ParseError>,
    /// The text that was read.
    pub query: String,
}

impl fmt::Display for ParseErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.errors.first().expect("made only when there is an error");
        write!(f, "{}: parse error: {}", line_and_column(&self.query, first.span.start), first.message)
    }
}

impl std::error::Error for ParseErrors {}

/// `line:column` of a byte offset, both from 1, the column in bytes; as Prometheus, `unknown position` in an empty text.
pub fn line_and_column(query: &str, offset: usize) -> String {
    if query.is_empty() {
        return "unknown position".into();
    }
    let Some(before) = query.as_bytes().get(..offset) else { return "invalid position".into() };
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    format!("{line}:{}", offset - line_start + 1)
}

/// Reads and checks a query.
pub fn parse(query: &str, options: &ParseOptions) -> Result<Expr, ParseErrors> {
    let mut parser = Parser::new(query, options);
    let parsed = parser.whole_expression();
    if let Ok(mut expr) = parsed {
        if parser.errors.is_empty() {
            parser.check(&mut expr);
        }
        if parser.errors.is_empty() {
            return Ok(expr);
        }
    }
    Err(parser.into_errors())
}

/// Reads a series selector (`up`, `{job="x"}`) as in the API's `match[]`, and gives its matchers. Other than in a query,
/// a selector that matches everything is allowed.
pub fn parse_metric_selector(text: &str) -> Result<Vec<Matcher>, ParseErrors> {
    let options = ParseOptions::default();
    let mut parser = Parser::new(text, &options);
    let parsed = parser.whole_selector();
    match parsed {
        Ok(selector) if parser.errors.is_empty() => Ok(selector.matchers),
        _ => Err(parser.into_errors()),
    }
}

/// Reads a metric with its labels (`up{job="x"}`).
pub fn parse_metric(text: &str) -> Result<Labels, ParseErrors> {
    let options = ParseOptions::default();
    let mut parser = Parser::new(text, &options);
    let parsed = parser.whole_metric();
    match parsed {
        Ok(labels) if parser.errors.is_empty() => Ok(labels),
        _ => Err(parser.into_errors()),
    }
}

/// Reads a metric and its values in the notation of tests: `up{job="x"} 1+2x3 _ stale {{schema:0 count:1}}`.
pub fn parse_series_description(text: &str) -> Result<SeriesDescription, ParseErrors> {
    series::parse(text)
}

/// Splits a series description into the metric and the text of its values.
pub(crate) fn split_metric(text: &str) -> Result<(Labels, &str), ParseErrors> {
    series::split_metric(text)
}

/// A syntax error was recorded; reading cannot go on.
#[derive(Debug)]
struct Stop;

type Parsed<T> = Result<T, Stop>;

struct Parser<'a> {
    input: &'a str,
    options: &'a ParseOptions,
    tokens: Tokens<'a>,
    at: usize,
    nesting: usize,
    /// How many aggregations are open: inside them errors say `in aggregation`.
    aggregations: usize,
    /// What errors in a duration name as its place, and as what was expected there.
    duration_place: (&'static str, &'static str),
    errors: Vec<ParseError>,
}

impl<'a> Parser<'a> {
    fn new(input: &'a str, options: &'a ParseOptions) -> Self {
        Parser {
            input,
            options,
            tokens: tokenize(input),
            at: 0,
            nesting: 0,
            aggregations: 0,
            duration_place: ("", ""),
            errors: Vec::new(),
        }
    }

    fn into_errors(self) -> ParseErrors {
        ParseErrors { errors: self.errors, query: self.input.to_owned() }
    }

    fn peek(&self) -> Token<'a> {
        self.tokens.list[self.at]
    }

    fn peek_kind(&self) -> TokenKind {
        self.peek().kind
    }

    fn peek_kind_at(&self, ahead: usize) -> TokenKind {
        self.tokens.list.get(self.at + ahead).map_or(TokenKind::Eof, |t| t.kind)
    }

    fn advance(&mut self) -> Token<'a> {
        let token = self.peek();
        if self.at + 1 < self.tokens.list.len() {
            self.at += 1;
        }
        token
    }

    fn eat(&mut self, kind: TokenKind) -> bool {
        let found = self.peek_kind() == kind;
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, kind: TokenKind) -> Parsed<Token<'a>> {
        if self.peek_kind() == kind { Ok(self.advance()) } else { Err(self.unexpected("", "")) }
    }

    fn error(&mut self, span: Span, message: impl Into<String>) {
        self.errors.push(ParseError { span, message: message.into() });
    }

    /// Records that the next token cannot stand there. Without a context of its own the error names the open aggregation.
    fn unexpected(&mut self, context: &str, expected: &str) -> Stop {
        let token = self.peek();
        if token.kind == TokenKind::Error {
            let (span, message) = self.tokens.error.clone().expect("an error token comes with its error");
            self.error(span, message);
            return Stop;
        }
        let context = if context.is_empty() && self.aggregations > 0 { "aggregation" } else { context };
        let mut message = format!("unexpected {}", token.describe());
        if !context.is_empty() {
            message.push_str(" in ");
            message.push_str(context);
        }
        if !expected.is_empty() {
            message.push_str(", expected ");
            message.push_str(expected);
        }
        self.error(token.span(), message);
        Stop
    }

    /// Runs `inner` one level deeper, or refuses to.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting >= MAX_NESTING {
            let span = self.peek().span();
            self.error(span, format!("expression is nested more than {MAX_NESTING} levels deep"));
            return Err(Stop);
        }
        self.nesting += 1;
        let result = inner(self);
        self.nesting -= 1;
        result
    }

    fn whole_expression(&mut self) -> Parsed<Expr> {
        if self.peek_kind() == TokenKind::Eof {
            self.error(Span::default(), "no expression found in input");
            return Err(Stop);
        }
        let expr = self.expression()?;
        self.expect(TokenKind::Eof)?;
        Ok(expr)
    }

    fn unquote(&mut self, token: Token<'_>) -> String {
        String::from_utf8_lossy(&self.unquote_bytes(token)).into_owned()
    }

    fn unquote_bytes(&mut self, token: Token<'_>) -> Vec<u8> {
        text::unquote_bytes(token.text).unwrap_or_else(|| {
            let quoted = model::float::go_quote(token.text);
            self.error(token.span(), format!("error unquoting string {quoted}: invalid syntax"));
            Vec::new()
        })
    }
}
