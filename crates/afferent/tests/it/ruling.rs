//! Rules in the running server: series, alerts, sending, reload; and the commands about rule files.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Server, http_get, raw_request, wait_for};

const RULES: &str = "groups:\n- name: g\n  interval: 1s\n  rules:\n  - record: two\n    expr: vector(2)\n  - alert: Always\n    expr: \
    two > 1\n    labels: {severity: page}\n    annotations: {summary: 'it is {{ $value }}'}\n";

/// Answers 200 to whatever comes and hands on what came.
fn alertmanager() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let send = send.clone();
            std::thread::spawn(move || {
                let (mut buffer, mut got) = ([0_u8; 65536], String::new());
                while let Ok(read) = stream.read(&mut buffer) {
                    if read == 0 {
                        return;
                    }
                    got.push_str(&String::from_utf8_lossy(&buffer[..read]));
                    if got.trim_end().ends_with(']') {
                        let _ = send.send(std::mem::take(&mut got));
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                    }
                }
            });
        }
    });
    (address, receive)
}

fn rule<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let groups = answer["data"]["groups"].as_array().expect("groups");
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules"));
    rules.into_iter().find(|rule| rule["name"] == name).unwrap_or(&Value::Null)
}

#[test]
fn rules_are_evaluated_told_and_reloaded() {
    let (address, told) = alertmanager();
    let config = format!(
        "global: {{external_labels: {{region: eu}}}}\nrule_files: ['rules-*.yml']\nalerting: {{alertmanagers: [{{static_configs: \
         [{{targets: ['{address}']}}]}}]}}\n"
    );
    let server = Server::start(&config);
    let file = server.directory().join("rules-a.yml");
    std::fs::write(&file, RULES).unwrap();
    assert_eq!(raw_request(&server.url, "POST", "/-/reload").unwrap().0, 200);

    let request = told.recv_timeout(Duration::from_secs(60)).expect("the alert is sent");
    assert!(request.starts_with("POST /api/v2/alerts HTTP/1.1\r\n"), "{request}");
    let body: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body[0]["labels"], serde_json::json!({"alertname": "Always", "region": "eu", "severity": "page"}));
    assert_eq!(body[0]["annotations"]["summary"], "it is 2");

    let recorded = || http_get(&server.url, "/api/v1/query?query=ALERTS").1["data"]["result"][0]["value"][1] == "1";
    assert!(wait_for(Duration::from_secs(30), recorded), "ALERTS is written");
    // An evaluation shows what came of it at its end, after it has told others.
    let shown = || rule(&http_get(&server.url, "/api/v1/rules").1, "Always")["state"] == "firing";
    assert!(wait_for(Duration::from_secs(30), shown), "the rule shows its state");
    let (_, answer) = http_get(&server.url, "/api/v1/rules");
    let always = rule(&answer, "Always");
    assert_eq!(
        (&always["state"], &always["health"], &always["type"]),
        (&"firing".into(), &"ok".into(), &"alerting".into())
    );
    assert_eq!(always["alerts"][0]["value"], "2e+00");
    let active_at = always["alerts"][0]["activeAt"].clone();
    let (_, answer) = http_get(&server.url, "/api/v1/rules?type=record&group_limit=1");
    assert_eq!((rule(&answer, "two")["type"].as_str(), rule(&answer, "Always")), (Some("recording"), &Value::Null));
    let (_, answer) = http_get(&server.url, "/api/v1/alertmanagers");
    assert_eq!(answer["data"]["activeAlertmanagers"][0]["url"], format!("http://{address}/api/v2/alerts"));

    // A change elsewhere in the group does not touch the alert; a bad file touches nothing.
    std::fs::write(&file, RULES.replace("vector(2)", "vector(3)")).unwrap();
    assert_eq!(raw_request(&server.url, "POST", "/-/reload").unwrap().0, 200);
    std::fs::write(&file, RULES.replace("two > 1", "two >")).unwrap();
    let (status, reasons) = raw_request(&server.url, "POST", "/-/reload").unwrap();
    let reasons = String::from_utf8(reasons).unwrap();
    assert!(status == 500 && reasons.contains("rules-a.yml:8:11:"), "{reasons}");
    let changed = || http_get(&server.url, "/api/v1/alerts").1["data"]["alerts"][0]["value"] == "3e+00";
    assert!(wait_for(Duration::from_secs(30), changed), "the changed rule is at work");
    let (_, answer) = http_get(&server.url, "/api/v1/alerts");
    assert_eq!(answer["data"]["alerts"][0]["activeAt"], active_at);
    let (_, metrics) = http_get(&server.url, "/metrics");
    for name in ["prometheus_rule_evaluations_total", "prometheus_notifications_sent_total"] {
        assert!(metrics.as_str().unwrap().contains(name), "{name}");
    }
}

