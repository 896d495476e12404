//! The templates of a configuration: those that Alertmanager has by default, then the user's, in text and in HTML.
//!
//! The default ones exist because users' templates call them by name; they are assembled here from the few texts that they share,
//! and give what Alertmanager's give, byte for byte (`tests/it/templates.rs`).

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use gotemplate::funcs::alertmanager;
use gotemplate::{Funcs, Limits, Mode, Template, Value};
use model::Clock;

use crate::AlertingError;

const EMAIL: &str = include_str!("templates/email.tmpl");
const FONT: &str = "font-family: 'Helvetica Neue', Helvetica, Arial, sans-serif; box-sizing: border-box;";

/// The mail's text with its styles filled in.
pub fn email_templates() -> String {
    EMAIL
        .replace("@14", &format!("margin: 0; {FONT} font-size: 14px;"))
        .replace("@00", &format!("margin: 0; {FONT}"))
        .replace("@ff", FONT)
}

/// Templates that only call another one, or say nothing.
const ALIASES: [(&str, &str, &[&str]); 4] = [
    ("slack.default", "__subject", &["title"]),
    ("slack.default", "__alertmanager", &["username"]),
    ("slack.default", "__alertmanagerURL", &["titlelink"]),
    ("slack.default", "", &["callbackid", "pretext", "iconemoji", "iconurl", "text", "footer"]),
];

const MORE_ALIASES: [(&str, &str); 37] = [
    ("pagerduty.default.description", "__subject"),
    ("pagerduty.default.client", "__alertmanager"),
    ("pagerduty.default.clientURL", "__alertmanagerURL"),
    ("pagerduty.default.instances", "__text_alert_list"),
    ("opsgenie.default.message", "__subject"),
    ("opsgenie.default.source", "__alertmanagerURL"),
    ("wechat.default.to_user", ""),
    ("wechat.default.to_party", ""),
    ("wechat.default.to_tag", ""),
    ("wechat.default.agent_id", ""),
    ("victorops.default.entity_display_name", "__subject"),
    ("victorops.default.monitoring_tool", "__alertmanager"),
    ("pushover.default.title", "__subject"),
    ("pushover.default.url", "__alertmanagerURL"),
    ("sns.default.subject", "__subject"),
    ("discord.default.content", ""),
    ("discord.default.title", "__subject"),
    ("msteams.default.summary", "__subject"),
    ("msteams.default.title", "__subject"),
    ("msteamsv2.default.title", "__subject"),
    ("jira.default.summary", "__subject"),
    ("rocketchat.default.title", "__subject"),
    ("rocketchat.default.alias", "__alertmanager"),
    ("rocketchat.default.titlelink", "__alertmanagerURL"),
    ("rocketchat.default.emoji", ""),
    ("rocketchat.default.iconurl", ""),
    ("rocketchat.default.text", ""),
    ("mattermost.default.username", "__alertmanager"),
    ("mattermost.default.title", "__subject"),
    ("mattermost.default.titlelink", "__alertmanagerURL"),
    ("__description", ""),
    ("discord.default.message", "__both"),
    ("telegram.default.message", "__both"),
    ("msteams.default.text", "__both_markdown"),
    ("msteamsv2.default.text", "__both_markdown"),
    ("jira.default.description", "__both_markdown"),
    ("mattermost.default.text", "__both_markdown"),
];

const SUBJECT: &str = r#"{{ define "__subject" }}[{{ .Status | toUpper }}
{{- with .Alerts.Firing }}{{ if eq $.Status "firing" }}:{{ len . }}{{ end }}{{ end -}}
] {{ join " " .GroupLabels.SortedPairs.Values }} {{ if gt (len .CommonLabels) (len .GroupLabels) -}}
({{ with .CommonLabels.Remove .GroupLabels.Names }}{{ join " " .Values }}{{ end }}){{ end }}{{ end }}"#;

/// The most urgent severity of what fires; where none of it has one, of what has ended.
const JIRA_PRIORITY: &str = r#"{{ $rank := 0 }}{{ range .Alerts.Firing }}
{{- $s := index .Labels "severity" }}{{ $r := 0 }}
{{- if eq $s "critical" }}{{ $r = 3 }}{{ else if eq $s "warning" }}{{ $r = 2 }}{{ else if eq $s "info" }}{{ $r = 1 }}{{ end }}
{{- if gt $r $rank }}{{ $rank = $r }}{{ end }}{{ end }}
{{- if eq $rank 0 }}{{ range .Alerts.Resolved }}
{{- $s := index .Labels "severity" }}{{ $r := 0 }}
{{- if eq $s "critical" }}{{ $r = 3 }}{{ else if eq $s "warning" }}{{ $r = 2 }}{{ else if eq $s "info" }}{{ $r = 1 }}{{ end }}
{{- if gt $r $rank }}{{ $rank = $r }}{{ end }}{{ end }}{{ end }}
{{- if eq $rank 3 }}High{{ else if eq $rank 2 }}Medium{{ else if eq $rank 1 }}Low{{ end }}"#;

