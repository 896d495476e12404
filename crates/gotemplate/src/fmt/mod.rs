//! Go's `fmt`: `Print`, `Println` and `Printf` over [`Value`]s, with every verb, flag, width, precision and argument index,
//! and Go's own complaints inside the text (`%!d(string=x)`).

mod directive;
pub mod float;
mod number;
pub mod quote;
mod value;

use std::fmt::{self, Display};

pub(crate) use value::stringer;

use crate::value::Value;

/// The text grew beyond what the caller allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

impl Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(crate::funcs::OVER_BUDGET)
    }
}

/// Flags, width and precision of the verb at work.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    width: Option<usize>,
    precision: Option<usize>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v` and `%#v` are flags of their own.
    plus_v: bool,
    sharp_v: bool,
}

/// Writes values into a text of bounded size.
pub struct Printer {
    out: Vec<u8>,
    limit: usize,
    flags: Flags,
    overflow: bool,
}

impl Printer {
    /// A printer whose text has at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Printer { out: Vec::new(), limit, flags: Flags::default(), overflow: false }
    }

    /// `fmt.Sprint`: a space between two operands of which neither is a string.
    pub fn print(mut self, args: &[Value]) -> Result<Vec<u8>, Overflow> {
        let mut previous_text = true;
        for (i, arg) in args.iter().enumerate() {
            let is_text = arg.as_bytes().is_some();
            if i > 0 && !is_text && !previous_text {
                self.push(b" ");
            }
            self.arg(arg, 'v');
            previous_text = is_text;
        }
        self.finish()
    }

    /// `fmt.Sprintln`: spaces between all operands and a newline.
    pub fn println(mut self, args: &[Value]) -> Result<Vec<u8>, Overflow> {
        for (i, arg) in args.iter().enumerate() {
            if i > 0 {
                self.push(b" ");
            }
            self.arg(arg, 'v');
        }
        self.push(b"\n");
        self.finish()
    }

    /// `fmt.Sprintf`.
    pub fn format(mut self, format: &[u8], args: &[Value]) -> Result<Vec<u8>, Overflow> {
        directive::run(&mut self, format, args);
        self.finish()
    }

    fn finish(self) -> Result<Vec<u8>, Overflow> {
        if self.overflow { Err(Overflow) } else { Ok(self.out) }
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.out.len() + bytes.len() > self.limit {
            self.overflow = true;
        } else {
            self.out.extend_from_slice(bytes);
        }
    }

    fn fill(&mut self, byte: u8, count: usize) {
        if self.out.len() + count > self.limit {
            self.overflow = true;
        } else {
            self.out.resize(self.out.len() + count, byte);
        }
    }

    /// Writes text padded to the width, which counts characters.
    fn pad(&mut self, bytes: &[u8]) {
        let missing = self.flags.width.map_or(0, |width| width.saturating_sub(crate::text::count_chars(bytes)));
        if self.flags.minus {
            self.push(bytes);
            self.fill(b' ', missing);
        } else {
            self.fill(if self.flags.zero { b'0' } else { b' ' }, missing);
            self.push(bytes);
        }
    }
}

/// `fmt.Sprintf` for our own functions, whose formats are constant and whose texts are short.
pub fn sprintf(format: &str, args: &[Value]) -> String {
    match Printer::new(1 << 20).format(format.as_bytes(), args) {
        Ok(bytes) => crate::text::lossy(&bytes).into_owned(),
        Err(Overflow) => String::new(),
    }
}
