//! Selectors: names and matchers, and what may follow an expression: `[5m]`, `offset`, `@`, `anchored`, `smoothed`.

use model::{Labels, LabelsBuilder, METRIC_NAME, MatchOp, Matcher};

use super::duration::Duration;
use super::{Parsed, Parser, Stop};
use crate::ast::{At, BinaryOp, DurationExpr, Expr, MatrixSelector, Sign, Span, Subquery, VectorSelector};
use crate::lexer::{Token, TokenKind};

impl<'a> Parser<'a> {
    pub(super) fn whole_selector(&mut self) -> Parsed<VectorSelector> {
        let selector = self.vector_selector()?;
        self.expect(TokenKind::Eof)?;
        Ok(selector)
    }

    pub(super) fn vector_selector(&mut self) -> Parsed<VectorSelector> {
        let first = self.peek();
        let mut name = None;
        let mut span = first.span();
        if first.kind.is_metric_name() {
            self.advance();
            name = Some(first.text.to_owned());
        } else if first.kind != TokenKind::LeftBrace {
            return Err(self.unexpected("", ""));
        }
        let mut matchers = Vec::new();
        if self.peek_kind() == TokenKind::LeftBrace {
            span = span.to(self.matchers(&mut matchers)?);
        }
        if let Some(name) = &name {
            matchers.push(Matcher::equal(METRIC_NAME, name.as_str()));
        }
        Ok(VectorSelector {
            name,
            matchers,
            offset_ms: 0,
            offset_expr: None,
            at: None,
            anchored: false,
            smoothed: false,
            bypass_empty_matcher_check: false,
            span,
        })
    }

    /// Reads `{...}` and tells where it stands.
    fn matchers(&mut self, matchers: &mut Vec<Matcher>) -> Parsed<Span> {
        let open = self.advance();
        loop {
            if self.peek_kind() == TokenKind::RightBrace {
                return Ok(open.span().to(self.advance().span()));
            }
            matchers.extend(self.matcher()?);
            match self.peek_kind() {
                TokenKind::Comma => {
                    self.advance();
                }
                TokenKind::RightBrace => {}
                _ => return Err(self.unexpected("label matching", "\",\" or \"}\"")),
            }
        }
    }

    /// One matcher; `None` where its pattern is invalid, which is recorded.
    fn matcher(&mut self) -> Parsed<Option<Matcher>> {
        let label = self.peek();
        let name = match label.kind {
            TokenKind::Identifier => label.text.to_owned(),
            TokenKind::String => self.unquote(label),
            _ => return Err(self.unexpected("label matching", "identifier or \"}\"")),
        };
        self.advance();
        let op = match self.peek_kind() {
            TokenKind::Eql => MatchOp::Equal,
            TokenKind::Op(BinaryOp::Ne) => MatchOp::NotEqual,
            TokenKind::EqlRegex => MatchOp::Regex,
            TokenKind::NeqRegex => MatchOp::NotRegex,
            TokenKind::Comma | TokenKind::RightBrace if label.kind == TokenKind::String => {
                return Ok(Some(Matcher::equal(METRIC_NAME, name)));
            }
            _ if label.kind == TokenKind::String => return Err(self.unexpected("label matching", "\",\" or \"}\"")),
            _ => return Err(self.unexpected("label matching", "label matching operator")),
        };
        self.advance();
        let value = self.peek();
        if value.kind != TokenKind::String {
            return Err(self.unexpected("label matching", "string"));
        }
        self.advance();
        let text = self.unquote(value);
        match Matcher::new(name, op, text) {
            Ok(matcher) => Ok(Some(matcher)),
            Err(error) => {
                self.error(label.span().to(value.span()), error.to_string());
                Ok(None)
            }
        }
    }

    pub(super) fn whole_metric(&mut self) -> Parsed<Labels> {
        let labels = self.metric()?;
        self.expect(TokenKind::Eof)?;
        Ok(labels)
    }

    /// A metric with its labels.
    pub(super) fn metric(&mut self) -> Parsed<Labels> {
        let mut builder = LabelsBuilder::default();
        let first = self.peek();
        if first.kind.is_metric_name() {
            self.advance();
        }
        if self.peek_kind() == TokenKind::LeftBrace {
            self.advance();
            self.label_set(&mut builder)?;
        }
        if first.kind.is_metric_name() {
            builder.set(METRIC_NAME, first.text);
        }
        Ok(builder.build())
    }

