//! The configuration file: where it is, and how it is read.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::bail;
use config::{ConfigErrors, Environment, Loaded, PrometheusConfig};
use metrics::{LimitTable, TenantLimits};

/// Names looked for in a directory, the first that exists wins.
const FILE_NAMES: [&str; 3] = ["prometheus-config.yaml", "prometheus.yml", "prometheus.yaml"];

/// The variable that names the server's own address, so that a configuration can scrape it.
const ADDRESS_VARIABLE: &str = "AFFERENT_ADDRESS";

/// The file that a path means: itself, or the one that a directory holds.
pub(crate) fn find_file(path: &Path) -> anyhow::Result<PathBuf> {
    if !path.is_dir() {
        if !path.exists() {
            bail!(
                "there is no configuration at {}: name a file or a directory with --config; \
                 a directory is expected to hold {}",
                path.display(),
                FILE_NAMES.join(" or ")
            );
        }
        return Ok(path.to_owned());
    }
    match FILE_NAMES.iter().map(|name| path.join(name)).find(|file| file.is_file()) {
        Some(file) => Ok(file),
        None => bail!("the directory {} holds none of {}", path.display(), FILE_NAMES.join(", ")),
    }
}

/// Variables for `${NAME}`: those of the process, `.env` in the working directory, and the server's own address.
pub(crate) fn environment(address: Option<SocketAddr>) -> Environment {
    let inherited =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let own = address.map(|address| (ADDRESS_VARIABLE.to_owned(), address.to_string()));
    let environment = Environment::from_pairs(inherited.chain(own));
    match std::env::current_dir() {
        Ok(directory) => environment.in_directory(directory),
        Err(_) => environment,
    }
}

/// Reads and validates a file.
pub(crate) fn load(file: &Path, address: Option<SocketAddr>) -> Result<Loaded<PrometheusConfig>, ConfigErrors> {
    config::load(file, &environment(address))
}

/// The limits of tenants as the store takes them.
pub(crate) fn limits(config: &PrometheusConfig) -> LimitTable {
    let size = |n: Option<u64>| n.filter(|n| *n > 0).map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    let time = |t: Option<config::Millis>| t.filter(|t| !t.is_zero()).map(config::Millis::ms);
    let limits = |given: &config::TenantLimits| TenantLimits {
        series: size(given.max_series),
        label_names: size(given.max_label_names_per_series),
        label_name_bytes: size(given.max_label_name_length),
        label_value_bytes: size(given.max_label_value_length),
        sample_age_ms: time(given.max_sample_age),
        sample_future_ms: time(given.max_sample_future),
    };
    let overrides = config.limits.overrides.iter();
    LimitTable {
        default: limits(&config.limits.default),
        overrides: overrides.map(|(tenant, given)| (tenant.clone(), limits(given))).collect(),
    }
}

/// What a configuration asks for that this version does not do yet, in words for the log and for `check config`.
pub(crate) fn idle_sections(config: &PrometheusConfig) -> Vec<&'static str> {
    let sections = [
        (
            config.alerting.alertmanagers.iter().any(|entry| {
                let found = &entry.discovery;
                !(found.file_sd_configs.is_empty()
                    && found.http_sd_configs.is_empty()
                    && found.dns_sd_configs.is_empty())
            }),
            "alerting.alertmanagers get alerts only where they are listed in static_configs",
        ),
        (!config.remote_read.is_empty(), "remote_read reads nothing yet"),
        (config.tracing.is_some(), "tracing sends nothing yet"),
    ];
    sections.into_iter().filter(|(asked_for, _)| *asked_for).map(|(_, text)| text).collect()
}

/// Says so in the log, because silence would let an operator believe that it is done.
pub(crate) fn warn_of_idle_sections(config: &PrometheusConfig) {
    for text in idle_sections(config) {
        tracing::warn!("{text}");
    }
}
