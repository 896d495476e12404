//! The lexer: text, delimiters with trim markers, and the tokens inside actions. It never fails: an error is a token, so
//! that the parser can complain about what comes first.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

/// One token: kind, offset, text, and the line it starts on.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub kind: Kind,
    pub pos: usize,
    pub text: String,
    pub line: usize,
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

pub(crate) struct Lexer<'a> {
    input: &'a str,
    pos: usize,
    start: usize,
    /// Lines are counted where tokens are cut, from this offset on.
    counted: usize,
    line: usize,
    parens: usize,
    inside: bool,
    done: bool,
    keyword_break: bool,
    keyword_continue: bool,
}

impl<'a> Lexer<'a> {
    /// `keyword_break` and `keyword_continue` are false where a function of that name hides the keyword.
    pub(crate) fn new(input: &'a str, keyword_break: bool, keyword_continue: bool) -> Self {
        Lexer {
            input,
            pos: 0,
            start: 0,
            counted: 0,
            line: 1,
            parens: 0,
            inside: false,
            done: false,
            keyword_break,
            keyword_continue,
        }
    }

    /// The next token; after an error or the end, the end for ever.
    pub(crate) fn next_item(&mut self) -> Item {
        if self.done {
            return Item { kind: Kind::Eof, pos: self.pos, text: String::new(), line: self.line };
        }
        loop {
            let item = if self.inside { Some(self.inside_action()) } else { self.text() };
            if let Some(item) = item {
                if matches!(item.kind, Kind::Error | Kind::Eof) {
                    self.done = true;
                }
                return item;
            }
        }
    }

    fn rest(&self) -> &'a str {
        &self.input[self.pos..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    fn count_lines(&mut self, to: usize) {
        self.line += self.input[self.counted..to].matches('\n').count();
        self.counted = to;
    }

    fn item(&mut self, kind: Kind) -> Item {
        self.count_lines(self.start);
        let item = Item { kind, pos: self.start, text: self.input[self.start..self.pos].to_owned(), line: self.line };
        self.start = self.pos;
        item
    }

    fn error(&mut self, message: String) -> Item {
        self.count_lines(self.start);
        Item { kind: Kind::Error, pos: self.start, text: message, line: self.line }
    }

    /// Text up to the next action. `None` where there was none and the lexer moved into or over something.
    fn text(&mut self) -> Option<Item> {
        let Some(offset) = self.rest().find(LEFT) else {
            self.pos = self.input.len();
            return Some(if self.pos > self.start { self.item(Kind::Text) } else { self.item(Kind::Eof) });
        };
        let delim = self.pos + offset;
        if delim > self.start {
            let mut end = delim;
            if has_left_trim_marker(&self.input[delim + LEFT.len()..]) {
                end = self.start + self.input[self.start..delim].trim_end_matches(SPACES).len();
            }
            if end > self.start {
                self.pos = end;
                let item = self.item(Kind::Text);
                self.pos = delim;
                self.start = delim;
                return Some(item);
            }
            self.start = delim;
        }
        self.pos = delim + LEFT.len();
        let marker = if has_left_trim_marker(self.rest()) { 2 } else { 0 };
        if self.input[self.pos + marker..].starts_with("/*") {
            self.pos += marker;
            self.start = self.pos;
            return self.comment();
        }
        let item = self.item(Kind::LeftDelim);
        self.pos += marker;
        self.start = self.pos;
        self.parens = 0;
        self.inside = true;
        Some(item)
    }

    fn comment(&mut self) -> Option<Item> {
        self.pos += 2;
        let Some(end) = self.rest().find("*/") else { return Some(self.error("unclosed comment".into())) };
        self.pos += end + 2;
        let Some(trim) = self.at_right_delim() else {
            return Some(self.error("comment ends before closing delimiter".into()));
        };
        self.skip_right_delim(trim);
        self.start = self.pos;
        None
    }

    /// Whether the closing delimiter stands here, and whether with a trim marker.
    fn at_right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        if has_right_trim_marker(rest) && rest[2..].starts_with(RIGHT) {
            return Some(true);
        }
        rest.starts_with(RIGHT).then_some(false)
    }

    fn skip_right_delim(&mut self, trim: bool) {
        if trim {
            self.pos += 2 + RIGHT.len();
            self.pos += self.rest().len() - self.rest().trim_start_matches(SPACES).len();
        } else {
            self.pos += RIGHT.len();
        }
    }

    fn right_delim(&mut self, trim: bool) -> Item {
        if trim {
            self.pos += 2;
            self.start = self.pos;
        }
        self.pos += RIGHT.len();
        let item = self.item(Kind::RightDelim);
        if trim {
            self.pos += self.rest().len() - self.rest().trim_start_matches(SPACES).len();
            self.start = self.pos;
        }
        self.inside = false;
        item
    }

