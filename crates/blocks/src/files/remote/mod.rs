//! Files in a bucket, read by ranges through pieces that are kept on the local disk.
//!
//! Requests run on a small runtime of their own, so that any thread may wait for them: one of a runtime's blocking threads
//! just as a plain one. Requests that fail are tried again with growing pauses until the time limit.

mod address;
mod cache;
mod counters;
mod errors;
mod reader;
mod upload;

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, GetRange, ObjectStore, PutOptions, PutPayload};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::runtime::Runtime;

use self::address::Address;
use self::cache::Cache;
use self::counters::Counters;
use self::reader::RemoteFile;
use crate::disk::{Disk, ReadFile, RealDisk};
use crate::files::{FileInfo, FileStore, checked_name};

/// How a bucket is used.
#[derive(Clone)]
pub struct RemoteOptions {
    /// Where pieces are kept; made where it is missing.
    pub cache_dir: PathBuf,
    /// All pieces together have at most so many bytes; 0 keeps none.
    pub cache_bytes: u64,
    /// Length of a piece: the least that is fetched.
    pub piece_bytes: u64,
    /// Files longer than this are uploaded in parts of this length. S3 wants 5 MiB at least.
    pub part_bytes: u64,
    /// An attempt that takes longer has failed.
    pub request_timeout: Duration,
    /// After so long an operation (for an upload: each part) is not tried again. A last attempt may still be under way.
    pub time_limit: Duration,
    /// Until the bucket has answered for the first time, both limits are this at most: whoever starts must hear soon that it
    /// cannot be reached.
    pub first_limit: Duration,
    /// First pause before another attempt; each is up to twice as long as the one before.
    pub first_pause: Duration,
    /// Settings beside those in the environment, by the names of the `object_store` crate (`aws_endpoint`,
    /// `google_service_account`, `azure_storage_account_name`, ...). They may be secrets and are never shown.
    pub settings: Vec<(String, String)>,
    /// The local disk, for the cache and for files on their way.
    pub disk: Arc<dyn Disk>,
}

impl RemoteOptions {
    /// The usual: pieces of 512 KiB, parts of 8 MiB, 15 s for an attempt and 60 s for an operation, but 4 s before the first
    /// answer.
    pub fn new(cache_dir: impl Into<PathBuf>, cache_bytes: u64) -> Self {
        RemoteOptions {
            cache_dir: cache_dir.into(),
            cache_bytes,
            piece_bytes: 512 << 10,
            part_bytes: 8 << 20,
            request_timeout: Duration::from_secs(15),
            time_limit: Duration::from_secs(60),
            first_limit: Duration::from_secs(4),
            first_pause: Duration::from_millis(100),
            settings: Vec::new(),
            disk: Arc::new(RealDisk),
        }
    }
}

impl std::fmt::Debug for RemoteOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.settings.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("RemoteOptions")
            .field("cache_dir", &self.cache_dir)
            .field("cache_bytes", &self.cache_bytes)
            .field("settings", &names)
            .finish_non_exhaustive()
    }
}

/// A path in a bucket.
#[derive(Clone)]
pub struct RemoteFiles(Arc<Bucket>);

struct Bucket {
    address: Address,
    patient: Arc<dyn ObjectStore>,
    /// The same with the first limit, used until the bucket has answered.
    hasty: Arc<dyn ObjectStore>,
    has_answered: AtomicBool,
    cache: Cache,
    counters: Counters,
    /// Lengths that listings, uploads and requests told.
    lengths: Mutex<HashMap<String, u64>>,
    runtime: Option<Runtime>,
    options: RemoteOptions,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background(); // the plain way of dropping may not be gone inside another runtime
        }
    }
}

impl std::fmt::Debug for RemoteFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RemoteFiles").field(&self.0.address.shown).finish()
    }
}

impl Bucket {
    fn store(&self) -> Arc<dyn ObjectStore> {
        if self.has_answered.load(Ordering::Relaxed) { self.patient.clone() } else { self.hasty.clone() }
    }

