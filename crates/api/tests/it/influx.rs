//! InfluxDB's line protocol: series out, errors back, and damage.

use std::io::Write;

use axum::body::Body;
use http::Request;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use serde_json::json;

use crate::support::{Answer, App, request};

fn write(path: &str, body: impl Into<Body>) -> Request<Body> {
    request("POST", path).body(body.into()).unwrap()
}

async fn post(app: &App, path: &str, body: &str) -> Answer {
    app.send(write(path, body.to_owned())).await
}

#[tokio::test]
async fn fields_become_series() {
    let app = App::over_store();
    let lines = "cpu,host=a\\ b,db=own user=1.5,count=2i,big=3u,on=t,name=\"text\",number=\"7\" 1700000600000000000\n\
                 # a comment\n\nmem,host=a free=1e3 1700000599000000000\r\nnow f=1\n";
    let answer = post(&app, "/write?db=telegraf&rp=x", lines).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (204, ""));
    assert_eq!(answer.header("x-influxdb-version"), Some("1.8.0"));
    assert_eq!(
        app.instant("{__name__=~\"cpu_.*|mem_.*|now_.*\"}").await,
        [
            r#"{__name__="cpu_big", db="own", host="a b"} 3"#,
            r#"{__name__="cpu_count", db="own", host="a b"} 2"#,
            r#"{__name__="cpu_number", db="own", host="a b"} 7"#,
            r#"{__name__="cpu_on", db="own", host="a b"} 1"#,
            r#"{__name__="cpu_user", db="own", host="a b"} 1.5"#,
            r#"{__name__="mem_free", db="telegraf", host="a"} 1000"#,
            r#"{__name__="now_f", db="telegraf"} 1"#,
        ]
    );
    let metrics = app.get("/metrics").await.text();
    for line in [
        "afferent_push_written_samples_total{protocol=\"influx\"} 7\n",
        "afferent_push_rejected_samples_total{protocol=\"influx\",reason=\"text\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

#[tokio::test]
async fn version_two_and_gzip() {
    let app = App::over_store();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"m f=1 1700000600\nm,a=b f=2 1700000600").unwrap();
    let body = encoder.finish().unwrap();
    let path = "/api/v2/write?org=o&bucket=buck&precision=s";
    let request = request("POST", path).header("content-encoding", "gzip").body(Body::from(body)).unwrap();
    assert_eq!(app.send(request).await.status, 204);
    assert_eq!(
        app.instant("m_f").await,
        [r#"{__name__="m_f", a="b", db="buck"} 2"#, r#"{__name__="m_f", db="buck"} 1"#]
    );
    let bad = post(&app, "/api/v2/write?bucket=b", "m f=").await;
    assert_eq!(bad.status, 400);
    assert_eq!(bad.json(), json!({"code": "invalid", "message": "unable to parse 'm f=': missing field value"}));
}

#[tokio::test]
async fn valid_lines_of_a_bad_request_are_stored() {
    let app = App::over_store();
    let bad = post(&app, "/write?db=d&precision=s", "good f=1 1700000600\nbad\nbad f=x\ngood g=2 1700000600").await;
    let text =
        "partial write: unable to parse 'bad': missing fields\nunable to parse 'bad f=x': invalid number dropped=2";
    assert_eq!((bad.status.as_u16(), bad.json()), (400, json!({ "error": text })));
    assert_eq!(bad.header("x-influxdb-error"), Some(text.replace('\n', " ").as_str()));
    assert_eq!(app.instant("good_f").await.len() + app.instant("good_g").await.len(), 2);

    let future = post(&app, "/write?precision=s", "good f=1 1700000600\ngood f=2 1900000000").await;
    assert_eq!(future.status, 400);
    assert_eq!(
        future.json()["error"],
        r#"partial write: timestamp too far in the future: {__name__="good_f"} dropped=1"#
    );
    for (path, body, status, text) in [
        ("/write?precision=y", "m f=1", 400, r#"invalid precision "y" (use n, u, ms, s, m or h)"#),
        ("/api/v2/write?precision=y", "m f=1", 400, "invalid precision; valid precision units are ns, us, ms, and s"),
        ("/write", "bad", 400, "unable to parse 'bad': missing fields"),
    ] {
        let answer = post(&app, path, body).await;
        assert_eq!(answer.status, status);
        let answer = answer.json();
        assert!(answer["error"] == text || answer["message"] == text, "{answer}");
    }
    let encoded = request("POST", "/write").header("content-encoding", "br").body(Body::from("x")).unwrap();
    assert_eq!(app.send(encoded).await.status, 415);
    assert_eq!(app.send(write("/write", vec![b' '; (32 << 20) + 1])).await.status, 413);
}

#[tokio::test]
async fn what_clients_ask_before_they_write() {
    let app = App::over_store();
    post(&app, "/write?db=one", "m f=1").await;
    post(&app, "/write?db=two", "m f=1").await;
    let ping = app.get("/ping").await;
    assert_eq!((ping.status.as_u16(), ping.header("x-influxdb-version")), (204, Some("1.8.0")));
    assert_eq!(app.get("/ping?verbose=true").await.json(), json!({"version": "1.8.0"}));
    let form = request("POST", "/query")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from("q=CREATE+DATABASE+%22telegraf%22"))
        .unwrap();
    assert_eq!(app.send(form).await.json(), json!({"results": [{"statement_id": 0}]}));
    let shown = app.get("/query?q=show+databases%3B").await.json();
    let series = json!([{"name": "databases", "columns": ["name"], "values": [["one"], ["two"]]}]);
    assert_eq!(shown, json!({"results": [{"statement_id": 0, "series": series}]}));
    let other = app.get("/query?q=SELECT+1").await;
    assert_eq!(other.status, 400);
    assert!(other.json()["error"].as_str().unwrap().contains("\"SELECT 1\" is not understood"));
    // A page for people, where it is built, or the note that it is not: no error of this protocol.
    assert!(!app.get("/query").await.text().starts_with("{\"error\""));
}

#[tokio::test]
async fn damaged_lines() {
    let mut rng = StdRng::seed_from_u64(0x1f1);
    let app = App::over_store();
    let valid = "cpu\\,x,host=a\\ b,k=v value=1.5,n=-2i,u=3u,b=t,s=\"a, \\\" b=c\" 1700000600000000000\nm f=1\n";
    let mut refused = 0;
    for round in 0..1500 {
        let mut body = valid.repeat(2).into_bytes();
        for _ in 0..rng.random_range(1..6) {
            let at = rng.random_range(0..body.len());
            match rng.random_range(0..4) {
                0 => body[at] = rng.random(),
                1 => body[at] = b"=, \"\\\n"[rng.random_range(0..6)],
                2 => drop(body.remove(at)),
                _ => body.truncate(at.max(1)),
            }
        }
        let answer = app.send(write("/write?db=d", body)).await;
        match answer.status.as_u16() {
            204 => {}
            400 => {
                refused += 1;
                assert!(answer.json()["error"].is_string());
            }
            other => panic!("{other} in round {round}: {}", answer.text()),
        }
    }
    assert!(refused > 300, "{refused}");
    for _ in 0..500 {
        let mut noise = vec![0; rng.random_range(0..200)];
        rng.fill_bytes(&mut noise);
        let status = app.send(write("/write", noise)).await.status.as_u16();
        assert!([204, 400].contains(&status));
    }
}
