//! Binary operations between series, and between series and numbers.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use model::Labels;

use super::{ABSENT, Series, Span, Steps, is_absent};
use crate::error::QueryError;
use crate::syntax::ast::{Binary, BinaryOp, Cardinality, Matching};
use crate::vector_math::{arithmetic, compare};

/// Every series with a number; `on_left` where the number stands on the left.
pub(super) fn with_literal(binary: &Binary, literal: f64, on_left: bool, mut series: Vec<Series>) -> Vec<Series> {
    for one in &mut series {
        one.values.change(|_, value| {
            let (left, right) = if on_left { (literal, value) } else { (value, literal) };
            merge(binary, left, right, value)
        });
    }
    series
}

/// The result of two values; `kept` is what a comparison without `bool` lets through.
fn merge(binary: &Binary, left: f64, right: f64, kept: f64) -> f64 {
    match compare(binary.op, left, right) {
        Some(holds) if binary.matching.returns_bool => f64::from(u8::from(holds)),
        Some(true) => kept,
        Some(false) => ABSENT,
        None => arithmetic(binary.op, left, right),
    }
}

/// What series are matched by.
fn signature(matching: &Matching, labels: &Labels) -> Labels {
    labels.without(|name| matching.labels.iter().any(|other| other == name) != matching.on)
}

/// Numbers for signatures, the same for both sides.
fn signatures(matching: &Matching, sides: [&[Series]; 2]) -> ([Vec<usize>; 2], usize) {
    let mut known: HashMap<Labels, usize> = HashMap::new();
    let numbered = sides.map(|side| {
        let number = |series: &Series| {
            let next = known.len();
            *known.entry(signature(matching, &series.labels)).or_insert(next)
        };
        side.iter().map(number).collect()
    });
    (numbered, known.len())
}

/// Two sets of series.
pub(super) fn between(
    binary: &Binary,
    left: Vec<Series>,
    right: Vec<Series>,
    steps: Steps,
) -> Result<Vec<Series>, QueryError> {
    let ([left_signatures, right_signatures], count) = signatures(&binary.matching, [&left, &right]);
    if binary.op.is_set() {
        return Ok(sets(binary.op, left, right, &left_signatures, &right_signatures, count, steps));
    }
    match binary.matching.cardinality {
        // The side with many is on the left while matching.
        Cardinality::OneToMany => {
            Matcher { binary, many: &right, one: &left, count }.run(&right_signatures, &left_signatures, steps)
        }
        _ => Matcher { binary, many: &left, one: &right, count }.run(&left_signatures, &right_signatures, steps),
    }
}

fn sets(
    op: BinaryOp,
    mut left: Vec<Series>,
    mut right: Vec<Series>,
    left_signatures: &[usize],
    right_signatures: &[usize],
    count: usize,
    steps: Steps,
) -> Vec<Series> {
    let (fixed, fixed_signatures) =
        if op == BinaryOp::Or { (&left, left_signatures) } else { (&right, right_signatures) };
    let mut present = vec![false; count * steps.count];
    for (series, signature) in fixed.iter().zip(fixed_signatures) {
        for (step, _) in series.values.iter() {
            present[signature * steps.count + step] = true;
        }
    }
    let keep_where = |series: &mut Vec<Series>, signatures: &[usize], wanted: bool| {
        for (series, signature) in series.iter_mut().zip(signatures) {
            let is_kept = |step: usize| present[signature * steps.count + step] == wanted;
            series.values.change(|step, value| if is_kept(step) { value } else { ABSENT });
        }
    };
    match op {
        BinaryOp::And => keep_where(&mut left, left_signatures, true),
        BinaryOp::Unless => keep_where(&mut left, left_signatures, false),
        _ => {
            keep_where(&mut right, right_signatures, false);
            left.append(&mut right);
        }
    }
    left.retain(|series| !series.values.is_blank());
    left
}

const DUPLICATE_LEFT: &str = "found duplicate series on the left hand-side;many-to-many matching not allowed: matching labels must be unique on one side";
const DUPLICATE_RIGHT: &str = "found duplicate series on the right hand-side;many-to-many matching not allowed: matching labels must be unique on one side";
const MANY_TO_ONE: &str = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)";
const NOT_UNIQUE: &str = "multiple matches for labels: grouping labels must ensure unique matches";

struct Matcher<'b> {
    binary: &'b Binary,
    many: &'b [Series],
    one: &'b [Series],
    count: usize,
}

impl Matcher<'_> {
    fn run(
        &self,
        many_signatures: &[usize],
        one_signatures: &[usize],
        steps: Steps,
    ) -> Result<Vec<Series>, QueryError> {
        let cardinality = self.binary.matching.cardinality;
        let mut results: Vec<Series> = Vec::new();
        let mut by_labels: HashMap<Labels, usize> = HashMap::new();
        let mut by_pair: HashMap<(usize, usize), usize> = HashMap::new();
        // For each signature the series of the one side, and for each result the step in which it was last written.
        let mut ones = vec![usize::MAX; self.count];
        let mut matched = vec![usize::MAX; self.count];
        let mut written: Vec<usize> = Vec::new();
        for step in 0..steps.count {
            ones.fill(usize::MAX);
            for (place, signature) in one_signatures.iter().enumerate() {
                if is_absent(self.one[place].values.at(step)) {
                    continue;
                }
                if ones[*signature] != usize::MAX {
                    let is_left = cardinality == Cardinality::OneToMany;
                    return Err(QueryError::Matching(if is_left { DUPLICATE_LEFT } else { DUPLICATE_RIGHT }));
                }
                ones[*signature] = place;
            }
            for (place, signature) in many_signatures.iter().enumerate() {
                let value = self.many[place].values.at(step);
                let one = ones[*signature];
                if is_absent(value) || one == usize::MAX {
                    continue;
                }
                if cardinality == Cardinality::OneToOne && matched[*signature] == step {
                    return Err(QueryError::Matching(MANY_TO_ONE));
                }
                matched[*signature] = step;
                let result = match by_pair.entry((place, one)) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(new) => {
                        let labels = self.result_labels(&self.many[place].labels, &self.one[one].labels);
                        let at = *by_labels.entry(labels).or_insert_with_key(|labels| {
                            results.push(Series { labels: labels.clone(), values: Span::default() });
                            written.push(usize::MAX);
                            results.len() - 1
                        });
                        *new.insert(at)
                    }
                };
                if cardinality != Cardinality::OneToOne && written[result] == step {
                    return Err(QueryError::Matching(NOT_UNIQUE));
                }
                written[result] = step;
                let (left, right) = match cardinality {
                    Cardinality::OneToMany => (self.one[one].values.at(step), value),
                    _ => (value, self.one[one].values.at(step)),
                };
                let merged = merge(self.binary, left, right, left);
                if !is_absent(merged) {
                    results[result].values.set(step, merged);
                }
            }
        }
        results.retain(|series| !series.values.is_blank());
        Ok(results)
    }

    fn result_labels(&self, many: &Labels, one: &Labels) -> Labels {
        let matching = &self.binary.matching;
        if matching.cardinality == Cardinality::OneToOne {
            return many.without(|name| matching.labels.iter().any(|other| other == name) != matching.on);
        }
        let mut labels = many.to_builder();
        for name in matching.include.iter().flatten() {
            labels.set(name, one.get(name).unwrap_or(""));
        }
        labels.build()
    }
}
