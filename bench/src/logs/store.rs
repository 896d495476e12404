//! The log store alone: how fast it takes lines, how small they become, and what the primitive reads cost.

use std::sync::Arc;

use ::logs::{Store, StoreOptions, SyncMode};
use anyhow::Context;
use memchr::memmem;
use model::{
    Column, LabelRequest, Labels, LineFormat, LogBatch, LogPage, LogRequest, LogSink, LogSource, NanoRange,
    SystemClock, Tenant, TimeRange,
};

use super::LogsArguments;
use super::lines::{Random, line};
use crate::say;

const MB: f64 = 1e6;
const HOURS_2: i64 = 7_200_000_000_000;
const BEGIN: i64 = 1_763_798_400_000_000_000;
const BATCH_LINES: usize = 3_600;

/// Processor time of this process in milliseconds.
fn cpu_ms() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().context("stat has a name")?.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks * 10.0)
}

fn peak_mb() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).context("the status tells the peak")?;
    Ok(line.split_whitespace().nth(1).context("a number")?.parse::<f64>()? / 1000.0)
}

/// Runs the workload.
pub(super) fn run(arguments: &LogsArguments) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let dir = arguments.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    let options = StoreOptions { sync: SyncMode::Always, ..StoreOptions::default() };
    let (store, report) = Store::open(&dir, options, Arc::new(SystemClock))?;
    if report.blocks == 0 {
        fill(&store, arguments)?;
    }
    let stats = store.stats();
    say(&format!(
        "blocks {}, bytes {:.1} MB, pages' entries {}",
        stats.blocks,
        stats.block_bytes as f64 / MB,
        stats.block_entries
    ))?;
    reads(&store)?;
    say(&format!("peak memory {:.0} MB", peak_mb()?))?;
    store.close()?;
    Ok(())
}

