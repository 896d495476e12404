//! The real Prometheus: started on a port of its own, filled by remote write 1.0, asked over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use model::{Labels, Sample, SampleValue};
use prost::Message;
use serde_json::Value;

use super::data::Series;

/// Where Prometheus 3.5 is, if it is anywhere.
pub(super) fn binary() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("AFFERENT_PEERS")?).join("usr/bin/prometheus");
    path.is_file().then_some(path)
}

/// A running Prometheus; it ends with this value.
pub(super) struct Peer {
    child: Child,
    connection: BufReader<TcpStream>,
    address: String,
    _directory: tempfile::TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Peer {
    /// Starts it with an empty store and these feature flags.
    pub(super) fn start(binary: &Path, features: &str) -> Peer {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("prometheus.yml");
        std::fs::write(&config, "global: {evaluation_interval: 1m}\n").unwrap();
        let mut child = Command::new(binary)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .arg("--web.enable-remote-write-receiver")
            .arg(format!("--enable-feature={features}"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let (mut address, mut ready) = (None, false);
        while address.is_none() || !ready {
            let line = log.next().expect("Prometheus says where it listens and that it is ready");
            ready |= line.contains("Server is ready");
            if let Some((_, rest)) = line.split_once("msg=\"Listening on\"") {
                let place = rest.split_once("address=").and_then(|(_, place)| place.split_whitespace().next());
                address = place.map(str::to_owned);
            }
        }
        let address = address.expect("the loop above ends with one");
        std::thread::spawn(move || log.for_each(drop)); // so that the log never fills its pipe
        let connection = BufReader::new(TcpStream::connect(&address).unwrap());
        Peer { child, connection, address, _directory: directory }
    }

    /// Sends all samples in order of time, as the head of Prometheus wants them. The series, which all begin at one time, are
    /// created in the given order.
    pub(super) fn write(&mut self, series: &[Series]) {
        let mut pieces: Vec<Piece<'_>> = series.iter().flat_map(pieces).collect();
        pieces.sort_by_key(|piece| piece.samples[0].timestamp); // a stable sort
        let mut request: Vec<Piece<'_>> = Vec::new();
        for piece in pieces {
            // Within one request floats are stored before histograms.
            if request.iter().any(|p| p.labels == piece.labels && p.is_float != piece.is_float) {
                self.send(&request);
                request.clear();
            }
            request.push(piece);
        }
        self.send(&request);
    }

    fn send(&mut self, pieces: &[Piece<'_>]) {
        let request = WriteRequest { timeseries: pieces.iter().map(time_series).collect() };
        let body = snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).unwrap();
        let headers = "content-type: application/x-protobuf\r\ncontent-encoding: snappy\r\n";
        let (status, answer) = self.post("/api/v1/write", headers, &body);
        assert_eq!(status, 204, "{}", String::from_utf8_lossy(&answer));
    }

    /// The answer of an API path to a form.
    pub(super) fn ask(&mut self, path: &str, form: &[(&str, String)]) -> Value {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form);
        let headers = "content-type: application/x-www-form-urlencoded\r\n";
        let (_, answer) = self.post(path, headers, body.finish().as_bytes());
        serde_json::from_slice(&answer).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&answer)))
    }

    fn post(&mut self, path: &str, headers: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\n{headers}content-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        let message = [head.as_bytes(), body].concat();
        self.connection.get_mut().write_all(&message).unwrap();
        let status = self.line().split(' ').nth(1).unwrap().parse().unwrap();
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            length = line.strip_prefix("content-length: ").map_or(length, |v| v.parse().unwrap());
            chunked |= line == "transfer-encoding: chunked";
        }
        let mut answer = Vec::new();
        if !chunked {
            self.take(length, &mut answer);
        }
        while chunked {
            let size = usize::from_str_radix(&self.line(), 16).unwrap();
            self.take(size, &mut answer);
            self.line();
            chunked = size > 0;
        }
        (status, answer)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.connection.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn take(&mut self, length: usize, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + length, 0);
        self.connection.read_exact(&mut out[start..]).unwrap();
    }
}

/// Consecutive samples of one series that are all floats or all histograms and lie near each other.
struct Piece<'a> {
    labels: &'a Labels,
    is_float: bool,
    samples: &'a [Sample],
}

fn pieces(series: &Series) -> impl Iterator<Item = Piece<'_>> {
    let is_float = |sample: &Sample| matches!(sample.value, SampleValue::Float(_));
    let slice = |sample: &Sample| sample.timestamp.ms() / 600_000;
    let runs = series.samples.chunk_by(move |a, b| is_float(a) == is_float(b) && slice(a) == slice(b));
    runs.map(move |samples| Piece { labels: &series.labels, is_float: is_float(&samples[0]), samples })
}

fn time_series(piece: &Piece<'_>) -> TimeSeries {
    let labels = piece.labels.iter().map(|l| Label { name: l.name.into(), value: l.value.into() }).collect();
    let mut message = TimeSeries { labels, ..TimeSeries::default() };
    for sample in piece.samples {
        let timestamp = sample.timestamp.ms();
        match &sample.value {
            SampleValue::Float(value) => message.samples.push(FloatSample { value: Some(*value), timestamp }),
            SampleValue::Histogram(h) => message.histograms.push(Histogram::new(h, timestamp)),
        }
    }
    message
}

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<FloatSample>,
    #[prost(message, repeated, tag = "4")]
    histograms: Vec<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct FloatSample {
    /// Optional, so that -0 is not taken for the absent default.
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// The members that a histogram with float counts has.
#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(double, optional, tag = "2")]
    count: Option<f64>,
    #[prost(double, tag = "3")]
    sum: f64,
    #[prost(sint32, tag = "4")]
    schema: i32,
    #[prost(double, tag = "5")]
    zero_threshold: f64,
    #[prost(double, optional, tag = "7")]
    zero_count: Option<f64>,
    #[prost(message, repeated, tag = "8")]
    negative_spans: Vec<Span>,
    #[prost(double, repeated, tag = "10")]
    negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    positive_spans: Vec<Span>,
    #[prost(double, repeated, tag = "13")]
    positive_counts: Vec<f64>,
    #[prost(int32, tag = "14")]
    reset_hint: i32,
    #[prost(int64, tag = "15")]
    timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    custom_values: Vec<f64>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Span {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

impl Histogram {
    fn new(h: &model::FloatHistogram, timestamp: i64) -> Histogram {
        let spans = |spans: &[model::BucketSpan]| {
            spans.iter().map(|s| Span { offset: s.offset, length: s.length }).collect::<Vec<_>>()
        };
        Histogram {
            count: Some(h.count),
            sum: h.sum,
            schema: h.schema,
            zero_threshold: h.zero_threshold,
            zero_count: Some(h.zero_count),
            negative_spans: spans(&h.negative_spans),
            negative_counts: h.negative_buckets.clone(),
            positive_spans: spans(&h.positive_spans),
            positive_counts: h.positive_buckets.clone(),
            reset_hint: h.counter_reset_hint as i32,
            timestamp,
            custom_values: h.custom_values.clone(),
        }
    }
}
