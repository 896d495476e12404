//! `afferent ship`: the log shipper as a process of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use config::Environment;
use model::SystemClock;
use prometheus_client::registry::Registry;
use ship::{Destination, ShipMetrics, ShipOptions, Shipper};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::logging;

/// How long what is in the buffer may still be sent after the order to stop.
const DELIVERY_GRACE: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub(crate) struct ShipArgs {
    /// Promtail's configuration file.
    #[arg(long, value_name = "FILE", default_value = "promtail.yaml", env = "AFFERENT_SHIP_CONFIG")]
    pub(crate) config: PathBuf,

    /// Check the configuration and stop. Exit status 1 if it has an error.
    #[arg(long)]
    pub(crate) check: bool,

    /// Read standard input through the pipeline and with the labels of the first job, instead of all that is configured;
    /// stop at its end.
    #[arg(long)]
    pub(crate) stdin: bool,

    /// Address of /metrics, /ready and /targets, instead of the configured one.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,

    /// File with the positions, instead of the configured one. The buffer lies beside it.
    #[arg(long, value_name = "FILE")]
    pub(crate) positions: Option<PathBuf>,
}

pub(crate) async fn run(args: &ShipArgs) -> anyhow::Result<()> {
    logging::start().turn_off();
    let mut loaded = config::load_promtail(&args.config, &Environment::of_process())?;
    for notice in &loaded.warnings {
        warn!("{notice}");
    }
    if args.stdin {
        only_stdin(&mut loaded.config);
    }
    let options = ShipOptions {
        destination: Destination::Clients,
        positions: args.positions.clone(),
        delivery_grace: DELIVERY_GRACE,
        clock: Arc::new(SystemClock),
        metrics: Arc::new(ShipMetrics::default()),
    };
    Shipper::check(&loaded, &options)?;
    if args.check {
        info!(config = %args.config.display(), "the configuration is good");
        return Ok(());
    }
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let metrics = options.metrics.clone();
    let shipper = Shipper::start(&loaded, options).await?;
    let stop = CancellationToken::new();
    if loaded.config.server.enabled && !args.stdin {
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let listen = args.listen.unwrap_or(loaded.config.server.listen);
        ship::serve(&shipper, listen, registry, stop.clone()).await?;
    }
    info!(config = %args.config.display(), "shipping");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = shipper.exhausted(), if args.stdin => {}
    }
    // A second signal ends the process at once: the buffer holds everything that was read.
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(1);
    });
    info!("stopping");
    stop.cancel();
    shipper.stop().await;
    info!("stopped");
    Ok(())
}

/// The first job reads standard input, with its static labels; all else is left out.
fn only_stdin(config: &mut config::promtail::PromtailConfig) {
    config.scrape_configs.truncate(1);
    let Some(job) = config.scrape_configs.first_mut() else { return };
    let labels: BTreeMap<String, String> = job.static_configs.iter().flat_map(|group| group.labels.clone()).collect();
    job.stdin = Some(labels.into_iter().filter(|(name, _)| !name.starts_with("__")).collect());
    job.static_configs.clear();
    job.file_sd_configs.clear();
    job.docker_sd_configs.clear();
    (job.journal, job.syslog, job.push) = (None, None, None);
}
