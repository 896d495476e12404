//! What is missing from an answer because stored data could not be read: the reader of the answer must know.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use model::{Footprint, Labels, SampleBuffer, SeriesSet, SourceError, TimeRange};

use crate::annotations::{Annotation, Annotations};

/// What the selections of a query have said.
#[derive(Debug, Default)]
pub(crate) struct Missing(Mutex<BTreeSet<String>>);

impl Missing {
    /// The same selection, which says what it lacks when it has been read.
    pub(crate) fn listen<'q>(&'q self, set: Box<dyn SeriesSet + 'q>) -> Box<dyn SeriesSet + 'q> {
        Box::new(Heard { set, missing: self })
    }

    /// Adds it to an answer's warnings.
    pub(crate) fn tell(&self, notes: &mut Annotations) {
        let texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.iter().for_each(|text| notes.add(Annotation::warning(text.as_str(), 0)));
    }
}

struct Heard<'q> {
    set: Box<dyn SeriesSet + 'q>,
    missing: &'q Missing,
}

impl SeriesSet for Heard<'_> {
    fn len(&self) -> usize {
        self.set.len()
    }

    fn labels(&self, index: usize) -> Labels {
        self.set.labels(index)
    }

    fn read(&self, index: usize, range: TimeRange, out: &mut SampleBuffer) -> Result<(), SourceError> {
        self.set.read(index, range, out)
    }

    fn read_newest(&self, index: usize, range: TimeRange, out: &mut SampleBuffer) -> Result<(), SourceError> {
        self.set.read_newest(index, range, out)
    }

    fn warnings(&self) -> Vec<String> {
        self.set.warnings()
    }

    fn footprint(&self) -> Footprint {
        self.set.footprint()
    }
}

impl Drop for Heard<'_> {
    fn drop(&mut self) {
        let warnings = self.set.warnings();
        if !warnings.is_empty() {
            self.missing.0.lock().unwrap_or_else(PoisonError::into_inner).extend(warnings);
        }
    }
}
