//! Workloads that measure the product and its peers, and print figures. They assert nothing.

mod alerts;
mod codec;
mod generate;
mod head;
mod logs;
mod peers;
mod process;
mod protobuf;
mod remote_write;

use std::io::Write;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Measure Afferent beside its peers and print figures")]
struct Arguments {
    #[command(subcommand)]
    workload: Workload,
}

#[derive(Debug, Subcommand)]
enum Workload {
    /// Reports of alerts, to our server and to Alertmanager: updates a CPU second, memory.
    Alerts(alerts::AlertsArguments),
    /// The whole server beside VictoriaMetrics and Prometheus, fed and asked the same: samples a CPU second, bytes a sample,
    /// memory, time of a restart, CPU time of queries.
    Peers(peers::PeersArguments),
    /// The column coders alone: bytes and nanoseconds a sample, by kind of series.
    Codec(codec::CodecArguments),
    /// The metric store alone: memory of an active series, samples a CPU second, log bytes a sample, time of a restart.
    Head(head::HeadArguments),
    /// Logs by Loki's interface: bytes a CPU second, size at rest, memory, and what searches and counts cost; or the store alone.
    Logs(logs::LogsArguments),
    /// The remote write receiver over HTTP: samples a CPU second of the server, with the store and without.
    RemoteWrite(remote_write::RemoteWriteArguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().workload {
        Workload::Alerts(arguments) => alerts::run(&arguments),
        Workload::Peers(arguments) => peers::run(&arguments),
        Workload::Codec(arguments) => codec::run(&arguments),
        Workload::Head(arguments) => head::run(&arguments),
        Workload::Logs(arguments) => logs::run(&arguments),
        Workload::RemoteWrite(arguments) => remote_write::run(&arguments),
    }
}

/// Prints a line at once, also into a pipe.
fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    out.flush()
}
