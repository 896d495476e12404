//! Rows are found as Prometheus' rules for matchers say.

use model::{Labels, MatchOp, Matcher, Projection, TimeRange};
use proptest::prelude::*;

use super::support::{Series, make, service};
use crate::block::WriterOptions;

fn matcher(name: &str, op: MatchOp, value: &str) -> Matcher {
    Matcher::new(name, op, value).unwrap()
}

fn any_matcher() -> impl Strategy<Value = Matcher> {
    let op = prop_oneof![Just(MatchOp::Equal), Just(MatchOp::NotEqual), Just(MatchOp::Regex), Just(MatchOp::NotRegex)];
    let value = prop_oneof![Just(""), Just("x"), Just("y|z"), Just("x.*"), Just(".+"), Just("m"), Just("z")];
    ("[a-dr]|__name__", op, value).prop_map(|(name, op, value)| matcher(&name, op, value))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// The same rows as by looking at each label set.
    #[test]
    fn finds_what_matches(
        sets in proptest::collection::btree_set(proptest::collection::btree_map("[a-d]", "[xyz]{1,2}", 0..4), 1..40),
        names in proptest::collection::vec("[mn]", 40),
        matchers in proptest::collection::vec(any_matcher(), 0..3),
        (from, to) in (0..40_i64, 0..40_i64),
        hidden in any::<bool>(),
    ) {
        let mut series: Vec<Series> = sets.into_iter().zip(names).enumerate().map(|(i, (mut set, name))| {
            set.insert("__name__".to_owned(), name);
            // More names than there are columns, so that the map is matched too.
            if hidden {
                (0..250).for_each(|k| { set.insert(format!("Z{k:03}"), "1".to_owned()); });
            }
            let mut one = Series { labels: Labels::from_pairs(&set), ..Series::default() };
            one.samples.push_float(i as i64, 1.0);
            one.samples.push_float(i as i64 + 2, 1.0);
            one
        }).collect();
        let made = make(&mut series, WriterOptions::default());
        let block = made.open();
        let range = TimeRange::new(from, to);
        let found = block.matching(&matchers, range).unwrap();
        let wanted: Vec<u32> = (0..series.len()).filter(|i| {
            let one = &series[*i];
            let times = TimeRange::new(one.samples.timestamps[0], one.samples.timestamps[1]);
            times.overlaps(&range) && matchers.iter().all(|m| m.matches(one.labels.get(&m.name).unwrap_or("")))
        }).map(|i| i as u32).collect();
        prop_assert_eq!(&found, &wanted);
        let labels: Vec<Labels> = found.iter().map(|row| series[*row as usize].labels.clone()).collect();
        prop_assert_eq!(block.labels_of(&found, None).unwrap(), &labels[..]);
        let mut names: Vec<String> = labels.iter().flat_map(|l| l.iter().map(|l| l.name.to_owned())).collect();
        names.sort();
        names.dedup();
        prop_assert_eq!(block.label_names(&block.ranges_of(&found).unwrap()).unwrap(), names);
        let mut values: Vec<String> = labels.iter().filter_map(|l| l.get("a").map(str::to_owned)).collect();
        values.sort();
        values.dedup();
        prop_assert_eq!(block.label_values("a", &block.ranges_of(&found).unwrap()).unwrap(), values);
    }
}

#[test]
fn projections_and_exemplars() {
    let mut series = service(10, 5);
    let made = make(&mut series, WriterOptions::default());
    let block = made.open();
    let rows = block.matching(&[Matcher::equal("__name__", "http_requests_total")], TimeRange::ALL).unwrap();
    assert_eq!(rows.len(), 10);
    let only = block.labels(rows[0], Some(&Projection::Only(vec!["job".to_owned()]))).unwrap();
    assert_eq!(only, Labels::from_pairs([("job", "api")]));
    let without = Projection::Without(vec!["instance".to_owned(), "code".to_owned()]);
    let without = block.labels(rows[0], Some(&without)).unwrap();
    assert_eq!(without, Labels::from_pairs([("__name__", "http_requests_total"), ("job", "api")]));
    let times = &series[rows[0] as usize].samples.timestamps;
    let exemplars = block.exemplars(&rows, TimeRange::new(times[1], times[2])).unwrap();
    assert_eq!(exemplars.len(), 10);
    assert_eq!(exemplars[0].1.len(), 2);
    assert!(block.labels(40, None).is_err());
}
