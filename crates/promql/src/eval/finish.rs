//! Label sets of results: dropping names, merging series that became equal, refusing those that overlap.

use std::collections::HashMap;

use model::{Labels, METRIC_NAME};

use super::{Evaluator, Series, is_present};
use crate::engine::{MatrixSeries, QueryError};

/// Labels that belong to the name of a metric: its name, type and unit.
const RESERVED: [&str; 3] = [METRIC_NAME, "__type__", "__unit__"];

/// The labels without the metric's name, type and unit.
pub(crate) fn drop_reserved(labels: &Labels) -> Labels {
    if labels.iter().any(|l| RESERVED.contains(&l.name)) {
        labels.without(|name| RESERVED.contains(&name))
    } else {
        labels.clone()
    }
}

/// Prometheus' error for results of which two have one label set.
pub(crate) fn same_labelset_error() -> QueryError {
    QueryError::execution("vector cannot contain metrics with the same labelset")
}

/// True where two series have equal labels.
pub(crate) fn has_same_labels(series: &[Series]) -> bool {
    if series.len() < 2 {
        return false;
    }
    let mut hashes: Vec<u64> = series.iter().map(|s| s.labels.hash64()).collect();
    hashes.sort_unstable();
    hashes.windows(2).any(|pair| pair[0] == pair[1])
}

/// Merges series with equal labels; an error where two of them have a value at the same step.
pub(crate) fn merge_same_labels(series: Vec<Series>) -> Result<Vec<Series>, QueryError> {
    if !has_same_labels(&series) {
        return Ok(series);
    }
    let mut merged: Vec<Series> = Vec::with_capacity(series.len());
    let mut places: HashMap<Labels, usize> = HashMap::with_capacity(series.len());
    for one in series {
        match places.get(&one.labels) {
            None => {
                places.insert(one.labels.clone(), merged.len());
                merged.push(one);
            }
            Some(place) => absorb(&mut merged[*place], one)?,
        }
    }
    Ok(merged)
}

fn absorb(into: &mut Series, other: Series) -> Result<(), QueryError> {
    for (step, value) in other.floats.iter().enumerate().filter(|(_, v)| is_present(**v)) {
        if into.is_present_at(step) {
            return Err(same_labelset_error());
        }
        into.set_float(step, *value, other.floats.len());
    }
    if other.histograms.iter().any(|(step, _)| into.is_present_at(*step as usize)) {
        return Err(same_labelset_error());
    }
    if !other.histograms.is_empty() {
        into.histograms.extend(other.histograms);
        into.histograms.sort_by_key(|(step, _)| *step);
    }
    Ok(())
}

impl Evaluator<'_> {
    /// Closes a node that works step by step: empty series go, equal ones are merged. With delayed name removal an instant
    /// query postpones that to the end, when the names are gone.
    pub(crate) fn finish(&self, mut series: Vec<Series>) -> Result<Vec<Series>, QueryError> {
        series.retain(|s| !s.is_empty());
        if self.steps.is_instant() && self.query.options.delayed_name_removal {
            return Ok(series);
        }
        merge_same_labels(series)
    }

    /// The same for samples at their own times.
    pub(crate) fn drop_marked_range_names(
        &self,
        mut ranges: Vec<(MatrixSeries, bool)>,
    ) -> Result<Vec<(MatrixSeries, bool)>, QueryError> {
        if !self.query.options.delayed_name_removal {
            return Ok(ranges);
        }
        for (series, _) in ranges.iter_mut().filter(|(_, drop_name)| *drop_name) {
            series.labels = drop_reserved(&series.labels);
        }
        let mut merged: Vec<(MatrixSeries, bool)> = Vec::with_capacity(ranges.len());
        let mut places: HashMap<Labels, usize> = HashMap::with_capacity(ranges.len());
        for (series, drop_name) in ranges {
            let Some(place) = places.get(&series.labels) else {
                places.insert(series.labels.clone(), merged.len());
                merged.push((series, drop_name));
                continue;
            };
            let into = &mut merged[*place].0;
            into.floats.extend(series.floats);
            into.histograms.extend(series.histograms);
            into.floats.sort_by_key(|(t, _)| *t);
            into.histograms.sort_by_key(|(t, _)| *t);
            let twice = into.floats.windows(2).any(|p| p[0].0 == p[1].0)
                || into.histograms.windows(2).any(|p| p[0].0 == p[1].0);
            if twice {
                return Err(same_labelset_error());
            }
        }
        Ok(merged)
    }

    /// The end of the query: names that were marked are dropped.
    pub(crate) fn drop_marked_names(&self, mut series: Vec<Series>) -> Result<Vec<Series>, QueryError> {
        if !self.query.options.delayed_name_removal {
            return Ok(series);
        }
        for one in series.iter_mut().filter(|s| s.drop_name) {
            one.labels = drop_reserved(&one.labels);
        }
        merge_same_labels(series)
    }
}
