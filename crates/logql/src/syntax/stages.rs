//! Stages of a pipeline, and the conditions of label filters.

use super::ast::{
    Comparison, Extraction, LabelChoice, LabelFilter, LabelFormat, LabelFormatValue, LineFilter, LineMatch, LineOp,
    Stage,
};
use super::error::ParseError;
use super::lexer::Token;
use super::parser::Parser;
use super::validate;

impl Parser<'_> {
    /// All stages that follow, up to an `unwrap` or whatever is not one.
    pub(super) fn stages(&mut self) -> Result<Vec<Stage>, ParseError> {
        let mut stages = Vec::new();
        loop {
            if let Some(op) = self.line_op() {
                self.advance();
                self.line_filter(op, &mut stages)?;
            } else if self.is_word("|") && !matches!(self.peek_after(), Token::Word("unwrap")) {
                self.advance();
                stages.push(self.stage()?);
            } else {
                return Ok(stages);
            }
        }
    }

    /// The error for `| unwrap` where there is no window.
    pub(super) fn unexpected_stage(&mut self) -> ParseError {
        self.advance();
        self.unexpected("")
    }

    fn line_op(&self) -> Option<LineOp> {
        Some(match self.peek() {
            Token::Word("|=") => LineOp::Contains,
            Token::Word("!=") => LineOp::NotContains,
            Token::Word("|~") => LineOp::Regex,
            Token::Word("!~") => LineOp::NotRegex,
            Token::Word("|>") => LineOp::Pattern,
            Token::Word("!>") => LineOp::NotPattern,
            _ => return None,
        })
    }

    fn line_filter(&mut self, op: LineOp, stages: &mut Vec<Stage>) -> Result<(), ParseError> {
        let mut alternatives = vec![self.line_match()?];
        while self.take("or") {
            alternatives.push(self.line_match()?);
        }
        if op.is_negated() {
            // Not one of them is neither.
            let each = alternatives.into_iter().map(|one| LineFilter { op, alternatives: vec![one] });
            stages.extend(each.map(Stage::LineFilter));
        } else {
            stages.push(Stage::LineFilter(LineFilter { op, alternatives }));
        }
        Ok(())
    }

    fn line_match(&mut self) -> Result<LineMatch, ParseError> {
        match self.peek() {
            Token::Text(_) => Ok(LineMatch { is_ip: false, text: self.string()? }),
            Token::Function("ip") => Ok(LineMatch { is_ip: true, text: self.ip()? }),
            _ => Err(self.unexpected("STRING or ip")),
        }
    }

    fn ip(&mut self) -> Result<String, ParseError> {
        self.advance();
        self.expect("(")?;
        let text = self.string()?;
        self.expect(")")?;
        Ok(text)
    }

    fn stage(&mut self) -> Result<Stage, ParseError> {
        if matches!((self.peek(), self.peek_after()), (Token::Identifier(name), Token::Text(_)) if name == "kql") {
            self.advance();
            let at = self.at();
            let text = self.string()?;
            return crate::kql::parse(&text).map(Stage::Search).map_err(|error| self.error_at(at, error.to_string()));
        }
        let Token::Word(word) = *self.peek() else { return self.label_filter(0).map(Stage::LabelFilter) };
        match word {
            "(" => return self.label_filter(0).map(Stage::LabelFilter),
            "json" | "logfmt" | "regexp" | "pattern" | "unpack" | "line_format" | "label_format" | "decolorize"
            | "drop" | "keep" => {
                self.advance();
            }
            _ => return Err(self.unexpected("")),
        }
        match word {
            "json" => Ok(match self.extractions()? {
                extractions if extractions.is_empty() => Stage::Json,
                extractions => Stage::JsonPaths(extractions),
            }),
            "logfmt" => self.logfmt(),
            "regexp" => {
                let at = self.at();
                let pattern = self.string()?;
                crate::regexes::named(&pattern)
                    .map_err(|error| self.error_at(at, format!("invalid regexp parser: {error}")))?;
                Ok(Stage::Regexp(pattern))
            }
            "pattern" => {
                let at = self.at();
                let pattern = self.string()?;
                crate::pattern::Pattern::parser(&pattern)
                    .map_err(|error| self.error_at(at, format!("invalid pattern parser: {error}")))?;
                Ok(Stage::Pattern(pattern))
            }
            "unpack" => Ok(Stage::Unpack),
            "line_format" => self.string().map(Stage::LineFormat),
            "label_format" => self.label_formats().map(Stage::LabelFormat),
            "decolorize" => Ok(Stage::Decolorize),
            "drop" => self.label_choices().map(Stage::Drop),
            _ => self.label_choices().map(Stage::Keep),
        }
    }

    fn logfmt(&mut self) -> Result<Stage, ParseError> {
        let (mut strict, mut keep_empty) = (false, false);
        while let Token::Flag(flag) = *self.peek() {
            self.advance();
            strict |= flag == "--strict";
            keep_empty |= flag == "--keep-empty";
        }
        let extractions = self.extractions()?;
        Ok(match extractions.is_empty() {
            true => Stage::Logfmt { strict, keep_empty },
            false => Stage::LogfmtKeys { strict, keep_empty, extractions },
        })
    }

    /// `a, b="c"`, or nothing.
    fn extractions(&mut self) -> Result<Vec<Extraction>, ParseError> {
        let mut extractions = Vec::new();
        if !matches!(self.peek(), Token::Identifier(_)) {
            return Ok(extractions);
        }
        loop {
            let name = self.identifier()?;
            let expression = if self.take("=") { self.string()? } else { name.clone() };
            extractions.push(Extraction { name, expression });
            if !self.take(",") {
                return Ok(extractions);
            }
        }
    }

    fn label_formats(&mut self) -> Result<Vec<LabelFormat>, ParseError> {
        let mut formats = Vec::new();
        loop {
            let name = self.identifier()?;
            self.expect("=")?;
            let value = match self.peek() {
                Token::Identifier(_) => LabelFormatValue::Rename(self.identifier()?),
                Token::Text(_) => LabelFormatValue::Template(self.string()?),
                _ => return Err(self.unexpected("STRING or IDENTIFIER")),
            };
            formats.push(LabelFormat { name, value });
            if !self.take(",") {
                return Ok(formats);
            }
        }
    }

    fn label_choices(&mut self) -> Result<Vec<LabelChoice>, ParseError> {
        let mut choices = Vec::new();
        loop {
            let name = self.identifier()?;
            let is_matcher = matches!(self.peek(), Token::Word("=" | "!=" | "=~" | "!~"))
                && !matches!((self.peek(), self.peek_after()), (Token::Word("!=" | "!~"), Token::Function("ip")));
            choices.push(match is_matcher {
                true => LabelChoice::Matcher(self.matcher(name)?),
                false => LabelChoice::Name(name),
            });
            if !self.take(",") {
                return Ok(choices);
            }
        }
    }

    /// A condition whose `and` and `or` bind at least as tightly as `least`. A comma, or nothing between two conditions, is
    /// an `and` that takes all that follows, as in Loki's grammar.
    pub(super) fn label_filter(&mut self, least: u8) -> Result<LabelFilter, ParseError> {
        self.nested(|parser| {
            let mut left = parser.condition()?;
            loop {
                let precedence = match parser.peek() {
                    Token::Word("or") => 1,
                    Token::Word("and") => 2,
                    Token::Word(",") => {
                        parser.advance();
                        let right = parser.label_filter(0)?;
                        left = LabelFilter::And(Box::new(left), Box::new(right));
                        continue;
                    }
                    Token::Identifier(_) | Token::Word("(") => {
                        let right = parser.label_filter(0)?;
                        left = LabelFilter::And(Box::new(left), Box::new(right));
                        continue;
                    }
                    _ => return Ok(left),
                };
                if precedence < least {
                    return Ok(left);
                }
                parser.advance();
                let right = parser.label_filter(precedence + 1)?;
                let (left_side, right_side) = (Box::new(left), Box::new(right));
                left = match precedence {
                    1 => LabelFilter::Or(left_side, right_side),
                    _ => LabelFilter::And(left_side, right_side),
                };
            }
        })
    }

    fn condition(&mut self) -> Result<LabelFilter, ParseError> {
        if self.take("(") {
            let inner = self.label_filter(0)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if !matches!(self.peek(), Token::Identifier(_)) {
            return Err(self.unexpected("IDENTIFIER or ("));
        }
        let name = self.identifier()?;
        let comparison = match self.peek() {
            Token::Word("=" | "==") => Comparison::Equal,
            Token::Word("!=") => Comparison::NotEqual,
            Token::Word(">") => Comparison::Greater,
            Token::Word(">=") => Comparison::GreaterOrEqual,
            Token::Word("<") => Comparison::Less,
            Token::Word("<=") => Comparison::LessOrEqual,
            Token::Word("=~" | "!~") => return self.matcher(name).map(LabelFilter::Text),
            _ => return Err(self.unexpected("")),
        };
        match (self.peek(), self.peek_after()) {
            (Token::Word("=" | "!="), Token::Text(_)) => self.matcher(name).map(LabelFilter::Text),
            (Token::Word("=" | "!="), Token::Function("ip")) => {
                let negated = self.is_word("!=");
                self.advance();
                let pattern = self.ip()?;
                Ok(LabelFilter::Ip { name, negated, pattern })
            }
            _ => {
                self.advance();
                match *self.peek() {
                    Token::Duration(nanos) => {
                        self.advance();
                        Ok(LabelFilter::Duration(name, comparison, nanos))
                    }
                    Token::Bytes(bytes) => {
                        self.advance();
                        Ok(LabelFilter::Bytes(name, comparison, bytes))
                    }
                    Token::Number(_) | Token::Word("+" | "-") => {
                        Ok(LabelFilter::Number(name, comparison, self.literal()?))
                    }
                    _ => Err(self.unexpected(validate::expected_operand(comparison))),
                }
            }
        }
    }
}
