//! Retention by selector: what becomes of a series as its samples age, and which blocks have to be written again for it.
//!
//! A rule has effects, each due at some age: thinning steps, and an end. An effect is due for a block once the block's youngest
//! sample has that age. Blocks remember the effects that they have been through by a hash, so that none is rewritten twice.

use model::{Labels, Matcher, Timestamp};
use xxhash_rust::xxh3::Xxh3;

/// One step of thinning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownsampleStep {
    /// Samples of at least this age are thinned; milliseconds.
    pub after_ms: i64,
    /// Length of the bucket of which the first and last sample stay; milliseconds.
    pub to_ms: i64,
}

/// How long the series of a selector are kept, and how they are thinned. Of several rules the first that matches counts.
#[derive(Clone, Debug)]
pub struct RetentionRule {
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// Age in milliseconds at which samples go; `None` keeps them as long as those of all other series.
    pub keep_ms: Option<i64>,
    /// Thinning, by growing age and growing buckets, each a multiple of the one before.
    pub downsample: Vec<DownsampleStep>,
}

/// All rules of a store.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    rules: Vec<RetentionRule>,
    /// Age at which samples go that no rule speaks of.
    keep_ms: i64,
}

/// Something that happens to some series at some age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    /// Identity; stays the same while selectors and what happens are the same.
    pub(crate) hash: u64,
    /// The age in milliseconds.
    pub(crate) after_ms: i64,
    /// Which rule's series; `None` for those of no rule.
    pub(crate) rule: Option<usize>,
}

/// What is to be done with the samples of one series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Treatment<'r> {
    /// Samples before this time go.
    pub(crate) drop_before: i64,
    /// Thinning steps.
    pub(crate) steps: &'r [DownsampleStep],
    /// The present, in milliseconds.
    pub(crate) now_ms: i64,
}

impl Treatment<'_> {
    /// Buckets that end by this time are thinned.
    pub(crate) fn thin_until(&self, step: &DownsampleStep) -> i64 {
        self.now_ms.saturating_sub(step.after_ms)
    }
}

impl Rules {
    pub(crate) fn new(rules: Vec<RetentionRule>, keep_ms: i64) -> Self {
        Rules { rules, keep_ms }
    }

    /// The age at which nothing is kept any more.
    pub(crate) fn longest_ms(&self) -> i64 {
        self.rules.iter().filter_map(|rule| rule.keep_ms).fold(self.keep_ms, i64::max)
    }

    /// The matchers of a rule.
    pub(crate) fn matchers(&self, rule: usize) -> &[Matcher] {
        &self.rules[rule].matchers
    }

