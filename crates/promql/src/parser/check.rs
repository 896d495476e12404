//! Checks what the grammar cannot say: types of operands and arguments, sensible matchers, rules of vector matching.

use model::METRIC_NAME;

use super::{MAX_TREE_DEPTH, Parser};
use crate::ast::{
    Aggregate, AggregateOp, Binary, Call, Expr, MatchCardinality, Span, ValueType, VectorMatching, VectorSelector,
};

impl Parser<'_> {
    pub(super) fn check(&mut self, expr: &mut Expr) {
        self.check_at(expr, 0);
    }

    /// Checks the tree and gives the type of its root. Vector matching is dropped where there is nothing to match.
    fn check_at(&mut self, expr: &mut Expr, depth: usize) -> ValueType {
        if depth > MAX_TREE_DEPTH {
            if self.errors.is_empty() {
                self.error(expr.span(), format!("expression is more than {MAX_TREE_DEPTH} levels deep"));
            }
            return expr_type_at_limit(expr);
        }
        let below = depth + 1;
        match expr {
            Expr::Number(_) => ValueType::Scalar,
            Expr::String(_) => ValueType::String,
            Expr::Vector(e) => {
                let span = e.span;
                self.check_selector(e, span);
                ValueType::Vector
            }
            Expr::Matrix(e) => {
                let span = e.selector.span;
                self.check_selector(&e.selector, span);
                ValueType::Matrix
            }
            Expr::Subquery(e) => {
                let found = self.check_at(&mut e.expr, below);
                if found != ValueType::Vector {
                    self.error(e.span, format!("subquery is only allowed on instant vector, got {found} instead"));
                }
                ValueType::Matrix
            }
            Expr::Call(e) => self.check_call(e, below),
            Expr::Aggregate(e) => self.check_aggregate(e, below),
            Expr::Binary(e) => self.check_binary(e, below),
            Expr::Unary(e) => {
                let found = self.check_at(&mut e.expr, below);
                if !matches!(found, ValueType::Scalar | ValueType::Vector) {
                    let documented = found.documented();
                    let message = "unary expression only allowed on expressions of type scalar or instant vector";
                    self.error(e.span, format!("{message}, got \"{documented}\""));
                }
                found
            }
            Expr::Paren(e) => self.check_at(&mut e.expr, below),
            Expr::StepInvariant(e) => self.check_at(e, below),
        }
    }

    fn expect_type(&mut self, expr: &mut Expr, wanted: ValueType, context: &str, depth: usize) {
        let found = self.check_at(expr, depth);
        if found != wanted {
            let (wanted, found) = (wanted.documented(), found.documented());
            self.error(expr.span(), format!("expected type {wanted} in {context}, got {found}"));
        }
    }

    fn check_aggregate(&mut self, e: &mut Aggregate, depth: usize) -> ValueType {
        self.expect_type(&mut e.expr, ValueType::Vector, "aggregation expression", depth);
        if let Some(param) = &mut e.param {
            let wanted = if e.op == AggregateOp::CountValues { ValueType::String } else { ValueType::Scalar };
            self.expect_type(param, wanted, "aggregation parameter", depth);
        }
        ValueType::Vector
    }

    fn check_call(&mut self, e: &mut Call, depth: usize) -> ValueType {
        let func = e.func;
        if let Some(message) = wrong_argument_count(e) {
            self.error(e.span, message);
        }
        if func.name == "info" {
            self.check_info_selector(e);
        }
        for (i, arg) in e.args.iter_mut().enumerate() {
            if i >= func.arg_types.len() && func.variadic == 0 {
                break;
            }
            let wanted = func.arg_types[i.min(func.arg_types.len() - 1)];
            self.expect_type(arg, wanted, &format!("call to function \"{}\"", func.name), depth);
        }
        func.return_type
    }

    fn check_info_selector(&mut self, e: &mut Call) {
        let span = e.span;
        let Some(selector) = e.args.get_mut(1) else { return };
        let selector_span = selector.span();
        if selector.value_type() != ValueType::Vector {
            let found = selector.value_type().documented();
            self.error(span, format!("expected type instant vector in call to function \"info\", got {found}"));
        }
        match selector {
            Expr::Vector(VectorSelector { name: Some(_), .. }) => {
                self.error(selector_span, "expected label selectors only, got vector selector instead");
            }
            Expr::Vector(selector) => selector.bypass_empty_matcher_check = true,
            _ => self.error(selector_span, "expected label selectors only"),
        }
    }

    fn check_binary(&mut self, e: &mut Binary, depth: usize) -> ValueType {
        let left = self.check_at(&mut e.lhs, depth);
        let right = self.check_at(&mut e.rhs, depth);
        let scalars = left == ValueType::Scalar && right == ValueType::Scalar;
        let operator = self.operator_span(e);
        if e.return_bool && !e.op.is_comparison() {
            self.error(operator, "bool modifier can only be used on comparison operators");
        }
        if e.op.is_comparison() && !e.return_bool && scalars {
            self.error(operator, "comparisons between scalars must use BOOL modifier");
        }
        if let Some(matching) = &mut e.matching {
            if e.op.is_set() && matching.card == MatchCardinality::OneToOne {
                matching.card = MatchCardinality::ManyToMany;
            }
            let matching = &*matching;
            for label in matching.labels.iter().filter(|l| matching.on && matching.include.contains(l)) {
                let label = model::float::go_quote(label);
                self.error(operator, format!("label {label} must not occur in ON and GROUP clause at once"));
            }
        }
        for (side, found) in [(&e.lhs, left), (&e.rhs, right)] {
            if !matches!(found, ValueType::Scalar | ValueType::Vector) {
                self.error(side.span(), "binary expression must contain only scalar and instant vector types");
            }
        }
        if left != ValueType::Vector || right != ValueType::Vector {
            if let Some(matching) = e.matching.take() {
                self.check_nothing_to_match(&matching, e.span);
            }
        } else if let (Some(matching), true) = (&e.matching, e.op.is_set()) {
            self.check_set_matching(matching, e);
        }
        if (left == ValueType::Scalar || right == ValueType::Scalar) && e.op.is_set() {
            self.error(e.span, format!("set operator \"{}\" not allowed in binary scalar expression", e.op));
        }
        if scalars { ValueType::Scalar } else { ValueType::Vector }
    }

    fn check_nothing_to_match(&mut self, matching: &VectorMatching, span: Span) {
        if !matching.labels.is_empty() {
            self.error(span, "vector matching only allowed between instant vectors");
        }
        if matching.fill_left.is_some() || matching.fill_right.is_some() {
            self.error(span, "filling in missing series only allowed between instant vectors");
        }
    }

    fn check_set_matching(&mut self, matching: &VectorMatching, e: &Binary) {
        if matching.card != MatchCardinality::ManyToMany {
            self.error(e.span, format!("no grouping allowed for \"{}\" operation", e.op));
            self.error(e.span, "set operations must always be many-to-many");
        }
        if matching.fill_left.is_some() || matching.fill_right.is_some() {
            self.error(e.span, "filling in missing series not allowed for set operators");
        }
    }

    /// The operator and its modifiers without the white space around them.
    fn operator_span(&self, e: &Binary) -> Span {
        let (from, to) = (e.lhs.span().end, e.rhs.span().start);
        let Some(between) = self.input.get(from..to) else { return e.span };
        let start = from + (between.len() - between.trim_start().len());
        Span::new(start, start + between.trim().len())
    }

    fn check_selector(&mut self, e: &VectorSelector, span: Span) {
        if let Some(name) = &e.name {
            let others = &e.matchers[..e.matchers.len() - 1];
            for other in others.iter().filter(|m| m.name == METRIC_NAME) {
                let (name, value) = (model::float::go_quote(name), model::float::go_quote(&other.value));
                self.error(span, format!("metric name must not be set twice: {name} or {value}"));
            }
        } else if !e.bypass_empty_matcher_check && e.matchers.iter().all(model::Matcher::matches_empty) {
            self.error(span, "vector selector must contain at least one non-empty matcher");
        }
    }
}

fn wrong_argument_count(e: &Call) -> Option<String> {
    let (func, given) = (e.func, e.args.len());
    let declared = func.arg_types.len();
    let name = func.name;
    if func.variadic == 0 {
        return (declared != given)
            .then(|| format!("expected {declared} argument(s) in call to \"{name}\", got {given}"));
    }
    let least = declared - 1;
    if given < least {
        return Some(format!("expected at least {least} argument(s) in call to \"{name}\", got {given}"));
    }
    let most = usize::try_from(func.variadic).ok().map(|optional| least + optional)?;
    (given > most).then(|| format!("expected at most {most} argument(s) in call to \"{name}\", got {given}"))
}

/// A guess that needs no descent; the tree is refused anyway.
fn expr_type_at_limit(expr: &Expr) -> ValueType {
    match expr {
        Expr::Matrix(_) | Expr::Subquery(_) => ValueType::Matrix,
        Expr::Number(_) => ValueType::Scalar,
        _ => ValueType::Vector,
    }
}