    fn inside_action(&mut self) -> Item {
        if let Some(trim) = self.at_right_delim() {
            if self.parens == 0 {
                return self.right_delim(trim);
            }
            return self.error("unclosed left paren".into());
        }
        let Some(c) = self.bump() else { return self.error("unclosed action".into()) };
        match c {
            ' ' | '\t' | '\r' | '\n' => self.space(),
            '=' => self.item(Kind::Assign),
            ':' => {
                if self.bump() != Some('=') {
                    return self.error("expected :=".into());
                }
                self.item(Kind::Declare)
            }
            '|' => self.item(Kind::Pipe),
            '"' => self.quoted('"', Kind::String, "unterminated quoted string"),
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant"),
            '`' => match self.rest().find('`') {
                Some(end) => {
                    self.pos += end + 1;
                    self.item(Kind::RawString)
                }
                None => self.error("unterminated raw quoted string".into()),
            },
            '$' => self.field_or_variable(Kind::Variable),
            '.' if !self.peek().is_some_and(|next| next.is_ascii_digit()) && self.pos < self.input.len() => {
                self.field_or_variable(Kind::Field)
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.pos = self.start;
                self.number()
            }
            '(' => {
                self.parens += 1;
                self.item(Kind::LeftParen)
            }
            ')' => {
                if self.parens == 0 {
                    return self.error("unexpected right paren".into());
                }
                self.parens -= 1;
                self.item(Kind::RightParen)
            }
            c if is_alphanumeric(c) => self.identifier(),
            c if c.is_ascii_graphic() => self.item(Kind::Char),
            c => self.error(format!("unrecognized character in action: {}", describe(c))),
        }
    }

    fn space(&mut self) -> Item {
        while self.peek().is_some_and(|c| SPACES.contains(&c)) {
            self.pos += 1;
        }
        // The last space may belong to a trim marker.
        let before = self.pos - 1;
        let tail = &self.input[before..];
        if has_right_trim_marker(tail) && tail[2..].starts_with(RIGHT) {
            self.pos = before;
            if self.pos == self.start {
                return self.inside_action();
            }
        }
        self.item(Kind::Space)
    }

    fn identifier(&mut self) -> Item {
        self.run_alphanumeric();
        if let Some(error) = self.bad_terminator() {
            return error;
        }
        let kind = match &self.input[self.start..self.pos] {
            "block" => Kind::Block,
            "break" if self.keyword_break => Kind::Break,
            "continue" if self.keyword_continue => Kind::Continue,
            "define" => Kind::Define,
            "else" => Kind::Else,
            "end" => Kind::End,
            "if" => Kind::If,
            "range" => Kind::Range,
            "nil" => Kind::Nil,
            "template" => Kind::Template,
            "with" => Kind::With,
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.item(kind)
    }

    fn field_or_variable(&mut self, kind: Kind) -> Item {
        if self.at_terminator() {
            return self.item(if kind == Kind::Variable { Kind::Variable } else { Kind::Dot });
        }
        self.run_alphanumeric();
        if let Some(error) = self.bad_terminator() {
            return error;
        }
        self.item(kind)
    }

    fn run_alphanumeric(&mut self) {
        while self.peek().is_some_and(is_alphanumeric) {
            self.bump();
        }
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None => true,
            Some(c) if SPACES.contains(&c) => true,
            Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            _ => self.rest().starts_with(RIGHT),
        }
    }

    fn bad_terminator(&mut self) -> Option<Item> {
        if self.at_terminator() {
            return None;
        }
        let c = self.peek().expect("the end of the input is a terminator");
        Some(self.error(format!("bad character {}", describe(c))))
    }

    fn quoted(&mut self, quote: char, kind: Kind, unterminated: &str) -> Item {
        loop {
            match self.bump() {
                Some('\\') => {
                    if matches!(self.bump(), None | Some('\n')) {
                        return self.error(unterminated.into());
                    }
                }
                None | Some('\n') => return self.error(unterminated.into()),
                Some(c) if c == quote => return self.item(kind),
                Some(_) => {}
            }
        }
    }

    fn number(&mut self) -> Item {
        if !self.scan_number() {
            return self.bad_number();
        }
        if matches!(self.peek(), Some('+' | '-')) {
            if !self.scan_number() || !self.input[..self.pos].ends_with('i') {
                return self.bad_number();
            }
            return self.item(Kind::Complex);
        }
        self.item(Kind::Number)
    }

    fn bad_number(&mut self) -> Item {
        let text = model::float::go_quote(&self.input[self.start..self.pos]);
        self.error(format!("bad number syntax: {text}"))
    }

    fn accept(&mut self, valid: &str) -> bool {
        let found = self.peek().is_some_and(|c| valid.contains(c));
        if found {
            self.pos += 1;
        }
        found
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        let (mut decimal, mut hexadecimal) = (true, false);
        if self.accept("0") {
            if self.accept("xX") {
                (digits, decimal, hexadecimal) = ("0123456789abcdefABCDEF_", false, true);
            } else if self.accept("oO") {
                (digits, decimal) = ("01234567_", false);
            } else if self.accept("bB") {
                (digits, decimal) = ("01_", false);
            }
        }
        while self.accept(digits) {}
        if self.accept(".") {
            while self.accept(digits) {}
        }
        if decimal && self.accept("eE") || hexadecimal && self.accept("pP") {
            self.accept("+-");
            while self.accept("0123456789_") {}
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.bump();
            return false;
        }
        true
    }
}

/// Go's `%#U`.
fn describe(c: char) -> String {
    if crate::fmt::quote::is_print(c) { format!("U+{:04X} '{c}'", c as u32) } else { format!("U+{:04X}", c as u32) }
}

pub(crate) fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphabetic() || c.is_numeric()
}

fn has_left_trim_marker(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 2 && bytes[0] == b'-' && SPACES.contains(&(bytes[1] as char))
}

fn has_right_trim_marker(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 2 && SPACES.contains(&(bytes[0] as char)) && bytes[1] == b'-'
}
