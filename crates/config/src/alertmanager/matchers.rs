//! Matchers as Alertmanager writes them, in both of its syntaxes.
//!
//! The classic one knows names of ASCII letters and lets values stand without quotes up to a comma; the newer one knows any UTF-8,
//! quoted by `"` as in Go. Where both read a text differently, the classic reading counts (`matcher/compat`).

use model::{MatchOp, Matcher};

/// Which syntaxes are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MatcherSyntax {
    /// The newer one, else the classic one; the classic one where they disagree.
    #[default]
    Fallback,
    /// The newer one alone (`utf8-strict-mode`).
    Utf8,
    /// The classic one alone (`classic-mode`).
    Classic,
}

/// Reads matchers, separated by commas, with or without braces around all of them.
pub fn parse_matchers(text: &str, syntax: MatcherSyntax) -> Result<Vec<Matcher>, String> {
    match syntax {
        MatcherSyntax::Utf8 => utf8(text),
        MatcherSyntax::Classic => classic(text),
        MatcherSyntax::Fallback => match (utf8(text), classic(text)) {
            (Ok(_), Ok(classic)) => Ok(classic),
            (Ok(utf8), Err(_)) => Ok(utf8),
            (Err(_), Ok(classic)) => Ok(classic),
            (Err(error), Err(_)) => Err(error),
        },
    }
}

/// Reads exactly one matcher.
pub fn parse_matcher(text: &str, syntax: MatcherSyntax) -> Result<Matcher, String> {
    let mut matchers = parse_matchers(text, syntax)?;
    match (matchers.pop(), matchers.is_empty()) {
        (Some(matcher), true) => Ok(matcher),
        (None, _) => Err("no matchers".to_owned()),
        _ => Err(format!("expected 1 matcher, found more: {text}")),
    }
}

/// A matcher as Alertmanager prints it: a name is quoted only where the newer syntax must quote it.
pub fn matcher_text(matcher: &Matcher) -> String {
    let reserved = |c: char| c.is_whitespace() || "{}!=~,\\\"'`".contains(c);
    let value = model::float::go_quote(&matcher.value);
    match matcher.name.contains(reserved) {
        true => format!("{}{}{value}", model::float::go_quote(&matcher.name), matcher.op.as_str()),
        false => format!("{}{}{value}", matcher.name, matcher.op.as_str()),
    }
}

/// Matchers as Alertmanager prints them: `{a="b",c=~"d"}`.
pub fn matchers_text(matchers: &[Matcher]) -> String {
    let texts: Vec<String> = matchers.iter().map(matcher_text).collect();
    format!("{{{}}}", texts.join(","))
}

fn make(name: &str, op: MatchOp, value: &str) -> Result<Matcher, String> {
    Matcher::new(name, op, value).map_err(|error| error.to_string())
}

/// Operators, the longer ones first.
const OPERATORS: [(&str, MatchOp); 4] =
    [("=~", MatchOp::Regex), ("!~", MatchOp::NotRegex), ("!=", MatchOp::NotEqual), ("=", MatchOp::Equal)];

fn utf8(text: &str) -> Result<Vec<Matcher>, String> {
    let mut rest = text.trim_start();
    let braced = rest.strip_prefix('{');
    rest = braced.unwrap_or(rest).trim_start();
    let mut out = Vec::new();
    let ends = |rest: &str| if braced.is_some() { rest.starts_with('}') } else { rest.is_empty() };
    while !ends(rest) {
        let name = word(&mut rest, "label name")?;
        rest = rest.trim_start();
        let Some((sign, op)) = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign)) else {
            return Err(format!("expected one of = != =~ !~ after {name:?}, got {}", shown(rest)));
        };
        rest = rest[sign.len()..].trim_start();
        let value = word(&mut rest, "label value")?;
        out.push(make(&name, *op, &value)?);
        rest = rest.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if ends(rest) => {}
            None => return Err(format!("expected a comma or the end, got {}", shown(rest))),
        }
    }
    if braced.is_some() {
        rest = rest[1..].trim_start();
    }
    if rest.is_empty() { Ok(out) } else { Err(format!("expected the end, got {}", shown(rest))) }
}

fn shown(rest: &str) -> String {
    match rest.chars().next() {
        Some(c) => format!("{:?}", c.to_string()),
        None => "the end of the input".to_owned(),
    }
}

/// A quoted or plain word at the start.
fn word(rest: &mut &str, what: &str) -> Result<String, String> {
    if rest.starts_with('"') {
        let mut escaped = false;
        let end = rest.char_indices().skip(1).find(|(_, c)| {
            let closes = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            closes
        });
        let (end, _) = end.ok_or_else(|| format!("missing end \" of the {what}"))?;
        let inner = &rest[1..end];
        *rest = &rest[end + 1..];
        return unquote(inner).ok_or_else(|| format!("\"{inner}\": invalid escape in the {what}"));
    }
    let reserved = |c: char| c.is_whitespace() || "{}!=~,\\\"'`".contains(c);
    let end = rest.find(reserved).unwrap_or(rest.len());
    if end == 0 {
        return Err(format!("expected a {what}, got {}", shown(rest)));
    }
    let found = rest[..end].to_owned();
    *rest = &rest[end..];
    Ok(found)
}

