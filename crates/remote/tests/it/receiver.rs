//! A receiver with its own decoder, that answers as it is told and remembers what it got.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use model::Labels;
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::watch;

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Ok,
    /// 204 without the headers of version 2.
    Unconfirmed,
    Status(u16, Option<&'static str>),
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    headers: HeaderMap,
    /// Labels, time, bits of the value.
    pub(crate) samples: Vec<(String, i64, u64)>,
    pub(crate) exemplars: usize,
    pub(crate) families: Vec<String>,
    pub(crate) was_taken: bool,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }
}

#[derive(Default)]
struct Memory {
    answers: VecDeque<Answer>,
    requests: Vec<Request>,
}

type Shared = Arc<(Mutex<Memory>, watch::Sender<usize>)>;

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Shared,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Receiver {
    /// Gives the answers in order, then takes everything.
    pub(crate) async fn start(answers: Vec<Answer>) -> Receiver {
        let memory = Memory { answers: answers.into(), ..Memory::default() };
        let shared: Shared = Arc::new((Mutex::new(memory), watch::Sender::new(0)));
        let app = Router::new().route("/write", post(take)).with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Receiver { address, shared, server }
    }

    pub(crate) fn answer(&self, answers: Vec<Answer>) {
        self.shared.0.lock().answers = answers.into();
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.0.lock().requests.clone()
    }

    pub(crate) fn taken(&self) -> Vec<(i64, f64)> {
        let requests = self.requests();
        let taken = requests.iter().filter(|r| r.was_taken).flat_map(|r| &r.samples);
        taken.map(|(_, t, bits)| (*t, f64::from_bits(*bits))).collect()
    }

    async fn wait(&self, enough: impl Fn(&[Request]) -> bool) -> Vec<Request> {
        let mut changes = self.shared.1.subscribe();
        let waiting = async {
            loop {
                let requests = self.requests();
                if enough(&requests) {
                    return requests;
                }
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("the receiver gets what it waits for")
    }

    pub(crate) async fn wait_for_requests(&self, count: usize) -> Vec<Request> {
        self.wait(|requests| requests.len() >= count).await
    }

    /// Waits for so many samples that were taken.
    pub(crate) async fn wait_for_samples(&self, count: usize) -> Vec<Request> {
        let distinct = |requests: &[Request]| {
            let taken = requests.iter().filter(|r| r.was_taken).flat_map(|r| &r.samples);
            taken.map(|(labels, t, _)| (labels.clone(), *t)).collect::<std::collections::BTreeSet<_>>().len()
        };
        self.wait(|requests| distinct(requests) >= count).await
    }
}

async fn take(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let message = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
    let is_v2 = headers["content-type"].to_str().unwrap().contains("v2");
    let (samples, exemplars, families) = if is_v2 { read_v2(&message) } else { read_v1(&message) };
    let mut memory = shared.0.lock();
    let answer = memory.answers.pop_front().unwrap_or(Answer::Ok);
    let was_taken = !matches!(answer, Answer::Status(..));
    let written = samples.len().to_string();
    memory.requests.push(Request { headers, samples, exemplars, families, was_taken });
    drop(memory);
    shared.1.send_modify(|n| *n += 1);
    match answer {
        Answer::Ok => {
            (StatusCode::NO_CONTENT, [("x-prometheus-remote-write-samples-written", written)]).into_response()
        }
        Answer::Unconfirmed => StatusCode::NO_CONTENT.into_response(),
        Answer::Status(status, None) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Status(status, Some(after)) => {
            (StatusCode::from_u16(status).unwrap(), [("retry-after", after)]).into_response()
        }
    }
}

type Content = (Vec<(String, i64, u64)>, usize, Vec<String>);

#[derive(Clone, PartialEq, Message)]
struct V1 {
    #[prost(message, repeated, tag = "1")]
    series: Vec<SeriesV1>,
}

#[derive(Clone, PartialEq, Message)]
struct SeriesV1 {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Point>,
    #[prost(message, repeated, tag = "3")]
    exemplars: Vec<Anything>,
}

#[derive(Clone, PartialEq, Message)]
struct Anything {}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Point {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    time: i64,
}

#[derive(Clone, PartialEq, Message)]
struct V2 {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    series: Vec<SeriesV2>,
}

#[derive(Clone, PartialEq, Message)]
struct SeriesV2 {
    #[prost(uint32, repeated, tag = "1")]
    labels: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Point>,
    #[prost(message, repeated, tag = "4")]
    exemplars: Vec<Anything>,
    #[prost(message, optional, tag = "5")]
    about: Option<About>,
}

#[derive(Clone, PartialEq, Message)]
struct About {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(uint32, tag = "3")]
    help: u32,
    #[prost(uint32, tag = "4")]
    unit: u32,
}

fn shown(pairs: Vec<(&str, &str)>) -> String {
    assert!(pairs.is_sorted_by(|a, b| a.0 < b.0), "labels are sorted and none is repeated: {pairs:?}");
    assert!(pairs.iter().all(|(_, value)| !value.is_empty()), "no label is empty: {pairs:?}");
    Labels::from_pairs(pairs.iter().copied()).iter().fold("{".to_owned(), |text, l| {
        let comma = if text.len() > 1 { ", " } else { "" };
        format!("{text}{comma}{}={:?}", l.name, l.value)
    }) + "}"
}

fn read_v1(message: &[u8]) -> Content {
    let request = V1::decode(message).unwrap();
    let mut content = Content::default();
    for series in &request.series {
        let labels = shown(series.labels.iter().map(|l| (&*l.name, &*l.value)).collect());
        content.0.extend(series.samples.iter().map(|p| (labels.clone(), p.time, p.value.to_bits())));
        content.1 += series.exemplars.len();
    }
    content
}

fn read_v2(message: &[u8]) -> Content {
    let request = V2::decode(message).unwrap();
    assert_eq!(request.symbols.first().map(String::as_str), Some(""));
    let text = |at: u32| request.symbols[at as usize].as_str();
    let mut content = Content::default();
    for series in &request.series {
        let pairs: Vec<(&str, &str)> = series.labels.chunks(2).map(|p| (text(p[0]), text(p[1]))).collect();
        let name = pairs.iter().find(|(name, _)| *name == "__name__").unwrap().1.to_owned();
        let labels = shown(pairs);
        content.0.extend(series.samples.iter().map(|p| (labels.clone(), p.time, p.value.to_bits())));
        content.1 += series.exemplars.len();
        if let Some(about) = &series.about {
            assert_eq!(about.kind, 1);
            content.2.push(format!("{name} counter {} {}", text(about.help), text(about.unit)));
        }
    }
    content
}
