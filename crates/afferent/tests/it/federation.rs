//! A real Prometheus federates from us, and we from it. Needs `AFFERENT_PEERS`.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{Clock, SystemClock};
use serde_json::Value;

use crate::differential::{Prometheus, peer};
use crate::harness::{Server, raw_get, url_encode, wait_for};

/// Label sets and newest values of a selector, as an instant query tells them.
fn newest(url: &str, query: &str) -> Vec<Value> {
    let target = format!("/api/v1/query?query={}&time={}", url_encode(query), SystemClock.now().seconds());
    let Ok((200, body)) = raw_get(url, &target) else { return Vec::new() };
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    answer["data"]["result"].as_array().cloned().unwrap_or_default()
}

fn label_sets(url: &str, query: &str) -> BTreeSet<String> {
    newest(url, query).iter().map(|series| series["metric"].to_string()).collect()
}

fn federating(source: &str, selector: &str) -> String {
    let address = source.trim_start_matches("http://");
    format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, scrape_protocols: [PrometheusProto, PrometheusText0.0.4]}}\n\
         scrape_configs:\n- job_name: federate\n  honor_labels: true\n  metrics_path: /federate\n  \
         params: {{'match[]': ['{selector}']}}\n  static_configs: [{{targets: ['{address}']}}]\n"
    )
}

#[test]
fn prometheus_federates_from_us() {
    let Some(prometheus) = peer("prometheus") else {
        println!("skipped: federation test, no prometheus below AFFERENT_PEERS");
        return;
    };
    let ours = Server::start(
        "global: {scrape_interval: 1s, scrape_timeout: 1s, external_labels: {region: eu}}\n\
         scrape_configs:\n- job_name: self\n  static_configs: [{targets: ['${AFFERENT_ADDRESS}']}]\n",
    );
    let config = federating(&ours.url, "{job=\"self\",__name__=~\"process_.*|afferent_build_info|up|go_.*\"}");
    let theirs = Prometheus::with(&prometheus, &config, &["--enable-feature=native-histograms"]);
    const QUERY: &str = "{job=\"self\"}";
    let ours_now = || {
        let mine = label_sets(&ours.url, "{job=\"self\",__name__=~\"process_.*|afferent_build_info|up\"}");
        mine.iter().map(|labels| labels.replace('}', ",\"region\":\"eu\"}")).collect::<BTreeSet<_>>()
    };
    let in_order = |sets: BTreeSet<String>| -> BTreeSet<String> {
        sets.iter().map(|s| serde_json::from_str::<Value>(s).unwrap()).map(sorted).collect()
    };
    let equal = || {
        let (a, b) = (in_order(ours_now()), in_order(label_sets(&theirs.url, QUERY)));
        !a.is_empty() && a == b
    };
    assert!(
        wait_for(Duration::from_secs(30), equal),
        "{:?}\nagainst\n{:?}",
        in_order(ours_now()),
        in_order(label_sets(&theirs.url, QUERY))
    );
    // Samples keep our times: what Prometheus has is a sample that we have.
    let theirs_newest = newest(&theirs.url, "timestamp(process_resident_memory_bytes{job=\"self\"})");
    let time: f64 = theirs_newest[0]["value"][1].as_str().unwrap().parse().unwrap();
    let value = newest(&theirs.url, &format!("process_resident_memory_bytes{{job=\"self\"}} @ {time:.3}"));
    let mine = ours.query(&format!("process_resident_memory_bytes{{job=\"self\"}} @ {time:.3}"), time);
    assert_eq!(mine[0]["value"][1], value[0]["value"][1]);
}

#[test]
fn we_federate_from_prometheus() {
    let Some(prometheus) = peer("prometheus") else {
        println!("skipped: federation test, no prometheus below AFFERENT_PEERS");
        return;
    };
    let theirs = Prometheus::with(
        &prometheus,
        "global: {scrape_interval: 1s, scrape_timeout: 1s, external_labels: {region: us}}\n\
         scrape_configs:\n- job_name: p\n  static_configs: [{targets: ['ADDRESS']}]\n",
        &["--enable-feature=native-histograms"],
    );
    let config = federating(&theirs.url, "{job=\"p\"}")
        .replace("scrape_timeout: 1s,", "scrape_timeout: 1s, scrape_native_histograms: true,");
    let ours = Server::start(&config);
    const HISTOGRAM: &str = "count(prometheus_http_request_duration_seconds{job=\"p\",region=\"us\"})";
    let histograms = |url: &str, query: &str| newest(url, query).first().map(|s| s["value"][1].clone());
    let equal = || {
        let theirs = histograms(&theirs.url, &HISTOGRAM.replace(",region=\"us\"", ""));
        theirs.is_some() && theirs == histograms(&ours.url, HISTOGRAM)
    };
    assert!(wait_for(Duration::from_secs(30), equal), "native histograms are not federated");
    let instance = |url: &str| label_sets(url, "prometheus_build_info{job=\"p\"}");
    let with_region: BTreeSet<String> = instance(&theirs.url)
        .iter()
        .map(|labels| sorted(serde_json::from_str(&labels.replace('}', ",\"region\":\"us\"}")).unwrap()))
        .collect();
    let mine: BTreeSet<String> =
        instance(&ours.url).iter().map(|labels| sorted(serde_json::from_str(labels).unwrap())).collect();
    assert_eq!(mine, with_region);
}

/// The members of an object in order, as text.
fn sorted(labels: Value) -> String {
    let mut members: Vec<(String, Value)> = labels.as_object().cloned().unwrap_or_default().into_iter().collect();
    members.sort_by(|a, b| a.0.cmp(&b.0));
    format!("{members:?}")
}
