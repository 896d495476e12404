//! Searches in canonical form: what is printed reads as the same search.

use std::fmt::{self, Display, Formatter, Write};

use super::{FieldName, FieldTest, Glob, Kql};

impl Display for Kql {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Kql::All => f.write_str("*"),
            Kql::And(all) => join(f, all, " and ", |kql| matches!(kql, Kql::And(_) | Kql::Or(_))),
            Kql::Or(all) => join(f, all, " or ", |kql| matches!(kql, Kql::Or(_))),
            Kql::Not(inner) => {
                f.write_str("not ")?;
                operand(f, inner, matches!(**inner, Kql::And(_) | Kql::Or(_)))
            }
            Kql::Text(glob) => glob.fmt(f),
            Kql::Field(name, FieldTest::Exists) => write!(f, "{name}:*"),
            Kql::Field(name, FieldTest::Is(glob)) => write!(f, "{name}:{glob}"),
            Kql::Field(name, FieldTest::Compare(op, value)) => {
                write!(f, "{name} {} ", op.as_str())?;
                quoted(f, value)
            }
        }
    }
}

fn join(f: &mut Formatter<'_>, all: &[Kql], word: &str, in_parentheses: impl Fn(&Kql) -> bool) -> fmt::Result {
    for (at, kql) in all.iter().enumerate() {
        if at > 0 {
            f.write_str(word)?;
        }
        operand(f, kql, in_parentheses(kql))?;
    }
    Ok(())
}

fn operand(f: &mut Formatter<'_>, kql: &Kql, in_parentheses: bool) -> fmt::Result {
    if in_parentheses { write!(f, "({kql})") } else { kql.fmt(f) }
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

impl Display for Glob {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.as_text() {
            Some(text) => quoted(f, text),
            None => bare(f, self),
        }
    }
}

impl Display for FieldName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.as_text() {
            // A name that could be read as an operator, or has no letters, is quoted.
            Some(text) if is_plain(text) => f.write_str(text),
            Some(text) => quoted(f, text),
            None => bare(f, &self.0),
        }
    }
}

fn is_plain(name: &str) -> bool {
    let is_operator = ["and", "or", "not"].iter().any(|word| name.eq_ignore_ascii_case(word));
    !name.is_empty() && !is_operator && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.@-".contains(c))
}

/// Without quotes, because of the stars; what would be read otherwise is escaped.
fn bare(f: &mut Formatter<'_>, glob: &Glob) -> fmt::Result {
    for (at, piece) in glob.0.iter().enumerate() {
        if at > 0 {
            f.write_char('*')?;
        }
        for c in piece.chars() {
            match c {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if c.is_whitespace() || "\\():<>\"*{}".contains(c) => write!(f, "\\{c}")?,
                c => f.write_char(c)?,
            }
        }
    }
    Ok(())
}
