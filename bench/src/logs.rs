//! The log store alone: how fast it takes lines, how small they become, and what the primitive reads cost.

use std::sync::Arc;

use ::logs::{Store, StoreOptions, SyncMode};
use anyhow::Context;
use clap::Args;
use memchr::memmem;
use model::{
    Column, LabelRequest, Labels, LineFormat, LogBatch, LogPage, LogRequest, LogSink, LogSource, NanoRange,
    SystemClock, Tenant, TimeRange,
};

use crate::say;

/// How much, and where.
#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// Megabytes of lines.
    #[arg(long, default_value_t = 150)]
    megabytes: usize,
    /// Number of streams.
    #[arg(long, default_value_t = 20)]
    streams: usize,
    /// Keep the data here instead of in a temporary directory.
    #[arg(long)]
    dir: Option<std::path::PathBuf>,
}

const MB: f64 = 1e6;
const HOURS_2: i64 = 7_200_000_000_000;
const BEGIN: i64 = 1_763_798_400_000_000_000;
const BATCH_LINES: usize = 3_600;

/// splitmix64: the same lines on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

const LEVELS: [&str; 8] = ["INFO", "INFO", "INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR"];
const PATHS: [&str; 6] = ["/api/v1/items", "/api/v1/orders", "/login", "/api/v1/users", "/health", "/api/v2/search"];

fn clock_text(nanos: i64) -> String {
    let of_day = nanos / 1_000_000 % 86_400_000;
    let (h, m, s, ms) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60, of_day % 1000);
    format!("{h:02}:{m:02}:{s:02}.{ms:03}")
}

/// A line of a stream; the first 11 of 20 write JSON.
fn line(stream: usize, time: i64, random: &mut Random, out: &mut String) {
    use std::fmt::Write;
    out.clear();
    let (id, level) = ((u128::from(random.next()) << 64) | u128::from(random.next()), random.pick(&LEVELS));
    let scale = 4 + random.below(15);
    let micros = random.below(1 << scale) + 100;
    let user = random.below(20_000);
    let path = random.pick(&PATHS);
    let clock = clock_text(time);
    let written = if stream % 20 < 11 {
        let status = random.pick(&[200, 200, 200, 200, 201, 204, 301, 400, 404, 500, 503]);
        let message = match random.below(4) {
            0 => "request completed".to_owned(),
            1 => format!("request completed after {} attempts", random.below(4) + 1),
            2 => format!("cache miss for item {}", random.below(100_000)),
            _ => "upstream answered, sending response to client".to_owned(),
        };
        write!(
            out,
            "{{\"timestamp\":\"2025-11-22T{clock}Z\",\"level\":\"{level}\",\"logger\":\"app.http.access\",\"message\":\"{message}\",\"service_name\":\"service-{stream:02}\",\"method\":\"{}\",\"path\":\"{path}/{}\",\"status\":{status},\"duration_ms\":{}.{:03},\"user_id\":\"user-{user:05}\",\"bytes\":{},\"trace_id\":\"{id:032x}\",\"region\":\"eu-west-1\"}}",
            random.pick(&["GET", "GET", "POST", "PUT"]),
            random.below(5000),
            micros / 1000,
            micros % 1000,
            random.below(65_536),
        )
    } else {
        match random.below(3) {
            0 => write!(
                out,
                "2025-11-22 {clock} {level} [worker-{}] com.example.orders.OrderService - processed order {} for user-{user:05} in {} ms, request id {id:032x}, cart of {} items, payment accepted by provider",
                random.below(16),
                random.below(1_000_000),
                micros / 10,
                random.below(9) + 1
            ),
            1 => write!(
                out,
                "10.{}.{}.{} - - [22/Nov/2025:{} +0000] \"GET {path}/{} HTTP/1.1\" 200 {} \"-\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\" {id:032x}",
                random.below(4),
                random.below(256),
                random.below(256),
                &clock[..8],
                random.below(5000),
                random.below(65_536)
            ),
            _ => write!(
                out,
                "time=2025-11-22T{clock}Z level={} component=scheduler msg=\"job finished, releasing the lock\" job=job-{} took={}ms id={id:032x} queue=default attempt={} host=node-{:02}.example.internal",
                level.to_lowercase(),
                random.below(500),
                micros / 10,
                random.below(3),
                random.below(12)
            ),
        }
    };
    written.expect("a string takes all text");
}

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
pub(crate) fn run(arguments: &LogsArguments) -> anyhow::Result<()> {
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
