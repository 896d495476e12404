//! Functions of metric queries: over windows of lines, over series, `vector` and `label_replace`.

use super::ast::{
    Conversion, Grouping, LabelReplace, LabelReplaceArgs, LogExpr, LogRange, MetricExpr, RangeOp, Unwrap,
    VectorAggregation, VectorOp,
};
use super::error::ParseError;
use super::lexer::Token;
use super::parser::Parser;
use super::validate;

/// A selector that may or may not have its range yet: `({a="b"})[5m]` has it outside.
enum Part {
    Range(LogRange),
    Log(LogExpr, Option<Unwrap>),
}

impl Parser<'_> {
    pub(super) fn function(&mut self) -> Result<MetricExpr, ParseError> {
        let at = self.at();
        let Token::Function(name) = *self.peek() else { return Err(self.unexpected("")) };
        let range_op = RangeOp::ALL.into_iter().find(|op| op.as_str() == name);
        let vector_op = VectorOp::ALL.into_iter().find(|op| op.as_str() == name);
        match (range_op, vector_op, name) {
            (Some(op), _, _) => self.range_aggregation(op, at),
            (_, Some(op), _) => self.vector_aggregation(op, at),
            (_, _, "vector") => self.vector_of(),
            (_, _, "label_replace") => self.label_replace(),
            _ => Err(self.unexpected("")),
        }
    }

    fn grouping(&mut self) -> Result<Option<Grouping>, ParseError> {
        let without = self.is_word("without");
        if !without && !self.is_word("by") {
            return Ok(None);
        }
        self.advance();
        Ok(Some(Grouping { without, names: self.names()? }))
    }

    fn range_aggregation(&mut self, op: RangeOp, at: usize) -> Result<MetricExpr, ParseError> {
        self.advance();
        self.expect("(")?;
        let mut param = None;
        if matches!(self.peek(), Token::Number(_)) {
            param = Some(self.number()?);
            self.expect(",")?;
        }
        if !self.is_word("{") && !self.is_word("(") {
            return Err(self.unexpected(if param.is_some() { "{ or (" } else { "NUMBER or { or (" }));
        }
        let range = match self.log_range()? {
            Part::Range(range) => range,
            Part::Log(..) => return Err(self.unexpected("")),
        };
        self.expect(")")?;
        let grouping = self.grouping()?;
        let aggregation =
            validate::range_aggregation(op, param, range, grouping).map_err(|message| self.error_at(at, message))?;
        Ok(MetricExpr::Range(Box::new(aggregation)))
    }

    fn log_range(&mut self) -> Result<Part, ParseError> {
        if !self.is_word("(") {
            return self.plain_log_range();
        }
        self.advance();
        let inner = self.nested(Self::log_range)?;
        self.expect(")")?;
        let Part::Log(mut log, mut unwrap) = inner else { return Ok(inner) };
        let Token::Range(interval) = *self.peek() else { return Ok(Part::Log(log, unwrap)) };
        self.advance();
        let offset = self.offset()?;
        if log.stages.is_empty() && unwrap.is_none() {
            log.stages = self.stages()?;
            unwrap = self.unwrap()?;
        }
        Ok(Part::Range(LogRange { log, unwrap, interval, offset }))
    }

    fn plain_log_range(&mut self) -> Result<Part, ParseError> {
        let matchers = self.selector()?;
        let mut log = LogExpr { matchers, stages: self.stages()? };
        let mut unwrap = self.unwrap()?;
        let Token::Range(interval) = *self.peek() else { return Ok(Part::Log(log, unwrap)) };
        self.advance();
        let offset = self.offset()?;
        if log.stages.is_empty() && unwrap.is_none() {
            log.stages = self.stages()?;
            unwrap = self.unwrap()?;
        }
        Ok(Part::Range(LogRange { log, unwrap, interval, offset }))
    }

    fn offset(&mut self) -> Result<i64, ParseError> {
        if !self.take("offset") {
            return Ok(0);
        }
        match *self.peek() {
            Token::Duration(nanos) => {
                self.advance();
                Ok(nanos)
            }
            _ => Err(self.unexpected("DURATION")),
        }
    }

    fn unwrap(&mut self) -> Result<Option<Unwrap>, ParseError> {
        if !(self.is_word("|") && matches!(self.peek_after(), Token::Word("unwrap"))) {
            return Ok(None);
        }
        self.advance();
        self.advance();
        let conversion = match self.peek() {
            Token::Identifier(_) => None,
            Token::Function("bytes") => Some(Conversion::Bytes),
            Token::Function("duration") => Some(Conversion::Duration),
            Token::Function("duration_seconds") => Some(Conversion::DurationSeconds),
            _ => return Err(self.unexpected("IDENTIFIER or BYTES_CONV or DURATION_CONV or DURATION_SECONDS_CONV")),
        };
        let label = if conversion.is_some() {
            self.advance();
            self.expect("(")?;
            let label = self.identifier()?;
            self.expect(")")?;
            label
        } else {
            self.identifier()?
        };
        let mut filters = Vec::new();
        while self.take("|") {
            if !matches!(self.peek(), Token::Identifier(_) | Token::Word("(")) {
                return Err(self.unexpected("IDENTIFIER or ("));
            }
            filters.push(self.label_filter(0)?);
        }
        Ok(Some(Unwrap { label, conversion, filters }))
    }

    fn vector_aggregation(&mut self, op: VectorOp, at: usize) -> Result<MetricExpr, ParseError> {
        self.advance();
        let before = self.grouping()?;
        self.expect("(")?;
        let mut param = None;
        if matches!((self.peek(), self.peek_after()), (Token::Number(_), Token::Word(","))) {
            param = Some(self.number()?);
            self.advance();
        }
        let inner = self.metric()?;
        self.expect(")")?;
        let grouping = match before {
            Some(grouping) => Some(grouping),
            None => self.grouping()?,
        };
        let param = validate::vector_param(op, param.as_deref(), grouping.as_ref())
            .map_err(|message| self.error_at(at, message))?;
        let grouping = grouping.unwrap_or_default();
        Ok(MetricExpr::Vector(Box::new(VectorAggregation { op, param, grouping, inner })))
    }

    fn vector_of(&mut self) -> Result<MetricExpr, ParseError> {
        self.advance();
        self.expect("(")?;
        let at = self.at();
        let number = self.number()?;
        self.expect(")")?;
        crate::units::number(&number)
            .map(MetricExpr::VectorOf)
            .map_err(|error| self.error_at(at, format!("unable to parse vectorExpr as a float: {error}")))
    }

    fn label_replace(&mut self) -> Result<MetricExpr, ParseError> {
        self.advance();
        self.expect("(")?;
        let inner = self.metric()?;
        let mut texts = Vec::with_capacity(4);
        let mut at = 0;
        for _ in 0..4 {
            self.expect(",")?;
            at = self.at();
            texts.push(self.string()?);
        }
        self.expect(")")?;
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap_or_default();
        let args = LabelReplaceArgs { target: next(), replacement: next(), source: next(), pattern: next() };
        crate::regexes::anchored(&args.pattern)
            .map_err(|error| self.error_at(at, format!("invalid regex in label_replace: {error}")))?;
        Ok(MetricExpr::LabelReplace(Box::new(LabelReplace { inner, args })))
    }
}
