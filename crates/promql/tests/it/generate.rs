//! Makes random queries that are well typed.

use promql::ast::{AggregateOp, FUNCTIONS, ValueType};
use rand::RngExt;
use rand::rngs::StdRng;

pub(crate) type Rng = StdRng;

fn pick<'a>(rng: &mut Rng, options: &[&'a str]) -> &'a str {
    options[rng.random_range(0..options.len())]
}

/// A query of that type, at most about `depth` levels deep.
pub(crate) fn query(rng: &mut Rng, wanted: ValueType, depth: u32) -> String {
    match wanted {
        ValueType::String => string(rng),
        ValueType::Scalar => scalar(rng, depth),
        ValueType::Vector => vector(rng, depth),
        ValueType::Matrix => matrix(rng, depth),
    }
}

fn string(rng: &mut Rng) -> String {
    pick(rng, &[r#""a""#, "'b'", "`c\\d`", r#""é\n\t\x41\u00e9\"""#, r#""""#]).to_owned()
}

fn number(rng: &mut Rng) -> String {
    let fixed =
        ["0", "1", "2.5", "1e3", "0x1F", "Inf", "NaN", "5m", "1h30m", "1_000", "017", ".5", "1e-7", "123456789"];
    pick(rng, &fixed).to_owned()
}

fn scalar(rng: &mut Rng, depth: u32) -> String {
    if depth == 0 {
        return number(rng);
    }
    match rng.random_range(0..6) {
        0 => number(rng),
        1 => {
            let op = pick(rng, &["+", "-", "*", "/", "%", "^", "atan2", "== bool", "< bool"]);
            format!("({}) {op} ({})", scalar(rng, depth - 1), scalar(rng, depth - 1))
        }
        2 => format!("-({})", scalar(rng, depth - 1)),
        3 => format!("({})", scalar(rng, depth - 1)),
        4 => format!("scalar({})", vector(rng, depth - 1)),
        _ => pick(rng, &["time()", "pi()", "start()", "end()", "step()", "range()", "min_of(1, 2)"]).to_owned(),
    }
}

fn selector(rng: &mut Rng) -> String {
    let names = ["up", "foo:bar", "sum", "offset", "start", "fill", "by", "step", "max_of", "anchored"];
    match rng.random_range(0..5) {
        0 => pick(rng, &names).to_owned(),
        1 => format!(r#"{}{{job="a",le=~"1.*|2"}}"#, pick(rng, &names)),
        2 => r#"{"my.metric", "lab.el"!="x", b!~"y"}"#.to_owned(),
        3 => r#"{__name__=~"a.+",group='x\'y'}"#.to_owned(),
        _ => format!(r#"{}{{}}"#, pick(rng, &names)),
    }
}

fn duration(rng: &mut Rng) -> String {
    let fixed = [
        "5m",
        "1h30m",
        "90",
        "1.5",
        "0x10",
        "(5m)",
        "5m + 1",
        "step()",
        "range() * 2",
        "-(step()) + 1h",
        "min_of(5m, step())",
        "max_of(1, 2) ^ 2",
        "2 * (3m - 1s) % 7",
        "((1m))",
    ];
    pick(rng, &fixed).to_owned()
}

fn modifiers(rng: &mut Rng) -> String {
    let offset = [
        "",
        " offset 5m",
        " offset -1h",
        " offset step()",
        " offset -(1m + 2)",
        " offset (3)",
        " offset -min_of(1, step())",
    ];
    let at = ["", "", " @ 1.5", " @ start()", " @ end()", " @ -7"];
    format!("{}{}", pick(rng, &at), pick(rng, &offset))
}

fn matrix(rng: &mut Rng, depth: u32) -> String {
    if depth > 0 && rng.random_range(0..3) == 0 {
        let step = if rng.random_range(0..2) == 0 { String::new() } else { duration(rng) };
        let inner = vector(rng, depth - 1);
        return format!("({inner})[{}:{step}]{}", duration(rng), modifiers(rng));
    }
    let extended = pick(rng, &["", "", "", " anchored", " smoothed"]);
    format!("{}[{}]{extended}{}", selector(rng), duration(rng), modifiers(rng))
}

fn vector(rng: &mut Rng, depth: u32) -> String {
    if depth == 0 {
        return format!("{}{}", selector(rng), modifiers(rng));
    }
    match rng.random_range(0..7) {
        0 => format!("{}{}", selector(rng), modifiers(rng)),
        1 => binary(rng, depth),
        2 | 3 => aggregate(rng, depth),
        4 => format!("{}{}", pick(rng, &["-", "+"]), vector(rng, depth - 1)),
        5 => format!("({})", vector(rng, depth - 1)),
        _ => call(rng, depth),
    }
}

/// A vector that operators on either side leave whole.
fn operand(rng: &mut Rng, depth: u32) -> String {
    match rng.random_range(0..4) {
        0 => format!("({})", vector(rng, depth)),
        1 if depth > 0 => aggregate(rng, depth),
        2 if depth > 0 => call(rng, depth),
        _ => format!("{}{}", selector(rng), modifiers(rng).replace(" offset (3)", "")),
    }
}

fn binary(rng: &mut Rng, depth: u32) -> String {
    let (left, right) = (operand(rng, depth - 1), operand(rng, depth - 1));
    match rng.random_range(0..5) {
        4 => {
            let ops = ["+", "-", "*", "/", "%", "^", "atan2", "==", "!=", "</", "and", "or", "unless"];
            format!(
                "{left} {} -{right} {} +{} {} foo",
                pick(rng, &ops),
                pick(rng, &ops),
                operand(rng, 0),
                pick(rng, &ops)
            )
        }
        0 => {
            format!("{left} {} {right}", pick(rng, &["and", "or", "unless", "and on (a)", "or ignoring (b, \"c.d\")"]))
        }
        1 => format!("{left} {} {}", pick(rng, &["+", ">", "^", "<= bool"]), number(rng)),
        _ => {
            let op = pick(rng, &["+", "-", "*", "/", "%", "^", "atan2", "==", "> bool", "</", ">/"]);
            let matching = pick(
                rng,
                &[
                    "",
                    " on ()",
                    " on (a, b)",
                    " ignoring (c)",
                    " on (a) group_left (d)",
                    " ignoring (x) group_right ()",
                ],
            );
            let fill = pick(rng, &["", "", " fill (0)", " fill_left (1)", " fill_right (-2) fill_left (3)"]);
            format!("{left} {op}{matching}{fill} {right}")
        }
    }
}

fn aggregate(rng: &mut Rng, depth: u32) -> String {
    let op = AggregateOp::ALL[rng.random_range(0..AggregateOp::ALL.len())];
    let param = match op {
        AggregateOp::CountValues => format!("{}, ", string(rng)),
        op if op.takes_param() => format!("{}, ", scalar(rng, depth - 1)),
        _ => String::new(),
    };
    let clause = pick(rng, &["", " by (job)", " without (a, sum)", " by ()", " without ()", r#" by ("x.y")"#]);
    let body = format!("({param}{})", vector(rng, depth - 1));
    if rng.random_range(0..2) == 0 { format!("{op}{clause}{body}") } else { format!("{op}{body}{clause}") }
}

fn call(rng: &mut Rng, depth: u32) -> String {
    let functions: Vec<_> =
        FUNCTIONS.iter().filter(|f| f.return_type == ValueType::Vector && f.name != "info").collect();
    let function = functions[rng.random_range(0..functions.len())];
    let optional = usize::from(function.variadic == 1 && rng.random_range(0..2) == 0);
    let count = function.arg_types.len() - optional;
    let args: Vec<String> = function.arg_types[..count].iter().map(|t| query(rng, *t, depth - 1)).collect();
    format!("{}({})", function.name, args.join(", "))
}
