//! The functions of the three matched systems.

use std::sync::Arc;

use gotemplate::data::{Alert, Notification, Pairs};
use gotemplate::funcs::prometheus::{Query, Sample};
use gotemplate::funcs::{alertmanager, loki, prometheus};
use gotemplate::time::Time;
use gotemplate::{Funcs, Limits, Template, Value};
use model::{ManualClock, Timestamp};

fn check(funcs: &Funcs, data: &Value, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let actual = Template::parse("t", text, funcs)
            .and_then(|template| template.execute("t", data, &Limits::default()))
            .unwrap_or_else(|error| error.to_string());
        match expected.strip_prefix("error: ") {
            Some(expected) => assert!(actual.contains(expected), "{text}: {actual}"),
            None => assert_eq!(actual, *expected, "{text}"),
        }
    }
}

struct Samples;

impl Query for Samples {
    fn query(&self, expression: &str) -> Result<Vec<Sample>, String> {
        let sample = |instance: &str, value| Sample {
            labels: vec![
                ("__name__".into(), "metric".into()),
                ("instance".into(), instance.into()),
                ("__value__".into(), "a".into()),
            ],
            value,
        };
        match expression {
            "metric" => Ok(vec![sample("b", 21.0), sample("a", 11.0)]),
            "none" => Ok(vec![]),
            _ => Err("parse error".into()),
        }
    }
}

