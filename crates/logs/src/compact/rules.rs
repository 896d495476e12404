//! Retention by selector: how long the entries of a stream are kept, and which blocks have to be written again for it.
//!
//! A rule is due for a block once the block's youngest entry has the rule's age. Blocks remember the rules that they have been
//! through by a hash, so that none is rewritten twice.

use model::{Labels, Tenant, Timestamp};
use xxhash_rust::xxh3::Xxh3;

use crate::RetentionRule;
use crate::head::matches;

/// All rules of a store.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// The one that counts first.
    rules: Vec<RetentionRule>,
    /// Age at which entries go that no rule speaks of.
    keep_ms: Option<i64>,
}

impl Rules {
    pub(crate) fn new(mut rules: Vec<RetentionRule>, keep_ms: Option<i64>) -> Self {
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.priority));
        Rules { rules, keep_ms }
    }

    /// The age at which nothing is kept any more; `None` where some is kept for ever.
    pub(crate) fn longest_ms(&self) -> Option<i64> {
        let keep_ms = self.keep_ms?;
        Some(self.rules.iter().map(|rule| rule.keep_ms).fold(keep_ms, i64::max))
    }

    fn rule_of(&self, tenant: &Tenant, labels: &Labels) -> Option<usize> {
        self.rules
            .iter()
            .position(|rule| rule.tenant.as_ref().is_none_or(|of| of == tenant) && matches(labels, &rule.matchers))
    }

    /// Entries of a stream before this time, in nanoseconds, go.
    pub(crate) fn drop_before(&self, tenant: &Tenant, labels: &Labels, now: Timestamp) -> i64 {
        let keep = self.rule_of(tenant, labels).map(|rule| self.rules[rule].keep_ms).or(self.keep_ms);
        keep.map_or(i64::MIN, |keep| now.ms().saturating_sub(keep).saturating_mul(1_000_000))
    }

    /// Hashes of the rules that are due for a block whose youngest entry has this time, each with whose streams it means.
    pub(crate) fn due(&self, youngest: Timestamp, now: Timestamp) -> Vec<(u64, Option<usize>)> {
        let age = now.ms().saturating_sub(youngest.ms());
        let longest = self.longest_ms().unwrap_or(i64::MAX);
        let mut due = Vec::new();
        // A rule's streams are those that no rule before it has, so all selectors up to it tell which they are.
        let mut selectors = Xxh3::new();
        for (at, rule) in self.rules.iter().enumerate() {
            let tenant = rule.tenant.as_ref().map_or("", |tenant| tenant.as_str());
            let texts = rule.matchers.iter().flat_map(|m| [m.name.as_str(), m.op.as_str(), m.value.as_str()]);
            for text in [tenant].into_iter().chain(texts) {
                selectors.update(&(text.len() as u64).to_le_bytes());
                selectors.update(text.as_bytes());
            }
            selectors.update(&u64::MAX.to_le_bytes());
            if rule.keep_ms < longest && rule.keep_ms < age {
                due.push((selectors.digest(), Some(at)));
            }
        }
        if let Some(keep_ms) = self.keep_ms
            && keep_ms < longest
            && keep_ms < age
        {
            selectors.update(b"all others");
            due.push((selectors.digest(), None));
        }
        due
    }

    /// True where a due rule means the stream.
    pub(crate) fn means(&self, rule: Option<usize>, tenant: &Tenant, labels: &Labels) -> bool {
        self.rule_of(tenant, labels) == rule
    }
}

#[cfg(test)]
mod tests {
    use model::Matcher;

    use super::*;

    const DAY: i64 = 86_400_000;

    fn rule(app: &str, priority: i64, days: i64) -> RetentionRule {
        RetentionRule { tenant: None, matchers: vec![Matcher::equal("app", app)], priority, keep_ms: days * DAY }
    }

    #[test]
    fn the_highest_priority_counts() {
        let rules = Rules::new(vec![rule("a", 1, 3), rule("a", 2, 9), rule("b", 0, 90)], Some(30 * DAY));
        let (tenant, now) = (Tenant::default(), Timestamp(1000 * DAY));
        let kept_days =
            |app: &str| 1000 - rules.drop_before(&tenant, &Labels::from_pairs([("app", app)]), now) / 1_000_000 / DAY;
        assert_eq!((kept_days("a"), kept_days("b"), kept_days("c")), (9, 90, 30));
        assert_eq!(rules.longest_ms(), Some(90 * DAY));
        let due =
            |days: i64| rules.due(Timestamp(0), Timestamp(days * DAY)).into_iter().map(|(_, rule)| rule).collect();
        let due: Vec<Vec<Option<usize>>> = [3, 4, 10, 31, 91].map(due).into();
        assert_eq!(
            due,
            [vec![], vec![Some(1)], vec![Some(0), Some(1)], vec![Some(0), Some(1), None], vec![Some(0), Some(1), None]]
        );
        assert_eq!(Rules::new(Vec::new(), None).longest_ms(), None);
    }
}
