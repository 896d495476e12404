//! Durations: a literal, or an expression over literals, `step()` and `range()`.

use super::{Parsed, Parser, Stop};
use crate::ast::{BinaryOp, DurationExpr, DurationOp, NumberLiteral, Sign, Span};
use crate::lexer::{Token, TokenKind};

/// A duration that is known, in milliseconds, or one that must be calculated.
pub(super) enum Duration {
    Known(i64),
    Calculated(DurationExpr),
}

impl Duration {
    /// Milliseconds (0 while unknown) and the expression, as the tree keeps them.
    pub(super) fn into_parts(self) -> (i64, Option<DurationExpr>) {
        match self {
            Duration::Known(ms) => (ms, None),
            Duration::Calculated(expr) => (0, Some(expr)),
        }
    }
}

impl From<DurationExpr> for Duration {
    fn from(expr: DurationExpr) -> Self {
        match expr {
            // Prometheus keeps nanoseconds and cuts them off when it selects.
            DurationExpr::Number(number) => Duration::Known(((number.value * 1e9).round() / 1e6) as i64),
            other => Duration::Calculated(other),
        }
    }
}

impl<'a> Parser<'a> {
    /// A range or step inside brackets: literals must be greater than 0.
    fn positive_duration(&mut self) -> Parsed<Duration> {
        let expr = self.duration(1)?;
        if let DurationExpr::Number(number) = &expr
            && number.value <= 0.0
        {
            self.error(number.span, "duration must be greater than 0");
        }
        Ok(expr.into())
    }

    /// What follows `offset`. Without parentheses it is one literal or call with at most one sign: `offset 5m + 1` adds 1 to
    /// the samples, not to the offset.
    pub(super) fn offset_duration(&mut self) -> Parsed<Duration> {
        self.duration_place = ("offset", "number, duration, step(), or range()");
        let sign = self.sign();
        let operand = self.peek_kind_at(usize::from(sign.is_some()));
        let starts_duration = is_literal(operand) || is_call(operand) || operand == TokenKind::LeftParen;
        if !(starts_duration || (sign.is_some() && is_sign(operand))) {
            if sign.is_some() {
                self.advance();
            }
            return Err(self.unexpected_in_duration());
        }
        if is_sign(operand) || (sign.is_none() && operand == TokenKind::LeftParen) {
            return Ok(self.duration(1)?.into());
        }
        let Some(op) = sign else { return Ok(self.duration_operand()?.into()) };
        let start = self.advance().start;
        let inner = self.duration_operand()?;
        if is_call(operand) {
            let span = Span::new(start, inner.span().end);
            return Ok(Duration::Calculated(DurationExpr::Unary { op, operand: Box::new(inner), span }));
        }
        Ok(self.signed(op, start, inner).into())
    }

    fn duration(&mut self, least: u8) -> Parsed<DurationExpr> {
        self.nested(|p| p.duration_binary(least))
    }

    fn duration_binary(&mut self, least: u8) -> Parsed<DurationExpr> {
        let mut lhs = self.duration_operand()?;
        let mut chain = 0;
        while let Some((op, precedence)) = duration_operator(self.peek_kind()) {
            if precedence < least {
                break;
            }
            chain += 1;
            if chain > super::MAX_TREE_DEPTH {
                return Err(self.unexpected_in_duration());
            }
            let operator = self.advance();
            let rhs = self.duration(if op == DurationOp::Pow { precedence } else { precedence + 1 })?;
            self.duration_expressions_allowed(lhs.span());
            let by_zero = matches!(&rhs, DurationExpr::Number(n) if n.value == 0.0);
            match op {
                DurationOp::Div if by_zero => self.error(operator.span(), "division by zero"),
                DurationOp::Mod if by_zero => self.error(operator.span(), "modulo by zero"),
                _ => {}
            }
            let span = lhs.span().to(rhs.span());
            lhs = DurationExpr::Binary { op, lhs: Box::new(lhs), rhs: Box::new(rhs), span };
        }
        Ok(lhs)
    }

