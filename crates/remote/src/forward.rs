//! The sink that producers write to: the store first, then the outbox.

use std::sync::Arc;

use model::{AppendFuture, AppendReport, Labels, SampleSink, SeriesRef, Tenant, WriteBatch};

use crate::senders::Senders;
use crate::series::Series;

/// The labels behind a store's reference, for rows that come without.
pub type KnownLabels = Arc<dyn Fn(&Tenant, SeriesRef) -> Option<Labels> + Send + Sync>;

/// A sink that hands everything the store has taken to the receivers of remote write, before it is acknowledged.
pub struct Forwarding {
    store: Arc<dyn SampleSink>,
    senders: Arc<Senders>,
    known: KnownLabels,
}

impl Forwarding {
    /// Puts the senders behind a store.
    pub fn new(store: Arc<dyn SampleSink>, senders: Arc<Senders>, known: KnownLabels) -> Self {
        Forwarding { store, senders, known }
    }
}

impl SampleSink for Forwarding {
    fn append(&self, batch: WriteBatch) -> AppendFuture {
        if self.senders.is_idle() {
            return self.store.append(batch);
        }
        let stored = self.store.append(batch.clone());
        let (senders, known) = (self.senders.clone(), self.known.clone());
        Box::pin(async move {
            let report = stored.await?;
            let tenant = batch.tenant.clone();
            let series = taken(batch, &report, &known);
            if !series.is_empty() {
                senders.keep(&tenant, &series).await;
            }
            Ok(report)
        })
    }
}

/// The rows that the store has taken.
fn taken(batch: WriteBatch, report: &AppendReport, known: &KnownLabels) -> Vec<Series> {
    let tenant = batch.tenant;
    let labels_of = |labels: Labels, reference: Option<SeriesRef>| {
        if labels.is_empty() { known(&tenant, reference?) } else { Some(labels) }
    };
    let rows = batch.rows.into_iter().zip(&report.refs).filter_map(|(row, taken)| {
        let reference = (*taken)?;
        let labels = labels_of(row.labels, Some(reference))?;
        Some(Series { labels, samples: vec![row.sample], exemplars: row.exemplars })
    });
    let mut series: Vec<Series> = rows.collect();
    series.extend(batch.exemplars.into_iter().filter_map(|row| {
        Some(Series { labels: labels_of(row.labels, row.hint)?, samples: Vec::new(), exemplars: row.exemplars })
    }));
    series
}
