//! Every action of relabelling, as a table.

use config::{AnchoredRegex, NameValidation, RelabelAction, RelabelConfig};
use model::Labels;
use proptest::prelude::*;
use scrape::relabel::{relabel, trace};

fn rule(action: RelabelAction, sources: &[&str], regex: &str, target: &str, replacement: &str) -> RelabelConfig {
    RelabelConfig {
        source_labels: sources.iter().map(|s| (*s).to_owned()).collect(),
        regex: AnchoredRegex::new(regex).unwrap(),
        target_label: target.into(),
        replacement: replacement.into(),
        action,
        modulus: 1000,
        ..RelabelConfig::default()
    }
}

fn apply(labels: &str, rules: &[RelabelConfig]) -> Option<String> {
    let pairs = labels.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    let mut builder = Labels::from_pairs(pairs).to_builder();
    relabel(&mut builder, rules, NameValidation::Legacy)
        .then(|| builder.build().iter().map(|l| format!("{}={}", l.name, l.value)).collect::<Vec<_>>().join(" "))
}

#[test]
fn every_action() {
    use RelabelAction::*;
    let cases = [
        // Groups by number and name, in value and target; a pattern matches as a whole.
        (rule(Replace, &["a"], "f(.*)", "d", "ch${1}-ch$1"), Some("a=foo b=bar c=baz d=choo-choo")),
        (rule(Replace, &["a", "b"], "f(?P<x>.*);(.*)r", "d", "$x${2}$"), Some("a=foo b=bar c=baz d=ooba$")),
        (rule(Replace, &["a"], "(oo)", "d", "$1"), Some("a=foo b=bar c=baz")),
        (rule(Replace, &["a"], "f(o)o", "${1}_x", "y"), Some("a=foo b=bar c=baz o_x=y")),
        (rule(Replace, &["a"], "(.*)", "0bad", "y"), Some("a=foo b=bar c=baz")),
        (rule(Replace, &["a"], "(.*)", "b", "$2"), Some("a=foo c=baz")),
        (rule(Replace, &["nothing"], "(.*)", "b", "$1"), Some("a=foo c=baz")),
        (rule(Replace, &[], "(.*)", "d", "const"), Some("a=foo b=bar c=baz d=const")),
        (rule(Keep, &["a"], "foo|x", "", ""), Some("a=foo b=bar c=baz")),
        (rule(Keep, &["a"], "fo", "", ""), None),
        (rule(Drop, &["a"], ".*o.*", "", ""), None),
        (rule(Drop, &["a"], "f|o", "", ""), Some("a=foo b=bar c=baz")),
        (rule(KeepEqual, &["a"], "(.*)", "b", "$1"), None),
        (rule(KeepEqual, &["a"], "(.*)", "a", "$1"), Some("a=foo b=bar c=baz")),
        (rule(DropEqual, &["a"], "(.*)", "b", "$1"), Some("a=foo b=bar c=baz")),
        (rule(DropEqual, &["a"], "(.*)", "a", "$1"), None),
        // The first figure stands in Prometheus' own tests.
        (rule(HashMod, &["c"], "(.*)", "d", "$1"), Some("a=foo b=bar c=baz d=976")),
        (rule(HashMod, &["a"], "(.*)", "d", "$1"), Some("a=foo b=bar c=baz d=696")),
        (rule(LabelMap, &[], "(a|b)", "", "bar_$1"), Some("a=foo b=bar bar_a=foo bar_b=bar c=baz")),
        (rule(LabelDrop, &[], "a|b", "", "$1"), Some("c=baz")),
        (rule(LabelKeep, &[], "a|b", "", "$1"), Some("a=foo b=bar")),
        (rule(Uppercase, &["a"], "(.*)", "d", "$1"), Some("a=foo b=bar c=baz d=FOO")),
        (rule(Lowercase, &["a"], "(.*)", "d", "$1"), Some("a=foo b=bar c=baz d=foo")),
    ];
    for (rule, expected) in cases {
        assert_eq!(apply("a=foo b=bar c=baz", std::slice::from_ref(&rule)).as_deref(), expected, "{rule:?}");
    }
}

#[test]
fn a_trace_shows_the_labels_after_each_rule() {
    let rules = [
        rule(RelabelAction::Replace, &["a"], "(.*)", "b", "x$1"),
        rule(RelabelAction::Drop, &["b"], "x1", "", ""),
        rule(RelabelAction::LabelDrop, &[], "b", "", "$1"),
    ];
    let steps = |a: &str| -> Vec<(String, bool)> {
        let steps = trace(&Labels::from_pairs([("a", a)]), &rules, NameValidation::Utf8);
        steps.into_iter().map(|s| (s.output.to_string(), s.keep)).collect()
    };
    let expect = |texts: [(&str, bool); 3]| texts.map(|(text, keep)| (text.to_owned(), keep)).to_vec();
    assert_eq!(steps("1"), expect([(r#"{a="1", b="x1"}"#, true), ("{}", false), ("{}", false)]));
    assert_eq!(steps("2"), expect([(r#"{a="2", b="x2"}"#, true), (r#"{a="2", b="x2"}"#, true), (r#"{a="2"}"#, true)]));
}

proptest! {
    #[test]
    fn shards_are_within_the_modulus(value in ".{0,40}", modulus in 1_u64..100) {
        let mut rule = rule(RelabelAction::HashMod, &["a"], "(.*)", "shard", "$1");
        rule.modulus = modulus;
        let mut builder = Labels::from_pairs([("a", value.as_str())]).to_builder();
        prop_assert!(relabel(&mut builder, &[rule], NameValidation::Utf8));
        prop_assert!(builder.get("shard").parse::<u64>().unwrap() < modulus);
    }
}
