//! A stand-in for Loki: takes pushes, keeps every line, and can refuse or be away.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ship::wire;

/// A line that was received.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Received {
    pub(crate) labels: String,
    pub(crate) timestamp: i64,
    pub(crate) line: Vec<u8>,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) tenant: String,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) lines: Mutex<Vec<Received>>,
    /// The status answered instead of 204, where not 0.
    pub(crate) status: AtomicU16,
    /// The largest number of line bytes in one request.
    pub(crate) largest: AtomicUsize,
    stop: AtomicBool,
}

/// A running receiver; stops when dropped.
pub(crate) struct Loki {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<State>,
}

impl Drop for Loki {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Loki {
    pub(crate) fn start() -> Self {
        Loki::start_at("127.0.0.1:0", Arc::default())
    }

    pub(crate) fn start_at(address: &str, state: Arc<State>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), shared) = (stream, shared.clone()) else { continue };
                std::thread::spawn(move || while serve(&stream, &shared).is_some() {});
            }
        });
        Loki { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/loki/api/v1/push", self.address)
    }

    pub(crate) fn lines(&self) -> Vec<Received> {
        self.state.lines.lock().unwrap().clone()
    }

    /// The lines as text, in the order of arrival.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.lines().iter().map(|line| String::from_utf8_lossy(&line.line).into_owned()).collect()
    }

    /// Waits until `is_enough` holds; panics after 20 seconds.
    pub(crate) fn wait(&self, what: &str, is_enough: impl Fn(&[Received]) -> bool) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) {
            if is_enough(&self.state.lines.lock().unwrap()) {
                return;
            }
            pause(20);
        }
        let texts = self.texts();
        panic!("{what}: there are {} lines: {:?}", texts.len(), &texts[..texts.len().min(40)]);
    }

    pub(crate) fn wait_for(&self, count: usize) {
        self.wait(&format!("{count} lines are expected"), |lines| lines.len() >= count);
    }

    /// How often each line came.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for text in self.texts() {
            *counts.entry(text).or_default() += 1;
        }
        counts
    }
}

/// A test may wait for another process; nothing in the product does.
#[allow(clippy::disallowed_methods)]
pub(crate) fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

fn serve(mut stream: &TcpStream, state: &State) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let header = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap_or_default().trim().to_owned()
    };
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    let status = state.status.load(Ordering::SeqCst);
    if status != 0 {
        let reason = "not now\n";
        write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{reason}", reason.len()).ok()?;
        return Some(());
    }
    let message = wire::unpack(&body).unwrap();
    let mut lines = Vec::new();
    wire::read_push(&message, |labels, entry| {
        lines.push(Received {
            labels: labels.to_owned(),
            timestamp: entry.timestamp,
            line: entry.line.to_vec(),
            metadata: entry.metadata.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            tenant: header("x-scope-orgid"),
        });
    })
    .unwrap();
    let bytes: usize = lines.iter().map(|line| line.line.len()).sum();
    state.largest.fetch_max(bytes, Ordering::SeqCst);
    state.lines.lock().unwrap().extend(lines);
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()
}
