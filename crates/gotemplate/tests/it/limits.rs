//! A hostile template is stopped: it neither hangs, nor eats memory, nor exhausts the stack.

use std::sync::Arc;
use std::time::Instant;

use gotemplate::funcs::{alertmanager, loki};
use gotemplate::{Error, Funcs, Limits, Mode, Template, Value};
use model::{ManualClock, Timestamp};

struct NoEntry;

impl loki::Entry for NoEntry {
    fn line(&self) -> String {
        String::new()
    }

    fn timestamp_nanos(&self) -> i64 {
        0
    }
}

fn funcs() -> Funcs {
    let clock = Arc::new(ManualClock::new(Timestamp(0)));
    let mut funcs = loki::functions(Arc::new(NoEntry), clock.clone());
    funcs.extend(&alertmanager::functions(clock));
    funcs
}

fn run_with(mode: Mode, text: &str, limits: &Limits) -> Result<String, Error> {
    let mut template = Template::new(mode, &funcs());
    template.add("t", text)?;
    template.execute("t", &Value::string_map([("a", "b")]), limits)
}

fn run(text: &str) -> Result<String, Error> {
    run_with(Mode::Text, text, &Limits::default())
}

#[test]
fn hostile_templates_meet_a_limit() {
    let doubling = format!("{{{{ $x := \"xxxxxxxxxxxxxxxx\" }}}}{}", "{{ $x = print $x $x }}".repeat(60));
    let nested_lists = format!("{{{{ $x := list 1 }}}}{}{{{{ $x }}}}", "{{ $x = list $x $x }}".repeat(60));
    let nested_json = format!("{{{{ $x := list 1 }}}}{}{{{{ toJson $x }}}}", "{{ $x = list $x $x }}".repeat(60));
    for text in [
        "{{ range 9223372036854775807 }}{{ end }}",
        "{{ range 9223372036854775807 }}x{{ end }}",
        "{{ range 100000 }}{{ range 100000 }}{{ end }}{{ end }}",
        "{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}",
        "{{ define \"a\" }}{{ template \"b\" }}{{ template \"b\" }}{{ end }}{{ define \"b\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}",
        "{{ range 1000 }}{{ printf \"%1000000d\" 1 }}{{ end }}",
        "{{ printf \"%1000000d%1000000d%1000000d%1000000d%1000000d\" 1 1 1 1 1 }}",
        "{{ $x := list }}{{ range 1000000 }}{{ $x = list $x }}{{ end }}",
        "{{ $x := list }}{{ range 1000000 }}{{ $x = append $x . }}{{ end }}",
        &doubling,
        &nested_lists,
    ] {
        let started = Instant::now();
        let error = run(text).unwrap_err();
        assert!(error.is_limit(), "{text:.80}: {error:.200}");
        assert!(started.elapsed().as_secs() < 20, "{text:.80} took {:?}", started.elapsed());
    }
    // Functions refuse before they build what would be too large.
    for text in [
        "{{ repeat 1000000000000 \"x\" }}",
        "{{ indent 1000000000000 \"x\" }}",
        "{{ alignLeft 1000000000000 \"x\" }}",
        "{{ replace \"\" (repeat 100000 \"x\") (repeat 100000 \"y\") }}",
        "{{ regexReplaceAll \"\" (repeat 100000 \"y\") (repeat 100000 \"x\") }}",
        "{{ printf \"%.9999999f\" 1.0 | len | repeat 100 | len }}",
        &nested_json,
    ] {
        let error = run(text).unwrap_err().to_string();
        assert!(error.contains("limit") || error.contains("wrong type"), "{text:.80}: {error:.200}");
    }
}

#[test]
fn limits_are_those_given() {
    let limits = |steps, depth, output_bytes| Limits { steps, depth, output_bytes, scratch_bytes: 1000 };
    let loop_of = |n| format!("{{{{ range {n} }}}}x{{{{ end }}}}");
    assert_eq!(run_with(Mode::Text, &loop_of(10), &limits(100, 5, 10)).unwrap(), "xxxxxxxxxx");
    assert!(
        run_with(Mode::Text, &loop_of(11), &limits(100, 5, 10)).unwrap_err().to_string().contains("10 bytes of output")
    );
    assert!(run_with(Mode::Text, &loop_of(60), &limits(100, 5, 1000)).unwrap_err().to_string().contains("100 steps"));
    let deep =
        "{{ define \"a\" }}{{ if . }}{{ template \"a\" (slice . 1) }}{{ end }}{{ end }}{{ template \"a\" \"12345\" }}";
    assert!(run_with(Mode::Text, deep, &limits(1000, 6, 10)).is_ok());
    assert!(run_with(Mode::Text, deep, &limits(1000, 5, 10)).unwrap_err().is_limit());
}

/// The deepest templates that are accepted fit a stack a quarter of the size of a server's worker thread.
#[test]
fn nesting_does_not_exhaust_the_stack() {
    let nest =
        |open: &str, inner: &str, close: &str, count| format!("{}{inner}{}", open.repeat(count), close.repeat(count));
    let deep_call = nest("{{ if . }}", "{{ template \"a\" . }}", "{{ end }}", 90);
    let templates = vec![
        nest("{{ if . }}", "x", "{{ end }}", 95),
        nest("{{ if . }}", "x", "{{ end }}", 10_000),
        nest("{{ range . }}", "x", "{{ end }}", 95),
        nest("{{ with . }}", "x", "{{ end }}", 10_000),
        format!("{{{{ {} }}}}", nest("(", "1", ")", 190)),
        format!("{{{{ {} }}}}", nest("(", "1", ")", 100_000)),
        format!("{{{{ {} }}}}", nest("(print ", "1", ")", 190)),
        nest("{{ if 0 }}{{ else ", "if 1 }}x{{ end }}", "", 10_000),
        format!("{{{{ if 0 }}}}{}{{{{ end }}}}", "{{ else if 0 }}".repeat(190)),
        format!("{{{{ if 0 }}}}{}{{{{ end }}}}", "{{ else if 0 }}".repeat(100_000)),
        format!("{{{{ define \"a\" }}}}{deep_call}{{{{ end }}}}{{{{ template \"a\" . }}}}"),
        format!("{{{{ . }}}}{}", "{{ end }}".repeat(10)),
        format!("{{{{ fromJson `{}1{}` }}}}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("{{{{ fromJson `{}1{}` }}}}", "[".repeat(90), "]".repeat(90)),
        format!("{{{{ {}1{} }}}}", "(list ".repeat(95), ")".repeat(95)),
    ];
    let thread = std::thread::Builder::new().stack_size(512 << 10).spawn(move || {
        for text in templates {
            for mode in [Mode::Text, Mode::Html] {
                let _ = run_with(mode, &text, &Limits::default());
            }
        }
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn escaping_nested_loops_is_bounded() {
    let loops = format!("{}<b>{}", "{{ range . }}".repeat(40), "{{ end }}".repeat(40));
    let error = run_with(Mode::Html, &loops, &Limits::default()).unwrap_err().to_string();
    assert!(error.contains("too complex"), "{error}");
}
