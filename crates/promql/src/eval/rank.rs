//! `topk`, `bottomk`, `limitk`, `limit_ratio`: some of the input series, unchanged.

use model::{Labels, SampleValue};

use super::grouping::Grouping;
use super::{Evaluator, Series};
use crate::annotations::Notice;
use crate::ast::{Aggregate, AggregateOp};
use crate::engine::QueryError;

/// A candidate: its value and the input series it belongs to.
#[derive(Clone, Copy)]
struct Candidate {
    value: f64,
    series: usize,
}

/// A binary heap with the arrangement of Go's `container/heap`, because the order of equal values depends on it.
struct Heap {
    items: Vec<Candidate>,
    less: fn(f64, f64) -> bool,
}

impl Heap {
    fn less(&self, i: usize, j: usize) -> bool {
        let (a, b) = (self.items[i].value, self.items[j].value);
        a.is_nan() || (self.less)(a, b)
    }

    fn push(&mut self, item: Candidate) {
        self.items.push(item);
        let mut at = self.items.len() - 1;
        while at > 0 {
            let parent = (at - 1) / 2;
            if !self.less(at, parent) {
                break;
            }
            self.items.swap(at, parent);
            at = parent;
        }
    }

    fn replace_first(&mut self, item: Candidate) {
        self.items[0] = item;
        let mut at = 0;
        loop {
            let left = 2 * at + 1;
            if left >= self.items.len() {
                return;
            }
            let right = left + 1;
            let child = if right < self.items.len() && self.less(right, left) { right } else { left };
            if !self.less(child, at) {
                return;
            }
            self.items.swap(at, child);
            at = child;
        }
    }

    /// Best first: an insertion sort, as Go sorts short slices.
    fn into_sorted(self) -> Vec<Candidate> {
        let less = self.less;
        let before = |a: &Candidate, b: &Candidate| b.value.is_nan() || less(b.value, a.value);
        let mut items = self.items;
        if items.len() <= 12 {
            for i in 1..items.len() {
                let mut j = i;
                while j > 0 && before(&items[j], &items[j - 1]) {
                    items.swap(j, j - 1);
                    j -= 1;
                }
            }
        } else {
            items.sort_by(|a, b| a.value.is_nan().cmp(&b.value.is_nan()).then_with(|| before(b, a).cmp(&before(a, b))));
        }
        items
    }
}

