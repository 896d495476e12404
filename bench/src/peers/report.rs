//! Figures as Markdown tables with the ratio to the better peer.

use std::fmt::Write;
use std::time::Duration;

use model::Timestamp;

use super::Figures;
use super::queries::{Cost, Query};
use super::servers::Kind;

/// Date, machine and load.
pub(super) fn heading(now: Timestamp) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model =
        cpus.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or("").trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load: Vec<String> = read("/proc/loadavg").split(' ').take(3).map(str::to_owned).collect();
    let date = chrono::DateTime::from_timestamp_millis(now.ms()).map(|d| d.format("%Y-%m-%d %H:%M UTC").to_string());
    format!("{}, {cores} cores of {model}, load before: {}", date.unwrap_or_default(), load.join(" "))
}

/// A row: a title, a figure of each server, and whether more is better.
type Row = (&'static str, fn(&Figures) -> f64, Better, usize);

#[derive(Clone, Copy, PartialEq)]
enum Better {
    More,
    Less,
    /// Nothing to be proud of: no ratio.
    Neither,
}

const ROWS: [Row; 15] = [
    ("ingest, wall s", |f| f.ingest_wall.as_secs_f64(), Better::Less, 1),
    ("ingest until at rest, CPU s", |f| f.ingest_cpu.as_secs_f64(), Better::Less, 1),
    ("compaction to the last form, CPU s", |f| f.compaction_cpu.as_secs_f64(), Better::Neither, 1),
    ("k samples a CPU second", |f| f.samples as f64 / f.ingest_cpu.as_secs_f64() / 1e3, Better::More, 0),
    (
        "k samples a CPU second, compaction included",
        |f| f.samples as f64 / (f.ingest_cpu + f.compaction_cpu).as_secs_f64() / 1e3,
        Better::More,
        0,
    ),
    ("k samples a second, wall", |f| f.samples as f64 / f.ingest_wall.as_secs_f64() / 1e3, Better::More, 0),
    ("memory, highest during ingest, MB", |f| f.peak as f64 / 1e6, Better::Less, 0),
    ("memory after ingest, MB", |f| f.resident as f64 / 1e6, Better::Less, 0),
    ("memory a series, highest, bytes", |f| f.peak as f64 / f.series as f64, Better::Less, 0),
    ("memory, highest after restart and queries, MB", |f| f.peak_of_queries as f64 / 1e6, Better::Less, 0),
    ("disk as written, MB", |f| f.bytes_as_written as f64 / 1e6, Better::Less, 1),
    ("disk in the last form, MB", |f| f.bytes as f64 / 1e6, Better::Less, 1),
    ("bytes a sample in the last form", |f| f.bytes as f64 / f.samples as f64, Better::Less, 3),
    ("first answer after kill -9, s", |f| f.restart.as_secs_f64(), Better::Less, 2),
    ("CPU until then, s", |f| f.restart_cpu.as_secs_f64(), Better::Less, 2),
];

/// The tables.
pub(super) fn tables(measured: &[Figures], queries: &[Query]) -> String {
    let mut out = String::new();
    let names: Vec<&str> = measured.iter().map(|f| f.kind.name()).collect();
    let dashes = "---|".repeat(names.len() + 2);
    let _ = writeln!(out, "\n| | {} | to the better peer |\n|{dashes}", names.join(" | "));
    for (title, figure, better, digits) in ROWS {
        let _ = write!(out, "| {title} |");
        for figures in measured {
            let _ = write!(out, " {:.digits$} |", figure(figures));
        }
        let ours = figure_of(measured, true, figure, better);
        let theirs = figure_of(measured, false, figure, better);
        let ratio = ours.zip(theirs).filter(|_| better != Better::Neither);
        let _ = writeln!(out, " {} |", ratio.map_or_else(|| "-".to_owned(), |(ours, theirs)| times(ours / theirs)));
    }
    if queries.is_empty() {
        return out;
    }
    let _ = writeln!(out, "\nQueries, wall / CPU ms:\n");
    let _ = writeln!(out, "| query | {} | CPU to the better peer | answers |\n|{dashes}---|", names.join(" | "));
    for (at, query) in queries.iter().enumerate() {
        let _ = write!(out, "| {} |", query.name);
        for figures in measured {
            let cost = &figures.costs[at];
            let _ = write!(out, " {} / **{}** |", milliseconds(cost.wall), milliseconds(cost.cpu));
        }
        let cpu = |f: &Figures| f.costs[at].cpu.as_secs_f64();
        let ours = measured.iter().find(|f| f.kind == Kind::Afferent).map(cpu);
        let theirs = measured.iter().filter(|f| f.kind != Kind::Afferent).map(cpu).reduce(f64::min);
        let ratio = ours.zip(theirs).map_or_else(|| "-".to_owned(), |(ours, theirs)| times(ours / theirs));
        let _ = writeln!(out, " {ratio} | {} |", verdict(measured, query, at));
    }
    out
}

fn figure_of(measured: &[Figures], ours: bool, figure: fn(&Figures) -> f64, better: Better) -> Option<f64> {
    let group = measured.iter().filter(|f| (f.kind == Kind::Afferent) == ours).map(figure);
    group.reduce(if better == Better::More { f64::max } else { f64::min })
}

fn times(ratio: f64) -> String {
    format!("{ratio:.2} x")
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

/// Compares all answers with Prometheus', or with the first where Prometheus was not asked.
fn verdict(measured: &[Figures], query: &Query, at: usize) -> String {
    let by = |kind: Kind| measured.iter().find(|f| f.kind == kind);
    let Some(reference) = by(Kind::Prometheus).or(measured.first()) else { return String::new() };
    let Cost { answer: expected, .. } = &reference.costs[at];
    let differing = measured.iter().filter(|f| !f.costs[at].answer.agrees(expected, query.tolerance(f.kind)));
    let differing: Vec<String> = differing
        .map(|f| {
            let answer = &f.costs[at].answer;
            let off = answer.sum / expected.sum - 1.0;
            format!("{}: {} series for {}, sum {:+.2e}", f.kind.name(), answer.series, expected.series, off)
        })
        .collect();
    if differing.is_empty() { format!("agree, {} series", expected.series) } else { differing.join("; ") }
}
