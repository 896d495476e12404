//! The order of rows in a block: metric name first, then label by label in the order of their names, absent before present.
//!
//! This is the order of the label columns read from left to right, so equal values stand together in each of them.

use std::cmp::Ordering;

use model::{Labels, METRIC_NAME};

/// Compares two label sets given as pairs sorted by name.
pub(crate) fn compare<'a, 'b, A, B>(a: A, b: B) -> Ordering
where
    A: IntoIterator<Item = (&'a str, &'a str)> + Clone,
    B: IntoIterator<Item = (&'b str, &'b str)> + Clone,
{
    metric_name(a.clone()).cmp(metric_name(b.clone())).then_with(|| {
        let mut a = a.into_iter().filter(|(name, _)| *name != METRIC_NAME);
        let mut b = b.into_iter().filter(|(name, _)| *name != METRIC_NAME);
        loop {
            match (a.next(), b.next()) {
                (None, None) => return Ordering::Equal,
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
                (Some((a_name, a_value)), Some((b_name, b_value))) => {
                    // Who comes to a smaller name has a label that the other lacks.
                    let ordering = b_name.cmp(a_name).then_with(|| a_value.cmp(b_value));
                    if ordering != Ordering::Equal {
                        return ordering;
                    }
                }
            }
        }
    })
}

/// [`compare`] for whole label sets.
pub(crate) fn compare_labels(a: &Labels, b: &Labels) -> Ordering {
    compare(pairs(a), pairs(b))
}

/// Labels as pairs.
pub(crate) fn pairs(labels: &Labels) -> impl Iterator<Item = (&str, &str)> + Clone {
    labels.iter().map(|label| (label.name, label.value))
}

fn metric_name<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> &'a str {
    let mut before = pairs.into_iter().take_while(|(name, _)| *name <= METRIC_NAME);
    before.find(|(name, _)| *name == METRIC_NAME).map_or("", |(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn name_then_columns_with_absent_first() {
        let sorted = [
            labels(&[]),
            labels(&[("z", "1")]),
            labels(&[("A", "1"), ("z", "0")]),
            labels(&[("__name__", "a")]),
            labels(&[("__name__", "a"), ("b", "2")]),
            labels(&[("__name__", "a"), ("a", "1"), ("b", "1")]),
            labels(&[("__name__", "a"), ("a", "2")]),
            labels(&[("__name__", "b"), ("A", "2")]),
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(compare_labels(a, b), i.cmp(&j), "{a} {b}");
            }
        }
    }

    proptest! {
        /// The same as comparing row by row in a table with a nullable column for each name.
        #[test]
        fn is_the_order_of_the_columns(a in any_labels(), b in any_labels()) {
            let columns = |l: &Labels| {
                ["__name__", "A", "a", "b", "c"].map(|name| l.get(name).map(str::to_owned))
            };
            prop_assert_eq!(compare_labels(&a, &b), columns(&a).cmp(&columns(&b)));
        }
    }

    fn any_labels() -> impl Strategy<Value = Labels> {
        let pair = (prop_oneof![Just("__name__"), Just("A"), Just("a"), Just("b"), Just("c")], "[x-z]");
        proptest::collection::vec(pair, 0..5).prop_map(Labels::from_pairs)
    }
}
