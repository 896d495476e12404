//! Which series of two vectors meet: their signatures, and the labels of what comes out.

use std::collections::HashMap;

use model::{Labels, METRIC_NAME};

use super::Series;
use super::finish::drop_reserved;
use crate::ast::{BinaryOp, MatchCardinality, VectorMatching};

/// The signature of every series of both sides, as small numbers.
pub(crate) struct Signatures {
    pub(crate) left: Vec<usize>,
    pub(crate) right: Vec<usize>,
    pub(crate) count: usize,
}

impl Signatures {
    pub(crate) fn new(left: &[Series], right: &[Series], matching: &VectorMatching) -> Self {
        let mut numbers: HashMap<Labels, usize> = HashMap::with_capacity(left.len().max(right.len()));
        let mut number = |series: &Series| {
            let next = numbers.len();
            *numbers.entry(match_labels(&series.labels, matching)).or_insert(next)
        };
        let left = left.iter().map(&mut number).collect();
        let right = right.iter().map(&mut number).collect();
        Signatures { left, right, count: numbers.len() }
    }

    /// Members by signature.
    pub(crate) fn members(of: &[usize], count: usize) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); count];
        for (series, signature) in of.iter().enumerate() {
            members[*signature].push(series);
        }
        members
    }
}

/// The labels by which two series meet: those of `on`, or all but the name and those of `ignoring`.
pub(crate) fn match_labels(labels: &Labels, matching: &VectorMatching) -> Labels {
    let listed = |name: &str| matching.labels.iter().any(|n| n == name);
    if matching.on {
        labels.without(|name| !listed(name))
    } else {
        labels.without(|name| name == METRIC_NAME || listed(name))
    }
}

/// True where the operator's result has another meaning than its operands.
pub(crate) fn changes_meaning(op: BinaryOp) -> bool {
    use BinaryOp::{Add, Atan2, Div, Mod, Mul, Pow, Sub};
    matches!(op, Add | Sub | Div | Mul | Pow | Mod | Atan2)
}

/// Labels of the result for a series of the "many" side and one of the "one" side.
pub(crate) fn result_labels(
    many: &Labels,
    one: &Labels,
    op: BinaryOp,
    matching: &VectorMatching,
    drop_name: bool,
) -> Labels {
    let base = if drop_name || changes_meaning(op) { drop_reserved(many) } else { many.clone() };
    let listed = |name: &str| matching.labels.iter().any(|n| n == name);
    let base = match (matching.card, matching.on) {
        (MatchCardinality::OneToOne, true) => base.without(|name| !listed(name)),
        (MatchCardinality::OneToOne, false) if !matching.labels.is_empty() => base.without(listed),
        _ => base,
    };
    if matching.include.is_empty() {
        return base;
    }
    let mut builder = base.to_builder();
    for name in &matching.include {
        builder.set(name, one.get(name).unwrap_or(""));
    }
    builder.build()
}