/// A list of alerts under a heading, for firing and for resolved ones.
fn both(heading: &str, list: &str, before: &str, after: &str) -> String {
    let part = |state: &str| {
        format!(
            "{{{{ if gt (len .Alerts.{state}) 0 {before}}}}}\n{heading}Alerts {state}:\n{{{{ template \"{list}\" .Alerts.{state} }}}}\n{{{{{after} end }}}}"
        )
    };
    format!("{}\n{}", part("Firing"), part("Resolved"))
}

/// All of Alertmanager's default templates but the mail's.
pub fn default_templates() -> String {
    let mut out = String::new();
    let mut define = |name: &str, text: &str| {
        let _ = write!(out, "{{{{ define \"{name}\" }}}}{text}{{{{ end }}}}");
    };
    define("__alertmanager", "Alertmanager");
    define("__alertmanagerURL", "{{ .ExternalURL }}/#/alerts?receiver={{ urlquery .Receiver }}");
    for (name, mark, gap) in [("__text_alert_list", " - ", ""), ("__text_alert_list_markdown", "  - ", "\n")] {
        let pairs = |of: &str| {
            format!(
                "{of}:\n{{{{ range .{of}.SortedPairs }}}}{mark}{{{{ .Name }}}} = {{{{ .Value }}}}\n{{{{ end }}}}{gap}"
            )
        };
        let (labels, annotations) = (pairs("Labels"), pairs("Annotations"));
        let source = "Source: {{ .GeneratorURL }}\n";
        define(name, &format!("{{{{ range . }}}}{gap}{labels}{annotations}{source}{{{{ end }}}}{gap}"));
    }
    let trimmed = both("", "__text_alert_list", "-", "-");
    let plain = both("", "__text_alert_list", "", "");
    let markdown = both("# ", "__text_alert_list_markdown", "", "");
    let annotations = "{{ .CommonAnnotations.SortedPairs.Values | join \" \" }}\n";
    define("__both", &format!("\n{plain}\n"));
    define("__both_markdown", &format!("\n{markdown}\n"));
    for name in ["opsgenie.default.description", "victorops.default.state_message"] {
        define(name, &format!("{annotations}{trimmed}"));
    }
    let link = "\nAlertmanagerUrl:\n{{ template \"__alertmanagerURL\" . }}";
    define("wechat.default.message", &format!("{{{{ template \"__subject\" . }}}}\n{annotations}{trimmed}{link}"));
    for name in ["pushover.default.message", "sns.default.message", "webex.default.message"] {
        define(name, &format!("{annotations}{plain}\n"));
    }
    let call = |name: &str| if name.is_empty() { String::new() } else { format!("{{{{ template \"{name}\" . }}}}") };
    for (prefix, target, names) in ALIASES {
        names.iter().for_each(|name| define(&format!("{prefix}.{name}"), &call(target)));
    }
    for (name, target) in MORE_ALIASES {
        define(name, &call(target));
    }
    for system in ["slack", "mattermost"] {
        let color = "{{ if eq .Status \"firing\" }}danger{{ else }}good{{ end }}";
        define(&format!("{system}.default.color"), color);
        let (title, link) = (call(&format!("{system}.default.title")), call(&format!("{system}.default.titlelink")));
        define(&format!("{system}.default.fallback"), &format!("{title} | {link}"));
    }
    define("jira.default.priority", JIRA_PRIORITY);
    out.push_str(SUBJECT);
    out
}

/// The templates of a configuration.
#[derive(Debug)]
pub struct Templates {
    text: Template,
    html: Template,
}

impl Templates {
    /// The default templates and those of the files.
    pub fn load(patterns: &[PathBuf], clock: Arc<dyn Clock>) -> Result<Self, AlertingError> {
        let funcs = alertmanager::functions(clock);
        let mut texts =
            vec![("default.tmpl".to_owned(), default_templates()), ("email.tmpl".to_owned(), email_templates())];
        for pattern in patterns {
            for file in config::expand_pattern(pattern) {
                let text = std::fs::read_to_string(&file)
                    .map_err(|source| AlertingError::TemplateFile { path: file.clone(), reason: source.to_string() })?;
                texts.push((file.display().to_string(), text));
            }
        }
        let set = |mode: Mode| -> Result<Template, AlertingError> {
            let mut set = Template::new(mode, &funcs);
            for (name, text) in &texts {
                set.add(name, text).map_err(AlertingError::Template)?;
            }
            Ok(set)
        };
        Ok(Templates { text: set(Mode::Text)?, html: set(Mode::Html)? })
    }

    /// Expands a text; one without `{{` is as it is.
    pub fn text(&self, text: &str, data: &Value, bound: &Funcs) -> Result<String, gotemplate::Error> {
        expand(&self.text, text, data, bound)
    }

    /// The same with what stands in it escaped as HTML wants it.
    pub fn html(&self, text: &str, data: &Value, bound: &Funcs) -> Result<String, gotemplate::Error> {
        expand(&self.html, text, data, bound)
    }

    /// Whether a text is a template; nothing is executed.
    pub fn check(&self, text: &str) -> Result<(), gotemplate::Error> {
        self.text.clone().add("", text)
    }
}

fn expand(set: &Template, text: &str, data: &Value, bound: &Funcs) -> Result<String, gotemplate::Error> {
    if !text.contains("{{") {
        return Ok(text.to_owned());
    }
    let mut set = set.clone().with_funcs(bound);
    set.add("", text)?;
    set.execute("", data, &Limits::default())
}