    fn duration_operand(&mut self) -> Parsed<DurationExpr> {
        let token = self.peek();
        match token.kind {
            kind if is_literal(kind) => {
                let number = self.number_literal()?;
                Ok(DurationExpr::Number(self.within_range(number, token.span())))
            }
            kind if is_sign(kind) => {
                let op = self.sign().expect("a sign was seen");
                self.advance();
                let inner = self.duration(BinaryOp::Pow.precedence())?;
                Ok(self.signed(op, token.start, inner))
            }
            TokenKind::Step | TokenKind::Range => {
                self.advance();
                self.expect_in_duration(TokenKind::LeftParen)?;
                let close = self.expect_in_duration(TokenKind::RightParen)?;
                let span = token.span().to(close.span());
                self.duration_expressions_allowed(span);
                Ok(if token.kind == TokenKind::Step { DurationExpr::Step(span) } else { DurationExpr::Range(span) })
            }
            TokenKind::MinOf | TokenKind::MaxOf => {
                let op = if token.kind == TokenKind::MinOf { DurationOp::MinOf } else { DurationOp::MaxOf };
                self.advance();
                self.expect_in_duration(TokenKind::LeftParen)?;
                let lhs = Box::new(self.duration(1)?);
                self.expect_in_duration(TokenKind::Comma)?;
                let rhs = Box::new(self.duration(1)?);
                let close = self.expect_in_duration(TokenKind::RightParen)?;
                let span = token.span().to(close.span());
                self.duration_expressions_allowed(span);
                Ok(DurationExpr::Binary { op, lhs, rhs, span })
            }
            TokenKind::LeftParen => {
                self.advance();
                let inner = self.duration(1)?;
                let close = self.expect_in_duration(TokenKind::RightParen)?;
                self.duration_expressions_allowed(inner.span());
                Ok(match inner {
                    twice @ DurationExpr::Paren { .. } => twice,
                    inner => DurationExpr::Paren { inner: Box::new(inner), span: token.span().to(close.span()) },
                })
            }
            _ => Err(self.unexpected_in_duration()),
        }
    }

    fn unexpected_in_duration(&mut self) -> Stop {
        let (context, expected) = self.duration_place;
        self.unexpected(context, expected)
    }

    fn expect_in_duration(&mut self, kind: TokenKind) -> Parsed<Token<'a>> {
        if self.peek_kind() == kind { Ok(self.advance()) } else { Err(self.unexpected_in_duration()) }
    }

    fn signed(&mut self, op: Sign, start: usize, operand: DurationExpr) -> DurationExpr {
        match operand {
            DurationExpr::Number(mut number) => {
                if op == Sign::Minus {
                    number.value = -number.value;
                }
                number.span.start = start;
                DurationExpr::Number(number)
            }
            operand if op == Sign::Plus => operand,
            operand => {
                let span = Span::new(start, operand.span().end);
                DurationExpr::Unary { op, operand: Box::new(operand), span }
            }
        }
    }

    /// Durations are counted in nanoseconds in 64 bits.
    fn within_range(&mut self, number: NumberLiteral, span: Span) -> NumberLiteral {
        if number.value.abs() <= 9_223_372_036.854_775 {
            return number;
        }
        self.error(span, "duration out of range");
        NumberLiteral { value: 0.0, ..number }
    }

    fn duration_expressions_allowed(&mut self, span: Span) {
        if !self.options.duration_expressions {
            self.error(span, "experimental duration expression is not enabled");
        }
    }

    /// The `[range]` or `[range:step]` after an expression; the bracket was seen but not read.
    pub(super) fn bracketed(&mut self) -> Parsed<Bracketed> {
        let open = self.advance();
        self.duration_place = ("subquery or range selector", "number, duration, step(), or range()");
        let range = self.positive_duration()?;
        let colon = self.eat(TokenKind::Colon);
        let mut step = None;
        if colon && self.peek_kind() != TokenKind::RightBracket {
            self.duration_place = ("subquery selector", "number, duration, step(), range(), or \"]\"");
            step = Some(self.positive_duration()?);
        }
        if self.peek_kind() != TokenKind::RightBracket {
            return Err(self.missing_bracket(colon));
        }
        let close = self.advance();
        Ok(Bracketed { range, step, subquery: colon, span: open.span().to(close.span()) })
    }

    fn missing_bracket(&mut self, colon: bool) -> Stop {
        if colon {
            self.unexpected("subquery selector", "\"]\"")
        } else {
            self.unexpected("subquery or range", "\":\" or \"]\"")
        }
    }
}

pub(super) struct Bracketed {
    pub(super) range: Duration,
    pub(super) step: Option<Duration>,
    /// True where there is a colon.
    pub(super) subquery: bool,
    pub(super) span: Span,
}

fn is_literal(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Number | TokenKind::Duration)
}

fn is_call(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Step | TokenKind::Range | TokenKind::MinOf | TokenKind::MaxOf)
}

fn is_sign(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Op(BinaryOp::Add | BinaryOp::Sub))
}

fn duration_operator(kind: TokenKind) -> Option<(DurationOp, u8)> {
    let TokenKind::Op(op) = kind else { return None };
    let duration_op = match op {
        BinaryOp::Add => DurationOp::Add,
        BinaryOp::Sub => DurationOp::Sub,
        BinaryOp::Mul => DurationOp::Mul,
        BinaryOp::Div => DurationOp::Div,
        BinaryOp::Mod => DurationOp::Mod,
        BinaryOp::Pow => DurationOp::Pow,
        _ => return None,
    };
    Some((duration_op, op.precedence()))
}
