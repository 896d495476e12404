//! The store's report on a portion: what was lost, what is to be remembered, and what is to be sent once more.

use model::{AppendReport, Labels, RejectReason, Sample, Timestamp, WriteBatch, WriteRow};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;

use super::{INVALID_LABELS, NO_POINT, Origin, Part, Sent, SentRow, Translator};
use crate::ingest::cache::{Caches, Update};
use crate::otlp::points;

impl Translator<'_, '_> {
    /// Takes the store's answer in. Answers the rows whose references the store has forgotten, with their labels.
    pub(in crate::otlp) fn settle(
        &mut self,
        mut sent: Sent,
        report: &AppendReport,
        caches: &Caches,
    ) -> Option<(WriteBatch, Sent)> {
        let (mut refused_rows, mut refused_histograms, mut refused_exemplars) = (0_u64, 0_u64, 0_u64);
        let mut again = Vec::new();
        for rejection in &report.rejected {
            let Some(row) = sent.rows.get(rejection.row) else { continue };
            if let Some(copy) = row.copy.filter(|_| rejection.reason == RejectReason::UnknownSeries) {
                again.push((row.origin, copy as usize));
                continue;
            }
            refused_rows += 1;
            refused_histograms += u64::from(self.is_histogram(row.origin));
            refused_exemplars += u64::from(row.exemplars);
            let origin = row.origin;
            if origin.point != NO_POINT {
                self.refused.insert((origin.metric, origin.point));
            }
            let mut problems = std::mem::take(&mut self.problems);
            problems.reject(rejection.reason, || self.describe(origin));
            self.problems = problems;
        }
        let rows = sent.rows.len() as u64 - refused_rows - again.len() as u64;
        let mut resent_histograms = 0;
        let mut resent_exemplars = 0;
        let updates: Vec<Update> = sent.rows.iter().zip(&report.refs).filter_map(update).collect();
        caches.keep(&self.cache, &updates, self.minute);
        self.cache.keep_families(std::mem::take(&mut sent.families).into_iter());
        for (origin, copy) in again {
            let row = std::mem::replace(
                &mut sent.copies[copy],
                WriteRow {
                    labels: Labels::default(),
                    hint: None,
                    sample: Sample::float(Timestamp(0), 0.0),
                    exemplars: Vec::new(),
                },
            );
            resent_histograms += u64::from(self.is_histogram(origin));
            resent_exemplars += row.exemplars.len() as u64;
            self.push_again(origin, row);
        }
        let histograms = sent.histograms - refused_histograms - resent_histograms;
        self.written.histograms += histograms;
        self.written.samples += rows - histograms;
        self.written.exemplars += sent.exemplars - refused_exemplars - resent_exemplars;
        self.finish()
    }

    fn push_again(&mut self, origin: Origin, row: WriteRow) {
        let Some(item) = self.plan.metrics.get(origin.metric as usize) else { return };
        let attributes = points::attributes(item.metric, origin.point);
        let mut point = self.begin(item, (origin.metric, origin.point), attributes, (0, 0));
        let key = self.key(&point, origin.part);
        match self.labels(&mut point, origin.part) {
            Ok(labels) => {
                self.sent.histograms += u64::from(self.is_histogram(origin));
                self.sent.exemplars += row.exemplars.len() as u64;
                let exemplars = row.exemplars.len() as u32;
                self.sent.rows.push(SentRow { key: Some(key), origin, copy: None, exemplars });
                self.batch.rows.push(WriteRow { labels, hint: None, ..row });
            }
            Err(fault) => self.refuse(&point, INVALID_LABELS, &fault),
        }
    }

    fn is_histogram(&self, origin: Origin) -> bool {
        let item = self.plan.metrics.get(origin.metric as usize).filter(|_| origin.point != NO_POINT);
        match item.and_then(|item| item.metric.data.as_ref()) {
            Some(Data::ExponentialHistogram(_)) => true,
            Some(Data::Histogram(_)) => origin.part == Part::Whole,
            _ => false,
        }
    }

    /// The labels of a row, for messages.
    fn describe(&mut self, origin: Origin) -> String {
        if origin.point == NO_POINT {
            return self.plan.targets.get(origin.metric as usize).map_or(String::new(), |t| t.labels.to_string());
        }
        let Some(item) = self.plan.metrics.get(origin.metric as usize) else { return String::new() };
        let attributes = points::attributes(item.metric, origin.point);
        let mut point = self.begin(item, (origin.metric, origin.point), attributes, (0, 0));
        self.labels(&mut point, origin.part).map_or_else(|_| item.family.clone(), |labels| labels.to_string())
    }
}

/// What is to be remembered of a series.
fn update((row, reference): (&SentRow, &Option<model::SeriesRef>)) -> Option<Update> {
    let (key, reference) = (row.key?, (*reference)?);
    // One that went by its reference is known already.
    row.copy.is_none().then_some(Update { key, reference, metadata: 0 })
}