    /// Runs a request to its end and waits for it.
    fn wait<T, F>(&self, what: &'static str, name: &str, request: F) -> io::Result<T>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        self.start(what, name, request)()
    }

    /// Starts a request; the answer waits for it.
    fn start<T, F>(&self, what: &'static str, name: &str, request: F) -> impl FnOnce() -> io::Result<T> + use<'_, T, F>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        let (sender, receiver) = mpsc::sync_channel(1);
        // The client gives up by itself after the last attempt; this bound is for what it does not watch.
        let limit = self.options.time_limit + 2 * self.options.request_timeout;
        let runtime = self.runtime.as_ref().expect("the runtime lives until the bucket is dropped");
        runtime.spawn(async move {
            // Nobody listens any more where the caller has failed elsewhere.
            let _ = sender.send(tokio::time::timeout(limit, request).await);
        });
        let name = name.to_owned();
        move || {
            let answer = match receiver.recv() {
                Ok(Ok(Ok(value))) => {
                    self.has_answered.store(true, Ordering::Relaxed);
                    return Ok(value);
                }
                Ok(Ok(Err(error))) => errors::explain(&error),
                Ok(Err(_)) => {
                    let text = format!("no answer within {} s, all attempts included", limit.as_secs_f32());
                    io::Error::new(io::ErrorKind::TimedOut, text)
                }
                Err(_) => io::Error::other("the request was given up"),
            };
            if answer.kind() == io::ErrorKind::NotFound {
                self.has_answered.store(true, Ordering::Relaxed);
            } else {
                self.counters.failed(what);
            }
            let place = &self.address.shown;
            Err(io::Error::new(answer.kind(), format!("{place}: cannot {what} {name}: {answer}")))
        }
    }

    fn path(&self, name: &str) -> io::Result<ObjectPath> {
        Ok(self.address.prefix.clone().join(checked_name(name)?))
    }

    /// Fetches bytes, past the cache.
    fn fetch(&self, name: &str, range: Range<u64>) -> io::Result<Bytes> {
        let (store, path) = (self.store(), self.path(name)?);
        let wanted = range.end - range.start;
        let bytes = self.wait("read", name, async move {
            let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
            store.get_opts(&path, options).await?.bytes().await
        })?;
        self.counters.read_bytes.inc_by(bytes.len() as u64);
        if bytes.len() as u64 == wanted {
            return Ok(bytes);
        }
        let text = format!("{}: {name} gave {} bytes of {wanted}", self.address.shown, bytes.len());
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, text))
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        if let Some(length) = self.lengths.lock().get(name) {
            return Ok(*length);
        }
        let (store, path) = (self.store(), self.path(name)?);
        let length = self.wait("find", name, async move {
            let options = GetOptions { head: true, ..GetOptions::default() };
            Ok(store.get_opts(&path, options).await?.meta.size)
        })?;
        self.lengths.lock().insert(name.to_owned(), length);
        Ok(length)
    }

    fn forget(&self, name: &str) {
        self.lengths.lock().remove(name);
        self.cache.forget(name);
    }
}

impl RemoteFiles {
    /// Uses a bucket, or a path in it: `s3://bucket/path`, `gs://bucket/path`, `az://container/path`, `file:///path`.
    ///
    /// Credentials come from the environment (`AWS_*`, `GOOGLE_*`, `AZURE_*`), from the settings, or from the machine's
    /// identity, never from the URL. No request is made yet.
    pub fn open(url: &str, options: RemoteOptions) -> io::Result<Self> {
        let counters = Counters::default();
        let (address, patient) = address::open(url, &options, &counters)?;
        let request_timeout = options.request_timeout.min(options.first_limit);
        let time_limit = options.time_limit.min(options.first_limit);
        let first = RemoteOptions { request_timeout, time_limit, ..options.clone() };
        let (_, hasty) = address::open(url, &first, &counters)?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("bucket").enable_all().build()?;
        let cache = Cache::open(&options, counters.cache.clone())?;
        let lengths = Mutex::default();
        let has_answered = AtomicBool::new(false);
        let runtime = Some(runtime);
        let bucket = Bucket { address, patient, hasty, has_answered, cache, counters, lengths, runtime, options };
        Ok(RemoteFiles(Arc::new(bucket)))
    }

