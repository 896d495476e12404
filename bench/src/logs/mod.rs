//! Logs: the store alone, or the whole server as its users have it.

mod lines;
mod questions;
mod requests;
mod server;
mod store;

use clap::Args;

/// How much, and where.
#[derive(Clone, Debug, Args)]
pub(crate) struct LogsArguments {
    /// Megabytes of lines.
    #[arg(long, default_value_t = 150)]
    megabytes: usize,
    /// Number of streams.
    #[arg(long, default_value_t = 20)]
    streams: usize,
    /// Keep the data here instead of in a temporary directory. With data in it nothing is sent, and queries alone are measured.
    #[arg(long)]
    dir: Option<std::path::PathBuf>,
    /// The store by itself, without a server around it.
    #[arg(long)]
    store: bool,
    /// Connections that push at the same time.
    #[arg(long, default_value_t = 2)]
    connections: usize,
    /// The server's program; by default the one beside this program.
    #[arg(long)]
    afferent: Option<std::path::PathBuf>,
    /// Only queries whose names contain this.
    #[arg(long)]
    only: Option<String>,
}

/// Runs the workload.
pub(crate) fn run(arguments: &LogsArguments) -> anyhow::Result<()> {
    if arguments.store { store::run(arguments) } else { server::run(arguments) }
}
