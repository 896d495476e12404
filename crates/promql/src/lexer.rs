//! Cuts the text of a query into tokens.
//!
//! What a character means depends on where it stands: inside `{}` every word is a label name, inside `[]` only duration
//! arithmetic is read, and `fill` is a keyword only before `(`. The wording of errors is Prometheus'.

mod token;

pub(crate) use token::{Token, TokenKind};

use self::token::keyword;
use crate::ast::{BinaryOp, Span};

/// The tokens of a text; the last one is [`TokenKind::Eof`] or [`TokenKind::Error`].
#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    pub(crate) list: Vec<Token<'a>>,
    pub(crate) error: Option<(Span, String)>,
}

/// Reads the whole text.
pub(crate) fn tokenize(input: &str) -> Tokens<'_> {
    let mut lexer = Lexer {
        input,
        pos: 0,
        start: 0,
        tokens: Vec::new(),
        paren_depth: 0,
        brace_open: false,
        bracket_open: false,
        duration_start: false,
        got_colon: false,
        bracket_tokens: 0,
    };
    let error = loop {
        match lexer.next_token() {
            Ok(true) => {}
            Ok(false) => break None,
            Err(message) => break Some((Span::new(lexer.start, input.len()), message)),
        }
    };
    if error.is_some() {
        lexer.tokens.push(Token { kind: TokenKind::Error, start: lexer.start, text: &input[lexer.start..lexer.start] });
    }
    Tokens { list: lexer.tokens, error }
}

struct Lexer<'a> {
    input: &'a str,
    pos: usize,
    start: usize,
    tokens: Vec<Token<'a>>,
    paren_depth: usize,
    brace_open: bool,
    bracket_open: bool,
    /// True from `[` to the first number: only duration arithmetic is allowed there.
    duration_start: bool,
    got_colon: bool,
    /// Tokens before the open `[`, to see whether anything stands before a colon.
    bracket_tokens: usize,
}

