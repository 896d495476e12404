//! What may stand between a binary operator and its right operand: `bool`, `on`, `ignoring`, `group_left`, `group_right`,
//! `fill`.

use super::{Parsed, Parser};
use crate::ast::{MatchCardinality, Sign, VectorMatching};
use crate::lexer::TokenKind;

pub(super) struct Modifiers {
    pub(super) return_bool: bool,
    pub(super) matching: VectorMatching,
}

impl Parser<'_> {
    pub(super) fn modifiers(&mut self) -> Parsed<Modifiers> {
        let mut matching = VectorMatching {
            card: MatchCardinality::OneToOne,
            labels: Vec::new(),
            on: false,
            include: Vec::new(),
            fill_left: None,
            fill_right: None,
        };
        let return_bool = self.eat(TokenKind::Bool);
        if matches!(self.peek_kind(), TokenKind::On | TokenKind::Ignoring) {
            matching.on = self.advance().kind == TokenKind::On;
            matching.labels = self.grouping_labels()?.0;
            self.group_modifier(&mut matching)?;
        }
        self.fill_modifiers(&mut matching)?;
        Ok(Modifiers { return_bool, matching })
    }

    fn group_modifier(&mut self, matching: &mut VectorMatching) -> Parsed<()> {
        matching.card = match self.peek_kind() {
            TokenKind::GroupLeft => MatchCardinality::ManyToOne,
            TokenKind::GroupRight => MatchCardinality::OneToMany,
            _ => return Ok(()),
        };
        self.advance();
        if self.peek_kind() == TokenKind::LeftParen {
            matching.include = self.grouping_labels()?.0;
        }
        Ok(())
    }

    fn fill_modifiers(&mut self, matching: &mut VectorMatching) -> Parsed<()> {
        match self.peek_kind() {
            TokenKind::Fill => {
                let value = self.fill_value()?;
                matching.fill_left = Some(value);
                matching.fill_right = Some(value);
            }
            TokenKind::FillLeft => {
                matching.fill_left = Some(self.fill_value()?);
                if self.peek_kind() == TokenKind::FillRight {
                    matching.fill_right = Some(self.fill_value()?);
                }
            }
            TokenKind::FillRight => {
                matching.fill_right = Some(self.fill_value()?);
                if self.peek_kind() == TokenKind::FillLeft {
                    matching.fill_left = Some(self.fill_value()?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn fill_value(&mut self) -> Parsed<f64> {
        self.advance();
        self.expect(TokenKind::LeftParen)?;
        let sign = self.sign();
        if sign.is_some() {
            self.advance();
        }
        let value = self.number_literal()?.value;
        self.expect(TokenKind::RightParen)?;
        Ok(if sign == Some(Sign::Minus) { -value } else { value })
    }
}
