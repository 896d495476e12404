//! The queue of one Alertmanager and the task that empties it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use client::HttpClient;
use config::{AlertmanagerConfig, NameValidation};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};
use parking_lot::Mutex;
use tokio::sync::Notify as Wakeup;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::encode;
use super::metrics::NotifierMetrics;
use super::target::Target;
use crate::notify::Notification;

/// Prometheus' `--alertmanager.notification-queue-capacity`.
pub(super) const QUEUE_CAPACITY: usize = 10_000;
/// Prometheus' `--alertmanager.notification-batch-size`.
const BATCH: usize = 256;

pub(super) struct Sender {
    pub(super) target: Target,
    pub(super) config: AlertmanagerConfig,
    pub(super) stop: CancellationToken,
    client: HttpClient,
    names: NameValidation,
    metrics: Arc<NotifierMetrics>,
    queue: Mutex<VecDeque<Notification>>,
    wakeup: Wakeup,
}

impl Sender {
    pub(super) fn new(
        target: Target,
        config: AlertmanagerConfig,
        client: HttpClient,
        names: NameValidation,
        metrics: Arc<NotifierMetrics>,
        stop: CancellationToken,
    ) -> Self {
        metrics.added(&target.url, QUEUE_CAPACITY);
        let (queue, wakeup) = (Mutex::default(), Wakeup::new());
        Sender { target, config, stop, client, names, metrics, queue, wakeup }
    }

    /// Queues alerts; where there are too many, the oldest go.
    pub(super) fn push(&self, alerts: &[Notification]) {
        let own = &self.config.alert_relabel_configs;
        let alerts = encode::relabelled(alerts.to_vec(), &model::Labels::empty(), own, self.names);
        let mut queue = self.queue.lock();
        queue.extend(alerts);
        let surplus = queue.len().saturating_sub(QUEUE_CAPACITY);
        if surplus > 0 {
            queue.drain(..surplus);
            warn!(
                alertmanager = self.target.url,
                dropped = surplus,
                "the queue of alerts is full, the oldest are dropped"
            );
            self.metrics.dropped(&self.target.url, surplus);
        }
        self.metrics.waiting(&self.target.url, queue.len());
        drop(queue);
        self.wakeup.notify_one();
    }

    /// Sends batches until told to stop, then what is left.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            while let Some(batch) = self.next_batch() {
                let sent = self.send(&batch).await;
                if !sent && self.stop.is_cancelled() {
                    return;
                }
            }
            tokio::select! {
                () = self.stop.cancelled() => {
                    if self.queue.lock().is_empty() {
                        return;
                    }
                }
                () = self.wakeup.notified() => {}
            }
        }
    }

    fn next_batch(&self) -> Option<Vec<Notification>> {
        let mut queue = self.queue.lock();
        let count = queue.len().min(BATCH);
        let batch: Vec<Notification> = queue.drain(..count).collect();
        self.metrics.waiting(&self.target.url, queue.len());
        (!batch.is_empty()).then_some(batch)
    }

    async fn send(&self, batch: &[Notification]) -> bool {
        let begin = Instant::now();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = self.client.post(&self.target.url, headers, encode::body(batch));
        let answer = match tokio::time::timeout(self.config.timeout.to_std(), request).await {
            Ok(Ok(response)) if response.status().is_success() => Ok(()),
            Ok(Ok(response)) => Err(format!("bad response status {}", response.status())),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {}", self.config.timeout)),
        };
        self.metrics.sent(&self.target.url, batch.len(), begin.elapsed().as_secs_f64(), answer.is_ok());
        match answer {
            Ok(()) => true,
            Err(reason) => {
                error!(alertmanager = self.target.url, count = batch.len(), reason, "sending alerts failed");
                false
            }
        }
    }
}
