//! Which output series of an aggregation each input series belongs to.

use hashbrown::HashMap;
use model::{Labels, METRIC_NAME};

use crate::ast::Aggregate;

/// So many label sets of the input are remembered with their group: a projection leaves few different ones.
const REMEMBERED: usize = 4096;

/// Assigns groups in the order in which they are first seen.
pub(crate) struct Grouping<'a> {
    names: &'a [String],
    without: bool,
    places: HashMap<Labels, usize>,
    remembered: HashMap<Labels, usize>,
    labels: Vec<Labels>,
    scratch: String,
}

impl<'a> Grouping<'a> {
    pub(crate) fn new(aggregate: &'a Aggregate) -> Self {
        Grouping {
            names: &aggregate.grouping,
            without: aggregate.without,
            places: HashMap::new(),
            remembered: HashMap::new(),
            labels: Vec::new(),
            scratch: String::new(),
        }
    }

    /// The group of a series.
    pub(crate) fn group_of(&mut self, labels: &Labels) -> usize {
        if let Some(place) = self.remembered.get(labels) {
            return *place;
        }
        let key = self.key(labels);
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => {
                self.labels.push(key.clone());
                self.places.insert(key, self.labels.len() - 1);
                self.labels.len() - 1
            }
        };
        if self.remembered.len() < REMEMBERED {
            self.remembered.insert(labels.clone(), place);
        }
        place
    }

    /// The labels that a group's series has in the result.
    pub(crate) fn key(&mut self, labels: &Labels) -> Labels {
        if !self.without && self.names.is_empty() {
            return Labels::empty();
        }
        let (names, without) = (self.names, self.without);
        let keep = |name: &str| {
            let listed = names.iter().any(|n| n == name);
            if without { !listed && name != METRIC_NAME } else { listed }
        };
        let kept = labels.iter().filter(|l| keep(l.name)).map(|l| (l.name, l.value));
        Labels::from_sorted(kept, &mut self.scratch)
    }

    /// Number of groups so far.
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(crate) fn labels(&self, group: usize) -> &Labels {
        &self.labels[group]
    }
}
