//! The queue of one receiver: reads the outbox, prepares series, sends them in shards, and remembers how far it is.
//!
//! It works in windows: as many samples as all shards can carry in one request each, or what came in before the batch deadline.
//! A series always goes to the same shard of its window, and a window is confirmed before the next begins, so samples of a
//! series never overtake each other. The number of shards doubles while the queue is behind and halves when it is not.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use blocks::disk::{Disk, RealDisk};
use blocks::wal::{Position, Tail};
use config::NameValidation;
use futures::future::join_all;
use model::{Labels, SampleValue, Tenant};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::outbox::{Entry, decode};
use crate::send::Receiver;
use crate::senders::MetadataSource;
use crate::series::Series;

/// Relabelled label sets that are remembered; beyond, all are forgotten.
const MOST_KNOWN: usize = 1 << 20;

/// Everything a queue works with.
pub(crate) struct Queue {
    pub(crate) receiver: Receiver,
    pub(crate) external_labels: Labels,
    pub(crate) tail: Tail,
    pub(crate) written: watch::Receiver<u64>,
    pub(crate) position_file: PathBuf,
    /// Shared with the manager, which removes what every queue has passed.
    pub(crate) position: Arc<Mutex<Option<Position>>>,
    pub(crate) metadata: MetadataSource,
    pub(crate) prepared: HashMap<Labels, Option<Labels>>,
    pub(crate) shards: u64,
    /// A record that was read but belongs to the next window.
    pub(crate) next: Option<Entry>,
}

/// Series of one tenant that are sent together.
struct Window {
    tenant: Tenant,
    series: Vec<Series>,
    samples: u64,
    /// The outbox held more than fits.
    is_full: bool,
}

impl Queue {
    /// Runs until cancelled. What was not confirmed by then is sent again after the next start.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let labels = self.receiver.labels.clone();
        let most = self.receiver.config.queue_config.max_shards.max(1);
        self.receiver.metrics.shards_max.get_or_create(&labels).set(most as i64);
        loop {
            let window = tokio::select! {
                window = self.window() => window,
                () = stop.cancelled() => return,
            };
            let Some(window) = window else { continue };
            self.receiver.metrics.shards.get_or_create(&labels).set(self.shards as i64);
            self.receiver.metrics.pending.get_or_create(&labels).set(window.samples as i64);
            let is_full = window.is_full;
            tokio::select! {
                () = self.send(window) => {}
                () = stop.cancelled() => return,
            }
            self.receiver.metrics.pending.get_or_create(&labels).set(0);
            self.confirm().await;
            let least = self.receiver.config.queue_config.min_shards.max(1);
            self.shards = if is_full { (self.shards * 2).min(most) } else { (self.shards / 2).max(least) };
        }
    }

    /// Gathers what is sent next; `None` where nothing of what was read is to be sent.
    async fn window(&mut self) -> Option<Window> {
        let most = self.shards * self.receiver.config.queue_config.max_samples_per_send.max(1);
        let mut window = Window { tenant: Tenant::default(), series: Vec::new(), samples: 0, is_full: false };
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut deadline = None;
        loop {
            let Some(entry) = self.read() else {
                self.written.mark_unchanged();
                // Written between the last look and the mark: looked at once more before waiting.
                if let Some(entry) = self.read() {
                    self.next = Some(entry);
                    continue;
                }
                match deadline {
                    None => {
                        if self.written.changed().await.is_err() {
                            // The outbox is gone; the manager will cancel this task.
                            std::future::pending::<()>().await;
                        }
                    }
                    Some(deadline) if timeout_at(deadline, self.written.changed()).await.is_ok() => {}
                    Some(_) => break,
                }
                continue;
            };
            if !window.series.is_empty() && entry.tenant != window.tenant {
                self.next = Some(entry);
                break;
            }
            window.tenant = entry.tenant;
            for series in entry.series {
                self.add(series, &mut window, &mut places);
            }
            if window.samples >= most {
                window.is_full = true;
                break;
            }
            let wait = self.receiver.config.queue_config.batch_send_deadline.to_std();
            deadline.get_or_insert_with(|| Instant::now() + wait);
        }
        if window.series.is_empty() {
            self.confirm().await;
            return None;
        }
        Some(window)
    }

    fn read(&mut self) -> Option<Entry> {
        if let Some(entry) = self.next.take() {
            return Some(entry);
        }
        loop {
            match self.tail.next_record() {
                Ok(Some(payload)) => match decode(&payload) {
                    Some(entry) => return Some(entry),
                    None => error!("a record of what is to be sent by remote write cannot be read and is left out"),
                },
                Ok(None) => return None,
                Err(error) => {
                    error!(%error, "what is to be sent by remote write cannot be read");
                    return None;
                }
            }
        }
    }

    /// Applies external labels and relabelling, and leaves out what is not to be sent.
    fn add(&mut self, mut series: Series, window: &mut Window, places: &mut HashMap<Labels, usize>) {
        let config = &self.receiver.config;
        if !config.send_exemplars {
            series.exemplars.clear();
        }
        if !config.send_native_histograms {
            let before = series.samples.len();
            series.samples.retain(|sample| matches!(sample.value, SampleValue::Float(_)));
            self.receiver.count_dropped("histograms_off", (before - series.samples.len()) as u64);
        }
        if series.samples.is_empty() && series.exemplars.is_empty() {
            return;
        }
        if self.prepared.len() >= MOST_KNOWN {
            self.prepared.clear();
        }
        let known = self.prepared.entry(series.labels).or_insert_with_key(|labels| {
            let mut builder = labels.to_builder();
            for external in &self.external_labels {
                if labels.get(external.name).is_none() {
                    builder.set(external.name, external.value);
                }
            }
            let keeps = scrape::relabel::relabel(&mut builder, &config.write_relabel_configs, NameValidation::Utf8);
            let labels = builder.build();
            (keeps && !labels.is_empty()).then_some(labels)
        });
        let Some(labels) = known.clone() else {
            return self.receiver.count_dropped("dropped_series", series.samples.len() as u64);
        };
        window.samples += (series.samples.len() + series.exemplars.len()) as u64;
        match places.get(&labels) {
            Some(at) => {
                window.series[*at].samples.append(&mut series.samples);
                window.series[*at].exemplars.append(&mut series.exemplars);
            }
            None => {
                places.insert(labels.clone(), window.series.len());
                window.series.push(Series { labels, samples: series.samples, exemplars: series.exemplars });
            }
        }
    }

    /// Sends a window: shards side by side, the requests of a shard one after the other.
    async fn send(&self, window: Window) {
        let most = self.receiver.config.queue_config.max_samples_per_send.max(1) as usize;
        let mut shards: Vec<Vec<Series>> = (0..self.shards).map(|_| Vec::new()).collect();
        for series in window.series {
            let shard = series.labels.hash64() % self.shards;
            shards[shard as usize].push(series);
        }
        let tenant = &window.tenant;
        let describe = |metric: &str| (self.metadata)(tenant, Some(metric)).pop().map(|(_, metadata)| metadata);
        let deliver = |shard: Vec<Series>| async move {
            for request in requests(shard, most) {
                self.receiver.deliver(tenant, request, &describe).await;
            }
        };
        join_all(shards.into_iter().filter(|shard| !shard.is_empty()).map(deliver)).await;
    }

    /// Remembers that everything read so far was sent, except for a record that waits for the next window.
    async fn confirm(&mut self) {
        if self.next.is_some() {
            return;
        }
        let position = self.tail.position();
        if *self.position.lock() == Some(position) {
            return;
        }
        let text = serde_json::to_vec(&position).expect("two numbers can be written");
        let (path, shared) = (self.position_file.clone(), self.position.clone());
        // Waits for the disk, so not on this thread.
        let write = move || match &mut *shared.lock() {
            Some(known) => {
                *known = position;
                RealDisk.replace(&path, &text)
            }
            // The receiver is gone, and its file with it.
            None => Ok(()),
        };
        let written = tokio::task::spawn_blocking(write).await;
        if let Err(error) = written.unwrap_or_else(|failed| Err(std::io::Error::other(failed))) {
            warn!(path = %self.position_file.display(), %error, "cannot remember what was sent; it is sent again after a restart");
        }
    }
}

