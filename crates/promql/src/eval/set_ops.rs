//! `and`, `or`, `unless`: which steps of a series stay depends on the presence of its signature on the other side.

use super::matching::Signatures;
use super::{Evaluator, Series};
use crate::ast::{BinaryOp, VectorMatching};
use crate::engine::QueryError;

/// For each signature the steps at which one of its series has a value; `None` where none ever has.
struct Presence(Vec<Option<Vec<bool>>>);

impl Presence {
    fn new(series: &[Series], signatures: &[usize], count: usize, steps: usize) -> Self {
        let mut all: Vec<Option<Vec<bool>>> = vec![None; count];
        for (one, signature) in series.iter().zip(signatures) {
            let present = all[*signature].get_or_insert_with(|| vec![false; steps]);
            for (step, slot) in present.iter_mut().enumerate() {
                *slot |= one.is_present_at(step);
            }
        }
        Presence(all)
    }

    fn at(&self, signature: usize, step: usize) -> bool {
        self.0[signature].as_ref().is_some_and(|present| present[step])
    }
}

impl Evaluator<'_> {
    pub(crate) fn set_operation(
        &mut self,
        op: BinaryOp,
        mut left: Vec<Series>,
        mut right: Vec<Series>,
        matching: &VectorMatching,
    ) -> Result<Vec<Series>, QueryError> {
        let signatures = Signatures::new(&left, &right, matching);
        let steps = self.steps.count;
        if op == BinaryOp::Or {
            let present = Presence::new(&left, &signatures.left, signatures.count, steps);
            for (one, signature) in right.iter_mut().zip(&signatures.right) {
                one.retain_steps(|step| !present.at(*signature, step));
            }
            left.extend(right);
            return self.finish(left);
        }
        let present = Presence::new(&right, &signatures.right, signatures.count, steps);
        for (one, signature) in left.iter_mut().zip(&signatures.left) {
            one.retain_steps(|step| present.at(*signature, step) == (op == BinaryOp::And));
        }
        self.finish(left)
    }
}