    fn label_set(&mut self, builder: &mut LabelsBuilder) -> Parsed<()> {
        loop {
            if self.peek_kind() == TokenKind::RightBrace {
                self.advance();
                return Ok(());
            }
            self.label(builder)?;
            match self.peek_kind() {
                TokenKind::Comma => {
                    self.advance();
                }
                TokenKind::RightBrace => {}
                _ => return Err(self.unexpected("label set", "\",\" or \"}\"")),
            }
        }
    }

    fn label(&mut self, builder: &mut LabelsBuilder) -> Parsed<()> {
        let label = self.peek();
        let name = match label.kind {
            TokenKind::Identifier => label.text.to_owned(),
            TokenKind::String => self.unquote(label),
            _ => return Err(self.unexpected("label set", "identifier or \"}\"")),
        };
        self.advance();
        if self.peek_kind() != TokenKind::Eql {
            if label.kind == TokenKind::String {
                builder.set(METRIC_NAME, &name);
                return Ok(());
            }
            return Err(self.unexpected("label set", "\"=\""));
        }
        self.advance();
        let value = self.peek();
        if value.kind != TokenKind::String {
            return Err(self.unexpected("label set", "string"));
        }
        self.advance();
        let text = self.unquote(value);
        builder.set(&name, &text);
        Ok(())
    }

    /// Reads everything that may follow an expression.
    pub(super) fn postfix(&mut self, mut expr: Expr) -> Parsed<Expr> {
        let mut count = 0;
        loop {
            let token = self.peek();
            match token.kind {
                TokenKind::LeftBracket => expr = self.range_or_subquery(expr)?,
                TokenKind::Offset => {
                    self.advance();
                    let offset = self.offset_duration()?;
                    self.add_offset(&mut expr, offset);
                }
                TokenKind::At => {
                    self.advance();
                    self.at_modifier(&mut expr)?;
                }
                TokenKind::Anchored | TokenKind::Smoothed => {
                    self.advance();
                    self.extended_range(&mut expr, token);
                }
                _ => return Ok(expr),
            }
            count += 1;
            if self.nesting + count > super::MAX_NESTING {
                let message = format!("expression is nested more than {} levels deep", super::MAX_NESTING);
                self.error(token.span(), message);
                return Err(Stop);
            }
        }
    }

    fn range_or_subquery(&mut self, expr: Expr) -> Parsed<Expr> {
        let bracketed = self.bracketed()?;
        let span = expr.span().to(bracketed.span);
        let (range_ms, range_expr) = bracketed.range.into_parts();
        if bracketed.subquery {
            let (step_ms, step_expr) = bracketed.step.map_or((0, None), Duration::into_parts);
            return Ok(Expr::Subquery(Subquery {
                expr: Box::new(expr),
                range_ms,
                range_expr,
                step_ms,
                step_expr,
                offset_ms: 0,
                offset_expr: None,
                at: None,
                span,
            }));
        }
        let Expr::Vector(selector) = expr else {
            self.error(bracketed.span, "ranges only allowed for vector selectors");
            return Err(Stop);
        };
        if selector.offset_ms != 0 || selector.offset_expr.is_some() {
            self.error(bracketed.span, "no offset modifiers allowed before range");
        } else if selector.at.is_some() {
            self.error(bracketed.span, "no @ modifiers allowed before range");
        }
        Ok(Expr::Matrix(MatrixSelector { selector, range_ms, range_expr, span }))
    }

    fn add_offset(&mut self, expr: &mut Expr, offset: Duration) {
        let end = self.previous_end();
        let at = expr.span();
        let Some(target) = Modifiable::of(expr) else {
            let message =
                "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery";
            self.error(at, message);
            return;
        };
        target.span.end = end;
        if *target.offset_ms != 0 || target.offset_expr.is_some() {
            self.error(at, "offset may not be set multiple times");
            return;
        }
        (*target.offset_ms, *target.offset_expr) = offset.into_parts();
    }

