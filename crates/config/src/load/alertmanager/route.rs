//! The tree of routes: each node complete with what it inherits.

use crate::alertmanager::{MatcherSyntax, RouteConfig};
use crate::decode::{Context, Fields, one_of};
use crate::scalar::Millis;
use crate::yaml::Node;

use super::{all_matchers, positive};

const KEYS: &[&str] = &[
    "receiver",
    "group_by",
    "continue",
    "match",
    "match_re",
    "matchers",
    "labels",
    "group_wait",
    "group_interval",
    "repeat_interval",
    "mute_time_intervals",
    "active_time_intervals",
    "routes",
];

/// Trees deeper than this are refused, so that walking them cannot exhaust the stack.
const MOST_LEVELS: usize = 100;

struct Known<'a> {
    receivers: &'a [String],
    intervals: &'a [String],
    syntax: MatcherSyntax,
}

/// The root, with its own rules.
pub(super) fn root(
    outer: &Fields<'_, '_>,
    receivers: &[String],
    intervals: &[String],
    syntax: MatcherSyntax,
) -> RouteConfig {
    let Some(node) = outer.get("route") else {
        outer.problem("", "no routes provided; the file needs a route with a receiver");
        return RouteConfig::default();
    };
    let f = Fields::open(outer.context, node, "route", &[KEYS]);
    let defaults = RouteConfig {
        group_wait: Millis::from_secs(30),
        group_interval: Millis::from_secs(300),
        repeat_interval: Millis::from_secs(4 * 3600),
        ..RouteConfig::default()
    };
    let known = Known { receivers, intervals, syntax };
    if f.text_or_empty("receiver").is_empty() && f.is_mapping() {
        f.problem("receiver", "root route must specify a default receiver");
    }
    for key in ["match", "match_re", "matchers"] {
        if f.get(key).is_some() {
            f.problem(key, "root route must not have any matchers");
        }
    }
    for key in ["mute_time_intervals", "active_time_intervals"] {
        if f.get(key).is_some() {
            f.problem(key, format!("root route must not have any {}", key.replace('_', " ")));
        }
    }
    if f.boolean("continue") == Some(true) {
        f.problem("continue", "root route must not have continue set");
    }
    route(outer.context, node, "route".to_owned(), &defaults, &known, 0)
}

fn route(
    context: &Context<'_>,
    node: &Node,
    path: String,
    parent: &RouteConfig,
    known: &Known<'_>,
    level: usize,
) -> RouteConfig {
    // The root was opened, and its unknown keys reported, by the caller; `dedup` removes what is reported twice.
    let f = Fields::open(context, node, path, &[KEYS]);
    let mut route = RouteConfig {
        receiver: f.text("receiver").filter(|name| !name.is_empty()).unwrap_or_else(|| parent.receiver.clone()),
        continues: f.boolean("continue").unwrap_or(false),
        matchers: all_matchers(&f, ["match", "match_re", "matchers"], known.syntax),
        group_by: parent.group_by.clone(),
        group_by_all: parent.group_by_all,
        group_wait: f.duration("group_wait").unwrap_or(parent.group_wait),
        group_interval: positive(&f, "group_interval", parent.group_interval),
        repeat_interval: positive(&f, "repeat_interval", parent.repeat_interval),
        mute_time_intervals: intervals(&f, "mute_time_intervals", known),
        active_time_intervals: intervals(&f, "active_time_intervals", known),
        labels: parent.labels.clone(),
        routes: Vec::new(),
        at: f.at,
    };
    if !route.receiver.is_empty() && !known.receivers.contains(&route.receiver) {
        let words: Vec<&str> = known.receivers.iter().map(String::as_str).collect();
        let message =
            format!("undefined receiver {:?} used in route; {}", route.receiver, one_of(&route.receiver, &words));
        f.problem("receiver", message);
    }
    for (name, value) in f.text_map("labels") {
        route.labels.retain(|(known, _)| *known != name);
        route.labels.push((name, value));
    }
    group_by(&f, &mut route);
    if level >= MOST_LEVELS {
        f.problem("routes", format!("routes are nested deeper than {MOST_LEVELS} levels"));
        return route;
    }
    let children =
        f.sections("routes", |context, node, path| Some(self::route(context, node, path, &route, known, level + 1)));
    route.routes = children;
    route
}

/// A list that is given, even an empty one, replaces the parent's (since Alertmanager 0.31).
fn group_by(f: &Fields<'_, '_>, route: &mut RouteConfig) {
    if !f.has("group_by") || f.get("group_by").is_none() {
        return;
    }
    let labels = f.texts("group_by");
    route.group_by_all = labels.iter().any(|label| label == "...");
    if route.group_by_all && labels.len() > 1 {
        f.problem("group_by", "cannot have wildcard group_by (`...`) and other other labels at the same time");
    }
    route.group_by = Vec::new();
    for label in labels {
        if label == "..." {
            continue;
        }
        if label.is_empty() {
            f.problem("group_by", "invalid label name \"\" in group_by list");
        } else if route.group_by.contains(&label) {
            f.problem("group_by", format!("duplicated label {label:?} in group_by"));
        } else {
            route.group_by.push(label);
        }
    }
    route.group_by.sort();
}

fn intervals(f: &Fields<'_, '_>, key: &str, known: &Known<'_>) -> Vec<String> {
    let names = f.texts(key);
    for name in &names {
        if !known.intervals.contains(name) {
            f.problem(key, format!("undefined time interval {name:?} used in route"));
        }
    }
    names
}
