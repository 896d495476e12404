//! Instant selectors in configuration values: `name{label="value", other=~"a|b"}`, with quoted names as well.

use model::{METRIC_NAME, MatchOp, Matcher};

/// Reads a selector; the error says what is wrong with it. A selector that would match every series by having no condition at
/// all is not taken; `{__name__=~".+"}` says it.
pub(crate) fn parse_selector(text: &str) -> Result<Vec<Matcher>, String> {
    let mut rest = Rest(text.trim());
    let mut matchers = Vec::new();
    let name = rest.word(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    if !name.is_empty() {
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(format!("{name:?} is not a metric name"));
        }
        matchers.push(Matcher::equal(METRIC_NAME, name));
    }
    if rest.take("{") {
        while !rest.take("}") {
            matchers.push(condition(&mut rest)?);
            if !rest.take(",") && !rest.0.starts_with('}') {
                return Err(format!("expected , or }} before {:?}", rest.0));
            }
        }
    }
    if !rest.0.is_empty() {
        return Err(format!("unexpected {:?}", rest.0));
    }
    if matchers.iter().all(|m| m.matches("")) {
        return Err("it must have at least one condition that does not match the empty value".to_owned());
    }
    Ok(matchers)
}

fn condition(rest: &mut Rest<'_>) -> Result<Matcher, String> {
    let quoted = rest.quoted()?;
    let name = match &quoted {
        Some(name) => name.clone(),
        None => rest.word(|c| c.is_ascii_alphanumeric() || c == '_').to_owned(),
    };
    if name.is_empty() {
        return Err(format!("expected a label name before {:?}", rest.0));
    }
    const OPERATORS: [(&str, MatchOp); 4] =
        [("=~", MatchOp::Regex), ("!~", MatchOp::NotRegex), ("!=", MatchOp::NotEqual), ("=", MatchOp::Equal)];
    let Some((_, op)) = OPERATORS.into_iter().find(|(operator, _)| rest.take(operator)) else {
        return match quoted {
            Some(metric) => Ok(Matcher::equal(METRIC_NAME, metric)),
            None => Err(format!("expected =, !=, =~ or !~ after {name}")),
        };
    };
    let value = rest.quoted()?.ok_or_else(|| format!("expected a quoted value after {name}{}", op.as_str()))?;
    Matcher::new(name, op, value).map_err(|e| e.to_string())
}

/// What has not been read yet.
struct Rest<'t>(&'t str);

impl<'t> Rest<'t> {
    fn take(&mut self, token: &str) -> bool {
        self.0 = self.0.trim_start();
        match self.0.strip_prefix(token) {
            Some(rest) => {
                self.0 = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        self.0 = self.0.trim_start();
        let end = self.0.find(|c| !belongs(c)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest.trim_start();
        word
    }

    /// A string in double, single or back quotes; `None` where none stands here.
    fn quoted(&mut self) -> Result<Option<String>, String> {
        self.0 = self.0.trim_start();
        let Some(quote) = self.0.chars().next().filter(|c| matches!(c, '"' | '\'' | '`')) else { return Ok(None) };
        let mut out = String::new();
        let mut chars = self.0.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.0 = self.0[at + 1..].trim_start();
                return Ok(Some(out));
            }
            if c != '\\' || quote == '`' {
                out.push(c);
                continue;
            }
            out.push(match chars.next() {
                Some((_, 'n')) => '\n',
                Some((_, 't')) => '\t',
                Some((_, 'r')) => '\r',
                Some((_, c @ ('\\' | '"' | '\''))) => c,
                Some((_, other)) => return Err(format!("unknown escape \\{other} in a quoted value")),
                None => break,
            });
        }
        Err("a quoted value is not closed".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        Ok(parse_selector(text)?.iter().map(|m| format!("{}{}{}", m.name, m.op.as_str(), m.value)).collect())
    }

    #[test]
    fn selectors_are_read() {
        assert_eq!(read(r#"{job="x"}"#).unwrap(), ["job=x"]);
        assert_eq!(read(r#" up { job =~ "a|b" , env != 'q"' ,} "#).unwrap(), ["__name__=up", "job=~a|b", "env!=q\""]);
        assert_eq!(read(r#"{"my.metric","a.b"=`\d`}"#).unwrap(), ["__name__=my.metric", r"a.b=\d"]);
        assert_eq!(read(r#"up{a="\n\\"}"#).unwrap(), ["__name__=up", "a=\n\\"]);
        assert_eq!(read("job:x:rate5m").unwrap(), ["__name__=job:x:rate5m"]);
    }

    #[test]
    fn what_is_no_selector_is_explained() {
        for (text, reason) in [
            ("", "at least one condition"),
            ("{}", "at least one condition"),
            (r#"{a=~".*"}"#, "at least one condition"),
            (r#"{a="x""#, "expected , or }"),
            (r#"{a="x}"#, "not closed"),
            (r#"{a=x}"#, "expected a quoted value after a="),
            (r#"{a}"#, "expected =, !=, =~ or !~ after a"),
            (r#"{a=~"("}"#, "invalid regular expression"),
            (r#"up{a="x"}[5m]"#, r#"unexpected "[5m]""#),
            (r#"{a="\q"}"#, "unknown escape"),
            ("{", "expected a label name"),
            ("9up", "not a metric name"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
