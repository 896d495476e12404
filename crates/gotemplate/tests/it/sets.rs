//! Sets of templates as other crates use them.

use gotemplate::{Error, Funcs, Limits, MissingKey, Mode, Template, Value};

fn labels() -> Value {
    Value::string_map([("job", "node"), ("level", "<warn>")])
}

fn text(template: &Template, name: &str) -> Result<String, Error> {
    template.execute(name, &labels(), &Limits::default())
}

#[test]
fn later_definitions_replace_earlier_ones() {
    let mut set = Template::new(Mode::Text, &Funcs::new());
    set.add("file1", "{{ define \"a\" }}1{{ end }}{{ define \"b\" }}B{{ template \"a\" }}{{ end }}").unwrap();
    set.add("file2", "{{ define \"a\" }}2{{ end }}").unwrap();
    assert_eq!(text(&set, "b").unwrap(), "B2");
    set.add("file3", "{{ define \"a\" }}  {{ end }}").unwrap();
    assert_eq!(text(&set, "b").unwrap(), "B2", "a blank definition replaces nothing");
    assert_eq!(set.names().collect::<Vec<_>>(), ["a", "b", "file1", "file2", "file3"]);

    let before = set.clone();
    assert!(set.add("file4", "{{ define \"a\" }}3{{ end }}{{ if }}").is_err());
    assert_eq!(text(&set, "b").unwrap(), text(&before, "b").unwrap(), "an error adds nothing");
    assert_eq!(text(&set, "nope"), Err(Error::NoSuchTemplate("nope".into())));
}

#[test]
fn a_clone_can_be_added_to() {
    let mut set = Template::new(Mode::Html, &Funcs::new());
    set.add("", "{{ define \"a\" }}<b>{{ .level }}</b>{{ end }}").unwrap();
    assert_eq!(text(&set, "a").unwrap(), "<b>&lt;warn&gt;</b>");
    let mut other = set.clone();
    other.add("t", "{{ template \"a\" . }}<a title='{{ template \"a\" . }}'>").unwrap();
    assert_eq!(text(&other, "t").unwrap(), "<b>&lt;warn&gt;</b><a title='<b>&lt;warn&gt;</b>'>");
    other.add("", "{{ define \"a\" }}{{ .job }}{{ end }}").unwrap();
    assert_eq!(text(&other, "t").unwrap(), "node<a title='node'>");
    assert!(text(&set, "t").is_err());
}

#[test]
fn missing_keys() {
    let set = Template::parse("t", "[{{ .nope }}]", &Funcs::new()).unwrap();
    assert_eq!(text(&set, "t").unwrap(), "[]");
    assert_eq!(text(&set.clone().with_missing_key(MissingKey::Invalid), "t").unwrap(), "[<no value>]");
    let error = text(&set.with_missing_key(MissingKey::Error), "t").unwrap_err();
    assert_eq!(error.to_string(), "template: t:1:4: executing \"t\" at <.nope>: map has no entry for key \"nope\"");
}

#[test]
fn fields_are_known_without_executing() {
    let parse = |text: &str| Template::parse("t", text, &Funcs::new()).unwrap();
    assert_eq!(parse("{{ .msg }}").single_field("t"), Some("msg"));
    assert_eq!(parse("{{ .msg }} ").single_field("t"), None);
    assert_eq!(parse("{{ .a.b }}").single_field("t"), None);
    let fields = |text: &str| parse(text).fields("t");
    let named = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(
        fields("{{ if .a }}{{ .b }}{{ else }}{{ printf \"%s\" .c | len }}{{ end }}{{ $.d }}"),
        named(&["a", "b", "c", "d"])
    );
    assert_eq!(fields("{{ range $k, $v := . }}{{ $k }}{{ end }}"), None, "all fields may be read");
    assert_eq!(fields("plain"), named(&[]));
}

#[test]
fn errors_name_the_place() {
    let parse_error = Template::parse("rules.yml", "a\nb {{ if }}", &Funcs::new()).unwrap_err();
    assert_eq!(parse_error.to_string(), "template: rules.yml:2: missing value for if");
    let set = Template::parse("t", "a\n{{ .job.x }}", &Funcs::new()).unwrap();
    let Err(Error::Execute { line, column, context, .. }) = text(&set, "t") else { panic!("no error") };
    assert_eq!((line, column, context.as_str()), (2, 7, ".job.x"));
    let set = Template::parse_html("t", "<a href='{{ if .job }}/{{ else }}\"'{{ end }}", &Funcs::new()).unwrap();
    let first = text(&set, "t").unwrap_err().to_string();
    assert!(first.starts_with("html/template:t:1:15: {{if}} branches end in different contexts"), "{first}");
    assert_eq!(text(&set, "t").unwrap_err().to_string(), first, "and again");
}

#[test]
fn output_that_is_not_utf8() {
    let set = Template::parse("t", "{{ slice \"h\u{e9}\" 0 2 }}", &Funcs::new()).unwrap();
    assert_eq!(text(&set, "t").unwrap(), "h\u{fffd}");
    assert_eq!(set.execute_bytes("t", &labels(), &Limits::default()).unwrap(), b"h\xc3");
}
