//! Random mutations of real templates: parsing, escaping and executing them never panics and always ends.

use std::path::Path;
use std::sync::Arc;

use gotemplate::data::Notification;
use gotemplate::funcs::alertmanager;
use gotemplate::{Limits, Mode, Template, Value};
use model::{ManualClock, Timestamp};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const PIECES: [&str; 44] = [
    "{{",
    "}}",
    "{{-",
    "-}}",
    "{{ end }}",
    "{{ else }}",
    "{{ if .Int }}",
    "{{ range .List }}",
    "{{ with .Nested }}",
    "{{ break }}",
    "{{ template \"a\" . }}",
    "{{ define \"a\" }}",
    "{{ block \"a\" . }}",
    "/*",
    "*/",
    "|",
    "(",
    ")",
    "$x",
    ":=",
    "=",
    ".",
    "nil",
    "\"",
    "`",
    "'",
    "\\",
    "%",
    "%[1]*.*d",
    "printf",
    "index",
    "slice",
    "<script>",
    "</script>",
    "<a href=\"",
    "<style>",
    "<!--",
    "-->",
    "'",
    "\u{e9}",
    "\0",
    "\n",
    "1e9",
    "-1",
];

fn templates() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/cases.jsonl");
    let text = std::fs::read_to_string(file).expect("the case file is part of the repository");
    let template = |line: &str| -> Option<String> {
        let case: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(case.get("template")?.as_str()?.to_owned())
    };
    text.lines().step_by(3).filter_map(template).collect()
}

fn mutate(rng: &mut StdRng, text: &str, others: &[String]) -> String {
    let mut text = text.to_owned();
    let boundary = |rng: &mut StdRng, text: &str| {
        let mut at = rng.random_range(0..=text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    for _ in 0..rng.random_range(1..=4) {
        let (a, b) = (boundary(rng, &text), boundary(rng, &text));
        let (from, to) = (a.min(b), a.max(b));
        match rng.random_range(0..5) {
            0 => text.insert_str(from, PIECES[rng.random_range(0..PIECES.len())]),
            1 => text.replace_range(from..to, ""),
            2 => {
                let copy = text[from..to].to_owned();
                text.insert_str(to, &copy);
            }
            3 => text.push_str(&others[rng.random_range(0..others.len())]),
            _ => text.truncate(from),
        }
    }
    text
}

fn data() -> Value {
    Value::map([
        ("Int", Value::int(7)),
        ("Value", Value::Float(1.5)),
        ("Nil", Value::Nil),
        ("Str", Value::from("a<b>")),
        ("List", Value::strings(["x", "y"])),
        ("Labels", Value::string_map([("job", "node")])),
        ("Nested", Value::map([("a", Value::list(vec![Value::int(1), Value::Nil]))])),
        ("Data", Notification::default().to_value()),
    ])
}

#[test]
fn mutated_templates() {
    let seeds = templates();
    assert!(seeds.len() > 1000);
    let funcs = alertmanager::functions(Arc::new(ManualClock::new(Timestamp(0))));
    let limits = Limits { steps: 2000, depth: 10, output_bytes: 1 << 16, scratch_bytes: 1 << 18 };
    let data = data();
    let mut rng = StdRng::seed_from_u64(20_260_329);
    let mut executed = 0;
    for round in 0..15_000 {
        let seed = &seeds[rng.random_range(0..seeds.len())];
        let text = mutate(&mut rng, seed, &seeds);
        let mut template = Template::new(if round % 3 == 0 { Mode::Html } else { Mode::Text }, &funcs);
        if template.add("t", &text).is_ok() {
            executed += usize::from(template.execute("t", &data, &limits).is_ok());
        }
    }
    assert!(executed > 500, "{executed} mutations still made sense");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Formats of every shape: never a panic, and `%%`-free text without verbs comes back unchanged.
    #[test]
    fn formats(format in "[%\\[\\]0-9*.+ #a-zA-Z\u{e9}-]{0,24}", int in any::<i64>(), float in any::<f64>(), text in ".{0,8}") {
        let args = [Value::int(int), Value::Float(float), Value::from(text), Value::Nil];
        let printed = gotemplate::fmt::Printer::new(1 << 20).format(format.as_bytes(), &args);
        if !format.contains('%') {
            prop_assert!(printed.unwrap().starts_with(format.as_bytes()));
        }
    }

    /// What `%v` writes of a float reads back as the same float.
    #[test]
    fn floats_read_back(v in any::<f64>()) {
        let text = gotemplate::fmt::sprintf("%v", &[Value::Float(v)]);
        let back = model::float::parse_go(&text).unwrap();
        prop_assert!(back.to_bits() == v.to_bits() || back.is_nan() && v.is_nan(), "{} {}", text, v);
    }

    /// No value escapes from a place in a document.
    #[test]
    fn values_cannot_become_markup(value in "[<>\"'`&;(){}/\\\\a-z =+:%#?!*\n-]{0,24}") {
        let funcs = gotemplate::Funcs::new();
        let text = "<p>{{.}}</p><a title=\"{{.}}\" href='{{.}}' data-x={{.}}></a><script>var x = {{.}}, y = \"{{.}}\";</script><style>p{color:{{.}}}</style>";
        let template = Template::parse_html("t", text, &funcs).unwrap();
        let out = template.execute("t", &Value::from(value), &Limits::default()).unwrap();
        prop_assert_eq!(out.matches('<').count(), 8, "{}", out);
        prop_assert_eq!(out.matches("</script").count(), 1);
        prop_assert_eq!(out.matches("</style").count(), 1);
    }

    /// Layouts and durations of every shape.
    #[test]
    fn times(layout in "[0-9JanMoTZ_:. -]{0,20}", text in "[0-9JanMo:. -]{0,20}", seconds in any::<i64>(), nanos in any::<i64>()) {
        let time = gotemplate::time::Time::from_unix(seconds, nanos);
        let _ = time.format(&layout);
        let _ = gotemplate::time::parse(&layout, &text, gotemplate::time::Zone::Utc);
        let shown = gotemplate::time::duration::text(nanos);
        prop_assert_eq!(gotemplate::time::duration::parse(&shown), Some(nanos));
    }
}