    /// Makes the counters known.
    pub fn register(&self, registry: &mut Registry) {
        self.0.counters.register(registry);
    }
}

impl FileStore for RemoteFiles {
    fn put(&self, name: &str, local: &Path) -> io::Result<()> {
        let bucket = &self.0;
        bucket.forget(checked_name(name)?);
        upload::upload(bucket, name, local)?;
        if let Err(error) = bucket.options.disk.remove(local) {
            tracing::warn!(path = %local.display(), %error, "cannot remove a file that is in the bucket now");
        }
        Ok(())
    }

    fn put_bytes(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let bucket = &self.0;
        bucket.forget(checked_name(name)?);
        upload::put_whole(bucket, name, Bytes::copy_from_slice(bytes))?;
        bucket.lengths.lock().insert(name.to_owned(), bytes.len() as u64);
        Ok(())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn ReadFile>> {
        let length = self.0.length(checked_name(name)?)?;
        Ok(Arc::new(RemoteFile::new(self.0.clone(), name, length)))
    }

    fn open_listed(&self, name: &str, length: u64) -> io::Result<Arc<dyn ReadFile>> {
        Ok(Arc::new(RemoteFile::new(self.0.clone(), checked_name(name)?, length)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        use futures::StreamExt;
        let bucket = &self.0;
        let (store, path) = (bucket.store(), bucket.path(name)?);
        bucket.forget(name);
        let removed = bucket.wait("remove", name, async move {
            let one = futures::stream::once(async move { Ok(path) }).boxed();
            store.delete_stream(one).next().await.unwrap_or_else(|| Ok(ObjectPath::default()))
        });
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn list(&self) -> io::Result<Vec<FileInfo>> {
        let bucket = &self.0;
        let (store, prefix) = (bucket.store(), bucket.address.prefix.clone());
        let found = bucket.wait("list", "files", async move { store.list_with_delimiter(Some(&prefix)).await })?;
        let named = |meta: object_store::ObjectMeta| {
            Some(FileInfo { name: meta.location.filename()?.to_owned(), bytes: meta.size })
        };
        let mut files: Vec<FileInfo> = found.objects.into_iter().filter_map(named).collect();
        files.sort_unstable();
        let mut lengths = bucket.lengths.lock();
        lengths.extend(files.iter().map(|file| (file.name.clone(), file.bytes)));
        Ok(files)
    }

    fn copy_out(&self, name: &str, to: &Path) -> io::Result<()> {
        let bucket = &self.0;
        let disk = bucket.options.disk.as_ref();
        if disk.open(to).is_ok() {
            let text = format!("{} exists", to.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        let length = bucket.length(checked_name(name)?)?;
        let mut file = disk.create(to)?;
        let mut at = 0;
        while at < length {
            let end = length.min(at + bucket.options.part_bytes.max(1));
            file.write_all(&bucket.fetch(name, at..end)?)?;
            at = end;
        }
        file.sync()?;
        to.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))
    }

    fn describe(&self) -> String {
        self.0.address.shown.clone()
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        // Whole files are small and may have been replaced by another machine: neither cache nor known length.
        let bucket = &self.0;
        let (store, path) = (bucket.store(), bucket.path(name)?);
        let bytes = bucket
            .wait("read", name, async move { store.get_opts(&path, GetOptions::default()).await?.bytes().await })?;
        bucket.counters.read_bytes.inc_by(bytes.len() as u64);
        Ok(bytes.into())
    }
}