impl Evaluator<'_> {
    pub(crate) fn eval_ranked(&mut self, aggregate: &Aggregate) -> Result<Vec<Series>, QueryError> {
        let op = aggregate.op;
        let params = match &aggregate.param {
            Some(param) => self.eval_scalar(param)?,
            None => vec![0.0; self.steps.count],
        };
        let input = self.eval_vector(&aggregate.expr)?;
        if !self.check_params(aggregate, &params)? {
            return Ok(Vec::new());
        }
        let mut grouping = Grouping::new(aggregate);
        let groups: Vec<usize> = input.iter().map(|s| grouping.group_of(&s.labels)).collect();
        let offsets: Vec<f64> = if op == AggregateOp::LimitRatio {
            input.iter().map(|s| sample_offset(&s.labels)).collect()
        } else {
            Vec::new()
        };
        let mut output: Vec<Series> = input.iter().map(Series::like).collect();
        let mut order = Vec::new();
        for (step, param) in params.iter().copied().enumerate() {
            if step % 64 == 0 {
                self.query.check()?;
            }
            for chosen in self.choose(aggregate, &input, &groups, grouping.len(), &offsets, step, param) {
                if let Some(value) = input[chosen].value(step) {
                    output[chosen].set(step, value, self.steps.count);
                    order.push(chosen);
                }
            }
        }
        if self.steps.is_instant() {
            let mut slots: Vec<Option<Series>> = output.into_iter().map(Some).collect();
            return Ok(order.into_iter().filter_map(|i| slots[i].take()).collect());
        }
        output.retain(|s| !s.is_empty());
        Ok(output)
    }

    /// False where no step can have a result.
    fn check_params(&mut self, aggregate: &Aggregate, params: &[f64]) -> Result<bool, QueryError> {
        let position = aggregate.param.as_ref().map_or(0, |p| p.span().start);
        let highest = params.iter().copied().fold(f64::MIN, crate::functions::math::go_max);
        let lowest = params.iter().copied().fold(f64::MAX, crate::functions::math::go_min);
        let any_nan = params.iter().any(|p| p.is_nan());
        if aggregate.op == AggregateOp::LimitRatio {
            if highest == 0.0 && lowest == 0.0 {
                return Ok(false);
            }
            if any_nan {
                return Err(QueryError::execution("Ratio value is NaN"));
            }
            if highest > 1.0 {
                self.notes.add(Notice::InvalidRatio { given: highest, capped: 1.0 }.at(position));
            }
            if lowest < -1.0 {
                self.notes.add(Notice::InvalidRatio { given: lowest, capped: -1.0 }.at(position));
            }
            return Ok(true);
        }
        if highest < 1.0 {
            return Ok(false);
        }
        if any_nan {
            return Err(QueryError::execution("Parameter value is NaN"));
        }
        let text = model::float::format_g;
        if lowest <= -9_223_372_036_854_775_808.0 {
            return Err(QueryError::execution(format!("Scalar value {} underflows int64", text(lowest))));
        }
        if highest >= 9_223_372_036_854_774_784.0 {
            return Err(QueryError::execution(format!("Scalar value {} overflows int64", text(highest))));
        }
        Ok(true)
    }

    /// The series that the step keeps, group by group.
    fn choose(
        &mut self,
        aggregate: &Aggregate,
        input: &[Series],
        groups: &[usize],
        group_count: usize,
        offsets: &[f64],
        step: usize,
        param: f64,
    ) -> Vec<usize> {
        let op = aggregate.op;
        let k = if op == AggregateOp::LimitRatio { 0 } else { (param as i64).min(input.len() as i64) };
        if (op != AggregateOp::LimitRatio && k < 1) || (op == AggregateOp::LimitRatio && param == 0.0) {
            return Vec::new();
        }
        let k = k as usize;
        let ratio = param.clamp(-1.0, 1.0);
        let less: fn(f64, f64) -> bool = if op == AggregateOp::Bottomk { |a, b| a > b } else { |a, b| a < b };
        let mut heaps: Vec<Heap> = (0..group_count).map(|_| Heap { items: Vec::new(), less }).collect();
        for (at, series) in input.iter().enumerate() {
            let Some(value) = series.value(step) else { continue };
            let heap = &mut heaps[groups[at]];
            let ranked = matches!(op, AggregateOp::Topk | AggregateOp::Bottomk);
            let value = match value {
                SampleValue::Float(v) => v,
                SampleValue::Histogram(_) if ranked => {
                    let notice = Notice::HistogramIgnoredInAggregation { aggregation: op.as_str() };
                    self.notes.add(notice.at(aggregate.span.start));
                    continue;
                }
                SampleValue::Histogram(_) => 0.0,
            };
            let candidate = Candidate { value, series: at };
            match op {
                AggregateOp::LimitRatio => {
                    let offset = offsets[at];
                    if (ratio >= 0.0 && offset < ratio) || (ratio < 0.0 && offset >= 1.0 + ratio) {
                        heap.push(candidate);
                    }
                }
                _ if heap.items.len() < k => heap.push(candidate),
                AggregateOp::Limitk => {}
                _ => {
                    let worst = heap.items[0].value;
                    if less(worst, value) || (worst.is_nan() && !value.is_nan()) {
                        heap.replace_first(candidate);
                    }
                }
            }
        }
        let ranked = matches!(op, AggregateOp::Topk | AggregateOp::Bottomk);
        heaps
            .into_iter()
            .flat_map(|heap| if ranked { heap.into_sorted() } else { heap.items })
            .map(|candidate| candidate.series)
            .collect()
    }
}

/// The place of a label set between 0 and 1 by which `limit_ratio` samples: the hash that Prometheus' label sets have, so that
/// both choose the same series.
fn sample_offset(labels: &Labels) -> f64 {
    let mut encoded = Vec::with_capacity(labels.encoded_len() + 16);
    for label in labels {
        for text in [label.name, label.value] {
            match u8::try_from(text.len()) {
                Ok(length) if length < 255 => encoded.push(length),
                _ => {
                    encoded.push(255);
                    encoded.extend_from_slice(&(text.len() as u32).to_le_bytes()[..3]);
                }
            }
            encoded.extend_from_slice(text.as_bytes());
        }
    }
    xxhash_rust::xxh64::xxh64(&encoded, 0) as f64 / u64::MAX as f64
}
