//! Aggregations over series, step by step.

use std::cmp::Ordering;

use hashbrown::HashMap;
use model::Labels;

use super::{ABSENT, Series, Span, Steps, is_absent};
use crate::syntax::ast::{Grouping, VectorAggregation, VectorOp};

/// Aggregates series.
pub(super) fn aggregate(aggregation: &VectorAggregation, mut series: Vec<Series>, steps: Steps) -> Vec<Series> {
    // Of equal values the series that sorts first counts first, so that answers do not depend on the order of reading.
    let sort = |series: &mut Vec<Series>| series.sort_by(|a, b| a.labels.cmp(&b.labels));
    match aggregation.op {
        VectorOp::Topk | VectorOp::Bottomk | VectorOp::ApproxTopk => {
            let mut kept = first_of(aggregation, series, steps);
            sort(&mut kept);
            kept
        }
        VectorOp::Sort | VectorOp::SortDesc => {
            sort(&mut series);
            sorted(aggregation.op, series)
        }
        _ => {
            sort(&mut series);
            folded(aggregation, series, steps)
        }
    }
}

/// The labels of the group that a series belongs to.
pub(super) fn group_labels(grouping: &Grouping, labels: &Labels) -> Labels {
    labels.without(|name| match grouping.without {
        true => name == model::METRIC_NAME || grouping.names.iter().any(|other| other == name),
        false => !grouping.names.iter().any(|other| other == name),
    })
}

/// Group after group, so that only the cells of one are there at a time.
fn folded(aggregation: &VectorAggregation, mut series: Vec<Series>, steps: Steps) -> Vec<Series> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut groups: Vec<(Labels, Vec<u32>)> = Vec::new();
    for (member, one) in series.iter().enumerate() {
        let labels = group_labels(&aggregation.grouping, &one.labels);
        let place = *places.entry(labels).or_insert_with_key(|labels| {
            groups.push((labels.clone(), Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(member as u32);
    }
    let mut cells = vec![Folded::default(); steps.count];
    let fold = |(labels, members): (Labels, Vec<u32>)| {
        cells.fill(Folded::default());
        let (mut first, mut end) = (steps.count, 0);
        for member in members {
            for (step, value) in std::mem::take(&mut series[member as usize].values).iter() {
                cells[step].add(aggregation.op, value);
                (first, end) = (first.min(step), end.max(step + 1));
            }
        }
        let values = cells.get(first..end).unwrap_or_default().iter().map(|cell| cell.result(aggregation.op));
        Series { labels, values: Span::of(first, values.collect()) }
    };
    groups.into_iter().map(fold).collect()
}

#[derive(Clone, Copy, Debug, Default)]
struct Folded {
    count: f64,
    value: f64,
    squares: f64,
}

impl Folded {
    fn add(&mut self, op: VectorOp, value: f64) {
        self.count += 1.0;
        match op {
            VectorOp::Sum => self.value += value,
            VectorOp::Max | VectorOp::Min if self.count == 1.0 || self.value.is_nan() => self.value = value,
            VectorOp::Max if self.value < value => self.value = value,
            VectorOp::Min if self.value > value => self.value = value,
            VectorOp::Avg => {
                let stays = self.value.is_infinite()
                    && (value.is_infinite() && (self.value > 0.0) == (value > 0.0) || value.is_finite());
                if !stays {
                    self.value += (value - self.value) / self.count;
                }
            }
            VectorOp::Stddev | VectorOp::Stdvar => {
                let delta = value - self.value;
                self.value += delta / self.count;
                self.squares += delta * (value - self.value);
            }
            _ => {}
        }
    }

    fn result(&self, op: VectorOp) -> f64 {
        if self.count == 0.0 {
            return ABSENT;
        }
        match op {
            VectorOp::Count => self.count,
            VectorOp::Stddev => (self.squares / self.count).sqrt(),
            VectorOp::Stdvar => self.squares / self.count,
            _ => self.value,
        }
    }
}

/// Greatest first; what is no number comes last either way.
fn order(a: f64, b: f64, descending: bool) -> Ordering {
    let by_value = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
    a.is_nan().cmp(&b.is_nan()).then(if descending { by_value.reverse() } else { by_value })
}

/// Sorting shows in instant answers only: a range answer is sorted by labels.
fn sorted(op: VectorOp, mut series: Vec<Series>) -> Vec<Series> {
    series.sort_by(|a, b| order(a.values.at(0), b.values.at(0), op == VectorOp::SortDesc));
    series
}

fn first_of(aggregation: &VectorAggregation, series: Vec<Series>, steps: Steps) -> Vec<Series> {
    let descending = aggregation.op != VectorOp::Bottomk;
    let mut groups: HashMap<Labels, Vec<usize>> = HashMap::new();
    for (place, one) in series.iter().enumerate() {
        groups.entry(group_labels(&aggregation.grouping, &one.labels)).or_default().push(place);
    }
    let mut kept: Vec<Option<Span>> = vec![None; series.len()];
    let mut candidates: Vec<usize> = Vec::new();
    for members in groups.values() {
        for step in 0..steps.count {
            candidates.clear();
            candidates.extend(members.iter().copied().filter(|place| !is_absent(series[*place].values.at(step))));
            let by_value = |a: &usize, b: &usize| {
                order(series[*a].values.at(step), series[*b].values.at(step), descending)
                    .then_with(|| series[*a].labels.cmp(&series[*b].labels))
            };
            if candidates.len() > aggregation.param {
                candidates.select_nth_unstable_by(aggregation.param, by_value);
                candidates.truncate(aggregation.param);
            }
            for place in &candidates {
                kept[*place].get_or_insert_default().set(step, series[*place].values.at(step));
            }
        }
    }
    let series = series.into_iter().zip(kept);
    series.filter_map(|(one, values)| Some(Series { labels: one.labels, values: values? })).collect()
}
