//! A real Prometheus that has no data of its own and reads ours answers as we do. Needs `AFFERENT_PEERS`.

use std::fmt::Write as _;
use std::time::Duration;

use model::{Clock, SystemClock};

use crate::differential::{
    ExpositionServer, Prometheus, assert_same_answers, exposition_text, peer, same, wait_for_equal_counts,
};
use crate::harness::{Server, http_get, raw_get, url_encode, wait_for};

fn reader(prometheus: &std::path::Path, ours: &str, external: &str) -> Prometheus {
    let config = format!(
        "global: {{external_labels: {external}}}\nremote_read: [{{url: '{ours}/api/v1/read', read_recent: true}}]\n"
    );
    Prometheus::with(prometheus, &config, &[])
}

#[test]
fn prometheus_answers_from_our_floats() {
    let Some(prometheus) = peer("prometheus") else {
        println!("skipped: remote read test, no prometheus below AFFERENT_PEERS");
        return;
    };
    let start = SystemClock.now().ms() / 60_000 * 60 - 7200;
    let exposition = ExpositionServer::start(exposition_text(start));
    let ours = Server::start(&format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, external_labels: {{region: eu}}}}\n\
         scrape_configs:\n- job_name: d\n  static_configs: [{{targets: ['{}']}}]\n",
        exposition.address
    ));
    let theirs = reader(&prometheus, &ours.url, "{region: eu}");
    wait_for_equal_counts("count({job=\"d\",__name__!~\"up|scrape_.*\"})", start, &ours.url, &theirs.url);

    assert_same_answers(&ours.url, &theirs.url, start);

    // A reader of another region looks for its own, unless it is asked for ours.
    let foreign = reader(&prometheus, &ours.url, "{region: us}");
    let time = start + 1800;
    let ask = |selector: &str| {
        let target = format!("/api/v1/query?query={}&time={time}", url_encode(&format!("count({selector})")));
        let found = || raw_get(&foreign.url, &target).ok().filter(|(status, _)| *status == 200);
        assert!(wait_for(Duration::from_secs(20), || found().is_some()));
        http_get(&foreign.url, &target).1["data"]["result"][0]["value"][1].clone()
    };
    assert_eq!(ask("queue_length"), serde_json::Value::Null);
    assert_eq!(ask("queue_length{region=\"eu\"}"), "6");
    assert_eq!(ask("queue_length{region=\"us\"}"), serde_json::Value::Null);
}

#[test]
fn prometheus_answers_from_our_histograms() {
    let Some(prometheus) = peer("prometheus") else {
        println!("skipped: remote read test, no prometheus below AFFERENT_PEERS");
        return;
    };
    let ours = Server::start("{}\n");
    // Its own latencies are native histograms; it sends them to us.
    let source = Prometheus::with(
        &prometheus,
        &format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs:\n- job_name: p\n  static_configs: [{{targets: ['ADDRESS']}}]\n\
             remote_write: [{{url: '{}/api/v1/write', send_native_histograms: true}}]\n",
            ours.url
        ),
        &["--enable-feature=native-histograms"],
    );
    const SELECTOR: &str = "prometheus_http_request_duration_seconds";
    let begin = SystemClock.now().seconds();
    let samples = || {
        let _ = raw_get(&source.url, "/api/v1/query?query=up");
        let _ = raw_get(&source.url, "/api/v1/labels");
        let now = SystemClock.now().seconds();
        let count = ours.query(&format!("max(count_over_time({SELECTOR}[1m]))"), now);
        count[0]["value"][1].as_str().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) >= 12.0
    };
    assert!(wait_for(Duration::from_secs(90), samples), "no native histograms arrive");
    // Half a second beside the scrapes: a window that begins up to a tenth of an interval too early before the first sample is
    // extrapolated below zero by Prometheus 3.5, and by newer ones not.
    let newest = |of: &serde_json::Value| {
        let samples = of["values"].as_array().or(of["histograms"].as_array()).expect("samples");
        samples.last().and_then(|sample| sample[0].as_f64()).expect("a time")
    };
    let lately = |selector: &str| ours.query(&format!("{selector}[20s]"), SystemClock.now().seconds());
    let end = newest(&lately(SELECTOR)[0]) - 1.5;
    let begin = end - (end - begin).ceil();
    // What was scraped until then may still be on its way.
    let has_arrived = || lately("{job=\"p\"}").as_array().expect("a matrix").iter().all(|of| newest(of) > end);
    assert!(wait_for(Duration::from_secs(60), has_arrived), "samples do not arrive");
    let theirs = reader(&prometheus, &ours.url, "{}");
    assert!(wait_for(Duration::from_secs(20), || raw_get(&theirs.url, "/-/ready").is_ok_and(|(s, _)| s == 200)));
    let mut differences = String::new();
    for expression in [
        SELECTOR.to_owned(),
        format!("{SELECTOR}[1m]"),
        format!("rate({SELECTOR}[10s])"),
        format!("increase({SELECTOR}[1m])"),
        format!("histogram_quantile(0.9, sum(rate({SELECTOR}[20s])))"),
        format!("histogram_count({SELECTOR})"),
        format!("sum by (handler) (histogram_sum({SELECTOR}))"),
        format!("resets({SELECTOR}[1m])"),
        format!("changes({SELECTOR}[1m])"),
        "rate(prometheus_http_requests_total[10s])".to_owned(),
        "{job=\"p\"}".to_owned(),
    ] {
        let query = url_encode(&expression);
        let mut targets = vec![format!("/api/v1/query?query={query}&time={end:.3}")];
        if !expression.ends_with(']') {
            targets.push(format!("/api/v1/query_range?query={query}&start={begin:.3}&end={end:.3}&step=1"));
        }
        for target in targets {
            let (a, b) = (http_get(&ours.url, &target), http_get(&theirs.url, &target));
            if let Err(why) = same(&a, &b, false) {
                let _ = writeln!(differences, "{expression}\n  {target}\n  {why}");
            }
            let found = a.1["data"]["result"].as_array().map_or(0, Vec::len);
            assert!(found > 0, "nothing is found by {target}");
        }
    }
    assert!(differences.is_empty(), "{differences}");
}
