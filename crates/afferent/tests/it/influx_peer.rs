//! The same lines into VictoriaMetrics and into us: the same series out. Needs `AFFERENT_PEERS`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use model::{Clock, SystemClock};
use serde_json::Value;

use crate::differential::peer;
use crate::harness::{Server, free_port, raw_get, raw_send, url_encode, wait_for};

struct VictoriaMetrics {
    child: Child,
    url: String,
    _directory: tempfile::TempDir,
}

impl VictoriaMetrics {
    fn start(binary: &PathBuf) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let child = Command::new(binary)
            .arg(format!("-storageDataPath={}", directory.path().join("data").display()))
            .arg(format!("-httpListenAddr={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("http://{address}");
        let server = VictoriaMetrics { child, url, _directory: directory };
        let ready = || raw_get(&server.url, "/health").is_ok_and(|(status, _)| status == 200);
        assert!(wait_for(Duration::from_secs(20), ready), "VictoriaMetrics does not become ready");
        server
    }
}

impl Drop for VictoriaMetrics {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Value and time of every series, by sorted labels.
fn series(parts: impl Iterator<Item = (Value, Value, Value)>) -> BTreeMap<Vec<(String, String)>, (String, String)> {
    let labels = |metric: Value| {
        let members = metric.as_object().cloned().unwrap_or_default();
        let mut pairs: Vec<(String, String)> =
            members.into_iter().map(|(n, v)| (n, v.as_str().unwrap_or_default().to_owned())).collect();
        pairs.sort();
        pairs
    };
    let number = |v: Value| v.as_str().map_or_else(|| v.as_f64().unwrap().to_string(), str::to_owned);
    let seconds = |v: Value| format!("{:.3}", v.as_f64().unwrap());
    parts.map(|(metric, value, time)| (labels(metric), (number(value), seconds(time)))).collect()
}

#[test]
fn series_are_those_of_victoriametrics() {
    let Some(binary) = peer("victoria-metrics") else {
        println!("skipped: influx test, no victoria-metrics below AFFERENT_PEERS");
        return;
    };
    let (ours, theirs) = (Server::start("{}\n"), VictoriaMetrics::start(&binary));
    let seconds = SystemClock.now().ms() / 1000 - 30;
    let cases: Vec<(&str, String)> = vec![
        (
            "/write?db=mydb",
            format!(
                "cpu,host=a,region=eu\\ west value=1.5,load.x=2i,big=18446744073709551615u,on=t,off=FALSE,n=\"12\" {seconds}123456789\n\
                 # comment\n\r\nmem,host=a,db=own free=1e3,used=.5 {seconds}000000000\r\n"
            ),
        ),
        ("/write?db=a&precision=s", format!("in_seconds f=1 {seconds}")),
        ("/write?db=a&precision=ms", format!("in_ms f=-1.25 {seconds}007")),
        ("/write?db=a&precision=u", format!("in_us f=1 {seconds}007000")),
        ("/write?db=a&precision=n", format!("in_ns f=1 {seconds}007000000")),
        ("/write", format!("guessed f=1 {seconds}\nguessed,x=ms f=2 {seconds}007\nguessed,x=us f=3 {seconds}007000")),
        (
            "/write?db=esc",
            format!(
                "weird\\,na\\ me,ta\\=g=v\\ 1,back=a\\\\b,odd=a\\b field\\ key=1 {seconds}\n\
                 empty,x=,y=1 f=1 {seconds}\ntwice,x=1,x=2 f=1 {seconds}\nnamed,__name__=other f=1 {seconds}\n\
                 unicode,stra\u{df}e=\u{1f600} f=1 {seconds}\nspaces   f=1   {seconds}\nquoted,a=\"b\" f=1 {seconds}"
            ),
        ),
    ];
    for (path, lines) in &cases {
        for url in [&ours.url, &theirs.url] {
            let (status, body) = raw_send(url, "POST", path, lines.as_bytes()).unwrap();
            assert_eq!(status, 204, "{url}{path}: {}", String::from_utf8_lossy(&body));
        }
    }
    let wanted = 20;
    let exported = || {
        let target = format!("/api/v1/export?match[]={}", url_encode("{__name__!=\"\"}"));
        let body = raw_get(&theirs.url, &target).map(|(_, body)| body).unwrap_or_default();
        let lines = String::from_utf8_lossy(&body).into_owned();
        let parts = lines.lines().map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            let time = line["timestamps"][0].as_f64().unwrap() / 1000.0;
            (line["metric"].take(), line["values"][0].take(), time.into())
        });
        series(parts)
    };
    assert!(wait_for(Duration::from_secs(30), || exported().len() >= wanted), "{:#?}", exported());
    let now = SystemClock.now().seconds();
    let mine = ours.query("{__name__!=\"\",job=\"\"}[5m]", now);
    let mine = series(mine.as_array().unwrap().iter().map(|s| {
        let point = &s["values"][0];
        (s["metric"].clone(), point[1].clone(), point[0].clone())
    }));
    let number = |text: &str| text.parse::<f64>().unwrap();
    let theirs = exported();
    assert_eq!(mine.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (labels, (value, time)) in &mine {
        let (other, other_time) = &theirs[labels];
        assert!((number(value) - number(other)).abs() <= 1e-9 * number(value).abs(), "{labels:?} {value} {other}");
        assert_eq!(time, other_time, "{labels:?}");
    }
}
