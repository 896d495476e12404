//! Reading and writing queries.

use promql::ast::{At, DurationExpr, Expr, MatchCardinality, Span, ValueType, selectors, walk, walk_mut};
use promql::parser::{ParseOptions, parse, parse_metric, parse_metric_selector};
use promql::{ast_to_json, prettify};
use proptest::prelude::*;
use rand::SeedableRng;

use crate::generate::{Rng, query};

fn read(text: &str) -> Expr {
    parse(text, &ParseOptions::default()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn refusal(text: &str, options: &ParseOptions) -> String {
    match parse(text, options) {
        Ok(expr) => format!("accepted as {expr}"),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn refusals_are_worded_as_prometheus_words_them() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in include_str!("../cases/refused.txt").lines().skip(1).filter(|l| l.contains("=> ")) {
        let (text, wanted) = line.split_once("=> ").unwrap();
        let text = text.trim_end().replace("\\n", "\n");
        let got = refusal(&text, &ParseOptions::default());
        count += 1;
        if got != wanted {
            wrong.push(format!("{text}\n  wanted {wanted}\n     got {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 60);
}

#[test]
fn experiments_can_be_switched_off() {
    for (text, wanted) in [
        ("max_of(1, 2)", "1:1: parse error: function \"max_of\" is not enabled"),
        (
            "limitk(1, foo)",
            "1:1: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
        ),
        ("foo[5m + 1m]", "1:5: parse error: experimental duration expression is not enabled"),
        ("foo[5m] smoothed", "1:1: parse error: smoothed modifier is experimental and not enabled"),
        ("a + fill (1) b", "1:1: parse error: binop fill modifiers are experimental and not enabled"),
    ] {
        assert_eq!(refusal(text, &ParseOptions::stable()), wanted);
        read(text);
    }
}

#[test]
fn canonical_text() {
    for (text, canonical) in [
        ("1 +  2*3", "1 + 2 * 3"),
        ("sum(foo) by(a,b)", "sum by (a, b) (foo)"),
        ("sum without() (foo)", "sum without () (foo)"),
        ("SUM BY () (foo)", "sum(foo)"),
        ("topk(3,foo)", "topk(3, foo)"),
        ("foo{b='1',a=\"2\"}", r#"foo{a="2",b="1"}"#),
        (r#"{"my.metric","l.x"="y"}"#, r#"{"l.x"="y",__name__="my.metric"}"#),
        (r#"{__name__="a"}"#, r#"{__name__="a"}"#),
        ("foo[90m]  offset  60s @ 5", "foo[1h30m] @ 5.000 offset 1m"),
        ("foo offset -1w", "foo offset -1w"),
        ("foo[1h:] @ start()", "foo[1h:] @ start()"),
        ("foo[1h:5m] offset 1d", "foo[1h:5m] offset 1d"),
        ("foo[5m]anchored", "foo[5m] anchored"),
        ("foo[5m+step()*2]", "foo[5m + step() * 2]"),
        ("foo[(5)]", "foo[(5)]"),
        ("foo offset -(step())", "foo offset -(step())"),
        ("a+on(x)group_left(y)b", "a + on (x) group_left (y) b"),
        ("a==bool ignoring(x) b", "a == bool ignoring (x) b"),
        ("a and b", "a and b"),
        ("a+fill_left(1)fill_right(1)b", "a + fill (1) b"),
        ("a </ 5", "a </ 5"),
        ("0x1F", "31"),
        ("1_000", "1000"),
        ("5m", "5m"),
        ("-5m", "-5m"),
        ("1e21", "1000000000000000000000"),
        ("inf", "+Inf"),
        ("'a\"b'", r#""a\"b""#),
        ("-1^2", "-1 ^ 2"),
        ("(a)", "(a)"),
        ("time()", "time()"),
        ("sum by(\"x.y\")(a)", r#"sum by ("x.y") (a)"#),
        ("info(a, {})", "info(a, {})"),
        (r#""a\xc5z""#, r#""a\xc5z""#),
    ] {
        assert_eq!(read(text).to_string(), canonical, "{text}");
    }
}

#[test]
fn precedence() {
    fn grouped(expr: &Expr) -> String {
        match expr {
            Expr::Binary(e) => format!("({} {} {})", grouped(&e.lhs), e.op, grouped(&e.rhs)),
            Expr::Unary(e) => format!("({}{})", e.op.as_str(), grouped(&e.expr)),
            other => other.to_string(),
        }
    }
    for (text, wanted) in [
        ("a + b * c ^ d", "(a + (b * (c ^ d)))"),
        ("a ^ b ^ c", "(a ^ (b ^ c))"),
        ("a - b - c", "((a - b) - c)"),
        ("-a ^ b", "(-(a ^ b))"),
        ("-a * b", "((-a) * b)"),
        ("2 ^ -a * b", "((2 ^ (-a)) * b)"),
        ("a or b and c unless d", "(a or ((b and c) unless d))"),
        ("a == b + c", "(a == (b + c))"),
        ("a > b >/ 1", "((a > b) >/ 1)"),
        ("a atan2 b + c", "((a atan2 b) + c)"),
        ("a offset 5m + 1", "(a offset 5m + 1)"),
    ] {
        assert_eq!(grouped(&read(text)), wanted, "{text}");
    }
}

#[test]
fn positions_cover_what_was_read() {
    let text = r#"  sum by (a) (rate(foo{x="y"}[5m] offset 1m @ 3)) / (b) + -c"#;
    let expr = read(text);
    let mut found = Vec::new();
    walk(&expr, &mut |e, _| found.push(&text[e.span().start..e.span().end]));
    assert_eq!(
        found,
        [
            text.trim(),
            r#"sum by (a) (rate(foo{x="y"}[5m] offset 1m @ 3)) / (b)"#,
            r#"sum by (a) (rate(foo{x="y"}[5m] offset 1m @ 3))"#,
            r#"rate(foo{x="y"}[5m] offset 1m @ 3)"#,
            r#"foo{x="y"}[5m] offset 1m @ 3"#,
            "(b)",
            "b",
            "-c",
            "c",
        ]
    );
}

#[test]
fn details_of_nodes() {
    let Expr::Matrix(matrix) = read("foo[1h30m] @ end() offset -5m") else { panic!("a matrix") };
    assert_eq!((matrix.range_ms, matrix.selector.offset_ms, matrix.selector.at), (5_400_000, -300_000, Some(At::End)));
    let Expr::Subquery(subquery) = read("foo[1.5:step()] @ -2.5") else { panic!("a subquery") };
    assert_eq!((subquery.range_ms, subquery.at), (1500, Some(At::Timestamp(-2500))));
    assert!(matches!(subquery.step_expr, Some(DurationExpr::Step(_))));
    let Expr::Binary(binary) = read("a * on (x) group_right (y) fill_left (-1) b") else { panic!("a binary") };
    let matching = binary.matching.unwrap();
    assert_eq!((matching.card, matching.on, matching.fill_left), (MatchCardinality::OneToMany, true, Some(-1.0)));
    assert_eq!((matching.labels, matching.include), (vec!["x".to_owned()], vec!["y".to_owned()]));
    let Expr::Binary(scalars) = read("a * 2") else { panic!("a binary") };
    assert!(scalars.matching.is_none());
    assert_eq!(read("foo[5m]").value_type(), ValueType::Matrix);
    assert_eq!(read("vector(1) + 1").value_type(), ValueType::Vector);
}

#[test]
fn words_name_metrics_where_nothing_else_fits() {
    for name in [
        "sum",
        "by",
        "offset",
        "start",
        "end",
        "step",
        "range",
        "min_of",
        "fill",
        "fill_left",
        "anchored",
        "smoothed",
        "and",
        "without",
        "limitk",
        "a:b",
    ] {
        let Expr::Vector(selector) = read(name) else { panic!("{name}") };
        assert_eq!(selector.name.as_deref(), Some(name));
        assert!(parse(&format!("sum by ({name}) (a)"), &ParseOptions::default()).is_ok() != (name == "without"));
    }
    assert!(matches!(read("step()"), Expr::Call(_)));
    assert!(matches!(read("fill + fill"), Expr::Binary(_)));
    assert!(matches!(read("foo # comment\n + 1"), Expr::Binary(_)));
}

#[test]
fn selectors_and_metrics_alone() {
    let matchers = parse_metric_selector(r#"up{job=~"a|b"}"#).unwrap();
    assert_eq!(matchers.iter().map(ToString::to_string).collect::<Vec<_>>(), [r#"job=~"a|b""#, r#"__name__="up""#]);
    assert_eq!(parse_metric_selector("{}").unwrap(), []);
    assert!(parse_metric_selector("up[5m]").is_err());
    assert_eq!(parse_metric(r#"{"a.b", c="d"}"#).unwrap().to_string(), r#"{__name__="a.b", c="d"}"#);
    assert!(parse_metric(r#"a{c=~"d"}"#).is_err());
    let expr = read("a + sum(rate(b[5m]))");
    assert_eq!(selectors(&expr).len(), 2);
}

#[test]
fn long_queries_are_broken_into_lines() {
    let long = "a_metric_with_a_rather_long_name_that_fills_a_line_of_text_all_alone_or_nearly_so_to_be_sure";
    for (text, pretty) in [
        ("sum(a)", "sum(a)".to_owned()),
        (&format!("sum by (x) (rate({long}[5m]))"), format!("sum by (x) (\n  rate(\n    {long}[5m]\n  )\n)")),
        (&format!("topk(5, {long})"), format!("topk(\n  5,\n  {long}\n)")),
        (&format!("{long} / on (x) ({long})"), format!("  {long}\n/ on (x)\n  ({long})")),
        (&format!("-({long} + 1234567)"), format!("-(\n    {long}\n  +\n    1234567\n)")),
    ] {
        assert_eq!(prettify(&read(text)), pretty, "{text}");
    }
}

#[test]
fn the_tree_as_json() {
    let json = ast_to_json(&read(r#"sum by (a) (rate(foo{x!="y"}[(5)] offset step()))"#));
    assert_eq!(json["type"], "aggregation");
    assert_eq!(json["grouping"], serde_json::json!(["a"]));
    assert_eq!(json["param"], serde_json::Value::Null);
    let call = &json["expr"];
    assert_eq!(
        call["func"],
        serde_json::json!({"name": "rate", "argTypes": ["matrix"], "variadic": 0, "returnType": "vector"})
    );
    let matrix = &call["args"][0];
    assert_eq!(matrix["matchers"][0], serde_json::json!({"name": "x", "value": "y", "type": "!="}));
    assert_eq!(
        matrix["rangeExpr"],
        serde_json::json!({
            "type": "durationExpr", "op": "+", "lhs": null,
            "rhs": {"type": "numberLiteral", "val": "5", "duration": false}, "wrapped": true,
        })
    );
    assert_eq!(matrix["offsetExpr"]["op"], "step");
    let binary = ast_to_json(&read("a == bool on (x) fill (1) b"));
    assert_eq!(
        binary["matching"],
        serde_json::json!({
            "card": "one-to-one", "labels": ["x"], "on": true, "include": [], "fillValues": {"lhs": 1.0, "rhs": 1.0},
        })
    );
    assert_eq!(binary["bool"], true);
}

/// The tree without its positions, which printing changes. NaN would not equal itself.
fn without_positions(mut expr: Expr) -> Expr {
    fn clear_duration(expr: &mut Option<DurationExpr>) {
        fn clear(expr: &mut DurationExpr) {
            match expr {
                DurationExpr::Number(n) => n.span = Span::default(),
                DurationExpr::Step(span) | DurationExpr::Range(span) => *span = Span::default(),
                DurationExpr::Unary { operand, span, .. } => {
                    *span = Span::default();
                    clear(operand);
                }
                DurationExpr::Binary { lhs, rhs, span, .. } => {
                    *span = Span::default();
                    clear(lhs);
                    clear(rhs);
                }
                DurationExpr::Paren { inner, span } => {
                    *span = Span::default();
                    clear(inner);
                }
            }
        }
        if let Some(expr) = expr {
            clear(expr);
        }
    }
    walk_mut(&mut expr, &mut |e| match e {
        Expr::Number(n) => {
            n.span = Span::default();
            if n.value.is_nan() {
                n.value = 4711.0;
            }
        }
        Expr::String(e) => e.span = Span::default(),
        Expr::Vector(e) => {
            e.span = Span::default();
            e.matchers.sort_by_key(ToString::to_string);
            clear_duration(&mut e.offset_expr);
        }
        Expr::Matrix(e) => {
            (e.span, e.selector.span) = (Span::default(), Span::default());
            e.selector.matchers.sort_by_key(ToString::to_string);
            clear_duration(&mut e.range_expr);
            clear_duration(&mut e.selector.offset_expr);
        }
        Expr::Subquery(e) => {
            e.span = Span::default();
            clear_duration(&mut e.range_expr);
            clear_duration(&mut e.step_expr);
            clear_duration(&mut e.offset_expr);
        }
        Expr::Call(e) => e.span = Span::default(),
        Expr::Aggregate(e) => e.span = Span::default(),
        Expr::Binary(e) => e.span = Span::default(),
        Expr::Unary(e) => e.span = Span::default(),
        Expr::Paren(e) => e.span = Span::default(),
        Expr::StepInvariant(_) => {}
    });
    expr
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_reads_back(seed in any::<u64>(), depth in 0u32..5) {
        let text = query(&mut Rng::seed_from_u64(seed), ValueType::Vector, depth);
        let expr = read(&text);
        let printed = expr.to_string();
        prop_assert_eq!(without_positions(read(&printed)), without_positions(expr.clone()), "{} printed as {}", text, printed);
        prop_assert_eq!(read(&printed).to_string(), printed);
        let pretty = prettify(&expr);
        prop_assert_eq!(without_positions(read(&pretty)), without_positions(expr), "{} broken as\n{}", text, pretty);
    }
}
