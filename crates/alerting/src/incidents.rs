//! Which keys of incidents are in use, so that no two groups tell an integration under the same one.

use std::collections::HashMap;

use crate::notice::IntegrationId;

/// How many notices and items have a key, by integration. Follows from them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Incidents(HashMap<IntegrationId, HashMap<String, usize>>);

/// What follows from the rest of a state makes no two states different.
impl PartialEq for Incidents {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Incidents {
    pub(crate) fn add(&mut self, to: &IntegrationId, key: &str) {
        if !key.is_empty() {
            *self.0.entry(to.clone()).or_default().entry(key.to_owned()).or_default() += 1;
        }
    }

    pub(crate) fn remove(&mut self, to: &IntegrationId, key: &str) {
        let Some(keys) = self.0.get_mut(to) else { return };
        let Some(count) = keys.get_mut(key) else { return };
        *count -= 1;
        if *count == 0 {
            keys.remove(key);
        }
    }

    pub(crate) fn is_taken(&self, to: &IntegrationId, key: &str) -> bool {
        self.0.get(to).is_some_and(|keys| keys.contains_key(key))
    }
}
