//! Targets and series that come and go, reloads, and a store that refuses.

use std::sync::atomic::Ordering;

use config::{Millis, PrometheusConfig};
use model::is_stale;
use scrape::{ScrapeError, TargetHealth};

use crate::harness::{Harness, Reply, Server, at, eventually, job};

async fn steady() -> Server {
    Server::start(|_| Reply::text("# HELP m of two\n# TYPE m gauge\nm{a=\"1\"} 1\nm{a=\"2\"} 2\n")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vanished_series_gets_one_marker_at_the_time_of_the_scrape() {
    let server = Server::start(|request| {
        if request.hits == 1 { Reply::text("m{a=\"1\"} 1\n") } else { Reply::text("m{a=\"1\"} 1\nm{a=\"2\"} 2\n") }
    })
    .await;
    let harness = Harness::new();
    harness.apply(&[job("j", vec![at(&server, "/m")])]);
    eventually("three scrapes", || harness.sink.values(&[("__name__", "up")]).len() >= 3).await;
    let values = harness.sink.values(&[("__name__", "m"), ("a", "2")]);
    assert_eq!((values[0], is_stale(values[1]), values[2]), (2.0, true, 2.0));
    let times = |labels: &[(&str, &str)]| -> Vec<i64> {
        harness.sink.rows(labels).iter().take(3).map(|r| r.sample.timestamp.ms()).collect()
    };
    assert_eq!(times(&[("__name__", "m"), ("a", "1")]), times(&[("__name__", "m"), ("a", "2")]));
    assert_eq!(times(&[("__name__", "m"), ("a", "1")]), times(&[("__name__", "up")]), "one time for one scrape");
    assert_eq!(harness.sink.values(&[("__name__", "scrape_series_added")])[..3], [2.0, 0.0, 1.0]);
    assert_eq!(harness.sink.values(&[("__name__", "scrape_samples_scraped")])[..3], [2.0, 1.0, 2.0]);
    assert!(harness.sink.hinted.load(Ordering::SeqCst) > 5, "references are used again");
    let metadata = harness.manager.metadata();
    assert_eq!(metadata.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_target_ends_after_two_intervals_and_a_bit() {
    let server = steady().await;
    let harness = Harness::new();
    harness.apply(&[job("j", vec![at(&server, "/stays"), at(&server, "/goes")])]);
    eventually("both scraped", || {
        ["/stays", "/goes"].iter().all(|p| harness.target(p).is_some_and(|t| t.health == TargetHealth::Up))
    })
    .await;
    harness.apply(&[job("j", vec![at(&server, "/stays")])]);
    eventually("the target is gone", || harness.target("/goes").is_none()).await;
    for name in ["m", "up", "scrape_duration_seconds", "scrape_series_added"] {
        eventually(name, || harness.sink.ended(&[("__name__", name), ("path", "/goes")])).await;
    }
    let rows = harness.sink.rows(&[("__name__", "up"), ("path", "/goes")]);
    let (last, marker) = (&rows[rows.len() - 2], &rows[rows.len() - 1]);
    let distance = marker.sample.timestamp.ms() - last.sample.timestamp.ms();
    assert!((400..1500).contains(&distance), "marked where the next scrape would have been, {distance} ms later");
    assert!(!harness.sink.ended(&[("__name__", "m"), ("path", "/stays")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_leave_no_gaps() {
    let server = steady().await;
    let harness = Harness::new();
    let mut config = job("j", vec![at(&server, "/m")]);
    harness.apply(&[config.clone()]);
    eventually("a scrape", || harness.target("/m").is_some_and(|t| t.health == TargetHealth::Up)).await;

    // Nothing changed: the target goes on, as its state shows.
    harness.apply(&[config.clone()]);
    assert_eq!(harness.target("/m").unwrap().health, TargetHealth::Up);

    // Another interval makes another target, which takes the series over.
    config.scrape_interval = Millis(300);
    config.scrape_timeout = Millis(300);
    harness.apply(&[config.clone()]);
    eventually("the new interval", || harness.target("/m").is_some_and(|t| t.scrape_interval == "300ms")).await;
    eventually("a scrape", || harness.target("/m").is_some_and(|t| t.health == TargetHealth::Up)).await;

    // Other rules: a series that they drop ends with the next scrape, the other goes on.
    config.metric_relabel_configs = vec![config::RelabelConfig {
        source_labels: vec!["a".into()],
        regex: config::AnchoredRegex::new("2").unwrap(),
        action: config::RelabelAction::Drop,
        ..config::RelabelConfig::default()
    }];
    assert_eq!(harness.sink.markers(), 0);
    harness.apply(&[config.clone()]);
    eventually("the marker", || harness.sink.ended(&[("__name__", "m"), ("a", "2")])).await;
    assert_eq!(harness.sink.markers(), 1, "only the dropped series");

    // Three intervals later still nothing else has been marked.
    let scrapes = harness.sink.values(&[("__name__", "up")]).len();
    eventually("more scrapes", || harness.sink.values(&[("__name__", "up")]).len() > scrapes + 4).await;
    assert_eq!(harness.sink.markers(), 1);
    let post = harness.sink.values(&[("__name__", "scrape_samples_post_metric_relabeling")]);
    assert_eq!(post.last(), Some(&1.0));

    // The end of the process writes no markers.
    harness.manager.shutdown().await;
    assert_eq!(harness.sink.markers(), 1);
    assert!(harness.manager.targets().active.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_comes_back_goes_on() {
    let server = steady().await;
    let harness = Harness::new();
    let with = job("j", vec![at(&server, "/m")]);
    harness.apply(std::slice::from_ref(&with));
    eventually("a scrape", || harness.target("/m").is_some_and(|t| t.health == TargetHealth::Up)).await;
    harness.apply(&[job("j", vec![])]);
    eventually("it is gone", || harness.target("/m").is_none()).await;
    harness.apply(&[with]);
    let scrapes = harness.sink.values(&[("__name__", "up")]).len();
    eventually("it is scraped on", || harness.sink.values(&[("__name__", "up")]).len() > scrapes + 4).await;
    assert_eq!(harness.sink.markers(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_runs_and_cannot_be_changed_changes_nothing() {
    let server = steady().await;
    let harness = Harness::new();
    let good = job("j", vec![at(&server, "/m")]);
    harness.apply(&[good.clone(), job("l", vec![])]);
    eventually("a scrape", || harness.target("/m").is_some_and(|t| t.health == TargetHealth::Up)).await;
    let mut bad = good.clone();
    bad.scrape_interval = Millis(900);
    let mut worse = job("l", vec![]);
    worse.http.tls_config.ca_file = Some("does/not/exist.pem".into());
    let config = PrometheusConfig { scrape_configs: vec![bad, worse], ..PrometheusConfig::default() };
    let error = harness.manager.apply(&config).unwrap_err();
    assert_eq!(error.to_string(), "scrape pool \"l\": ca_file file does/not/exist.pem: no such file or directory");
    assert_eq!(scrape::check(&config).len(), 1);
    assert_eq!(harness.manager.pools(), ["j", "l"]);
    assert_eq!(harness.target("/m").unwrap().scrape_interval, "500ms");
    assert!(matches!(
        harness.manager.relabel_steps("k", &model::Labels::empty()),
        Err(ScrapeError::UnknownPool(name)) if name == "k"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_cannot_run_does_not_keep_the_others() {
    let server = steady().await;
    let harness = Harness::new();
    let mut bad = job("bad", vec![at(&server, "/bad")]);
    bad.http.oauth2 = Some(config::OAuth2::default());
    harness.apply(&[bad.clone(), job("j", vec![at(&server, "/m")])]);
    eventually("a scrape", || harness.target("/m").is_some_and(|t| t.health == TargetHealth::Up)).await;
    let snapshot = harness.manager.targets();
    assert_eq!(snapshot.troubles.keys().collect::<Vec<_>>(), ["bad"]);
    assert!(snapshot.troubles["bad"][0].contains("oauth2 is not supported yet"), "{:?}", snapshot.troubles);
    assert_eq!(harness.manager.pools(), ["bad", "j"]);
    bad.http.oauth2 = None;
    harness.apply(&[bad, job("j", vec![at(&server, "/m")])]);
    eventually("its scrape", || harness.target("/bad").is_some()).await;
    assert!(harness.manager.targets().troubles.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_over_its_budget_fails_the_scrape() {
    let server = Server::start(|_| Reply::text("m{a=\"1\"} 1\nm{a=\"2\"} 2\nm{a=\"3\"} 3\n")).await;
    let harness = Harness::new();
    harness.apply(&[job("j", vec![at(&server, "/m")])]);
    eventually("a scrape", || harness.target("/m").is_some_and(|t| t.health == TargetHealth::Up)).await;
    harness.sink.over_budget.store(true, Ordering::SeqCst);
    // The samples do not fit, and neither do all the markers; what is tried again in vain must not be lost.
    eventually("the failure", || harness.target("/m").is_some_and(|t| t.health == TargetHealth::Down)).await;
    let error = harness.target("/m").unwrap().last_error;
    assert_eq!(error, "ingestion is over its memory budget, retry after 5 s");
    harness.sink.over_budget.store(false, Ordering::SeqCst);
    eventually("it recovers", || harness.target("/m").is_some_and(|t| t.health == TargetHealth::Up)).await;
    assert_eq!(harness.sink.markers(), 0, "the series went on");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_targets_fail_all() {
    let server = steady().await;
    let harness = Harness::new();
    let mut config = job("j", vec![at(&server, "/1"), at(&server, "/2"), at(&server, "/3")]);
    config.target_limit = 2;
    harness.apply(&[config.clone()]);
    for path in ["/1", "/2", "/3"] {
        eventually(path, || harness.target(path).is_some_and(|t| t.health == TargetHealth::Down)).await;
        let error = harness.target(path).unwrap().last_error;
        assert_eq!(error, "target_limit exceeded (number of targets: 3, limit: 2)");
    }
    assert!(server.requests("/1").is_empty(), "nothing was fetched");
    config.target_limit = 3;
    harness.apply(&[config]);
    eventually("they are scraped", || harness.target("/1").is_some_and(|t| t.health == TargetHealth::Up)).await;
}