/// What stands between the quotes of a Go string.
fn unquote(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c == '\n' {
            return None;
        }
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let escape = rest.chars().next()?;
        rest = &rest[escape.len_utf8()..];
        let mut code = |digits: usize, radix: u32, back: usize| {
            let text = &text[text.len() - rest.len() - back..];
            let found = u32::from_str_radix(text.get(..digits)?, radix).ok()?;
            rest = &text[digits..];
            Some(found)
        };
        match escape {
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'f' => bytes.push(12),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(11),
            '\\' | '"' => bytes.push(escape as u8),
            'x' => bytes.push(u8::try_from(code(2, 16, 0)?).ok()?),
            '0'..='7' => bytes.push(u8::try_from(code(3, 8, 1)?).ok()?),
            'u' => bytes.extend_from_slice(char::from_u32(code(4, 16, 0)?)?.encode_utf8(&mut [0; 4]).as_bytes()),
            'U' => bytes.extend_from_slice(char::from_u32(code(8, 16, 0)?)?.encode_utf8(&mut [0; 4]).as_bytes()),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

fn classic(text: &str) -> Result<Vec<Matcher>, String> {
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    let (mut quoted, mut escaped, mut begin) = (false, false, 0);
    let mut out = Vec::new();
    let mut push = |token: &str| -> Result<(), String> {
        if !token.trim().is_empty() {
            out.push(classic_one(token)?);
        }
        Ok(())
    };
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                push(&text[begin..at])?;
                begin = at + 1;
            }
            _ => {}
        }
    }
    push(&text[begin..])?;
    Ok(out)
}

fn classic_one(text: &str) -> Result<Matcher, String> {
    let bad = || format!("bad matcher format: {text}");
    let trimmed = text.trim();
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let end = trimmed.find(|c| !letter(c)).ok_or_else(bad)?;
    let name = &trimmed[..end];
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(bad());
    }
    let rest = trimmed[end..].trim_start();
    let (sign, op) = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign)).ok_or_else(bad)?;
    let value = rest[sign.len()..].trim();
    let (value, must_close) = match value.strip_prefix('"') {
        Some(inner) => (inner, true),
        None => (value, false),
    };
    let mut out = String::with_capacity(value.len());
    let mut escaped = false;
    let mut closed = false;
    let last = value.len();
    for (at, c) in value.char_indices() {
        if escaped {
            escaped = false;
            match c {
                'n' => out.push('\n'),
                '"' | '\\' => out.push(c),
                _ => {
                    out.push('\\');
                    out.push(c);
                }
            }
            continue;
        }
        match c {
            '\\' if at + 1 < last => escaped = true,
            '"' if !must_close || at + 1 < last => {
                return Err(format!("matcher value contains unescaped double quote: {value}"));
            }
            '"' => closed = true,
            _ => out.push(c),
        }
    }
    if must_close && !closed {
        return Err(format!("matcher value contains unescaped double quote: \"{value}"));
    }
    make(name, *op, &out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(input: &str, syntax: MatcherSyntax) -> String {
        match parse_matchers(input, syntax) {
            Ok(matchers) => matchers_text(&matchers),
            Err(_) => "error".to_owned(),
        }
    }

    /// Readings of both syntaxes (classic, then UTF-8), as in Alertmanager's own tables.
    #[test]
    fn both_syntaxes() {
        for (input, classic, utf8) in [
            ("{}", "{}", "{}"),
            ("", "{}", "{}"),
            ("foo=bar", r#"{foo="bar"}"#, r#"{foo="bar"}"#),
            (r#"{foo="bar",}"#, r#"{foo="bar"}"#, r#"{foo="bar"}"#),
            (r#"{foo=~"b.*", a!="c"}"#, r#"{foo=~"b.*",a!="c"}"#, r#"{foo=~"b.*",a!="c"}"#),
            ("{foo=}", r#"{foo=""}"#, "error"),
            (r#"{foo="bar"#, "error", "error"),
            ("{foo=bar", r#"{foo="bar"}"#, "error"),
            ("{foo=bar}}", r#"{foo="bar}"}"#, "error"),
            ("foo=🙂", r#"{foo="🙂"}"#, r#"{foo="🙂"}"#),
            ("🙂=foo", "error", r#"{🙂="foo"}"#),
            (r#""a b"="c\td""#, "error", r#"{"a b"="c\td"}"#),
            (r#"foo="a\nb""#, r#"{foo="a\nb"}"#, r#"{foo="a\nb"}"#),
            ("foo=bar baz", r#"{foo="bar baz"}"#, "error"),
            ("foo.bar=1", "error", r#"{foo.bar="1"}"#),
            ("0=1", "error", r#"{0="1"}"#),
            ("foo", "error", "error"),
            ("=bar", "error", "error"),
            ("foo=~(", "error", "error"),
            (r#"foo="\u00e9\x41""#, r#"{foo="\\u00e9\\x41"}"#, r#"{foo="éA"}"#),
        ] {
            assert_eq!(text(input, MatcherSyntax::Classic), classic, "classic {input}");
            assert_eq!(text(input, MatcherSyntax::Utf8), utf8, "utf8 {input}");
        }
        assert_eq!(text("foo=bar baz", MatcherSyntax::Fallback), r#"{foo="bar baz"}"#);
        assert_eq!(
            text(r#"foo="\u00e9""#, MatcherSyntax::Fallback),
            r#"{foo="\\u00e9"}"#,
            "the classic reading counts"
        );
    }
}
