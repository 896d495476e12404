//! Opens a data directory that no server uses, for commands that read or fill it themselves.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use blocks::files::{FileStore, RemoteFiles, RemoteOptions};
use clap::Args;
use metrics::{Store, StoreOptions};
use model::SystemClock;

use crate::data_dir::{self, DataDir};

/// Disk space for pieces of blocks that lie in a bucket.
const CACHE_BYTES: u64 = 1 << 30;

/// Where the data lies.
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    /// The data directory. No server may be using it.
    #[arg(long, value_name = "DIR", default_value = "./data", env = "AFFERENT_DATA")]
    pub(crate) data: PathBuf,

    /// Bucket that the server of this data directory keeps its blocks in.
    #[arg(long, value_name = "URL", env = "AFFERENT_BLOCKS")]
    pub(crate) blocks: Option<String>,
}

/// An open store and the lock of its directory.
#[derive(Debug)]
pub(crate) struct Offline {
    pub(crate) store: Arc<Store>,
    _lock: DataDir,
}

/// Locks the directory and opens its metric store, which does nothing by itself: neither upkeep nor retention.
pub(crate) fn open(args: &DataArgs) -> anyhow::Result<Offline> {
    let lock = data_dir::lock(&args.data)?;
    let dir = args.data.join("metrics");
    let mut options = StoreOptions { background: false, retention_ms: i64::MAX, ..StoreOptions::default() };
    if let Some(url) = &args.blocks {
        let bucket = RemoteFiles::open(url, RemoteOptions::new(dir.join("cache"), CACHE_BYTES));
        options.files = Some(Arc::new(bucket.context("open the bucket for blocks")?) as Arc<dyn FileStore>);
    }
    let (store, _) = Store::open(&dir, options, Arc::new(SystemClock))?;
    Ok(Offline { store, _lock: lock })
}