    fn at_modifier(&mut self, expr: &mut Expr) -> Parsed<()> {
        let at = expr.span();
        let time = self.at_time(at)?;
        let end = self.previous_end();
        let Some(target) = Modifiable::of(expr) else {
            let message =
                "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery";
            self.error(at, message);
            return Ok(());
        };
        target.span.end = end;
        if target.at.is_some() {
            self.error(at, "@ <timestamp> may not be set multiple times");
            return Ok(());
        }
        *target.at = Some(time);
        Ok(())
    }

    fn at_time(&mut self, modified: Span) -> Parsed<At> {
        let token = self.peek();
        if matches!(token.kind, TokenKind::Start | TokenKind::End) {
            self.advance();
            self.expect_for_at(TokenKind::LeftParen)?;
            self.expect_for_at(TokenKind::RightParen)?;
            return Ok(if token.kind == TokenKind::Start { At::Start } else { At::End });
        }
        let sign = self.sign();
        if sign.is_some() {
            self.advance();
        }
        if !matches!(self.peek_kind(), TokenKind::Number | TokenKind::Duration) {
            return Err(self.unexpected("@", "timestamp"));
        }
        let value = self.number_literal()?.value;
        let seconds = if sign == Some(Sign::Minus) { -value } else { value };
        if !seconds.is_finite() || seconds.abs() >= i64::MAX as f64 {
            self.error(modified, format!("timestamp out of bounds for @ modifier: {}", go_fixed(seconds)));
        }
        Ok(At::Timestamp((seconds * 1000.0).round() as i64))
    }

    fn expect_for_at(&mut self, kind: TokenKind) -> Parsed<Token<'a>> {
        if self.peek_kind() == kind { Ok(self.advance()) } else { Err(self.unexpected("@", "timestamp")) }
    }

    fn extended_range(&mut self, expr: &mut Expr, keyword: Token<'_>) {
        let anchored = keyword.kind == TokenKind::Anchored;
        let word = if anchored { "anchored" } else { "smoothed" };
        let at = expr.span();
        if !self.options.extended_range_selectors {
            self.error(at, format!("{word} modifier is experimental and not enabled"));
            return;
        }
        let end = keyword.span().end;
        let selector = match expr {
            Expr::Vector(selector) => {
                selector.span.end = end;
                selector
            }
            Expr::Matrix(matrix) => {
                matrix.span.end = end;
                &mut matrix.selector
            }
            Expr::Subquery(_) => {
                self.error(at, format!("{word} modifier is not supported for subqueries"));
                return;
            }
            _ => {
                self.error(at, format!("{word} modifier not implemented"));
                return;
            }
        };
        if anchored {
            selector.anchored = true;
        } else {
            selector.smoothed = true;
        }
        if selector.anchored && selector.smoothed {
            self.error(at, "anchored and smoothed modifiers cannot be used together");
        }
    }

    fn previous_end(&self) -> usize {
        self.tokens.list[self.at - 1].span().end
    }
}

/// `%f` of Go.
fn go_fixed(v: f64) -> String {
    if v.is_finite() { format!("{v:.6}") } else { model::float::format_f(v) }
}

/// The parts of an expression that `offset` and `@` change.
struct Modifiable<'e> {
    offset_ms: &'e mut i64,
    offset_expr: &'e mut Option<DurationExpr>,
    at: &'e mut Option<At>,
    span: &'e mut Span,
}

impl<'e> Modifiable<'e> {
    fn of(expr: &'e mut Expr) -> Option<Self> {
        Some(match expr {
            Expr::Vector(e) => Modifiable {
                offset_ms: &mut e.offset_ms,
                offset_expr: &mut e.offset_expr,
                at: &mut e.at,
                span: &mut e.span,
            },
            Expr::Matrix(e) => Modifiable {
                offset_ms: &mut e.selector.offset_ms,
                offset_expr: &mut e.selector.offset_expr,
                at: &mut e.selector.at,
                span: &mut e.span,
            },
            Expr::Subquery(e) => Modifiable {
                offset_ms: &mut e.offset_ms,
                offset_expr: &mut e.offset_expr,
                at: &mut e.at,
                span: &mut e.span,
            },
            _ => return None,
        })
    }
}
