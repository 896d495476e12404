//! `afferent import`: samples of any age from files of other systems, into a data directory that no server uses, or through a
//! running server.

mod openmetrics;
mod progress;
mod target;
mod tsdb;

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use model::Tenant;

use crate::offline::DataArgs;
use progress::Progress;
use target::{DataDirectory, Server, Target};

#[derive(Debug, Subcommand)]
pub(crate) enum ImportWhat {
    /// Take over the blocks of a Prometheus: its data directory while it is stopped, a snapshot, or a single block.
    /// Its write-ahead log is not read: take a snapshot (POST /api/v1/admin/tsdb/snapshot) to have the newest samples too.
    Tsdb(ImportArgs),
    /// Take over samples written in the OpenMetrics text format, each with its timestamp. The file is held in memory.
    /// Bounds of buckets and quantiles are written as Prometheus writes them (le="1" becomes le="1.0"); exemplars are left
    /// out, as by promtool.
    Openmetrics(ImportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// What to take over.
    #[arg(value_name = "PATH")]
    path: PathBuf,

    #[command(flatten)]
    data: DataArgs,

    /// Whose samples they become.
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = parse_tenant)]
    tenant: Tenant,

    /// Send the samples to a running server by remote write instead, and leave the data directory alone. It takes them as
    /// they come: what is older than storage.tsdb.out_of_order_time_window before the newest sample of its series is refused.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

/// A tenant's name on the command line.
pub(crate) fn parse_tenant(name: &str) -> Result<Tenant, String> {
    Tenant::new(name).map_err(|error| error.to_string())
}

/// Imports everything that can be read. What is damaged is named and left out, and then the answer is `false`. Into a data
/// directory all counts at the end, or, after another error, nothing.
pub(crate) fn run(what: &ImportWhat) -> anyhow::Result<bool> {
    let (ImportWhat::Tsdb(args) | ImportWhat::Openmetrics(args)) = what;
    // Whether there is anything to read is known before the store is touched.
    let source = std::fs::metadata(&args.path).with_context(|| format!("cannot read {}", args.path.display()))?;
    if source.is_dir() != matches!(what, ImportWhat::Tsdb(_)) {
        bail!("{} is {}", args.path.display(), if source.is_dir() { "a directory" } else { "not a directory" });
    }
    let mut target: Box<dyn Target> = match &args.server {
        Some(url) => Box::new(Server::new(url, &args.tenant)?),
        None => Box::new(DataDirectory::open(&args.data, args.tenant.clone())?),
    };
    let mut progress = Progress::new();
    match what {
        ImportWhat::Tsdb(_) => tsdb::read(&args.path, &mut *target, &mut progress)?,
        ImportWhat::Openmetrics(_) => openmetrics::read(&args.path, &mut *target, &mut progress)?,
    }
    let taken = target.finish()?;
    progress.report(&taken.told);
    Ok(progress.is_whole() && taken.is_whole)
}
