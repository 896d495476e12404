//! Queries that Loki reads, with its canonical form, and queries that it refuses.

use serde::Deserialize;

use crate::shared;

#[derive(Deserialize)]
struct Valid {
    query: String,
    kind: String,
    canonical: String,
}

#[derive(Deserialize)]
struct Invalid {
    query: String,
}

#[test]
fn queries_are_read_and_printed_as_by_loki() {
    let Some(text) = shared::read("parse_valid.json") else { return };
    let cases: Vec<Valid> = serde_json::from_str(&text).expect("the file is JSON");
    let mut wrong = Vec::new();
    for case in &cases {
        match logql::parse(&case.query) {
            Err(error) => wrong.push(format!("{}\n  {error}", case.query)),
            Ok(expr) => {
                let kind = if matches!(expr, logql::ast::Expr::Log(_)) { "log" } else { "metric" };
                let printed = expr.to_string();
                if printed != case.canonical || kind != case.kind {
                    wrong.push(format!("{}\n  want {}\n  have {printed} ({kind})", case.query, case.canonical));
                }
                let again = logql::format(&printed);
                if again.as_deref() != Ok(printed.as_str()) {
                    wrong.push(format!("{}\n  prints {printed}\n  which prints {again:?}", case.query));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn queries_are_refused_with_a_place() {
    let Some(text) = shared::read("parse_invalid.json") else { return };
    let cases: Vec<Invalid> = serde_json::from_str(&text).expect("the file is JSON");
    let accepted: Vec<&str> =
        cases.iter().map(|case| case.query.as_str()).filter(|query| logql::parse(query).is_ok()).collect();
    assert!(accepted.is_empty(), "{} of {} are read:\n{}", accepted.len(), cases.len(), accepted.join("\n"));
    for case in &cases {
        let error = logql::parse(&case.query).expect_err(&case.query);
        assert!(error.line >= 1 && error.column >= 1, "{}: {error:?}", case.query);
    }
}

#[test]
fn errors_tell_where() {
    for (query, line, column, part) in [
        ("{app=\"a\"", 1, 9, "unexpected $end, expecting } or ,"),
        ("{app=\"a\"}\n | foo", 2, 7, "unexpected $end"),
        ("rate({app=\"a\"}[1])", 1, 15, "not a valid duration string: \"1\""),
        ("rate({app=\"a\"}[1m]) by (app)", 1, 1, "grouping not allowed for rate aggregation"),
        ("{app=\"a\"} |= \"x", 1, 14, "literal not terminated"),
        ("sum(", 1, 5, "unexpected $end"),
    ] {
        let error = logql::parse(query).expect_err(query);
        assert_eq!((error.line, error.column), (line, column), "{query}: {error}");
        assert!(error.message.contains(part), "{query}: {error}");
    }
}