/// True to go on, false at the end of the text; an error ends the text too.
type Step = Result<bool, String>;

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.input[self.pos..].chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    fn accept(&mut self, valid: impl Fn(char) -> bool) -> bool {
        match self.peek() {
            Some(c) if valid(c) => {
                self.pos += c.len_utf8();
                true
            }
            _ => false,
        }
    }

    fn accept_while(&mut self, valid: impl Fn(char) -> bool) {
        while self.accept(&valid) {}
    }

    fn emit(&mut self, kind: TokenKind) -> Step {
        self.tokens.push(Token { kind, start: self.start, text: &self.input[self.start..self.pos] });
        self.start = self.pos;
        Ok(true)
    }

    fn next_token(&mut self) -> Step {
        self.accept_while(is_space);
        self.start = self.pos;
        if self.peek() == Some('#') && !self.duration_start {
            self.accept_while(|c| c != '\n' && c != '\r');
            self.start = self.pos;
            return Ok(true);
        }
        if self.brace_open {
            self.inside_braces()
        } else if self.duration_start {
            self.inside_brackets()
        } else {
            self.statement()
        }
    }

    fn statement(&mut self) -> Step {
        use TokenKind as K;
        let Some(c) = self.bump() else { return self.end() };
        match c {
            ',' => self.emit(K::Comma),
            '*' => self.emit(K::Op(BinaryOp::Mul)),
            '/' => self.emit(K::Op(BinaryOp::Div)),
            '%' => self.emit(K::Op(BinaryOp::Mod)),
            '+' => self.emit(K::Op(BinaryOp::Add)),
            '-' => self.emit(K::Op(BinaryOp::Sub)),
            '^' => self.emit(K::Op(BinaryOp::Pow)),
            '@' => self.emit(K::At),
            '=' => match self.peek() {
                Some('=') => {
                    self.pos += 1;
                    self.emit(K::Op(BinaryOp::Eq))
                }
                Some('~') => Err("unexpected character after '=': '~'".into()),
                _ => self.emit(K::Eql),
            },
            '!' => match self.bump() {
                Some('=') => self.emit(K::Op(BinaryOp::Ne)),
                other => Err(format!("unexpected character after '!': {}", go_rune(other))),
            },
            '<' => self.compare(BinaryOp::Lt, BinaryOp::Le, BinaryOp::TrimUpper),
            '>' => self.compare(BinaryOp::Gt, BinaryOp::Ge, BinaryOp::TrimLower),
            '0'..='9' => self.number_or_duration(),
            '.' if self.peek().is_some_and(|c| c.is_ascii_digit()) => self.number_or_duration(),
            '"' | '\'' => self.quoted(c),
            '`' => self.raw_quoted(),
            ':' if self.bracket_open => self.colon("unexpected colon ':'"),
            c if is_alpha(c) && self.bracket_open => self
                .duration_keyword()
                .unwrap_or_else(|| Err(format!("unexpected character: {}, expected ':'", go_rune(Some(c))))),
            c if is_alpha(c) || c == ':' => self.word(),
            '(' => self.open_paren(),
            ')' => self.close_paren(),
            '{' => {
                self.brace_open = true;
                self.emit(K::LeftBrace)
            }
            '[' if self.bracket_open => Err("unexpected left bracket '['".into()),
            '[' => {
                self.bracket_open = true;
                self.duration_start = true;
                self.got_colon = false;
                self.bracket_tokens = self.tokens.len() + 1;
                self.emit(K::LeftBracket)
            }
            ']' if !self.bracket_open => Err("unexpected right bracket ']'".into()),
            ']' => {
                self.bracket_open = false;
                self.emit(K::RightBracket)
            }
            c => Err(format!("unexpected character: {}", go_rune(Some(c)))),
        }
    }

    fn end(&mut self) -> Step {
        if self.paren_depth != 0 {
            return Err("unclosed left parenthesis".into());
        }
        if self.bracket_open {
            return Err("unclosed left bracket".into());
        }
        self.emit(TokenKind::Eof)?;
        Ok(false)
    }

    fn compare(&mut self, plain: BinaryOp, or_equal: BinaryOp, trim: BinaryOp) -> Step {
        let op = match self.peek() {
            Some('=') => or_equal,
            Some('/') => trim,
            _ => return self.emit(TokenKind::Op(plain)),
        };
        self.pos += 1;
        self.emit(TokenKind::Op(op))
    }

    fn open_paren(&mut self) -> Step {
        self.paren_depth += 1;
        self.emit(TokenKind::LeftParen)
    }

    fn close_paren(&mut self) -> Step {
        let Some(depth) = self.paren_depth.checked_sub(1) else {
            return Err("unexpected right parenthesis ')'".into());
        };
        self.paren_depth = depth;
        self.emit(TokenKind::RightParen)
    }

    fn colon(&mut self, repeated: &str) -> Step {
        if self.got_colon {
            return Err(repeated.into());
        }
        self.got_colon = true;
        self.emit(TokenKind::Colon)
    }

    fn inside_brackets(&mut self) -> Step {
        use TokenKind as K;
        let Some(c) = self.bump() else { return Err("unexpected end of input in duration expression".into()) };
        let unexpected = || Err(format!("unexpected character in duration expression: {}", go_rune(Some(c))));
        match c {
            ']' => {
                self.bracket_open = false;
                self.duration_start = false;
                self.emit(K::RightBracket)
            }
            ':' if self.tokens.len() == self.bracket_tokens => {
                Err("unexpected colon before duration in duration expression".into())
            }
            ':' => self.colon("unexpected repeated colon in duration expression"),
            '(' => self.open_paren(),
            ')' => self.close_paren(),
            '+' => self.emit(K::Op(BinaryOp::Add)),
            '-' => self.emit(K::Op(BinaryOp::Sub)),
            '*' => self.emit(K::Op(BinaryOp::Mul)),
            '/' => self.emit(K::Op(BinaryOp::Div)),
            '%' => self.emit(K::Op(BinaryOp::Mod)),
            '^' => self.emit(K::Op(BinaryOp::Pow)),
            ',' => self.emit(K::Comma),
            '0'..='9' => self.first_duration(),
            '.' if self.peek().is_some_and(|c| c.is_ascii_digit()) => self.first_duration(),
            c if is_alpha(c) => self.duration_keyword().unwrap_or_else(unexpected),
            _ => unexpected(),
        }
    }

    fn first_duration(&mut self) -> Step {
        self.duration_start = false;
        self.number_or_duration()
    }

    /// `step`, `range`, `min_of` or `max_of`; `None` for any other word.
    fn duration_keyword(&mut self) -> Option<Step> {
        self.accept_while(is_alpha);
        let kind = match self.input[self.start..self.pos].to_ascii_lowercase().as_str() {
            "step" => TokenKind::Step,
            "range" => TokenKind::Range,
            "min_of" => TokenKind::MinOf,
            "max_of" => TokenKind::MaxOf,
            _ => return None,
        };
        Some(self.emit(kind))
    }

    fn inside_braces(&mut self) -> Step {
        use TokenKind as K;
        let Some(c) = self.bump() else { return Err("unexpected end of input inside braces".into()) };
        match c {
            c if is_alpha(c) => {
                self.accept_while(is_alphanumeric);
                self.emit(K::Identifier)
            }
            ',' => self.emit(K::Comma),
            '"' | '\'' => self.quoted(c),
            '`' => self.raw_quoted(),
            '=' => {
                let kind = if self.accept(|c| c == '~') { K::EqlRegex } else { K::Eql };
                self.emit(kind)
            }
            '!' => match self.bump() {
                Some('~') => self.emit(K::NeqRegex),
                Some('=') => self.emit(K::Op(BinaryOp::Ne)),
                other => Err(format!("unexpected character after '!' inside braces: {}", go_rune(other))),
            },
            '{' => Err("unexpected left brace '{'".into()),
            '}' => {
                self.brace_open = false;
                self.emit(K::RightBrace)
            }
            c => Err(format!("unexpected character inside braces: {}", go_rune(Some(c)))),
        }
    }

    fn quoted(&mut self, quote: char) -> Step {
        loop {
            match self.bump() {
                None | Some('\n') => return Err("unterminated quoted string".into()),
                Some('\\') => self.escape(quote)?,
                Some(c) if c == quote => return self.emit(TokenKind::String),
                Some(_) => {}
            }
        }
    }

    /// An escape of a Go string, the backslash already read.
    fn escape(&mut self, quote: char) -> Result<(), String> {
        let not_terminated = || "escape sequence not terminated".to_owned();
        let first = self.bump().ok_or_else(not_terminated)?;
        let (digits, base, max) = match first {
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => return Ok(()),
            c if c == quote => return Ok(()),
            '0'..='7' => (3, 8, 255),
            'x' => (2, 16, 255),
            'u' => (4, 16, 0x10_ffff),
            'U' => (8, 16, 0x10_ffff),
            c => return Err(format!("unknown escape sequence {}", go_code_point(c))),
        };
        if base == 8 {
            self.pos -= 1;
        }
        let mut value: u32 = 0;
        for _ in 0..digits {
            let c = self.bump().ok_or_else(not_terminated)?;
            let digit =
                c.to_digit(base).ok_or_else(|| format!("illegal character {} in escape sequence", go_code_point(c)))?;
            value = value.wrapping_mul(base).wrapping_add(digit);
        }
        if value > max || (0xd800..0xe000).contains(&value) {
            return Err("escape sequence is an invalid Unicode code point".into());
        }
        Ok(())
    }

    fn raw_quoted(&mut self) -> Step {
        loop {
            match self.bump() {
                None => return Err("unterminated raw string".into()),
                Some('`') => return self.emit(TokenKind::String),
                Some(_) => {}
            }
        }
    }

    fn word(&mut self) -> Step {
        self.accept_while(|c| is_alphanumeric(c) || c == ':');
        let text = &self.input[self.start..self.pos];
        let kind = match keyword(text) {
            Some(TokenKind::Fill | TokenKind::FillLeft | TokenKind::FillRight) if !self.before_paren() => {
                TokenKind::Identifier
            }
            Some(kind) => kind,
            None if text.contains(':') => TokenKind::MetricIdentifier,
            None => TokenKind::Identifier,
        };
        self.emit(kind)
    }

    fn before_paren(&self) -> bool {
        self.input[self.pos..].trim_start_matches(is_space).starts_with('(')
    }

    fn number_or_duration(&mut self) -> Step {
        self.pos = self.start;
        if self.scan_number() {
            return self.emit(TokenKind::Number);
        }
        if self.scan_duration_rest() {
            return self.emit(TokenKind::Duration);
        }
        Err(format!("bad number or duration syntax: {}", model::float::go_quote(&self.input[self.start..self.pos])))
    }

    /// Decimal, octal or hexadecimal integers and decimal floats, with underscores between digits. Whether the text is a
    /// number for good is seen when it is converted.
    fn scan_number(&mut self) -> bool {
        let decimal = |c: char| c.is_ascii_digit();
        let mut hexadecimal = false;
        if self.accept(|c| c == '0') && self.accept(|c| c == 'x' || c == 'X') {
            self.accept(|c| c == '_');
            hexadecimal = true;
        }
        let digit = |c: char| if hexadecimal { c.is_ascii_hexdigit() } else { decimal(c) };
        let not_after = |c: char| matches!(c, '.' | '_' | 'e' | 'E');
        self.accept(|c| c == '.');
        self.accept(digit);
        let (mut dot, mut exponent) = (false, false);
        while let Some(c) = self.peek().filter(|c| digit(*c) || not_after(*c)) {
            let is_exponent = matches!(c, 'e' | 'E');
            if (c == '.' && dot) || (is_exponent && exponent) {
                self.pos += 1;
                return false;
            }
            if c == '.' {
                self.pos += 1;
                dot = true;
                if self.accept(|c| c == '_' || c == '.') || hexadecimal {
                    return false;
                }
            } else if is_exponent {
                self.pos += 1;
                exponent = true;
                self.accept(|c| c == '+' || c == '-');
                if self.accept(not_after) || self.peek().is_none() {
                    return false;
                }
            } else if c == '_' {
                self.pos += 1;
                if self.accept(not_after) || self.peek().is_none() {
                    return false;
                }
            } else {
                self.accept_while(digit);
            }
        }
        !self.peek().is_some_and(is_alphanumeric)
    }

    /// The units of a duration and what follows them, after its first digits.
    fn scan_duration_rest(&mut self) -> bool {
        if !self.accept(|c| "smhdwy".contains(c)) {
            return false;
        }
        self.accept(|c| c == 's');
        while self.accept(|c| c.is_ascii_digit()) {
            self.accept_while(|c| c.is_ascii_digit());
            if !self.accept(|c| "smhdw".contains(c)) {
                return false;
            }
            self.accept(|c| c == 's');
        }
        !self.accept(is_alphanumeric)
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn is_alpha(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

fn is_alphanumeric(c: char) -> bool {
    is_alpha(c) || c.is_ascii_digit()
}

/// A character as Go's `%q` writes it; the end of the text is the replacement character there.
fn go_rune(c: Option<char>) -> String {
    match c.unwrap_or('\u{fffd}') {
        '\'' => "'\\''".into(),
        '"' => "'\"'".into(),
        c => {
            let quoted = model::float::go_quote(&c.to_string());
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    }
}

/// A character as Go's `%#U` writes it.
fn go_code_point(c: char) -> String {
    format!("U+{:04X} '{c}'", c as u32)
}
