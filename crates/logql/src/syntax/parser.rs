//! The parser: recursive descent, with the precedence of operators that Loki's grammar states. Every error tells where.

use model::{MatchOp, Matcher};

use super::ast::{BinaryOp, Cardinality, Expr, LogExpr, Matching, MetricExpr};
use super::error::ParseError;
use super::lexer::{Spanned, Token, lex};
use super::validate;

/// Queries as long as this or longer are refused, as Loki does.
pub const MAX_QUERY_BYTES: usize = 131_072;

/// Parentheses and operators within each other; what keeps the stack from running out.
const MAX_DEPTH: usize = 200;

/// Reads a query.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    if text.len() >= MAX_QUERY_BYTES {
        let message = format!("input size too long ({} > {MAX_QUERY_BYTES})", text.len());
        return Err(ParseError { message, line: 1, column: 1 });
    }
    let mut parser = Parser::new(text)?;
    let (expr, at) = parser.expr(0)?;
    parser.expect_end()?;
    validate::selectors(&expr).map_err(|message| ParseError::at(text, at, message))?;
    Ok(expr)
}

/// Reads a log query; a metric query is an error.
pub fn parse_log(text: &str) -> Result<LogExpr, ParseError> {
    match parse(text)? {
        Expr::Log(log) => Ok(log),
        Expr::Metric(_) => Err(ParseError::at(text, 0, "only log selector is supported")),
    }
}

/// Reads the matchers of a selector without stages. `{}` is allowed, and so are matchers that match everything.
pub fn parse_matchers(text: &str) -> Result<Vec<Matcher>, ParseError> {
    let mut parser = Parser::new(text)?;
    let matchers = parser.selector()?;
    parser.expect_end()?;
    Ok(matchers)
}

pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Spanned>,
    next: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, ParseError> {
        Ok(Parser { text, tokens: lex(text)?, next: 0, depth: 0 })
    }

    pub(super) fn peek(&self) -> &Token {
        &self.tokens[self.next].token
    }

    pub(super) fn peek_after(&self) -> &Token {
        &self.tokens[(self.next + 1).min(self.tokens.len() - 1)].token
    }

    /// Where the next word begins.
    pub(super) fn at(&self) -> usize {
        self.tokens[self.next].at
    }

    pub(super) fn advance(&mut self) -> Token {
        let token = self.tokens[self.next].token.clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(next) if *next == word)
    }

    /// Passes over a word if it is next.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let is_next = self.is_word(word);
        if is_next {
            self.advance();
        }
        is_next
    }

    pub(super) fn expect(&mut self, word: &str) -> Result<(), ParseError> {
        if self.take(word) { Ok(()) } else { Err(self.unexpected(word)) }
    }

    /// The next word is not what the grammar wants; `wanted` is blank where it could be too many things.
    pub(super) fn unexpected(&self, wanted: &str) -> ParseError {
        let found = self.peek().describe();
        let expecting = if wanted.is_empty() { String::new() } else { format!(", expecting {wanted}") };
        self.error_at(self.at(), format!("syntax error: unexpected {found}{expecting}"))
    }

    pub(super) fn error_at(&self, at: usize, message: impl Into<String>) -> ParseError {
        ParseError::at(self.text, at, message)
    }

    pub(super) fn identifier(&mut self) -> Result<String, ParseError> {
        match self.peek() {
            Token::Identifier(_) => match self.advance() {
                Token::Identifier(name) => Ok(name),
                _ => Err(self.unexpected("IDENTIFIER")),
            },
            _ => Err(self.unexpected("IDENTIFIER")),
        }
    }

    pub(super) fn string(&mut self) -> Result<String, ParseError> {
        match self.peek() {
            Token::Text(text) => {
                let text = text.clone();
                self.advance();
                Ok(text)
            }
            _ => Err(self.unexpected("STRING")),
        }
    }

    pub(super) fn number(&mut self) -> Result<String, ParseError> {
        match self.peek() {
            Token::Number(number) => {
                let number = number.clone();
                self.advance();
                Ok(number)
            }
            _ => Err(self.unexpected("NUMBER")),
        }
    }

    fn expect_end(&self) -> Result<(), ParseError> {
        if *self.peek() == Token::End { Ok(()) } else { Err(self.unexpected("")) }
    }

    /// Runs `inner` one level deeper.
    pub(super) fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error_at(self.at(), "the query is nested too deep"));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// An expression whose operators bind at least as tightly as `least`, and where it begins.
    fn expr(&mut self, least: u8) -> Result<(Expr, usize), ParseError> {
        self.nested(|parser| {
            let at = parser.at();
            let mut left = parser.operand()?;
            while let Some(op) = parser.binary_op().filter(|op| op.precedence() >= least.max(1)) {
                parser.advance();
                let matching = parser.matching()?;
                let next = if op == BinaryOp::Pow { op.precedence() } else { op.precedence() + 1 };
                let (right, right_at) = parser.expr(next)?;
                let leg = |expr: Expr, side: &str, at: usize| match expr {
                    Expr::Metric(metric) => Ok(metric),
                    Expr::Log(log) => {
                        let kind = if log.stages.is_empty() { "*syntax.MatchersExpr" } else { "*syntax.PipelineExpr" };
                        let op = op.as_str();
                        let message = format!("unexpected type for {side} leg of binary operation ({op}): {kind}");
                        Err(parser.error_at(at, message))
                    }
                };
                let (left_leg, right_leg) = (leg(left, "left", at)?, leg(right, "right", right_at)?);
                let binary = validate::binary(op, matching, left_leg, right_leg)
                    .map_err(|message| parser.error_at(at, message))?;
                left = Expr::Metric(binary);
            }
            Ok((left, at))
        })
    }

    pub(super) fn metric(&mut self) -> Result<MetricExpr, ParseError> {
        match self.expr(0)?.0 {
            Expr::Metric(metric) => Ok(metric),
            Expr::Log(_) => Err(self.unexpected("")),
        }
    }

    fn binary_op(&self) -> Option<BinaryOp> {
        let Token::Word(word) = self.peek() else { return None };
        BinaryOp::ALL.into_iter().find(|op| op.as_str() == *word)
    }

    fn operand(&mut self) -> Result<Expr, ParseError> {
        match self.peek() {
            Token::Word("{") => self.log().map(Expr::Log),
            Token::Word("(") => {
                self.advance();
                let (inner, _) = self.expr(0)?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Word("+" | "-") | Token::Number(_) => {
                self.literal().map(|value| Expr::Metric(MetricExpr::Literal(value)))
            }
            Token::Function(_) => self.function().map(Expr::Metric),
            _ => Err(self.unexpected("")),
        }
    }

    /// A number with an optional sign.
    pub(super) fn literal(&mut self) -> Result<f64, ParseError> {
        let at = self.at();
        let negative = self.is_word("-");
        if negative || self.is_word("+") {
            self.advance();
        }
        let number = self.number()?;
        let value = crate::units::number(&number)
            .map_err(|error| self.error_at(at, format!("unable to parse literal as a float: {error}")))?;
        Ok(if negative { -value } else { value })
    }

    fn log(&mut self) -> Result<LogExpr, ParseError> {
        let matchers = self.selector()?;
        let stages = self.stages()?;
        if self.is_word("|") {
            return Err(self.unexpected_stage());
        }
        Ok(LogExpr { matchers, stages })
    }

    /// `{a="b"}`
    pub(super) fn selector(&mut self) -> Result<Vec<Matcher>, ParseError> {
        self.expect("{")?;
        let mut matchers = Vec::new();
        if self.take("}") {
            return Ok(matchers);
        }
        loop {
            let name = self.identifier()?;
            matchers.push(self.matcher(name)?);
            if self.take("}") {
                return Ok(matchers);
            }
            if !self.take(",") {
                return Err(self.unexpected("} or ,"));
            }
        }
    }

    /// What follows a name in a matcher.
    pub(super) fn matcher(&mut self, name: String) -> Result<Matcher, ParseError> {
        let op = match self.peek() {
            Token::Word("=") => MatchOp::Equal,
            Token::Word("!=") => MatchOp::NotEqual,
            Token::Word("=~") => MatchOp::Regex,
            Token::Word("!~") => MatchOp::NotRegex,
            _ => return Err(self.unexpected("= or =~ or !~ or !=")),
        };
        self.advance();
        let at = self.at();
        let value = self.string()?;
        Matcher::new(name, op, value).map_err(|error| self.error_at(at, error.to_string()))
    }

    fn matching(&mut self) -> Result<Matching, ParseError> {
        let mut matching = Matching { returns_bool: self.take("bool"), ..Matching::default() };
        matching.on = self.is_word("on");
        if !matching.on && !self.is_word("ignoring") {
            return Ok(matching);
        }
        self.advance();
        matching.labels = self.names()?;
        matching.cardinality = match self.peek() {
            Token::Word("group_left") => Cardinality::ManyToOne,
            Token::Word("group_right") => Cardinality::OneToMany,
            _ => return Ok(matching),
        };
        self.advance();
        if self.is_word("(") {
            matching.include = Some(self.names()?).filter(|names| !names.is_empty());
        }
        Ok(matching)
    }

    /// `(a, b)`
    pub(super) fn names(&mut self) -> Result<Vec<String>, ParseError> {
        self.expect("(")?;
        let mut names = Vec::new();
        if self.take(")") {
            return Ok(names);
        }
        loop {
            names.push(self.identifier()?);
            if self.take(")") {
                return Ok(names);
            }
            if !self.take(",") {
                return Err(self.unexpected(", or )"));
            }
        }
    }
}