#[test]
fn rule_files_are_checked_and_tested() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).unwrap();
        directory.path().join(name).display().to_string()
    };
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_afferent")).args(args).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let good = write("r.yml", RULES);
    assert_eq!(run(&["check", "rules", &good]), (Some(0), format!("Checking {good}\n  SUCCESS: 2 rules found\n\n")));
    let bad = write("bad.yml", &RULES.replace("two > 1", "two >"));
    let (status, said) = run(&["check", "rules", &good, &bad]);
    assert!(status == Some(1) && said.contains("bad.yml:8:11: groups[0].rules[1].expr: "), "{said}");
    let twice = write("twice.yml", "groups: [{name: g, rules: [{record: a, expr: up}, {record: a, expr: up}]}]");
    let (status, said) = run(&["check", "rules", &twice]);
    assert!(status == Some(0) && said.contains("1 duplicate rule(s) found.\nMetric: a\nLabel(s):\n"), "{said}");
    assert_eq!(run(&["check", "rules", "--lint-fatal", &twice]).0, Some(1));

    let case = "rule_files: [r.yml]\ntests:\n- name: n\n  promql_expr_test: [{expr: two, eval_time: 1m, exp_samples: [{labels: two, \
                value: 2}]}]\n";
    let passes = write("t.yml", case);
    assert_eq!(run(&["test", "rules", &passes]), (Some(0), format!("Unit Testing:  {passes}\n  SUCCESS\n\n")));
    let fails = write("f.yml", &case.replace("value: 2", "value: 3"));
    let (status, said) = run(&["test", "rules", &passes, &fails]);
    assert!(status == Some(1) && said.contains("got: {__name__=\"two\"} 2E+00"), "{said}");
    assert_eq!(run(&["test", "rules", "--run", "other", &fails]).0, Some(0));
}

#[test]
fn rules_over_logs_are_evaluated_told_and_listed_as_lokis() {
    const LOG_RULES: &str = "groups:\n- name: logs\n  interval: 1s\n  rules:\n  - record: app:errors:count10m\n    expr: sum by (app) \
        (count_over_time({app=\"shop\"} |= \"failed\" [10m]))\n  - alert: Failing\n    expr: sum by (app) (count_over_time({app=~\".+\"} \
        |= \"failed\" [10m])) > 1\n    for: 0s\n    labels: {severity: page}\n    annotations: {summary: '{{ $labels.app }}: {{ $value }}'}\n";
    let (address, told) = alertmanager();
    let config = format!("alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{address}']}}]}}]}}\n");
    let server = Server::start(&config);
    let directory = server.directory().join("loki-rules");
    std::fs::create_dir(&directory).unwrap();
    let file = directory.join("shop.yml");
    std::fs::write(&file, LOG_RULES).unwrap();
    for line in ["the payment failed", "it failed again", "all is well"] {
        let entry = serde_json::json!({"app": "shop", "_msg": line}).to_string();
        let target = "/insert/jsonline?_stream_fields=app";
        let address = server.url.trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let length = entry.len();
        write!(
            stream,
            "POST {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{entry}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    assert_eq!(raw_request(&server.url, "POST", "/-/reload").unwrap().0, 200);

    let request = told.recv_timeout(Duration::from_secs(60)).expect("the alert is sent");
    let body: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body[0]["labels"], serde_json::json!({"alertname": "Failing", "app": "shop", "severity": "page"}));
    assert_eq!(body[0]["annotations"]["summary"], "shop: 2");
    let recorded = || {
        let found = http_get(&server.url, "/api/v1/query?query=app:errors:count10m").1;
        found["data"]["result"][0]["value"][1] == "2"
    };
    assert!(wait_for(Duration::from_secs(30), recorded), "the recording rule writes series");

    let shown = || rule(&http_get(&server.url, "/prometheus/api/v1/rules").1, "Failing")["state"] == "firing";
    assert!(wait_for(Duration::from_secs(30), shown), "the rule shows its state");
    let (_, answer) = http_get(&server.url, "/prometheus/api/v1/alerts");
    assert_eq!(answer["data"]["alerts"][0]["labels"]["app"], "shop");
    let (_, answer) = http_get(&server.url, "/api/v1/rules");
    assert_eq!(answer["data"]["groups"], serde_json::json!([]));
    let (status, listed) = raw_request(&server.url, "GET", "/loki/api/v1/rules/shop.yml/logs").unwrap();
    let listed = String::from_utf8(listed).unwrap();
    assert!(status == 200 && listed.contains("alert: Failing"), "{status} {listed}");
    assert_eq!(raw_request(&server.url, "GET", "/loki/api/v1/rules/other.yml").unwrap().0, 404);
    assert_eq!(raw_request(&server.url, "DELETE", "/loki/api/v1/rules/shop.yml").unwrap().0, 405);

    // What gives lines is no rule; neither is PromQL.
    for (wrong, reason) in [("'{app=\"shop\"}'", "log lines"), ("up > 1", "parse error")] {
        let text = LOG_RULES.replace("sum by (app) (count_over_time({app=~\".+\"} |= \"failed\" [10m])) > 1", wrong);
        assert_ne!(text, LOG_RULES);
        std::fs::write(&file, text).unwrap();
        let (status, reasons) = raw_request(&server.url, "POST", "/-/reload").unwrap();
        let reasons = String::from_utf8(reasons).unwrap();
        assert!(status == 500 && reasons.contains("shop.yml:8:11:") && reasons.contains(reason), "{reasons}");
    }
}
