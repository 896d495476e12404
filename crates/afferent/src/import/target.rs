//! Where imported samples go: into blocks of a data directory, or to a running server.

use std::collections::HashMap;

use anyhow::Context;
use metrics::Importer;
use model::{Labels, Metadata, SampleBuffer, Tenant};
use remote::Push;
use tokio::runtime::Runtime;

use crate::check::counted;
use crate::offline::{self, DataArgs, Offline};

/// Samples that go to a server in one request.
const REQUEST_SAMPLES: usize = 10_000;

/// What became of an import.
pub(super) struct Taken {
    /// In a sentence without its end.
    pub(super) told: String,
    /// Nothing was refused.
    pub(super) is_whole: bool,
}

/// Takes samples of one tenant.
pub(super) trait Target {
    /// Says what a family is; holds for samples that come afterwards.
    fn describe(&mut self, family: &str, metadata: &Metadata);
    /// Takes samples of a series.
    fn add(&mut self, labels: &Labels, samples: &SampleBuffer) -> anyhow::Result<()>;
    /// Nothing follows.
    fn finish(self: Box<Self>) -> anyhow::Result<Taken>;
}

/// A data directory that no server uses.
pub(super) struct DataDirectory {
    importer: Importer,
    offline: Offline,
}

impl DataDirectory {
    pub(super) fn open(args: &DataArgs, tenant: Tenant) -> anyhow::Result<Self> {
        let offline = offline::open(args)?;
        Ok(DataDirectory { importer: Importer::new(&offline.store, tenant), offline })
    }
}

impl Target for DataDirectory {
    fn describe(&mut self, family: &str, metadata: &Metadata) {
        self.importer.set_metadata(family, metadata.clone());
    }

    fn add(&mut self, labels: &Labels, samples: &SampleBuffer) -> anyhow::Result<()> {
        Ok(self.importer.add(labels, samples)?)
    }

    fn finish(self: Box<Self>) -> anyhow::Result<Taken> {
        let written = self.importer.finish()?;
        self.offline.store.close()?;
        let samples: u64 = written.iter().map(|block| block.samples).sum();
        let told = format!("imported {} as {}", counted(samples as usize, "sample"), counted(written.len(), "block"));
        Ok(Taken { told, is_whole: true })
    }
}

/// A running server.
pub(super) struct Server {
    runtime: Runtime,
    push: Push,
    families: HashMap<String, Metadata>,
    waiting: Vec<(Labels, SampleBuffer)>,
    samples: usize,
    written: u64,
    refused: u64,
    /// The first reason of a refusal.
    reason: Option<String>,
}

impl Server {
    pub(super) fn new(url: &str, tenant: &Tenant) -> anyhow::Result<Self> {
        Ok(Server {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            push: Push::new(url, tenant).with_context(|| format!("--server {url}"))?,
            families: HashMap::new(),
            waiting: Vec::new(),
            samples: 0,
            written: 0,
            refused: 0,
            reason: None,
        })
    }

    fn send(&mut self) -> anyhow::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        self.samples = 0;
        if waiting.is_empty() {
            return Ok(());
        }
        let describe = |metric: &str| {
            let parts = ["_total", "_bucket", "_count", "_sum", "_gcount", "_gsum", "_info"];
            let stems = parts.iter().filter_map(|part| metric.strip_suffix(part));
            std::iter::once(metric).chain(stems).find_map(|name| self.families.get(name)).cloned()
        };
        let answer = self.runtime.block_on(self.push.send(waiting, &describe))?;
        self.written += answer.written;
        self.refused += answer.refused;
        self.reason = self.reason.take().or(answer.reason);
        Ok(())
    }
}

impl Target for Server {
    fn describe(&mut self, family: &str, metadata: &Metadata) {
        self.families.insert(family.to_owned(), metadata.clone());
    }

    fn add(&mut self, labels: &Labels, samples: &SampleBuffer) -> anyhow::Result<()> {
        let mut from = 0;
        while from < samples.len() {
            let to = samples.len().min(from + REQUEST_SAMPLES - self.samples);
            let mut part = SampleBuffer::default();
            (from..to).for_each(|row| part.push_row(samples, row));
            self.samples += to - from;
            self.waiting.push((labels.clone(), part));
            from = to;
            if self.samples >= REQUEST_SAMPLES {
                self.send()?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<Taken> {
        self.send()?;
        let mut told = format!("the server took {}", counted(self.written as usize, "sample"));
        if self.refused > 0 {
            told.push_str(&format!(" and refused {}", self.refused));
            let reason = self.reason.as_deref().unwrap_or("it did not say why");
            told.push_str(&format!(
                " ({reason}); for samples older than storage.tsdb.out_of_order_time_window, import into its data directory while \
                 it is stopped"
            ));
        }
        Ok(Taken { told, is_whole: self.refused == 0 })
    }
}
