//! Where each series id stands: filled while definitions are read, then asked by many threads.

use hashbrown::HashMap;

const PAGE_BITS: u32 = 9;
const PAGE: usize = 1 << PAGE_BITS;
const ABSENT: u64 = u64::MAX;

type Page = Box<[u64; PAGE]>;

/// A number for each series id. Neighbouring ids share a page, as they are asked for one after the other.
#[derive(Debug, Default)]
pub(super) struct IdMap {
    by_number: HashMap<u64, usize>,
    pages: Vec<Page>,
}

impl IdMap {
    /// Enters numbers that are not `u64::MAX`.
    pub(super) fn extend(&mut self, entries: impl Iterator<Item = (u64, u64)>) {
        let mut last = None;
        for (id, value) in entries {
            let number = id >> PAGE_BITS;
            let at = match last {
                Some((known, at)) if known == number => at,
                _ => *self.by_number.entry(number).or_insert(self.pages.len()),
            };
            last = Some((number, at));
            if at == self.pages.len() {
                self.pages.push(Box::new([ABSENT; PAGE]));
            }
            self.pages[at][id as usize & (PAGE - 1)] = value;
        }
    }

    pub(super) fn lookup(&self) -> Lookup<'_> {
        Lookup { map: self, last: None }
    }
}

/// Asks for ids that lie close together.
#[derive(Debug)]
pub(super) struct Lookup<'m> {
    map: &'m IdMap,
    /// The page asked for last.
    last: Option<(u64, &'m Page)>,
}

impl Lookup<'_> {
    #[inline]
    pub(super) fn get(&mut self, id: u64) -> Option<u64> {
        let number = id >> PAGE_BITS;
        let page = match self.last {
            Some((last, page)) if last == number => page,
            _ => &self.map.pages[*self.map.by_number.get(&number)?],
        };
        self.last = Some((number, page));
        Some(page[id as usize & (PAGE - 1)]).filter(|value| *value != ABSENT)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_map_is_a_map(entries in proptest::collection::vec(
            proptest::collection::vec((prop_oneof![0_u64..3000, any::<u64>()], 0_u64..100), 0..50), 0..5,
        )) {
            let mut map = IdMap::default();
            let mut expected = HashMap::new();
            for entries in entries {
                for (id, _) in &entries {
                    prop_assert_eq!(map.lookup().get(*id), expected.get(id).copied());
                }
                map.extend(entries.iter().copied());
                expected.extend(entries);
            }
            let mut lookup = map.lookup();
            for (id, value) in expected {
                prop_assert_eq!(lookup.get(id), Some(value));
            }
        }
    }
}