    /// What is to be done with a series now.
    pub(crate) fn treatment(&self, labels: &Labels, now: Timestamp) -> Treatment<'_> {
        let matches =
            |rule: &&RetentionRule| rule.matchers.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or("")));
        let rule = self.rules.iter().find(matches);
        let keep_ms = rule.and_then(|rule| rule.keep_ms).unwrap_or(self.keep_ms);
        Treatment {
            drop_before: now.ms().saturating_sub(keep_ms),
            steps: rule.map_or(&[], |rule| rule.downsample.as_slice()),
            now_ms: now.ms(),
        }
    }

    /// Everything that can happen to a block before it goes as a whole.
    pub(crate) fn effects(&self) -> Vec<Effect> {
        let longest = self.longest_ms();
        let mut effects = Vec::new();
        // A rule's series are those that no rule before it has, so all selectors up to it tell which they are.
        let mut selectors = Xxh3::new();
        for (at, rule) in self.rules.iter().enumerate() {
            for matcher in &rule.matchers {
                for text in [matcher.name.as_str(), matcher.op.as_str(), matcher.value.as_str()] {
                    selectors.update(&(text.len() as u64).to_le_bytes());
                    selectors.update(text.as_bytes());
                }
            }
            selectors.update(&u64::MAX.to_le_bytes());
            let hash = |what: i64| {
                let mut hash = selectors.clone();
                hash.update(&what.to_le_bytes());
                hash.digest()
            };
            let keep_ms = rule.keep_ms.unwrap_or(self.keep_ms);
            let steps = rule.downsample.iter().filter(|step| step.after_ms < keep_ms);
            // The last bucket is thinned once it is over.
            effects.extend(steps.map(|s| {
                let after_ms = s.after_ms.saturating_add(s.to_ms);
                Effect { hash: hash(s.to_ms), after_ms, rule: Some(at) }
            }));
            if keep_ms < longest {
                effects.push(Effect { hash: hash(0), after_ms: keep_ms.saturating_add(1), rule: Some(at) });
            }
        }
        if self.keep_ms < longest {
            selectors.update(b"all others");
            effects.push(Effect { hash: selectors.digest(), after_ms: self.keep_ms.saturating_add(1), rule: None });
        }
        effects
    }

    /// The hashes of the effects that are due for a block whose youngest sample has this time.
    pub(crate) fn due(&self, youngest: Timestamp, now: Timestamp) -> Vec<Effect> {
        let age = now.ms().saturating_sub(youngest.ms());
        self.effects().into_iter().filter(|effect| effect.after_ms <= age).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn rule(job: &str, keep_days: Option<i64>, steps: &[(i64, i64)]) -> RetentionRule {
        let downsample = steps.iter().map(|(days, to_ms)| DownsampleStep { after_ms: days * DAY, to_ms: *to_ms });
        RetentionRule {
            matchers: vec![Matcher::equal("job", job)],
            keep_ms: keep_days.map(|days| days * DAY),
            downsample: downsample.collect(),
        }
    }

    fn job(name: &str) -> Labels {
        Labels::from_pairs([("__name__", "m"), ("job", name)])
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let rules = Rules::new(vec![rule("a", Some(3), &[(1, 300_000)]), rule("a", Some(90), &[])], 30 * DAY);
        let now = Timestamp(1000 * DAY);
        assert_eq!(rules.treatment(&job("a"), now).drop_before, 997 * DAY);
        assert_eq!(rules.treatment(&job("a"), now).steps.len(), 1);
        assert_eq!(rules.treatment(&job("b"), now).drop_before, 970 * DAY);
        assert_eq!(rules.longest_ms(), 90 * DAY);
    }

    #[test]
    fn effects_are_due_by_the_age_of_the_youngest_sample() {
        let rules = Rules::new(vec![rule("a", Some(3), &[(1, 300_000)]), rule("b", Some(90), &[])], 30 * DAY);
        let due = |age: i64| rules.due(Timestamp(0), Timestamp(age)).iter().map(|e| e.rule).collect::<Vec<_>>();
        assert_eq!(due(DAY + 299_999), []);
        assert_eq!(due(DAY + 300_000), [Some(0)]);
        assert_eq!(due(3 * DAY + 1), [Some(0), Some(0)]);
        assert_eq!(due(30 * DAY + 1), [Some(0), Some(0), None]);
        assert_eq!(due(91 * DAY), due(31 * DAY));
    }

    #[test]
    fn identities_follow_selectors_and_buckets() {
        let hashes = |rules: Vec<RetentionRule>| {
            Rules::new(rules, 30 * DAY).effects().iter().map(|e| e.hash).collect::<Vec<_>>()
        };
        let first = hashes(vec![rule("a", None, &[(1, 300_000)])]);
        assert_eq!(first, hashes(vec![rule("a", None, &[(2, 300_000)])]), "a later age is the same effect");
        assert_ne!(first, hashes(vec![rule("a", None, &[(1, 600_000)])]));
        assert_ne!(first, hashes(vec![rule("b", None, &[(1, 300_000)])]));
        assert_ne!(first, hashes(vec![rule("b", None, &[]), rule("a", None, &[(1, 300_000)])]));
    }
}
