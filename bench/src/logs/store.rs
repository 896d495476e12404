//! The store and the language without a server around them: what lines cost to take in and keep, and what questions cost.

use std::sync::Arc;
use std::time::Duration;

use ::logs::{Store, StoreOptions, SyncMode};
use anyhow::Context;
use logql::{Direction, Engine, QueryContext, RangeParams};
use model::{AppendError, Labels, LogBatch, LogSink, SystemClock, Tenant};

use super::LogsArguments;
use super::questions::{Kind, Question, questions};
use super::requests::{LINES, Requests};
use crate::{process, say};

const MB: f64 = 1e6;
const BEGIN: i64 = 1_763_798_400_000_000_000;
const REPETITIONS: usize = 5;

fn cpu_ms() -> anyhow::Result<f64> {
    Ok(process::cpu_time(process::SELF)?.as_secs_f64() * 1000.0)
}

/// Of this thread alone.
fn thread_cpu_ms() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").context("read the figures of a thread")?;
    Ok(text.split(' ').next().unwrap_or("0").parse::<f64>()? / 1e6)
}

/// Runs the workload.
pub(super) fn run(arguments: &LogsArguments) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let dir = arguments.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    let options = StoreOptions { sync: SyncMode::Always, ..StoreOptions::default() };
    let (store, report) = Store::open(&dir, options, Arc::new(SystemClock))?;
    let requests = Requests::new(arguments.megabytes, arguments.streams, BEGIN);
    if report.blocks == 0 {
        fill(&store, &requests)?;
    }
    say("question: CPU ms (the first time) of what it may take at 2 GB")?;
    let list = questions(&requests)?;
    for question in list.iter().filter(|q| arguments.only.as_ref().is_none_or(|only| q.name.contains(only.as_str()))) {
        ask(&store, &requests, question)?;
    }
    say(&format!("peak memory {:.0} MB", process::peak_bytes(process::SELF)? as f64 / MB))?;
    store.close()?;
    Ok(())
}

fn fill(store: &Store, requests: &Requests) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let (mut bytes, mut generating) = (0, 0.0);
    let before = cpu_ms()?;
    for number in 0..requests.count {
        let begun = thread_cpu_ms()?;
        let mut batch = LogBatch::new(Tenant::default());
        for stream in 0..requests.streams {
            let service = format!("service-{stream:02}");
            batch.add_stream(Labels::from_pairs([("service", service.as_str()), ("env", "prod")]));
        }
        requests.lines(number, |stream, time, text| {
            let level = if text.contains("ERROR") || text.contains("error") { "error" } else { "info" };
            batch.push(stream as u32, time, text.as_bytes(), [("detected_level", level)]);
            bytes += text.len();
        });
        generating += thread_cpu_ms()? - begun;
        loop {
            match runtime.block_on(store.append(batch.clone())) {
                Ok(report) => {
                    anyhow::ensure!(report.rejected.is_empty(), "entries were refused: {:?}", report.rejected.first());
                    break;
                }
                Err(AppendError::OverBudget { .. }) => crate::peers::pause(Duration::from_millis(20)),
                Err(error) => return Err(error.into()),
            }
        }
    }
    store.flush()?;
    let spent = cpu_ms()? - before - generating;
    let size = |store: &Store| store.stats().block_bytes as f64;
    say(&format!(
        "{:.1} MB in {} lines: {:.1} CPU s without generating them = {:.1} MB a CPU second; {:.1} MB on disk = {:.2} %; peak memory {:.0} MB",
        bytes as f64 / MB,
        requests.count * LINES,
        spent / 1000.0,
        bytes as f64 / 1000.0 / spent,
        size(store) / MB,
        size(store) / bytes as f64 * 100.0,
        process::peak_bytes(process::SELF)? as f64 / MB
    ))?;
    store.merge_now()?;
    say(&format!("merged: {:.1} MB = {:.2} %", size(store) / MB, size(store) / bytes as f64 * 100.0))
        .map_err(Into::into)
}

fn ask(store: &Arc<Store>, requests: &Requests, question: &Question) -> anyhow::Result<()> {
    let engine = Engine::default();
    let query = logql::parse(&question.query).map_err(|error| anyhow::anyhow!("{}: {error}", question.query))?;
    let run = || {
        let ctx = QueryContext::default();
        let (start, end) = (requests.begin, requests.end());
        let step = if let Kind::Steps(seconds) = question.kind { seconds * 1_000_000_000 } else { 1 };
        let params = RangeParams { start, end, step, interval: 0, limit: 100, direction: Direction::Backward };
        match question.kind {
            Kind::End => engine.query_instant(&**store, &ctx, &query, end),
            _ => engine.query_range(&**store, &ctx, &query, &params),
        }
    };
    let mut spent = Vec::new();
    let mut stats = None;
    for _ in 0..=REPETITIONS {
        let before = cpu_ms()?;
        let result = run().map_err(|error| anyhow::anyhow!("{}: {error}", question.name))?;
        stats = Some(result.stats);
        drop(result);
        spent.push(cpu_ms()? - before);
    }
    let stats = stats.context("a question is asked at least once")?;
    let first = spent.remove(0);
    spent.sort_unstable_by(f64::total_cmp);
    let middle = spent[spent.len() / 2];
    let verdict = if middle <= question.target { "" } else { "  MISSED" };
    Ok(say(&format!(
        "{:28} {middle:8.1} ({first:8.1}) of {:6.0}; {} in the answer, {} pages, {} read{verdict}",
        question.name, question.target, stats.entries_returned, stats.pages, stats.pages_read
    ))?)
}
