//! The shipper and the syslog receivers within the server: what they read is found by queries, whatever happens in between.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use model::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::harness::{Server, free_port, http_get, raw_request, url_encode, wait_for};

const CONFIG: &str = "scrape_configs: []\n";
const LONG: Duration = Duration::from_secs(20);

fn promtail(logs: &Path, labels: &str) -> String {
    let logs = logs.display();
    format!(
        "clients: [{{url: 'http://loki:3100/loki/api/v1/push', external_labels: {{cluster: eu}}}}]\n\
         target_config: {{sync_period: 200ms}}\n\
         scrape_configs:\n  - job_name: app\n    static_configs:\n      - labels: {{job: app, {labels}__path__: '{logs}/*.log'}}\n"
    )
}

fn append(file: &Path, lines: impl IntoIterator<Item = String>) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    let text: String = lines.into_iter().map(|line| format!("{line}\n")).collect();
    file.write_all(text.as_bytes()).unwrap();
}

/// Labels and lines of a selector.
fn lines(server: &Server, query: &str) -> Vec<(Value, String)> {
    let target = format!("/loki/api/v1/query_range?limit=5000&since=48h&query={}", url_encode(query));
    let (status, body) = http_get(&server.url, &target);
    assert_eq!(status, 200, "{body}");
    let streams = body["data"]["result"].as_array().cloned().unwrap_or_default();
    let of_stream = |stream: Value| {
        let labels = stream["stream"].clone();
        let values = stream["values"].as_array().cloned().unwrap_or_default();
        values.into_iter().map(move |value| (labels.clone(), value[1].as_str().unwrap().to_owned())).collect::<Vec<_>>()
    };
    streams.into_iter().flat_map(of_stream).collect()
}

fn wait_for_lines(server: &Server, query: &str, count: usize) -> Vec<(Value, String)> {
    let mut found = Vec::new();
    let arrived = wait_for(LONG, || {
        found = lines(server, query);
        found.len() >= count
    });
    assert!(arrived, "{count} lines expected of {query}, there are {}", found.len());
    found
}

#[test]
fn a_promtail_configuration_beside_the_main_one_is_put_to_work() {
    let logs = tempfile::tempdir().unwrap();
    let log = logs.path().join("a.log");
    append(&log, [r#"{"level":"ERROR","message":"it failed","trace_id":"abc"}"#.to_owned()]);
    let mut server = Server::start_with_files(CONFIG, &[("promtail-config.yaml", &promtail(logs.path(), ""))], &[]);
    let found = wait_for_lines(&server, r#"{job="app"}"#, 1);
    // Admitted as what is pushed: levels and services are found, and what the client adds is added.
    assert_eq!(found[0].0["detected_level"], "error");
    assert_eq!(found[0].0["service_name"], "app");
    assert_eq!(found[0].0["cluster"], "eu");
    let (_, status) = http_get(&server.url, "/api/afferent/v1/status/shipper");
    assert_eq!(status["data"]["files"][0]["path"], log.display().to_string());
    assert_eq!(status["data"]["receivers"][0], json!({"host": "local", "lastError": null}));
    let (_, metrics) = http_get(&server.url, "/metrics");
    assert!(metrics.as_str().unwrap().contains("promtail_read_lines_total{"), "{metrics}");

    // Another configuration, then one that is wrong: the good one stays.
    let file = server.directory().join("promtail-config.yaml");
    std::fs::write(&file, promtail(logs.path(), "env: test, ")).unwrap();
    let reload = |server: &Server| raw_request(&server.url, "POST", "/-/reload").unwrap();
    assert_eq!(reload(&server).0, 200);
    append(&log, ["after".to_owned()]);
    wait_for_lines(&server, r#"{job="app", env="test"}"#, 1);
    std::fs::write(&file, "scrape_configs: [{job_name: x, pipeline_stages: [{jsn: }]}]\n").unwrap();
    let (status, body) = reload(&server);
    let body = String::from_utf8_lossy(&body).into_owned();
    assert!(status == 500 && body.contains("unknown stage"), "{status} {body}");
    append(&log, ["still".to_owned()]);
    wait_for_lines(&server, r#"{job="app", env="test"}"#, 2);

    // Killed while lines come, and files are moved away while it is not there.
    std::fs::write(&file, promtail(logs.path(), "env: test, ")).unwrap();
    let mut expected = BTreeSet::from(["after".to_owned(), "still".to_owned()]);
    for round in 0..3 {
        let more: Vec<String> = (0..200).map(|n| format!("round {round} line {n}")).collect();
        append(&log, more[..100].iter().cloned());
        server.kill();
        append(&log, more[100..].iter().cloned());
        std::fs::rename(&log, logs.path().join(format!("a.{round}.log"))).unwrap();
        append(&log, [format!("round {round} new")]);
        expected.extend(more);
        expected.insert(format!("round {round} new"));
        server.restart();
    }
    let found = wait_for_lines(&server, r#"{job="app", env="test"}"#, expected.len());
    let distinct: BTreeSet<String> = found.iter().map(|(_, line)| line.clone()).collect();
    assert_eq!(distinct, expected);
    assert_eq!(found.len(), expected.len(), "lines came twice");
}

#[test]
fn syslog_comes_in_by_both_protocols_and_both_formats() {
    let address = format!("127.0.0.1:{}", free_port());
    let server = Server::start_with(CONFIG, &["--syslog", &address]);
    let now = DateTime::from_timestamp_millis(SystemClock.now().ms()).unwrap();
    let now = now.to_rfc3339_opts(SecondsFormat::Millis, true);
    let counted = format!("<165>1 {now} web shop 77 ID47 [ex@1 user=\"bob\"] an order\nof two lines");
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(stream, "{} {counted}<11>1 - db pg - - - by line\nnonsense\n", counted.len()).unwrap();
    stream.flush().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..20 {
        let text = format!("<34>Oct 11 22:14:15 old su[9]: message {number}\n");
        socket.send_to(text.as_bytes(), &address).unwrap();
    }
    let found = wait_for_lines(&server, r#"{job="syslog", service_name="shop"}"#, 1);
    assert_eq!(found[0].1, "an order\nof two lines");
    let labels = &found[0].0;
    for (name, value) in [
        ("hostname", "web"),
        ("app_name", "shop"),
        ("severity", "notice"),
        ("facility", "local4"),
        ("proc_id", "77"),
        ("msg_id", "ID47"),
        ("sd_ex_1_user", "bob"),
        ("detected_level", "info"),
    ] {
        assert_eq!(labels[name], value, "{name} of {labels}");
    }
    wait_for_lines(&server, r#"{hostname="db"} |= "by line""#, 1);
    let datagrams = wait_for_lines(&server, r#"{hostname="old", service_name="su"}"#, 20);
    assert!(datagrams.iter().any(|(_, line)| line == "message 19"));
    let (_, metrics) = http_get(&server.url, "/metrics");
    assert!(metrics.as_str().unwrap().contains("promtail_syslog_target_parsing_errors_total 1"), "{metrics}");
}