/// The cases follow Prometheus' documentation and the behaviour of its `template` package.
#[test]
fn prometheus_functions() {
    let funcs =
        prometheus::functions(Arc::new(Samples), Timestamp(1_353_755_652_000), "http://testhost:9090/path/prefix?x");
    let labels = [("job".to_owned(), "node".to_owned())];
    let data = prometheus::alert_data(&labels, &[("env".to_owned(), "prod".to_owned())], "http://x", 0.5);
    let with_definitions = format!(
        "{}{}",
        prometheus::DEFINITIONS,
        "{{ $labels.job }} {{ $value }} {{ $externalLabels.env }} {{ $externalURL }}{{ $labels.nope }}"
    );
    check(
        &funcs,
        &data,
        &[
            (&with_definitions, "node 0.5 prod http://x"),
            ("{{ .Value }}{{ .Labels }}{{ .ExternalURL }}", "0.5map[job:node]http://x"),
            ("{{ .Nope }}", "error: at <.Nope>: can't evaluate field Nope in type struct"),
            ("{{ query \"metric\" | first | value }}", "21"),
            ("{{ query \"metric\" | first | label \"instance\" }}{{ query \"metric\" | first | strvalue }}", "ba"),
            (
                "{{ range query \"metric\" | sortByLabel \"instance\" }}{{ .Labels.instance }}:{{ .Value }};{{ end }}",
                "a:11;b:21;",
            ),
            ("{{ with query \"none\" }}x{{ else }}empty{{ end }}{{ query \"none\" | len }}", "empty0"),
            ("{{ query \"none\" | first }}", "error: error calling first: first() called on vector with no elements"),
            ("{{ query \"bad(\" }}", "error: error calling query: parse error"),
            ("{{ first 1 }}", "error: can't handle 1 for arg of type template.queryResult"),
            ("{{ \"x\" | first }}", "error: wrong type for value; expected template.queryResult; got string"),
            ("{{ define \"x\" }}{{ .arg0 }}-{{ .arg1 }}{{ end }}{{ template \"x\" (args 1 \"b\") }}", "1-b"),
            ("{{ humanize 0.0 }}:{{ humanize 1.0 }}:{{ humanize 1234567.0 }}:{{ humanize .12 }}", "0:1:1.235M:120m"),
            (
                "{{ humanize \"1.1e+15\" }}:{{ humanize 1 }}:{{ humanize -1234 }}:{{ humanize \"NaN\" }}:{{ humanize \"+Inf\" }}",
                "1.1P:1:-1.234k:NaN:+Inf",
            ),
            ("{{ humanize 1e-30 }}:{{ humanize 1e30 }}", "1e-06y:1e+06Y"),
            (
                "{{ humanize \"one\" }}",
                "error: error calling humanize: strconv.ParseFloat: parsing \"one\": invalid syntax",
            ),
            ("{{ humanize true }}", "error: can't convert bool to float"),
            (
                "{{ humanize1024 0.0 }}:{{ humanize1024 1.0 }}:{{ humanize1024 1048576.0 }}:{{ humanize1024 .12 }}:{{ humanize1024 1500 }}",
                "0:1:1Mi:0.12:1.465ki",
            ),
            (
                "{{ humanizeDuration 0 }}:{{ humanizeDuration 1 }}:{{ humanizeDuration 60 }}:{{ humanizeDuration 3600 }}:{{ humanizeDuration 86400 }}",
                "0s:1s:1m 0s:1h 0m 0s:1d 0h 0m 0s",
            ),
            (
                "{{ humanizeDuration -123 }}:{{ humanizeDuration 123456.7 }}:{{ humanizeDuration .1 }}:{{ humanizeDuration .00012 }}:{{ humanizeDuration 1.2345678 }}",
                "-2m 3s:1d 10h 17m 36s:100ms:120us:1.235s",
            ),
            (
                "{{ humanizePercentage 0.1 }}:{{ humanizePercentage 1.234567 }}:{{ humanizePercentage \"-0.12\" }}",
                "10%:123.5%:-12%",
            ),
            (
                "{{ humanizeTimestamp 1435065584.128 }}:{{ humanizeTimestamp \"1435065584\" }}:{{ humanizeTimestamp \"+Inf\" }}",
                "2015-06-23 13:19:44.128 +0000 UTC:2015-06-23 13:19:44 +0000 UTC:+Inf",
            ),
            (
                "{{ humanizeTimestamp 1e30 }}",
                "error: 1e+30 cannot be represented as a nanoseconds timestamp since it overflows int64",
            ),
            ("{{ (1435065584.128 | toTime).Format \"2006\" }}:{{ toDuration 90 }}", "2015:1m30s"),
            ("{{ now | humanizeTimestamp }}:{{ printf \"%.0f\" now }}", "2012-11-24 11:14:12 +0000 UTC:1353755652"),
            ("{{ parseDuration \"1h2m10ms\" }}:{{ parseDuration \"-1m\" }}", "3720.01:-60"),
            ("{{ parseDuration \"1 h\" }}", "error: error calling parseDuration: not a valid duration string"),
            ("{{ title \"aa bB CC\" }}:{{ toUpper \"aa bB\" }}:{{ toLower \"bB\" }}", "Aa BB CC:AA BB:bb"),
            ("{{ reReplaceAll \"(a)b\" \"x$1\" \"ab\" }}:{{ match \"a+\" \"aa\" }}", "xa:true"),
            ("{{ match \"(\" \"aa\" }}", "error: error calling match: error parsing regexp"),
            (
                "{{ graphLink \"up\" }} {{ tableLink \"a + b\" }}",
                "/graph?g0.expr=up&g0.tab=0 /graph?g0.expr=a+%2B+b&g0.tab=1",
            ),
            ("{{ externalURL }} {{ pathPrefix }}", "http://testhost:9090/path/prefix?x /path/prefix"),
            (
                "{{ stripPort \"h.example:80\" }} {{ stripPort \"h.example\" }} {{ stripPort \"[::1]:80\" }} {{ stripPort \"::1\" }} {{ stripPort \"[::1]\" }}",
                "h.example h.example ::1 ::1 [::1]",
            ),
            (
                "{{ stripDomain \"h.example:80\" }} {{ stripDomain \"h.example\" }} {{ stripDomain \"192.0.2.1:80\" }} {{ stripDomain \"[::1]:80\" }} {{ stripDomain \"h\" }}",
                "h:80 h 192.0.2.1:80 [::1]:80 h",
            ),
            ("{{ safeHtml \"<b>\" }}{{ urlQueryEscape \"a b&c\" }}", "<b>a+b%26c"),
        ],
    );
    let html = Template::parse_html("t", "{{ safeHtml \"<b>\" }}{{ \"<b>\" }}", &funcs).unwrap();
    assert_eq!(html.execute("t", &data, &Limits::default()).unwrap(), "<b>&lt;b&gt;");
}

fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[test]
fn alertmanager_functions_and_data() {
    let clock = Arc::new(ManualClock::new(Timestamp(1_700_000_090_000)));
    let mut funcs = alertmanager::functions(clock);
    let alert = |status: &str, instance: &str| Alert {
        status: status.into(),
        labels: pairs(&[("alertname", "Down"), ("a", "1"), ("instance", instance)]),
        annotations: pairs(&[("summary", "<s>")]),
        starts_at: Time::from_unix(1_700_000_000, 0),
        ends_at: Time::ZERO,
        generator_url: "http://g".into(),
        fingerprint: "0123456789abcdef".into(),
    };
    let data = Notification {
        receiver: "team".into(),
        status: "firing".into(),
        alerts: vec![alert("firing", "x"), alert("resolved", "y")],
        group_labels: pairs(&[("alertname", "Down")]),
        common_labels: pairs(&[("alertname", "Down"), ("a", "1")]),
        ..Notification::default()
    }
    .to_value();
    let cases = [
        ("{{ .CommonLabels }}|{{ .CommonLabels.SortedPairs }}", "alertname=Down, a=1|alertname=Down, a=1"),
        ("{{ .GroupLabels.Values.Join \":\" }}{{ .CommonLabels.Names | join \",\" }}", "Downalertname,a"),
        ("{{ (.CommonLabels.Remove .GroupLabels.Names).SortedPairs.Values.Join \" \" }}", "1"),
        (
            "{{ range .CommonLabels }}{{ . }};{{ end }}{{ len .CommonLabels }}{{ .CommonLabels.a }}{{ index .CommonLabels \"a\" }}",
            "1;Down;211",
        ),
        (
            "{{ range .Alerts.Resolved }}{{ .Labels.instance }}{{ end }}{{ len .Alerts.Firing }}{{ (index .Alerts 0).Status }}",
            "y1firing",
        ),
        (
            "{{ printf \"%T %T %T %T\" . .Alerts .CommonLabels (index .Alerts 0) }}",
            "template.Data template.Alerts template.KV template.Alert",
        ),
        ("{{ .Alerts.Nope }}", "error: can't evaluate field Nope in type template.Alerts"),
        ("{{ .CommonLabels.Remove }}", "error: wrong number of args for Remove: want 1 got 0"),
        (
            "{{ toJson (index .Alerts 0) }}",
            "{\"status\":\"firing\",\"labels\":{\"a\":\"1\",\"alertname\":\"Down\",\"instance\":\"x\"},\"annotations\":{\"summary\":\"\\u003cs\\u003e\"},\"startsAt\":\"2023-11-14T22:13:20Z\",\"endsAt\":\"0001-01-01T00:00:00Z\",\"generatorURL\":\"http://g\",\"fingerprint\":\"0123456789abcdef\"}",
        ),
        (
            "{{ since (index .Alerts 0).StartsAt }} {{ (now.Sub (index .Alerts 0).StartsAt).Seconds }} {{ since (index .Alerts 0).StartsAt | humanizeDuration }}",
            "1m30s 90 1m 30s",
        ),
        ("{{ title \"hELLO wORLD\" }}{{ trimSpace \" a \" }}{{ urlUnescape \"a%2Fb\" }}", "Hello Worldaa/b"),
        ("{{ base64encode \"a?>\" }} {{ base64decode \"YT8-\" }}", "YT8- a?>"),
        ("{{ base64decode \"!\" }}", "error: error calling base64decode: illegal base64 data"),
        ("{{ $d := dict \"a\" 1 \"b\" (list 2 3) }}{{ $d.a }}{{ index $d.b 1 }}{{ append $d.b 4 }}", "13[2 3 4]"),
        ("{{ dict \"a\" }}", "error: dict requires an even number of arguments"),
        ("{{ dict 1 2 }}", "error: dict keys must be strings"),
        (
            "{{ (toDate \"2006-01-02\" \"nope\").IsZero }}{{ (mustToDate \"2006-01-02\" \"2024-05-06\").Year }}",
            "true2024",
        ),
        ("[{{ routeLabels \"x\" }}]", "[]"),
    ];
    check(&funcs, &data, &cases);
    funcs.extend(&alertmanager::with_route_labels(Arc::new(|name| match name {
        "team" => Ok("infra".into()),
        name => Err(format!("no route label {name}")),
    })));
    check(
        &funcs,
        &data,
        &[("{{ routeLabels \"team\" }}", "infra"), ("{{ routeLabels \"x\" }}", "error: no route label x")],
    );
}