/// Cuts a shard into requests of at most `most` samples; a series with more is spread over several.
fn requests(shard: Vec<Series>, most: usize) -> Vec<Vec<Series>> {
    let mut requests = Vec::new();
    let mut current: Vec<Series> = Vec::new();
    let mut room = most;
    for mut series in shard {
        loop {
            let size = series.samples.len().max(1);
            if size <= room {
                room -= size;
                current.push(series);
                break;
            }
            let rest = series.samples.split_off(room.min(series.samples.len()));
            let exemplars = std::mem::take(&mut series.exemplars);
            if !series.samples.is_empty() {
                current.push(Series { labels: series.labels.clone(), samples: series.samples, exemplars: Vec::new() });
            }
            series = Series { labels: series.labels, samples: rest, exemplars };
            requests.push(std::mem::take(&mut current));
            room = most;
        }
    }
    requests.push(current);
    requests.retain(|request| !request.is_empty());
    requests
}

#[cfg(test)]
mod tests {
    use model::{Sample, Timestamp};

    use super::*;

    #[test]
    fn requests_hold_what_they_may_and_keep_the_order() {
        let series = |name: &str, n: i64| Series {
            labels: Labels::from_pairs([("__name__", name)]),
            samples: (0..n).map(|t| Sample::float(Timestamp(t), 0.0)).collect(),
            exemplars: Vec::new(),
        };
        let cut = requests(vec![series("a", 3), series("b", 7), series("c", 1)], 4);
        let sizes: Vec<Vec<(String, usize)>> = cut
            .iter()
            .map(|r| r.iter().map(|s| (s.labels.metric_name().to_owned(), s.samples.len())).collect())
            .collect();
        let expect = |pairs: &[(&str, usize)]| pairs.iter().map(|(n, c)| ((*n).to_owned(), *c)).collect::<Vec<_>>();
        assert_eq!(sizes, [expect(&[("a", 3), ("b", 1)]), expect(&[("b", 4)]), expect(&[("b", 2), ("c", 1)])]);
        let times: Vec<i64> = cut
            .iter()
            .flatten()
            .filter(|s| s.labels.metric_name() == "b")
            .flat_map(|s| s.samples.iter().map(|s| s.timestamp.ms()))
            .collect();
        assert_eq!(times, (0..7).collect::<Vec<_>>());
    }
}
