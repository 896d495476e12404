//! Label sets as text, `{job="api", env="prod"}`: how Loki's protobuf push and its legacy JSON name a stream.

use std::borrow::Cow;

use model::is_valid_legacy_label_name;
use promql::parser::parse_metric_selector;

/// Names and values in the order in which they stand.
pub(crate) type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Reads a label set. The error is worded as Prometheus' parser words it, which Loki uses.
pub(crate) fn parse(text: &str) -> Result<Pairs<'_>, String> {
    plain(text).map_or_else(|| Err(reason(text)), Ok)
}

/// Why label pairs that came as such are no label set, worded as if they had come as text; `None` where they are one.
pub(crate) fn fault(pairs: &Pairs<'_>) -> Option<String> {
    if pairs.iter().all(|(name, _)| is_valid_legacy_label_name(name)) {
        return None;
    }
    let mut pairs: Vec<_> = pairs.iter().collect();
    pairs.sort();
    let texts: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name}={}", model::float::go_quote(value))).collect();
    Some(reason(&format!("{{{}}}", texts.join(", "))))
}

fn reason(text: &str) -> String {
    match parse_metric_selector(text) {
        Err(error) => error.to_string(),
        Ok(_) => format!("{text:?} is not a set of labels; expected {{name=\"value\", ...}}"),
    }
}

fn plain(text: &str) -> Option<Pairs<'_>> {
    let mut rest = text.trim().strip_prefix('{')?.trim_start();
    let mut pairs = Pairs::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return after.trim().is_empty().then_some(pairs);
        }
        let (name, after) = rest.split_at(rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?);
        if !is_valid_legacy_label_name(name) {
            return None;
        }
        let (value, after) = value(after.trim_start().strip_prefix('=')?.trim_start())?;
        pairs.push((Cow::Borrowed(name), value));
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.starts_with('}') => {}
            None => return None,
        }
    }
}

/// A quoted value, and what stands behind it.
fn value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let inner = &text[1..];
    let end = inner.find([quote, '\\', '\n'])?;
    if inner[end..].starts_with(quote) {
        return Some((Cow::Borrowed(&inner[..end]), &inner[end + 1..]));
    }
    if quote == '`' {
        let end = inner.find('`')?;
        return Some((Cow::Borrowed(&inner[..end]), &inner[end + 1..]));
    }
    let mut out = inner[..end].to_owned();
    let mut rest = &inner[end..];
    loop {
        let at = rest.find([quote, '\\', '\n'])?;
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix(quote) {
            return Some((Cow::Owned(out), after));
        }
        rest = escape(rest.strip_prefix('\\')?, &mut out)?;
    }
}

/// One of Go's escapes behind its backslash; what stands after it.
fn escape<'a>(text: &'a str, out: &mut String) -> Option<&'a str> {
    let kind = text.chars().next()?;
    let digits = |count: usize, from: usize, radix: u32| -> Option<(u32, &'a str)> {
        let digits = text.get(from..from + count)?;
        digits.bytes().all(|b| b.is_ascii_hexdigit()).then_some(())?;
        Some((u32::from_str_radix(digits, radix).ok()?, &text[from + count..]))
    };
    let (code, rest) = match kind {
        'x' => digits(2, 1, 16).filter(|(code, _)| *code < 0x80)?,
        'u' => digits(4, 1, 16)?,
        'U' => digits(8, 1, 16)?,
        '0'..='7' => digits(3, 0, 8).filter(|(code, _)| *code < 0x80)?,
        _ => {
            out.push(match kind {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'a' => '\u{7}',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'v' => '\u{b}',
                '\\' | '"' | '\'' => kind,
                _ => return None,
            });
            return Some(&text[1..]);
        }
    };
    out.push(char::from_u32(code)?);
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_sets_are_read() {
        for (text, pairs) in [
            ("{}", vec![]),
            (r#"{a="b"}"#, vec![("a", "b")]),
            (r#" { a = "b" , c='d\'' , } "#, vec![("a", "b"), ("c", "d'")]),
            (r#"{a="x\ny\"\\\u00e9\x41\101", b=`\n`}"#, vec![("a", "x\ny\"\\éAA"), ("b", r"\n")]),
            ("{a=\"ü\"}", vec![("a", "ü")]),
        ] {
            let read = parse(text).unwrap();
            let read: Vec<(&str, &str)> = read.iter().map(|(n, v)| (n.as_ref(), v.as_ref())).collect();
            assert_eq!(read, pairs, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_explained_as_loki_does() {
        assert_eq!(
            parse(r#"{bad-label="x"}"#).unwrap_err(),
            "1:5: parse error: unexpected character inside braces: '-'"
        );
        let pairs = vec![(Cow::Borrowed("bad-label"), Cow::Borrowed("x"))];
        assert_eq!(fault(&pairs).unwrap(), "1:5: parse error: unexpected character inside braces: '-'");
        for text in [
            "",
            "{",
            "{a}",
            "{a=}",
            "{a=\"b}",
            r#"{a="b" c="d"}"#,
            r#"{a=~"b"}"#,
            r#"{a="b"} x"#,
            "{1=\"b\"}",
            "{a=\"\\q\"}",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends(text in "[{}a=\"'`\\\\x0-9, uU\n]{0,30}") {
            let _ = plain(&text);
        }

        #[test]
        fn quoted_values_come_back(value: String) {
            let text = format!("{{a={}}}", model::float::go_quote(&value));
            let read = parse(&text);
            proptest::prop_assert_eq!(read.map(|pairs| pairs[0].1.to_string()), Ok(value));
        }
    }
}
