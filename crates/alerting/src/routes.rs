//! The routing tree put to work: which routes an alert takes, and the keys of its groups (`dispatch/route.go`).

use std::sync::Arc;

use config::{Millis, RouteConfig, matchers_text};
use model::{Labels, Matcher};

/// One node. Its place in [`Routes`] is its id.
#[derive(Clone, Debug)]
pub struct Route {
    /// Who is told.
    pub receiver: Arc<str>,
    /// Labels that groups are made by.
    pub group_by: Vec<String>,
    /// Every label makes a group.
    pub group_by_all: bool,
    /// Conditions of this node alone.
    pub matchers: Vec<Matcher>,
    /// Whether siblings are looked at as well.
    pub continues: bool,
    /// How long a new group waits.
    pub group_wait: Millis,
    /// How long a group waits between notifications of changes.
    pub group_interval: Millis,
    /// After how long an unchanged notification is repeated.
    pub repeat_interval: Millis,
    /// Names of intervals in which nothing is sent.
    pub mute: Vec<String>,
    /// Names of intervals outside of which nothing is sent.
    pub active: Vec<String>,
    /// Labels of the route, which are templates.
    pub labels: Vec<(String, String)>,
    /// `{}/{team="x"}`: the conditions from the root down.
    pub key: String,
    /// Unique, and the same after a reload that changes other routes: the receiver, a number among routes with equal keys, and
    /// the key.
    pub id: Arc<str>,
    /// The node above.
    pub parent: Option<usize>,
    /// Nodes below.
    pub children: Vec<usize>,
}

/// The tree; node 0 is its root.
#[derive(Clone, Debug, Default)]
pub struct Routes(pub Vec<Route>);

impl Routes {
    /// Of a configuration.
    pub fn new(root: &RouteConfig) -> Self {
        let mut routes = Routes(Vec::new());
        routes.add(root, None);
        routes
    }

    fn add(&mut self, config: &RouteConfig, parent: Option<usize>) -> usize {
        let own = matchers_text(&config.matchers);
        let key = match parent {
            Some(parent) => format!("{}/{own}", self.0[parent].key),
            None => own,
        };
        let id = self.0.len();
        let receiver: Arc<str> = config.receiver.as_str().into();
        let equal = self.0.iter().filter(|route| route.key == key && route.receiver == receiver).count();
        self.0.push(Route {
            id: format!("{receiver}#{equal} {key}").into(),
            receiver,
            group_by: config.group_by.clone(),
            group_by_all: config.group_by_all,
            matchers: config.matchers.clone(),
            continues: config.continues,
            group_wait: config.group_wait,
            group_interval: config.group_interval,
            repeat_interval: config.repeat_interval,
            mute: config.mute_time_intervals.clone(),
            active: config.active_time_intervals.clone(),
            labels: config.labels.clone(),
            key,
            parent,
            children: Vec::new(),
        });
        for child in &config.routes {
            let child = self.add(child, Some(id));
            self.0[id].children.push(child);
        }
        id
    }

    /// The routes that an alert takes: depth first; a node counts where none of its children does.
    pub fn matching(&self, labels: &Labels) -> Vec<usize> {
        let mut out = Vec::new();
        if !self.0.is_empty() {
            self.collect(0, labels, &mut out);
        }
        out
    }

    fn collect(&self, id: usize, labels: &Labels, out: &mut Vec<usize>) -> bool {
        let route = &self.0[id];
        if !route.matchers.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or(""))) {
            return false;
        }
        let before = out.len();
        for child in &route.children {
            if self.collect(*child, labels, out) && !self.0[*child].continues {
                break;
            }
        }
        if out.len() == before {
            out.push(id);
        }
        true
    }
}

impl Route {
    /// The labels of the group that an alert belongs to.
    pub fn group_labels(&self, labels: &Labels) -> Labels {
        if self.group_by_all {
            labels.clone()
        } else {
            labels.without(|name| !self.group_by.iter().any(|by| by == name))
        }
    }

    /// The id and the key of a group: `{}/{team="x"}:{alertname="A"}`.
    pub fn group_names(&self, group_labels: &Labels) -> (Arc<str>, Arc<str>) {
        let labels = label_set_text(group_labels);
        (format!("{}:{labels}", self.id).into(), format!("{}:{labels}", self.key).into())
    }
}

/// Prometheus' `LabelSet.String`: names as they are, values quoted.
pub fn label_set_text(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.iter().map(|l| format!("{}={}", l.name, model::float::go_quote(l.value))).collect();
    format!("{{{}}}", pairs.join(", "))
}
