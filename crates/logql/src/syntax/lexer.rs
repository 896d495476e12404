//! Words of a query. Loki reads with Go's text/scanner and then decides by what follows: a function's name is one only before
//! `(`, `by` or `without`, all other keywords are keywords everywhere, in any case.

use super::error::ParseError;
use crate::units;

/// What a word is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A name, or a character that has no meaning.
    Identifier(String),
    /// A quoted text, unquoted.
    Text(String),
    /// A number as written.
    Number(String),
    /// Nanoseconds.
    Duration(i64),
    /// Bytes.
    Bytes(u64),
    /// `[5m]`: nanoseconds.
    Range(i64),
    /// `--strict`, `--keep-empty`.
    Flag(&'static str),
    /// A keyword or an operator, in lower case.
    Word(&'static str),
    /// A function's name, before its parenthesis.
    Function(&'static str),
    /// The end of the text.
    End,
}

impl Token {
    /// The token as an error names it.
    pub(crate) fn describe(&self) -> String {
        match self {
            Token::Identifier(_) => "IDENTIFIER".to_owned(),
            Token::Text(_) => "STRING".to_owned(),
            Token::Number(_) => "NUMBER".to_owned(),
            Token::Duration(_) => "DURATION".to_owned(),
            Token::Bytes(_) => "BYTES".to_owned(),
            Token::Range(_) => "RANGE".to_owned(),
            Token::Flag(_) => "FUNCTION_FLAG".to_owned(),
            Token::Word(word) => (*word).to_owned(),
            Token::Function("ip") => "ip".to_owned(),
            Token::Function(name @ ("bytes" | "duration" | "duration_seconds")) => {
                format!("{}_CONV", name.to_uppercase())
            }
            Token::Function(name) => name.to_uppercase(),
            Token::End => "$end".to_owned(),
        }
    }
}

/// A word and the byte where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Spanned {
    pub(crate) token: Token,
    pub(crate) at: usize,
}

const OPERATORS: [&str; 31] = [
    "|=", "|~", "|>", "!=", "!~", "!>", "=~", "==", ">=", "<=", "|", "=", ">", "<", "{", "}", "(", ")", ",", ".", "+",
    "-", "*", "/", "%", "^", "]", "!", "@", "&", ";",
];

const KEYWORDS: [&str; 24] = [
    "unwrap",
    "by",
    "without",
    "bool",
    "label_replace",
    "offset",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "or",
    "and",
    "unless",
    "json",
    "regexp",
    "logfmt",
    "unpack",
    "pattern",
    "label_format",
    "line_format",
    "decolorize",
    "drop",
    "keep",
    "ip",
];

const FUNCTIONS: [&str; 34] = [
    "rate",
    "rate_counter",
    "count_over_time",
    "bytes_rate",
    "bytes_over_time",
    "avg_over_time",
    "sum_over_time",
    "min_over_time",
    "max_over_time",
    "stdvar_over_time",
    "stddev_over_time",
    "quantile_over_time",
    "first_over_time",
    "last_over_time",
    "absent_over_time",
    "vector",
    "sum",
    "avg",
    "max",
    "min",
    "count",
    "stddev",
    "stdvar",
    "bottomk",
    "topk",
    "sort",
    "sort_desc",
    "label_replace",
    "approx_topk",
    "bytes",
    "duration",
    "duration_seconds",
    "ip",
    "",
];

/// All words of the text, the last one being [`Token::End`].
pub(crate) fn lex(text: &str) -> Result<Vec<Spanned>, ParseError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank();
        let at = lexer.at;
        let token = lexer.next()?;
        let is_end = token == Token::End;
        tokens.push(Spanned { token, at });
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error(&self, at: usize, message: impl Into<String>) -> ParseError {
        ParseError::at(self.text, at, message)
    }

    /// Passes over blanks and comments: `#` to the end of the line, and Go's.
    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            let skipped = if let Some(c) = rest.chars().next().filter(|c| c.is_whitespace()) {
                c.len_utf8()
            } else if rest.starts_with('#') || rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if let Some(comment) = rest.strip_prefix("/*") {
                comment.find("*/").map_or(rest.len(), |end| end + 4)
            } else {
                return;
            };
            self.at += skipped;
        }
    }

    fn next(&mut self) -> Result<Token, ParseError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        let second = rest[first.len_utf8()..].chars().next();
        match first {
            '"' | '`' => self.quoted(first),
            '[' => self.range(),
            '0'..='9' => Ok(self.number()),
            '.' if second.is_some_and(|c| c.is_ascii_digit()) => Ok(self.number()),
            c if c.is_alphabetic() || c == '_' => Ok(self.word()),
            '-' => Ok(self.flag().or_else(|| self.negative_duration()).unwrap_or_else(|| self.operator())),
            _ => Ok(self.operator()),
        }
    }

    fn operator(&mut self) -> Token {
        let rest = self.rest();
        if let Some(operator) = OPERATORS.iter().find(|operator| rest.starts_with(**operator)) {
            self.at += operator.len();
            return match *operator {
                "@" | "!" | "&" | ";" => Token::Identifier((*operator).to_owned()),
                "]" => Token::Word("]"),
                operator => Token::Word(operator),
            };
        }
        let c = rest.chars().next().unwrap_or_default();
        self.at += c.len_utf8();
        Token::Identifier(c.to_string())
    }

    fn word(&mut self) -> Token {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let word = &rest[..end];
        self.at += end;
        let lower = word.to_lowercase();
        if let Some(name) = FUNCTIONS.iter().find(|name| **name == lower) {
            return if self.is_function() { Token::Function(name) } else { Token::Identifier(word.to_owned()) };
        }
        match KEYWORDS.iter().find(|keyword| **keyword == lower) {
            Some(keyword) => Token::Word(keyword),
            None => Token::Identifier(word.to_owned()),
        }
    }

    /// True before `(`, or before `by` or `without` and `(`.
    fn is_function(&self) -> bool {
        let rest = self.rest().trim_start();
        if rest.starts_with('(') {
            return true;
        }
        ["by", "without"].iter().any(|word| {
            rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
                && rest[word.len()..].trim_start().starts_with('(')
        })
    }

    fn number(&mut self) -> Token {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let digits = |at: &mut usize, is_digit: fn(&u8) -> bool| {
            while bytes.get(*at).is_some_and(is_digit) {
                *at += 1;
            }
        };
        let is_decimal: fn(&u8) -> bool = |b| b.is_ascii_digit() || *b == b'_';
        let radix = bytes.get(start + 1).filter(|_| bytes[start] == b'0').map_or(b'd', u8::to_ascii_lowercase);
        if matches!(radix, b'x' | b'o' | b'b') {
            self.at += 2;
            digits(&mut self.at, |b| b.is_ascii_hexdigit() || matches!(b, b'_' | b'.'));
        } else {
            digits(&mut self.at, is_decimal);
            if bytes.get(self.at) == Some(&b'.') {
                self.at += 1;
                digits(&mut self.at, is_decimal);
            }
            if matches!(bytes.get(self.at), Some(b'e' | b'E')) {
                let signed = matches!(bytes.get(self.at + 1), Some(b'+' | b'-'));
                let mut after = self.at + 1 + usize::from(signed);
                if bytes.get(after).is_some_and(u8::is_ascii_digit) {
                    digits(&mut after, is_decimal);
                    self.at = after;
                }
            }
        }
        let number_end = self.at;
        let is_duration = |c: char| c.is_numeric() || "nu\u{b5}mshdwy.".contains(c);
        if let Some(duration) = self.with_suffix(start, is_duration).and_then(units::duration_token) {
            return Token::Duration(duration);
        }
        self.at = number_end;
        let is_bytes = |c: char| c.is_numeric() || "BikKMGTP.".contains(c);
        if let Some(bytes) = self.with_suffix(start, is_bytes).and_then(|text| units::bytes(text).ok()) {
            return Token::Bytes(bytes);
        }
        self.at = number_end;
        Token::Number(self.text[start..number_end].to_owned())
    }

    /// The text from `start` on with the characters that follow; `None` where none follows.
    fn with_suffix(&mut self, start: usize, takes: impl Fn(char) -> bool) -> Option<&'a str> {
        let rest = self.rest();
        let length = rest.find(|c: char| !takes(c)).unwrap_or(rest.len());
        self.at += length;
        (length > 0).then(|| &self.text[start..self.at])
    }

    fn flag(&mut self) -> Option<Token> {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphabetic() || c == '-')).unwrap_or(rest.len());
        let flag = ["--strict", "--keep-empty"].into_iter().find(|flag| *flag == &rest[..end])?;
        self.at += end;
        Some(Token::Flag(flag))
    }

    fn negative_duration(&mut self) -> Option<Token> {
        let start = self.at;
        self.at += 1;
        let is_duration = |c: char| c.is_numeric() || "nu\u{b5}mshdwy.".contains(c);
        let duration = self.with_suffix(start, is_duration).and_then(units::duration_token);
        if duration.is_none() {
            self.at = start;
        }
        duration.map(Token::Duration)
    }

    fn range(&mut self) -> Result<Token, ParseError> {
        let start = self.at;
        let inner = &self.rest()[1..];
        let end = inner.find(']').ok_or_else(|| self.error(start, "missing closing ']' in duration"))?;
        let ms =
            model::duration::parse_duration_ms(&inner[..end]).map_err(|error| self.error(start, error.to_string()))?;
        self.at += end + 2;
        Ok(Token::Range(ms * 1_000_000))
    }

    fn quoted(&mut self, quote: char) -> Result<Token, ParseError> {
        let start = self.at;
        let inner = &self.rest()[1..];
        if quote == '`' {
            let end = inner.find('`').ok_or_else(|| self.error(start, "literal not terminated"))?;
            self.at += end + 2;
            return Ok(Token::Text(inner[..end].replace('\r', "")));
        }
        let mut text = Vec::new();
        let bytes = inner.as_bytes();
        let mut at = 0;
        loop {
            match bytes.get(at) {
                None | Some(b'\n') => return Err(self.error(start, "literal not terminated")),
                Some(b'"') => break,
                Some(b'\\') => {
                    at += unescape(&bytes[at..], &mut text).ok_or_else(|| self.error(start, "invalid syntax"))?;
                }
                Some(b) => {
                    text.push(*b);
                    at += 1;
                }
            }
        }
        self.at += at + 2;
        String::from_utf8(text).map(Token::Text).map_err(|_| self.error(start, "invalid UTF-8 rune"))
    }
}

/// Reads an escape of a Go string and returns its length.
fn unescape(bytes: &[u8], to: &mut Vec<u8>) -> Option<usize> {
    let simple = match bytes.get(1)? {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b @ (b'\\' | b'\'' | b'"') => *b,
        b'0'..=b'7' => {
            let digits = std::str::from_utf8(bytes.get(1..4)?).ok()?;
            to.push(u8::from_str_radix(digits, 8).ok()?);
            return Some(4);
        }
        b'x' => {
            let digits = std::str::from_utf8(bytes.get(2..4)?).ok()?;
            to.push(u8::from_str_radix(digits, 16).ok()?);
            return Some(4);
        }
        b @ (b'u' | b'U') => {
            let length = if *b == b'u' { 6 } else { 10 };
            let digits = std::str::from_utf8(bytes.get(2..length)?).ok()?;
            let c = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            to.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(length);
        }
        _ => return None,
    };
    to.push(simple);
    Some(2)
}
