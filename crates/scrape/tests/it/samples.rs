//! What a scrape stores: labels, timestamps, limits, histograms, exemplars, the report.

use config::{AnchoredRegex, NameValidation, RelabelAction, RelabelConfig, ScrapeConfig, StaticConfig};
use model::{Labels, SampleValue, WriteRow, is_stale};
use scrape::TargetHealth;

use crate::harness::{Harness, Reply, Server, at, eventually, job};

/// Scrapes a body once or more and gives the target's state.
async fn scrape(body: &'static str, change: impl FnOnce(&mut ScrapeConfig)) -> (Harness, scrape::ActiveTarget) {
    let server =
        Server::start(move |_| if body.ends_with("# EOF\n") { Reply::openmetrics(body) } else { Reply::text(body) })
            .await;
    let harness = Harness::new();
    let mut config = job("j", vec![at(&server, "/m")]);
    change(&mut config);
    harness.apply(&[config]);
    let ready = || harness.target("/m").is_some_and(|t| t.health != TargetHealth::Unknown);
    eventually("a scrape", ready).await;
    let target = harness.target("/m").unwrap();
    (harness, target)
}

fn first(harness: &Harness, name: &str) -> WriteRow {
    harness.sink.rows(&[("__name__", name)]).into_iter().next().unwrap_or_else(|| panic!("no {name}"))
}

