//! The largest entries of a long list, found in one pass and in memory for those alone.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::NamedCount;

/// Keeps the entries with the greatest counts; of equal ones, those whose texts come first.
#[derive(Debug)]
pub(crate) struct Top {
    keep: usize,
    /// The least entry is on top.
    held: BinaryHeap<Held>,
}

#[derive(Debug, PartialEq, Eq)]
struct Held {
    count: u64,
    name: String,
    value: String,
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        let texts = (&self.name, &self.value).cmp(&(&other.name, &other.value));
        other.count.cmp(&self.count).then(texts)
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Top {
    pub(crate) fn new(keep: usize) -> Self {
        Top { keep, held: BinaryHeap::new() }
    }

    /// Considers a name.
    pub(crate) fn offer(&mut self, count: u64, name: &str) {
        self.offer_pair(count, name, "");
    }

    /// Considers a label pair.
    pub(crate) fn offer_pair(&mut self, count: u64, name: &str, value: &str) {
        if self.held.len() >= self.keep {
            let Some(least) = self.held.peek() else { return };
            let is_less = count < least.count
                || (count == least.count && (name, value) >= (least.name.as_str(), least.value.as_str()));
            if is_less {
                return;
            }
            self.held.pop();
        }
        self.held.push(Held { count, name: name.to_owned(), value: value.to_owned() });
    }

    /// The names, the greatest count first.
    pub(crate) fn names(self) -> Vec<NamedCount> {
        self.held.into_sorted_vec().into_iter().map(|held| NamedCount { name: held.name, value: held.count }).collect()
    }

    /// The pairs as `name=value`, the greatest count first.
    pub(crate) fn pairs(self) -> Vec<NamedCount> {
        let pair = |held: Held| NamedCount { name: format!("{}={}", held.name, held.value), value: held.count };
        self.held.into_sorted_vec().into_iter().map(pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_beginning_of_the_sorted_list(
            list in proptest::collection::vec((0_u64..5, "[a-c]{0,2}", "[a-c]{0,2}"), 0..40),
            keep in 0_usize..10,
        ) {
            let mut top = Top::new(keep);
            list.iter().for_each(|(count, name, value)| top.offer_pair(*count, name, value));
            let mut sorted = list;
            sorted.sort_by(|a, b| b.0.cmp(&a.0).then((&a.1, &a.2).cmp(&(&b.1, &b.2))));
            sorted.truncate(keep);
            let expected: Vec<NamedCount> = sorted
                .into_iter()
                .map(|(count, name, value)| NamedCount { name: format!("{name}={value}"), value: count })
                .collect();
            prop_assert_eq!(top.pairs(), expected);
        }
    }
}
