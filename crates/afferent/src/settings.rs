//! The configuration file: where it is, and how it is read.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::bail;
use config::{ConfigErrors, Environment, Loaded, PrometheusConfig};

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
