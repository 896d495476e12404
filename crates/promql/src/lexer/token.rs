//! Tokens: their kinds, the words that are keywords, and how errors speak of them.

use crate::ast::{AggregateOp, BinaryOp, Span};

/// Kinds of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Eof,
    /// The lexer gave up here; see [`Tokens::error`].
    Error,
    Identifier,
    /// A name with a colon: not a label name.
    MetricIdentifier,
    String,
    Number,
    Duration,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    Eql,
    EqlRegex,
    NeqRegex,
    At,
    Op(BinaryOp),
    Aggregate(AggregateOp),
    Bool,
    By,
    Without,
    On,
    Ignoring,
    GroupLeft,
    GroupRight,
    Fill,
    FillLeft,
    FillRight,
    Offset,
    Anchored,
    Smoothed,
    Start,
    End,
    Step,
    Range,
    MinOf,
    MaxOf,
}

impl TokenKind {
    fn is_keyword(self) -> bool {
        use TokenKind::{
            Anchored, Bool, By, Fill, FillLeft, FillRight, GroupLeft, GroupRight, Ignoring, Offset, On, Smoothed,
            Without,
        };
        matches!(
            self,
            Bool | By
                | Without
                | On
                | Ignoring
                | GroupLeft
                | GroupRight
                | Fill
                | FillLeft
                | FillRight
                | Offset
                | Anchored
                | Smoothed
        )
    }

    /// True for words that may name a metric although they mean something elsewhere.
    pub(crate) fn is_metric_name(self) -> bool {
        use TokenKind as K;
        match self {
            K::Op(op) => op.is_set(),
            K::Bool | K::On | K::Ignoring | K::GroupLeft | K::GroupRight => false,
            other => other.is_word(),
        }
    }

    /// True for words that may name a label in a grouping clause although they mean something elsewhere.
    pub(crate) fn is_grouping_label(self) -> bool {
        match self {
            TokenKind::Op(op) => op.is_set() || op == BinaryOp::Atan2,
            TokenKind::Without => false,
            other => other.is_word(),
        }
    }

    fn is_word(self) -> bool {
        use TokenKind as K;
        matches!(
            self,
            K::Identifier
                | K::MetricIdentifier
                | K::Aggregate(_)
                | K::Start
                | K::End
                | K::Step
                | K::Range
                | K::MinOf
                | K::MaxOf
        ) || self.is_keyword()
    }
}

/// A token and the text that it was read from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) text: &'a str,
}

impl Token<'_> {
    pub(crate) fn span(&self) -> Span {
        Span::new(self.start, self.start + self.text.len())
    }

    /// How errors speak of the token.
    pub(crate) fn describe(&self) -> String {
        use TokenKind as K;
        let quoted = || {
            if self.text.len() <= 10 {
                return model::float::go_quote(self.text);
            }
            let head: String = self.text.chars().take(10).collect();
            format!("{}...", model::float::go_quote(&head))
        };
        match self.kind {
            K::Eof => "end of input".into(),
            K::Error => "error".into(),
            K::Identifier => format!("identifier {}", model::float::go_quote(self.text)),
            K::MetricIdentifier => format!("metric identifier {}", model::float::go_quote(self.text)),
            K::String => format!("string {}", quoted()),
            K::Number => format!("number {}", quoted()),
            K::Duration => format!("duration {}", quoted()),
            K::Op(_) | K::EqlRegex | K::NeqRegex | K::At => format!("<op:{}>", self.text),
            K::Aggregate(_) => format!("<aggr:{}>", self.text),
            kind if kind.is_keyword() => format!("<{}>", self.text),
            _ => quoted(),
        }
    }
}

/// The keyword that a word is, in any case of its letters.
pub(super) fn keyword(word: &str) -> Option<TokenKind> {
    use TokenKind as K;
    let lower = word.to_ascii_lowercase();
    if let Some(op) = AggregateOp::ALL.into_iter().find(|op| op.as_str() == lower) {
        return Some(K::Aggregate(op));
    }
    Some(match lower.as_str() {
        "and" => K::Op(BinaryOp::And),
        "or" => K::Op(BinaryOp::Or),
        "unless" => K::Op(BinaryOp::Unless),
        "atan2" => K::Op(BinaryOp::Atan2),
        "offset" => K::Offset,
        "smoothed" => K::Smoothed,
        "anchored" => K::Anchored,
        "by" => K::By,
        "without" => K::Without,
        "on" => K::On,
        "ignoring" => K::Ignoring,
        "group_left" => K::GroupLeft,
        "group_right" => K::GroupRight,
        "fill" => K::Fill,
        "fill_left" => K::FillLeft,
        "fill_right" => K::FillRight,
        "bool" => K::Bool,
        "start" => K::Start,
        "end" => K::End,
        "step" => K::Step,
        "range" => K::Range,
        "max_of" => K::MaxOf,
        "min_of" => K::MinOf,
        "inf" | "nan" => K::Number,
        _ => return None,
    })
}
