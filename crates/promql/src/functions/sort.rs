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
        let by_names = names.iter().find_map(|name| {
            let (x, y) = (a.labels.get(name).unwrap_or(""), b.labels.get(name).unwrap_or(""));
            (x != y).then(|| if natural_less(x, y) { Ordering::Less } else { Ordering::Greater })
        });
        let order = by_names.unwrap_or_else(|| a.labels.cmp(&b.labels));
        if descending { order.reverse() } else { order }
    });
}

/// "Natural" order, in which `v2` comes before `v10` (rules of the Go package `facette/natsort`): texts are cut into runs of
/// digits and of other characters.
fn natural_less(a: &str, b: &str) -> bool {
    let (left, right) = (runs(a), runs(b));
    for (i, x) in left.iter().enumerate() {
        let Some(y) = right.get(i) else { return false };
        let (x_number, y_number) = (is_number(x), is_number(y));
        if x_number && !y_number {
            return true;
        }
        if !x_number && y_number {
            return false;
        }
        if !x_number {
            if x != y {
                return x < y;
            }
            continue;
        }
        let (x_value, y_value): (Option<i64>, Option<i64>) = (x.parse().ok(), y.parse().ok());
        match (x_value, y_value) {
            (Some(x_value), Some(y_value)) if x_value == y_value => {
                // 01 comes before 1, but 1 and 1 say nothing.
                if x.len() != y.len() {
                    return x.len() > y.len();
                }
            }
            (Some(x_value), Some(y_value)) => return x_value < y_value,
            _ => return x < y,
        }
    }
    left.len() < right.len()
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
        assert!(natural_less("v2", "v10"));
        assert!(!natural_less("v10", "v2"));
        assert!(natural_less("a", "b"));
        assert!(natural_less("1", "a"));
        assert!(natural_less("a1b2", "a1b10"));
    }
}
