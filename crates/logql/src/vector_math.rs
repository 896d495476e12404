//! Arithmetic of two numbers, as LogQL has it: what divides by zero is not a number, where PromQL has infinity.

use crate::syntax::ast::BinaryOp;

/// The operation on two literals: comparisons give 0 or 1.
pub(crate) fn merge_literals(op: BinaryOp, left: f64, right: f64) -> f64 {
    match compare(op, left, right) {
        Some(holds) => f64::from(u8::from(holds)),
        None => arithmetic(op, left, right),
    }
}

/// What a comparison says; `None` for other operators.
pub(crate) fn compare(op: BinaryOp, left: f64, right: f64) -> Option<bool> {
    Some(match op {
        BinaryOp::Eq => left == right,
        BinaryOp::Ne => left != right,
        BinaryOp::Gt => left > right,
        BinaryOp::Ge => left >= right,
        BinaryOp::Lt => left < right,
        BinaryOp::Le => left <= right,
        _ => return None,
    })
}

/// The result of an arithmetic operator.
pub(crate) fn arithmetic(op: BinaryOp, left: f64, right: f64) -> f64 {
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Sub => left - right,
        BinaryOp::Mul => left * right,
        BinaryOp::Div if right == 0.0 => f64::NAN,
        BinaryOp::Div => left / right,
        BinaryOp::Mod if right == 0.0 => f64::NAN,
        BinaryOp::Mod => left % right,
        _ => left.powf(right),
    }
}