fn fill(store: &Store, arguments: &LogsArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let target = arguments.megabytes * 1_000_000;
    let total_lines = (target / 278) as i64;
    let labels: Vec<Labels> = (0..arguments.streams)
        .map(|n| Labels::from_pairs([("service", format!("service-{n:02}")), ("env", "prod".to_owned())]))
        .collect();
    let mut random = Random(42);
    let (mut bytes, mut lines, mut generating) = (0_usize, 0_i64, 0.0);
    let begun = std::time::Instant::now();
    let cpu = cpu_ms()?;
    let mut text = String::new();
    while bytes < target {
        let cpu_before = std::time::Instant::now();
        let mut batch = LogBatch::new(Tenant::default());
        for labels in &labels {
            batch.add_stream(labels.clone());
        }
        for _ in 0..BATCH_LINES {
            let time = BEGIN + lines * (HOURS_2 / total_lines.max(1)) + random.below(1000) as i64;
            let stream = random.below(arguments.streams as u64) as usize;
            line(stream, time, &mut random, &mut text);
            batch.push(stream as u32, time, text.as_bytes(), []);
            bytes += text.len();
            lines += 1;
        }
        generating += cpu_before.elapsed().as_secs_f64() * 1000.0;
        loop {
            match runtime.block_on(store.append(batch.clone())) {
                Ok(report) => {
                    anyhow::ensure!(report.rejected.is_empty(), "entries were refused: {:?}", report.rejected.first());
                    break;
                }
                Err(model::AppendError::OverBudget { .. }) => {
                    runtime.block_on(async {
                        tokio::time::timeout(std::time::Duration::from_millis(20), std::future::pending::<()>())
                            .await
                            .ok()
                    });
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    store.flush()?;
    let spent = cpu_ms()? - cpu;
    say(&format!(
        "ingest: {:.1} MB in {lines} lines, {:.1} s wall, {:.1} CPU s ({:.1} of them generating), {:.1} MB a CPU second without generating",
        bytes as f64 / MB,
        begun.elapsed().as_secs_f64(),
        spent / 1000.0,
        generating / 1000.0,
        bytes as f64 / MB / ((spent - generating) / 1000.0),
    ))?;
    let size = |store: &Store| store.stats().block_bytes as f64;
    say(&format!("as written: {:.1} MB = {:.2} % of lines", size(store) / MB, size(store) / bytes as f64 * 100.0))?;
    let cpu = cpu_ms()?;
    store.merge_now()?;
    say(&format!(
        "merged: {:.1} MB = {:.2} % of lines, {:.1} CPU s; peak memory {:.0} MB",
        size(store) / MB,
        size(store) / bytes as f64 * 100.0,
        (cpu_ms()? - cpu) / 1000.0,
        peak_mb()?
    ))?;
    Ok(())
}

fn reads(store: &Store) -> anyhow::Result<()> {
    let tenant = Tenant::default();
    let all = |fragments: &[Vec<u8>]| -> anyhow::Result<Vec<Arc<dyn LogPage>>> {
        let request = LogRequest { tenant: &tenant, matchers: &[], range: NanoRange::ALL, fragments, memory: None };
        let set = store.select(&request)?;
        let mut pages = Vec::new();
        for index in 0..set.len() {
            pages.extend(set.pages(index)?);
        }
        Ok(pages)
    };
    let pages = all(&[])?;
    say(&format!("{} pages", pages.len()))?;
    // An id of the middle of everything.
    let lines = pages[pages.len() / 2].lines()?;
    let line = String::from_utf8_lossy(lines.get(lines.len() / 2)).into_owned();
    let is_hex = |part: &&str| part.len() == 32 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let id = line.split(|c: char| !c.is_ascii_alphanumeric()).find(is_hex).context("a line has an id")?.to_owned();
    let timed = |name: &str, run: &dyn Fn() -> anyhow::Result<String>| -> anyhow::Result<()> {
        let mut best = f64::MAX;
        let mut answer = String::new();
        for _ in 0..3 {
            let begun = std::time::Instant::now();
            answer = run()?;
            best = best.min(begun.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(say(&format!("{name}: {best:.1} ms, {answer}"))?)
    };
    let search = |needle: &[u8], pages: &[Arc<dyn LogPage>]| -> anyhow::Result<String> {
        let finder = memmem::Finder::new(needle);
        let (mut hits, mut read) = (0, 0);
        for page in pages {
            read += 1;
            hits += finder.find_iter(&page.lines()?.text).count();
        }
        Ok(format!("{hits} hits in {read} pages read"))
    };
    timed("needle, whole id", &|| search(id.as_bytes(), &all(&[id.clone().into_bytes()])?))?;
    timed("needle, 24 bytes of it", &|| search(&id.as_bytes()[4..28], &all(&[id.as_bytes()[4..28].to_vec()])?))?;
    timed("scan for a word", &|| search(b"ERROR", &pages))?;
    timed("count from headers", &|| {
        Ok(format!("{} entries", all(&[])?.iter().map(|page| u64::from(page.info().entries)).sum::<u64>()))
    })?;
    timed("column status >= 500", &|| {
        let (mut count, mut columns) = (0, 0);
        for page in &pages {
            if let Some(column) = page.column(LineFormat::Json, "status")?
                && let Column::Integers { values, .. } = &*column
            {
                columns += 1;
                count += values.iter().filter(|value| **value >= 500).count();
            }
        }
        Ok(format!("{count} of {columns} columns"))
    })?;
    timed("column duration_ms", &|| {
        let (mut sum, mut columns) = (0.0, 0);
        for page in &pages {
            match page.column(LineFormat::Json, "duration_ms")?.as_deref() {
                Some(Column::Floats { values, .. }) => {
                    columns += 1;
                    sum += values.iter().sum::<f64>();
                }
                Some(Column::Texts { values, .. }) => columns += usize::from(!values.is_empty()),
                _ => {}
            }
        }
        Ok(format!("sum {sum:.0} of {columns} columns"))
    })?;
    timed("column user_id", &|| {
        let mut columns = 0;
        for page in &pages {
            columns += usize::from(page.column(LineFormat::Json, "user_id")?.is_some());
        }
        Ok(format!("{columns} columns"))
    })?;
    timed("label values", &|| {
        let request =
            LabelRequest { tenant: &tenant, matcher_sets: &[], range: TimeRange::ALL, limit: 0, memory: None };
        Ok(format!("{}", store.label_values("service", &request)?.len()))
    })
}