fn labels_of(harness: &Harness, name: &str) -> String {
    let labels: Labels = first(harness, name).labels.without(|n| n == "instance" || n == "path");
    labels.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_win_over_labels_unless_these_are_honored() {
    let body = "m{job=\"own\",exported_job=\"x\"} 1\nn{job=\"\"} 1\n";
    let (harness, _) = scrape(body, |_| {}).await;
    assert_eq!(labels_of(&harness, "m"), r#"{__name__="m", exported_exported_job="own", exported_job="x", job="j"}"#);
    assert_eq!(labels_of(&harness, "n"), r#"{__name__="n", job="j"}"#);
    let (harness, _) = scrape(body, |c| c.honor_labels = true).await;
    assert_eq!(labels_of(&harness, "m"), r#"{__name__="m", exported_job="x", job="own"}"#);
    assert_eq!(labels_of(&harness, "n"), r#"{__name__="n", job="j"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn metric_rules_rewrite_and_drop() {
    let rules = vec![
        RelabelConfig {
            source_labels: vec!["__name__".into()],
            regex: AnchoredRegex::new("secret_.*").unwrap(),
            action: RelabelAction::Drop,
            ..RelabelConfig::default()
        },
        RelabelConfig {
            source_labels: vec!["__name__".into()],
            regex: AnchoredRegex::new("old_(.*)").unwrap(),
            target_label: "__name__".into(),
            replacement: "new_$1".into(),
            ..RelabelConfig::default()
        },
    ];
    let (harness, _) = scrape("secret_a 1\nold_b 2\n", |c| c.metric_relabel_configs = rules).await;
    assert_eq!(first(&harness, "new_b").sample.value, SampleValue::Float(2.0));
    assert!(harness.sink.rows(&[("__name__", "secret_a")]).is_empty());
    assert_eq!(first(&harness, "scrape_samples_scraped").sample.value, SampleValue::Float(2.0));
    assert_eq!(first(&harness, "scrape_samples_post_metric_relabeling").sample.value, SampleValue::Float(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_fail_the_scrape_and_say_which() {
    type Change = fn(&mut ScrapeConfig);
    let cases: [(Change, &str); 6] = [
        (|c| c.sample_limit = 1, "sample limit exceeded"),
        (|c| c.label_limit = 4, "label_limit exceeded (metric: m, number of labels: 5, limit: 4)"),
        (
            |c| c.label_name_length_limit = 9,
            "label_name_length_limit exceeded (metric: m, label name: longer_name, length: 11, limit: 9)",
        ),
        (
            |c| c.label_value_length_limit = 20,
            "label_value_length_limit exceeded (metric: m, label name: longer_name, value: \"a value that is long\
             er than twenty\", length: 34, limit: 20)",
        ),
        (
            |c| {
                c.metric_relabel_configs = vec![RelabelConfig {
                    regex: AnchoredRegex::new("__name__").unwrap(),
                    action: RelabelAction::LabelDrop,
                    ..RelabelConfig::default()
                }];
            },
            "missing metric name (__name__ label)",
        ),
        (
            |c| c.metric_name_validation_scheme = NameValidation::Legacy,
            "invalid metric name or label names: {__name__=\"with space\"",
        ),
    ];
    let body = "m{longer_name=\"a value that is longer than twenty\"} 1\n{\"with space\"} 2\n";
    for (change, error) in cases {
        let (harness, target) = scrape(body, change).await;
        assert!(target.last_error.starts_with(error), "{}", target.last_error);
        assert_eq!(first(&harness, "up").sample.value, SampleValue::Float(0.0), "{error}");
        assert!(harness.sink.rows(&[("__name__", "m")]).is_empty(), "{error}: nothing of the scrape is stored");
    }
    let (harness, target) = scrape(body, |c| (c.sample_limit, c.label_limit) = (2, 5)).await;
    assert_eq!(target.last_error, "");
    assert_eq!(harness.sink.values(&[("__name__", "with space")])[0], 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn own_timestamps_are_taken_or_not() {
    let body = "m 1 1700000000000\n";
    let (harness, target) = scrape(body, |_| {}).await;
    assert_eq!(first(&harness, "m").sample.timestamp.ms(), 1_700_000_000_000);
    assert_eq!(Some(first(&harness, "up").sample.timestamp), target.last_scrape);
    let (harness, target) = scrape(body, |c| c.honor_timestamps = false).await;
    assert_eq!(Some(first(&harness, "m").sample.timestamp), target.last_scrape);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_tracked_timestamps_get_markers() {
    for (track, expected) in [(false, 0), (true, 1)] {
        let server = Server::start(|r| Reply::text(if r.hits == 0 { "m 1 1700000000000\n" } else { "n 1\n" })).await;
        let harness = Harness::new();
        let mut config = job("j", vec![at(&server, "/m")]);
        config.track_timestamps_staleness = track;
        harness.apply(&[config]);
        eventually("three scrapes", || harness.sink.values(&[("__name__", "up")]).len() >= 3).await;
        let markers = harness.sink.values(&[("__name__", "m")]).into_iter().filter(|v| is_stale(*v)).count();
        assert_eq!(markers, expected, "track {track}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exemplars_and_start_timestamps_come_along() {
    let body = "# TYPE a counter\na_total 5 # {trace_id=\"x\"} 0.5 12.5\na_created 1520872607.5\n# EOF\n";
    let (harness, _) = scrape(body, |_| {}).await;
    let row = first(&harness, "a_total");
    assert_eq!(row.sample.start_timestamp.map(|t| t.ms()), Some(1_520_872_607_500));
    assert_eq!(row.exemplars.len(), 1);
    assert_eq!(row.exemplars[0].labels.to_string(), r#"{trace_id="x"}"#);
    assert_eq!(row.exemplars[0].timestamp.map(|t| t.ms()), Some(12_500));
    assert_eq!(harness.sink.values(&[("__name__", "a_created")])[0], 1_520_872_607.5);
    let metadata = harness.sink.metadata.lock().clone();
    assert_eq!(metadata.len(), 1, "told once");
    assert_eq!((metadata[0].0.as_str(), metadata[0].1.metric_type), ("a", model::MetricType::Counter));
}

#[tokio::test(flavor = "multi_thread")]
async fn histograms_can_be_converted_and_held_to_a_limit() {
    let body =
        "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"2\"} 3\nh_bucket{le=\"+Inf\"} 4\nh_sum 9\nh_count 4\n";
    let (harness, _) = scrape(body, |c| c.convert_classic_histograms_to_nhcb = true).await;
    let SampleValue::Histogram(h) = first(&harness, "h").sample.value else { panic!("a histogram") };
    assert_eq!((h.schema, h.count, h.sum), (-53, 4.0, 9.0));
    assert!(harness.sink.rows(&[("__name__", "h_count")]).is_empty());
    assert_eq!(harness.sink.values(&[("__name__", "scrape_samples_scraped")])[0], 1.0);
    let (_, target) = scrape(body, |c| {
        c.convert_classic_histograms_to_nhcb = true;
        c.native_histogram_bucket_limit = 2;
    })
    .await;
    assert_eq!(target.last_error, "histogram bucket limit exceeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_extra_series_about_a_scrape_are_there_when_asked_for() {
    let (harness, _) = scrape("m 1\n", |c| {
        c.extra_scrape_metrics = true;
        c.sample_limit = 7;
    })
    .await;
    for (name, value) in
        [("scrape_timeout_seconds", 0.5), ("scrape_sample_limit", 7.0), ("scrape_body_size_bytes", 4.0), ("up", 1.0)]
    {
        assert_eq!(first(&harness, name).sample.value, SampleValue::Float(value), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_show_what_became_of_their_labels() {
    let server = Server::start(|_| Reply::text("m 1\n")).await;
    let harness = Harness::with(scrape::Options {
        external_url: Some("https://mon.example/x".parse().unwrap()),
        listen_port: Some(1),
        ..scrape::Options::default()
    });
    let mut group =
        StaticConfig { targets: vec![server.address.to_string(), "drop:1".into()], ..StaticConfig::default() };
    group.labels.insert("__meta_zone".into(), "b".into());
    let mut config = job("j", vec![group]);
    config.params.insert("x".into(), vec!["1".into()]);
    config.relabel_configs = vec![
        RelabelConfig {
            source_labels: vec!["__address__".into()],
            regex: AnchoredRegex::new("drop.*").unwrap(),
            action: RelabelAction::Drop,
            ..RelabelConfig::default()
        },
        RelabelConfig {
            source_labels: vec!["__meta_zone".into()],
            target_label: "zone".into(),
            ..RelabelConfig::default()
        },
    ];
    harness.apply(&[config]);
    eventually("a scrape", || harness.target("x=1").is_some_and(|t| t.health == TargetHealth::Up)).await;
    let (address, port) = (server.address, server.address.port());
    let snapshot = harness.manager.targets();
    let target = &snapshot.active[0];
    assert_eq!(target.scrape_url, format!("http://{address}/metrics?x=1"));
    assert_eq!(target.global_url, format!("http://mon.example:{port}/metrics?x=1"));
    assert_eq!(target.labels.to_string(), format!(r#"{{instance="{address}", job="j", zone="b"}}"#));
    assert_eq!(target.discovered_labels.get("__meta_zone"), Some("b"));
    assert_eq!(target.discovered_labels.get("__param_x"), Some("1"));
    assert_eq!(target.discovered_labels.get("__scrape_interval__"), Some("500ms"));
    assert_eq!(snapshot.dropped[0].discovered_labels.get("__address__"), Some("drop:1"));
    assert_eq!(snapshot.dropped_counts["j"], 1);
    let steps = harness.manager.relabel_steps("j", &target.discovered_labels).unwrap();
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[1].output.get("zone"), Some("b"));
}