struct Line;

impl loki::Entry for Line {
    fn line(&self) -> String {
        "the line".into()
    }

    fn timestamp_nanos(&self) -> i64 {
        1_700_000_000_123_456_789
    }
}

#[test]
fn loki_functions() {
    let funcs = loki::functions(Arc::new(Line), Arc::new(ManualClock::new(Timestamp(1_700_000_000_000))));
    let data = Value::string_map([("msg", "Hello World"), ("n", "42"), ("json", "{\"a\":[1,{\"b\":null}]}")]);
    check(
        &funcs,
        &data,
        &[
            (
                "{{ __line__ }} {{ __timestamp__ | unixEpochNanos }} {{ __timestamp__ | unixEpochMillis }} {{ __timestamp__ | unixEpoch }}",
                "the line 1700000000123456789 1700000000123 1700000000",
            ),
            ("{{ .msg | lower }} {{ ToUpper .msg }} {{ .nope }}|", "hello world HELLO WORLD |"),
            (
                "{{ Replace .msg \"l\" \"L\" 2 }} {{ replace \"o\" \"0\" .msg }} {{ Replace .msg \"l\" \"L\" -1 }}",
                "HeLLo World Hell0 W0rld HeLLo WorLd",
            ),
            (
                "{{ Trim \"xxaxx\" \"x\" }}{{ TrimLeft \"xxaxx\" \"x\" }}{{ TrimRight \"xxaxx\" \"x\" }}{{ TrimPrefix \"xa\" \"x\" }}{{ TrimSuffix \"ax\" \"x\" }}{{ TrimSpace \" a \" }}",
                "aaxxxxaaaa",
            ),
            (
                "{{ trimAll \"x\" \"xxaxx\" }}{{ trimPrefix \"x\" \"xa\" }}{{ trimSuffix \"x\" \"ax\" }}{{ trim \" a \" }}",
                "aaaa",
            ),
            (
                "{{ trunc 5 .msg }}|{{ trunc -5 .msg }}|{{ trunc 50 .msg }}|{{ substr 0 5 .msg }}|{{ substr -1 2 .msg }}|{{ substr 6 -1 .msg }}",
                "Hello|World|Hello World|Hello|He|World",
            ),
            ("{{ substr 5 2 .msg }}", "error: error calling substr: runtime error: slice bounds out of range"),
            ("{{ repeat 3 \"ab\" }} {{ indent 2 \"a\\nb\" }}|{{ nindent 1 \"a\" }}", "ababab   a\n  b|\n a"),
            (
                "{{ contains \"lo\" .msg }}{{ hasPrefix \"He\" .msg }}{{ hasSuffix \"x\" .msg }}{{ title \"a b-c\" }}",
                "truetruefalseA B-C",
            ),
            (
                "{{ regexReplaceAll \"(o)\" .msg \"<$1>\" }} {{ regexReplaceAllLiteral \"(o)\" .msg \"$1\" }} {{ count \"o\" .msg }}",
                "Hell<o> W<o>rld Hell$1 W$1rld 2",
            ),
            ("{{ regexReplaceAll \"(\" .msg \"\" }}", "error: error parsing regexp"),
            (
                "{{ alignLeft 5 \"ab\" }}|{{ alignRight 5 \"ab\" }}|{{ alignLeft 1 \"ab\" }}|{{ alignRight 1 \"ab\" }}|{{ alignLeft -1 \"ab\" }}",
                "ab   |   ab|a|b|ab",
            ),
            (
                "{{ add 1 2 3 }} {{ sub 5 2 }} {{ mul 2 3 4 }} {{ div 7 2 }} {{ mod 7 2 }} {{ add \"40\" .n }}",
                "6 3 24 3 1 82",
            ),
            ("{{ div 1 0 }}", "error: integer divide by zero"),
            (
                "{{ addf 0.1 0.2 }} {{ subf 0.3 0.1 }} {{ mulf 1.1 1.1 }} {{ divf 1.0 3 }} {{ addf \"1.5\" 1 }}",
                "0.3 0.2 1.21 0.3333333333333333 2.5",
            ),
            ("{{ divf 1 0 }}", "error: decimal division by 0"),
            (
                "{{ max 1 5 3 }} {{ min 4 2 }} {{ maxf 1.5 2.5 }} {{ minf 1.5 \"0.5\" }} {{ ceil 1.2 }} {{ floor 1.8 }} {{ round 1.256 2 }} {{ round 123.5 0 }}",
                "5 2 2.5 0.5 2 1 1.26 124",
            ),
            ("{{ int \"42\" }} {{ int 3.9 }} {{ int \"x\" }} {{ float64 \"3.5\" }} {{ int true }}", "42 3 0 3.5 1"),
            ("{{ printf \"%T %T %T\" (int \"1\") (add 1) (addf 1) }}", "int int64 float64"),
            (
                "{{ (fromJson .json).a }}{{ index (fromJson .json).a 0 }}{{ fromJson \"x\" }}",
                "[1 map[b:<nil>]]1<no value>",
            ),
            ("{{ default \"d\" .nope }}{{ default \"d\" .msg }}{{ default 5 0 }}", "dHello World5"),
            (
                "{{ b64enc \"a>?\" }} {{ b64dec \"YT4/\" }} {{ b64dec \"YQ\" }} {{ b64dec \"!!!!\" }}",
                "YT4/ a>? a illegal base64 data at input byte 0",
            ),
            ("{{ urlencode \"a b&\" }} {{ urldecode \"a+b%26\" }}", "a+b%26 a b&"),
            (
                "{{ bytes \"2 KB\" }} {{ bytes \"1.5MiB\" }} {{ duration \"1m30s\" }} {{ duration_seconds \"250ms\" }}",
                "2000 1.572864e+06 90 0.25",
            ),
            ("{{ bytes \"x\" }}", "error: error calling bytes"),
            ("{{ duration \"x\" }}", "error: error calling duration: time: invalid duration \"x\""),
            (
                "{{ unixToTime \"1700000000\" }} {{ (unixToTime \"1700000000123\").Year }}",
                "2023-11-14 22:13:20 +0000 UTC 2023",
            ),
            (
                "{{ date \"2006-01-02\" (toDate \"02/01/2006\" \"05/06/2024\") }} {{ date \"15:04\" 3600 }} {{ now | date \"2006\" }}",
                "2024-06-05 01:00 2023",
            ),
            (
                "{{ toDateInZone \"2006-01-02 15:04\" \"Europe/Berlin\" \"2024-07-01 12:00\" | unixEpoch }}",
                "1719828000",
            ),
            (
                "{{ if and (contains \"W\" .msg) (not (eq .n \"1\")) }}yes{{ end }}{{ range $k, $v := . }}{{ $k }} {{ end }}",
                "yesjson msg n ",
            ),
        ],
    );
}
