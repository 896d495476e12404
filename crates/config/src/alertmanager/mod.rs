//! Alertmanager's configuration file (`alertmanager.yml`), complete after loading: every route holds what it inherits, every
//! receiver what `global` gives it.
//!
//! Settings of receivers are a table by key ([`Settings`]), because eighteen kinds of receivers differ in nothing but their keys;
//! texts in them are Go templates.

mod matchers;
mod settings;
pub(crate) mod time_interval;

use std::fmt;
use std::path::PathBuf;

use model::Matcher;

use crate::http_client::HttpClientConfig;
use crate::scalar::Millis;
use crate::yaml::Position;

pub use matchers::{MatcherSyntax, matcher_text, matchers_text, parse_matcher, parse_matchers};
pub use settings::{Setting, Settings, Tree};
pub use time_interval::{DayRange, IntRange, TimeInterval, TimeRangeOfDay};

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertingConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// After how long an alert that names no end counts as resolved. Default 5m.
    pub resolve_timeout: Millis,
    /// Files of templates; the last part may hold wildcards.
    pub templates: Vec<PathBuf>,
    /// The root of the routes.
    pub route: RouteConfig,
    /// Receivers, in the order of the file.
    pub receivers: Vec<ReceiverConfig>,
    /// Which alerts silence which.
    pub inhibit_rules: Vec<InhibitRuleConfig>,
    /// Named times of the week and year.
    pub time_intervals: Vec<NamedTimeInterval>,
    /// What is asked of silences; Alertmanager has no such section.
    pub silences: SilenceLimits,
    /// The file as YAML with secrets hidden, as the API shows it.
    pub original: String,
}

/// What is asked of silences (`silences` in the file).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SilenceLimits {
    /// How long one may last at most; a recurring one each time.
    pub max_duration: Option<Millis>,
    /// Whether each must say why it is there.
    pub require_comment: bool,
}

/// One node of the routing tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteConfig {
    /// Who is told.
    pub receiver: String,
    /// Labels that alerts are grouped by, sorted.
    pub group_by: Vec<String>,
    /// `group_by: ['...']`: every label.
    pub group_by_all: bool,
    /// Conditions, sorted as Alertmanager sorts them; all must hold.
    pub matchers: Vec<Matcher>,
    /// Whether siblings behind this route are looked at as well.
    pub continues: bool,
    /// How long a new group waits for more alerts.
    pub group_wait: Millis,
    /// How long a group waits between notifications about changes.
    pub group_interval: Millis,
    /// After how long an unchanged notification is repeated.
    pub repeat_interval: Millis,
    /// Names of intervals in which nothing is sent. Not inherited.
    pub mute_time_intervals: Vec<String>,
    /// Names of intervals outside of which nothing is sent. Not inherited.
    pub active_time_intervals: Vec<String>,
    /// Labels of the route, which are templates.
    pub labels: Vec<(String, String)>,
    /// Children, in order.
    pub routes: Vec<RouteConfig>,
    /// Where it stands in the file.
    pub at: Position,
}

/// Someone to tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceiverConfig {
    /// Unique name.
    pub name: String,
    /// The ways in which it is told, in Alertmanager's order of kinds.
    pub integrations: Vec<IntegrationConfig>,
}

/// One way in which a receiver is told.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegrationConfig {
    /// Which protocol.
    pub kind: IntegrationKind,
    /// Its place among those of its kind in the receiver, from 0.
    pub index: usize,
    /// Whether resolved alerts are told.
    pub send_resolved: bool,
    /// How it connects.
    pub http: HttpClientConfig,
    /// Everything else.
    pub settings: Settings,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// Protocols of receivers, in the order in which Alertmanager goes through them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum IntegrationKind { $($(#[$doc])* $name),+ }

        impl IntegrationKind {
            /// All of them.
            pub const ALL: &[IntegrationKind] = &[$(IntegrationKind::$name),+];

            /// Its name, as in metrics and in the notification log.
            pub fn as_str(self) -> &'static str {
                match self { $(IntegrationKind::$name => $text),+ }
            }
        }
    };
}

kinds! {
    /// Any HTTP endpoint.
    Webhook = "webhook",
    /// SMTP.
    Email = "email",
    /// PagerDuty, Events API v1 and v2.
    Pagerduty = "pagerduty",
    /// Opsgenie.
    Opsgenie = "opsgenie",
    /// WeChat Work.
    Wechat = "wechat",
    /// Slack.
    Slack = "slack",
    /// VictorOps (Splunk On-Call).
    Victorops = "victorops",
    /// Pushover.
    Pushover = "pushover",
    /// Amazon SNS.
    Sns = "sns",
    /// Telegram.
    Telegram = "telegram",
    /// Discord.
    Discord = "discord",
    /// Webex.
    Webex = "webex",
    /// Microsoft Teams, connectors.
    Msteams = "msteams",
    /// Microsoft Teams, flows.
    Msteamsv2 = "msteamsv2",
    /// incident.io.
    Incidentio = "incidentio",
    /// Jira.
    Jira = "jira",
    /// Rocket.Chat.
    Rocketchat = "rocketchat",
    /// Mattermost.
    Mattermost = "mattermost",
}

impl fmt::Display for IntegrationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Alerts that keep others from being told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InhibitRuleConfig {
    /// For people.
    pub name: String,
    /// Which alerts inhibit.
    pub source: Vec<Matcher>,
    /// Which alerts are inhibited.
    pub target: Vec<Matcher>,
    /// Labels in which both agree; one that is missing counts as empty.
    pub equal: Vec<String>,
}

/// Times under a name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamedTimeInterval {
    /// Unique name.
    pub name: String,
    /// Any of these.
    pub intervals: Vec<TimeInterval>,
}
