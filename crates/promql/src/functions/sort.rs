//! `sort`, `sort_desc`, `sort_by_label`, `sort_by_label_desc`: they order the result of an instant query.

use std::cmp::Ordering;

use crate::eval::Series;

/// Orders by the value of the only step, NaN last.
pub(crate) fn sort_by_value(series: &mut [Series], descending: bool) {
    series.sort_by(|a, b| {
        let (a, b) = (a.float(0).unwrap_or(f64::NAN), b.float(0).unwrap_or(f64::NAN));
        a.is_nan().cmp(&b.is_nan()).then_with(|| {
            let order = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
            if descending { order.reverse() } else { order }
        })
    });
}

/// Orders by some labels in turn, numbers within them by value; then by all labels.
pub(crate) fn sort_by_labels(series: &mut [Series], names: &[&str], descending: bool) {
    series.sort_by(|a, b| {
        let (value_of_a, value_of_b) =
            (|name| a.labels.get(name).unwrap_or(""), |name| b.labels.get(name).unwrap_or(""));
        let by_names = names.iter().map(|name| natural_order(value_of_a(name), value_of_b(name))).find(|o| o.is_ne());
        let order = by_names.unwrap_or_else(|| a.labels.cmp(&b.labels));
        if descending { order.reverse() } else { order }
    });
}

/// "Natural" order, in which `v2` comes before `v10`, as the Go package `facette/natsort` has it: texts are cut into runs of
/// digits and of other characters; digits are compared by value with digits, and as text with all else.
///
/// Unlike there, numbers beyond 64 bits count by value too and `01` comes before `1`: the order is total.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (left, right) = (runs(a), runs(b));
    for (x, y) in left.iter().zip(&right) {
        let order = if is_number(x) && is_number(y) { by_value(x, y) } else { x.cmp(y) };
        if order.is_ne() {
            return order;
        }
    }
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

/// Orders decimal numbers of any length.
fn by_value(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn is_number(run: &str) -> bool {
    run.bytes().next().is_some_and(|b| b.is_ascii_digit())
}

fn runs(text: &str) -> Vec<&str> {
    let mut runs = Vec::new();
    let mut start = 0;
    let bytes = text.as_bytes();
    for i in 1..=bytes.len() {
        if i == bytes.len() || bytes[i].is_ascii_digit() != bytes[i - 1].is_ascii_digit() {
            runs.push(&text[start..i]);
            start = i;
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_by_value() {
        let sorted =
            ["", "+Inf", "-1", "0.5", "01", "1", "1.0", "1e1", "5", "12345678901234567890123", "a", "a1b2", "a1b10"];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(natural_order(a, b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }
}
