//! External labels, which this server's series carry for the outside only.

use model::{Labels, MatchOp, Matcher};

/// The labels of a series with those external ones that it lacks, by name.
pub(super) fn merged<'a>(labels: &'a Labels, external: &'a Labels) -> Vec<(&'a str, &'a str)> {
    let own = labels.iter().map(|l| (l.name, l.value));
    let added = external.iter().filter(|l| labels.get(l.name).is_none()).map(|l| (l.name, l.value));
    let mut all: Vec<(&str, &str)> = own.chain(added).collect();
    all.sort_unstable();
    all
}

/// What asks for an external label by its value asks for series that lack it: they will carry it.
pub(super) fn without_external(matchers: Vec<Matcher>, external: &Labels) -> Vec<Matcher> {
    let is_met = |m: &Matcher| m.op == MatchOp::Equal && external.get(&m.name) == Some(m.value.as_str());
    matchers.into_iter().map(|m| if is_met(&m) { Matcher::equal(m.name, "") } else { m }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_labels_come_and_go() {
        let external = Labels::from_pairs([("region", "eu"), ("zone", "z")]);
        let own = Labels::from_pairs([("__name__", "up"), ("region", "us"), ("x", "1")]);
        assert_eq!(merged(&own, &external), [("__name__", "up"), ("region", "us"), ("x", "1"), ("zone", "z")]);
        let matchers = vec![
            Matcher::equal("region", "eu"),
            Matcher::equal("zone", "other"),
            Matcher::new("zone", MatchOp::Regex, "z").unwrap(),
        ];
        let texts: Vec<String> = without_external(matchers, &external).iter().map(Matcher::to_string).collect();
        assert_eq!(texts, [r#"region="""#, r#"zone="other""#, r#"zone=~"z""#]);
    }
}
