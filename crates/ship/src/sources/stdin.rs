//! Standard input, to its end.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Source, owned};
use crate::batch::Batch;
use crate::entry::Entry;
use crate::files::MOST_LINE;

/// How often blocks of lines that wait for more are looked at.
const TICK: Duration = Duration::from_millis(500);

pub(super) async fn run(mut source: Source, labels: BTreeMap<String, String>, exhausted: CancellationToken) {
    let stop = source.context.stop.clone();
    let Some(mut input) = input() else { return source.tell("no thread to read it") };
    let mut ahead: Vec<u8> = Vec::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let chunk = tokio::select! {
            chunk = input.recv() => chunk.unwrap_or_default(),
            _ = ticks.tick() => {
                let mut batch = Batch::default();
                source.tick(&mut batch, false);
                if source.submit(batch).await.is_err() {
                    return;
                }
                continue;
            }
            () = stop.cancelled() => return,
        };
        ahead.extend_from_slice(&chunk);
        let at_end = chunk.is_empty();
        let whole = match memchr::memrchr(b'\n', &ahead) {
            Some(at) => at + 1,
            None if at_end || ahead.len() >= MOST_LINE => ahead.len(),
            None => continue,
        };
        let whole = if at_end { ahead.len() } else { whole };
        let mut batch = Batch::default();
        if let Some(base) = source.base(owned(&labels)) {
            let lines = ahead[..whole].split(|b| *b == b'\n');
            let count = lines.clone().count();
            let is_ended = whole > 0 && ahead[whole - 1] == b'\n';
            for line in lines.take(if is_ended { count - 1 } else { count }) {
                if whole > 0 {
                    let stamp = source.stamp();
                    source.put(&mut batch, Entry::new(&base, stamp, line, 0));
                }
            }
        }
        ahead.drain(..whole);
        source.tick(&mut batch, at_end);
        if source.submit(batch).await.is_err() {
            return;
        }
        if at_end {
            source.tell("ended");
            exhausted.cancel();
            return;
        }
    }
}

/// What is read, by a thread of its own, since reading cannot be given up. It waits while nobody takes what it read.
fn input() -> Option<mpsc::Receiver<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(4);
    let thread = std::thread::Builder::new().name("ship-stdin".into()).spawn(move || {
        let mut chunk = vec![0; 64 << 10];
        while let Ok(count @ 1..) = std::io::stdin().lock().read(&mut chunk) {
            if sender.blocking_send(chunk[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    thread.is_ok().then_some(receiver)
}
