//! Workloads that measure the product and print figures. They assert nothing.

mod generate;
mod head;
mod process;
mod remote_write;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Measure Afferent and print figures")]
struct Arguments {
    #[command(subcommand)]
    workload: Option<Workload>,
}

#[derive(Debug, Subcommand)]
enum Workload {
    /// The metric store alone: memory of an active series, samples a CPU second, log bytes a sample, time of a restart.
    Head(head::HeadArguments),
    /// The remote write receiver over HTTP: samples a CPU second of the server, with the store and without.
    RemoteWrite(remote_write::RemoteWriteArguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().workload.unwrap_or(Workload::Head(head::HeadArguments::default())) {
        Workload::Head(arguments) => head::run(&arguments),
        Workload::RemoteWrite(arguments) => remote_write::run(&arguments),
    }
}
