//! Federation: newest samples, external labels, formats.

use std::sync::Arc;

use axum::body::Body;
use model::Labels;
use parking_lot::RwLock;
use scrape::exposition::{Entry, Format, ParseOptions, RawLabels, parser};

use crate::support::{App, request};

const DELIMITED: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

/// A store with lines pushed at the test's present, and these external labels.
async fn app(external: &[(&str, &str)], lines: &str) -> App {
    let config = api::ConfigSnapshot {
        external_labels: Labels::from_pairs(external.iter().copied()),
        ..api::ConfigSnapshot::default()
    };
    let app = App::with(|parts| {
        parts.source = parts.store.clone();
        parts.config = Arc::new(RwLock::new(config));
    });
    let answer = app.send(request("POST", "/write?precision=ms").body(Body::from(lines.to_owned())).unwrap()).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    app
}

#[tokio::test]
async fn newest_samples_with_external_labels() {
    // Now is 1700000600000; the lookback is five minutes.
    let app = app(
        &[("region", "eu")],
        "up,instance=i,job=b v=1 1700000590000\nup,job=a,region=us v=0 1700000580000\nup,job=a,region=us v=2 1700000600000\n\
         old,job=a v=1 1700000299999\nedge,job=a v=1 1700000300000\n",
    )
    .await;
    let all = "/federate?match[]=%7Bjob%3D~%22.%2B%22%7D&match[]=up_v";
    let answer = app.get(all).await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8; escaping=underscores"));
    assert_eq!(
        answer.text(),
        "# TYPE edge_v untyped\nedge_v{job=\"a\",instance=\"\",region=\"eu\"} 1 1700000300000\n\
         # TYPE up_v untyped\nup_v{instance=\"i\",job=\"b\",region=\"eu\"} 1 1700000590000\n\
         up_v{job=\"a\",region=\"us\",instance=\"\"} 2 1700000600000\n"
    );
    assert_eq!(app.get("/federate").await.text(), "");
    let form = request("POST", "/federate").header("content-type", "application/x-www-form-urlencoded");
    let posted = app.send(form.body(Body::from("match%5B%5D=edge_v")).unwrap()).await;
    assert!(posted.text().starts_with("# TYPE edge_v untyped\n"));
    let bad = app.get("/federate?match[]=up%7B").await;
    assert_eq!(bad.status, 400);
    assert_eq!(bad.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(bad.text(), "1:4: parse error: unexpected end of input inside braces\n");
}

#[tokio::test]
async fn our_own_scraper_reads_both_formats() {
    let app = app(&[], "a\\ b,t\\ g=x v=1.5 1700000600000\nplain v=2 1700000600000\n").await;
    for (accept, format) in [
        ("text/plain;version=0.0.4;escaping=allow-utf-8", Format::Text),
        (&format!("{DELIMITED};escaping=allow-utf-8"), Format::Protobuf),
    ] {
        let ask = request("GET", "/federate?match[]=%7B__name__%3D~%22.%2Bv%22%7D").header("accept", accept);
        let answer = app.send(ask.body(Body::empty()).unwrap()).await;
        let mut parser = parser(&answer.body, format, ParseOptions::default());
        let (mut found, mut labels) = (Vec::new(), RawLabels::default());
        while let Some(entry) = parser.advance().unwrap() {
            if let Entry::Sample { timestamp, value } = entry {
                parser.labels(&mut labels);
                found.push(format!("{} {timestamp:?} {value:?}", labels.to_text()));
            }
        }
        assert_eq!(
            found,
            [
                r#"{__name__="a b_v", t g="x"} Some(1700000600000) Float(1.5)"#,
                r#"{__name__="plain_v"} Some(1700000600000) Float(2.0)"#,
            ],
            "{accept}"
        );
    }
}
