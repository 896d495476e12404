//! Expressions: operators by precedence, literals, parentheses, function calls, aggregations.

use super::binary::Modifiers;
use super::{MAX_TREE_DEPTH, Parsed, Parser, Stop, parse_duration, parse_number, quote_bytes};
use crate::ast::{
    Aggregate, AggregateOp, Binary, BinaryOp, Call, Expr, NumberLiteral, Paren, Sign, Span, StringLiteral, Unary,
    function,
};
use crate::lexer::{Token, TokenKind};

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Parsed<Expr> {
        self.nested(|p| p.binary(1))
    }

    /// Operands joined by operators that bind at least as tightly as `least`.
    fn binary(&mut self, least: u8) -> Parsed<Expr> {
        let mut lhs = self.operand()?;
        let mut chain = 0;
        while let TokenKind::Op(op) = self.peek_kind() {
            if op.precedence() < least {
                break;
            }
            chain += 1;
            if chain > MAX_TREE_DEPTH {
                let span = self.peek().span();
                self.error(span, format!("more than {MAX_TREE_DEPTH} operators in a row"));
                return Err(Stop);
            }
            self.advance();
            let Modifiers { return_bool, matching } = self.modifiers()?;
            // `^` is the only operator that groups to the right.
            let least_right = if op == BinaryOp::Pow { op.precedence() } else { op.precedence() + 1 };
            let rhs = self.nested(|p| p.binary(least_right))?;
            let span = lhs.span().to(rhs.span());
            if !self.options.fill_modifiers && (matching.fill_left.is_some() || matching.fill_right.is_some()) {
                self.error(span, "binop fill modifiers are experimental and not enabled");
            }
            lhs = Expr::Binary(Binary {
                op,
                lhs: Box::new(lhs),
                rhs: Box::new(rhs),
                matching: Some(matching),
                return_bool,
                span,
            });
        }
        Ok(lhs)
    }

    /// A signed or postfixed expression: everything that binds tighter than an operator.
    fn operand(&mut self) -> Parsed<Expr> {
        let Some(op) = self.sign() else {
            let expr = self.primary()?;
            return self.postfix(expr);
        };
        let start = self.advance().start;
        // A sign binds like `*`, so only `^` is taken into its operand.
        let inner = self.nested(|p| p.binary(BinaryOp::Pow.precedence()))?;
        if let Expr::Number(mut number) = inner {
            if op == Sign::Minus {
                number.value = -number.value;
            }
            number.span.start = start;
            return Ok(Expr::Number(number));
        }
        let span = Span::new(start, inner.span().end);
        Ok(Expr::Unary(Unary { op, expr: Box::new(inner), span }))
    }

    /// The sign that stands next.
    pub(super) fn sign(&self) -> Option<Sign> {
        match self.peek_kind() {
            TokenKind::Op(BinaryOp::Add) => Some(Sign::Plus),
            TokenKind::Op(BinaryOp::Sub) => Some(Sign::Minus),
            _ => None,
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let token = self.peek();
        match token.kind {
            TokenKind::Number | TokenKind::Duration => Ok(Expr::Number(self.number_literal()?)),
            TokenKind::String => {
                self.advance();
                Ok(Expr::String(self.string_literal(token)))
            }
            TokenKind::LeftParen => {
                self.advance();
                let expr = Box::new(self.expression()?);
                let close = self.expect(TokenKind::RightParen)?;
                Ok(Expr::Paren(Paren { expr, span: token.span().to(close.span()) }))
            }
            TokenKind::Aggregate(op) if self.aggregation_follows() => self.aggregate(op),
            kind if self.peek_kind_at(1) == TokenKind::LeftParen && is_function_name(kind) => self.call(),
            kind if kind == TokenKind::LeftBrace || kind.is_metric_name() => Ok(Expr::Vector(self.vector_selector()?)),
            _ => Err(self.unexpected("", "")),
        }
    }

    fn string_literal(&mut self, token: Token<'_>) -> StringLiteral {
        let bytes = self.unquote_bytes(token);
        let value = String::from_utf8_lossy(&bytes).into_owned();
        let invalid_utf8 = (value.as_bytes() != bytes).then_some(bytes);
        StringLiteral { value, invalid_utf8, span: token.span() }
    }

    fn aggregation_follows(&self) -> bool {
        matches!(self.peek_kind_at(1), TokenKind::LeftParen | TokenKind::By | TokenKind::Without)
    }

    /// `5`, `0x1f`, `Inf`, `5m`
    pub(super) fn number_literal(&mut self) -> Parsed<NumberLiteral> {
        let token = self.peek();
        let duration = token.kind == TokenKind::Duration;
        let value = match token.kind {
            TokenKind::Number => parse_number(token.text),
            TokenKind::Duration => parse_duration(token.text),
            _ => return Err(self.unexpected("", "")),
        };
        self.advance();
        let value = value.unwrap_or_else(|message| {
            self.error(token.span(), message);
            0.0
        });
        Ok(NumberLiteral { value, duration, span: token.span() })
    }

    fn call(&mut self) -> Parsed<Expr> {
        let name = self.advance();
        let (args, end) = self.arguments()?;
        let Some(func) = function(name.text) else {
            let quoted = model::float::go_quote(name.text);
            self.error(name.span(), format!("unknown function with name {quoted}"));
            return Err(Stop);
        };
        if func.experimental && !self.options.experimental_functions {
            self.error(name.span(), format!("function \"{}\" is not enabled", func.name));
        }
        Ok(Expr::Call(Call { func, args, span: Span::new(name.start, end) }))
    }

    /// Arguments in parentheses, and where the closing one ends.
    fn arguments(&mut self) -> Parsed<(Vec<Expr>, usize)> {
        self.expect(TokenKind::LeftParen)?;
        let mut args = Vec::new();
        if self.peek_kind() != TokenKind::RightParen {
            args.push(self.expression()?);
        }
        while self.peek_kind() == TokenKind::Comma && !args.is_empty() {
            let comma = self.advance();
            if self.peek_kind() == TokenKind::RightParen {
                self.error(comma.span(), "trailing commas not allowed in function call args");
                break;
            }
            args.push(self.expression()?);
        }
        let close = self.expect(TokenKind::RightParen)?;
        Ok((args, close.span().end))
    }

    fn aggregate(&mut self, op: AggregateOp) -> Parsed<Expr> {
        let name = self.advance();
        self.aggregations += 1;
        let result = self.aggregate_body(op, name);
        self.aggregations -= 1;
        result
    }

    fn aggregate_body(&mut self, op: AggregateOp, name: Token<'_>) -> Parsed<Expr> {
        let mut clause = self.grouping_clause()?;
        let (args, mut end) = self.arguments()?;
        if clause.is_none() {
            clause = self.grouping_clause()?;
            end = clause.as_ref().map_or(end, |c| c.end);
        }
        let (grouping, without) = clause.map_or_else(Default::default, |c| (c.labels, c.without));
        let span = Span::new(name.start, end);
        let wrong = self.wrong_arguments(op, args.len());
        if let Some(message) = wrong {
            self.error(span, message);
            return Err(Stop);
        }
        let mut args = args.into_iter();
        let param = if op.takes_param() { args.next().map(Box::new) } else { None };
        let expr = Box::new(args.next().expect("the number of arguments was checked"));
        Ok(Expr::Aggregate(Aggregate { op, expr, param, grouping, without, span }))
    }

    fn wrong_arguments(&self, op: AggregateOp, given: usize) -> Option<String> {
        if given == 0 {
            return Some("no arguments for aggregate expression provided".into());
        }
        if op.is_experimental() && !self.options.experimental_functions {
            return Some(format!(
                "{op}() is experimental and must be enabled with --enable-feature=promql-experimental-functions"
            ));
        }
        let wanted = if op.takes_param() { 2 } else { 1 };
        (given != wanted).then(|| {
            format!("wrong number of arguments for aggregate expression provided, expected {wanted}, got {given}")
        })
    }

    fn grouping_clause(&mut self) -> Parsed<Option<GroupingClause>> {
        let without = match self.peek_kind() {
            TokenKind::By => false,
            TokenKind::Without => true,
            _ => return Ok(None),
        };
        self.advance();
        let (labels, end) = self.grouping_labels()?;
        Ok(Some(GroupingClause { labels, without, end }))
    }

    /// Labels in parentheses, and where the closing one ends.
    pub(super) fn grouping_labels(&mut self) -> Parsed<(Vec<String>, usize)> {
        if self.peek_kind() != TokenKind::LeftParen {
            return Err(self.unexpected("grouping opts", "\"(\""));
        }
        self.advance();
        let mut labels = Vec::new();
        loop {
            if self.peek_kind() == TokenKind::RightParen {
                return Ok((labels, self.advance().span().end));
            }
            labels.push(self.grouping_label()?);
            match self.peek_kind() {
                TokenKind::Comma => {
                    self.advance();
                }
                TokenKind::RightParen => {}
                _ => return Err(self.unexpected("grouping opts", "\",\" or \")\"")),
            }
        }
    }

    fn grouping_label(&mut self) -> Parsed<String> {
        let token = self.peek();
        let label = match token.kind {
            TokenKind::String => self.unquote_bytes(token),
            kind if kind.is_grouping_label() => token.text.as_bytes().to_vec(),
            _ => return Err(self.unexpected("grouping opts", "label")),
        };
        self.advance();
        match String::from_utf8(label) {
            Ok(label) if !label.is_empty() => Ok(label),
            invalid => {
                let bytes = invalid.map_or_else(|error| error.into_bytes(), String::into_bytes);
                self.error(token.span(), format!("invalid label name for grouping: {}", quote_bytes(&bytes)));
                Ok(String::new())
            }
        }
    }
}

struct GroupingClause {
    labels: Vec<String>,
    without: bool,
    end: usize,
}

fn is_function_name(kind: TokenKind) -> bool {
    use TokenKind as K;
    matches!(kind, K::Identifier | K::Start | K::End | K::Step | K::Range | K::MinOf | K::MaxOf)
}
