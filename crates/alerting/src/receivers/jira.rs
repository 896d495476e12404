//! Jira: one issue for a group, found again by a label, reopened and resolved by transitions.

use std::collections::BTreeMap;

use config::{Settings, Tree};
use serde_json::{Value, json};

use super::http::get;
use super::webhook::expanded;
use super::{Failure, Receiver, Result, post_json, template, truncated};
use crate::message::Message;

pub(super) async fn send(receiver: &Receiver, message: &Message<'_>) -> Result {
    let settings = &receiver.config.settings;
    let base = settings.text("api_url").trim_end_matches('/').to_owned();
    let label = format!("ALERT{{{}}}", message.incident_key());
    let found = search(receiver, settings, message, &base, &label).await?;
    match (found, message.is_resolved()) {
        (None, true) => {}
        (None, false) => {
            let issue = issue(settings, message, &label).map_err(template)?;
            post_json(receiver, &format!("{base}/issue"), &issue).await?.check(&[])?;
        }
        (Some((key, is_done)), resolved) => {
            let transition = if resolved { "resolve_transition" } else { "reopen_transition" };
            let name = message.text(settings.text(transition)).map_err(template)?;
            if !name.is_empty() && resolved != is_done {
                change(receiver, &base, &key, &name).await?;
            }
        }
    }
    Ok(BTreeMap::new())
}

/// The newest issue of the group that may be used again, and whether it is done.
async fn search(
    receiver: &Receiver,
    settings: &Settings,
    message: &Message<'_>,
    base: &str,
    label: &str,
) -> std::result::Result<Option<(String, bool)>, Failure> {
    let text = |key: &str| message.text(settings.text(key)).map_err(template);
    let mut conditions = vec![format!("project={:?}", text("project")?), format!("labels={label:?}")];
    let wont_fix = text("wont_fix_resolution")?;
    if !wont_fix.is_empty() {
        conditions.push(format!("resolution != {wont_fix:?}"));
    }
    let minutes = settings.time("reopen_duration").ms() / 60_000;
    if minutes > 0 {
        conditions.push(format!("(resolutiondate is EMPTY OR resolutiondate >= -{minutes}m)"));
    } else if settings.text("reopen_transition").is_empty() {
        conditions.push("statusCategory != Done".to_owned());
    }
    let jql = format!("{} ORDER BY status ASC,resolutiondate DESC", conditions.join(" and "));
    let is_cloud =
        settings.text("api_type") == "cloud" || settings.text("api_type") == "auto" && base.contains("atlassian.net");
    let path = if is_cloud { "search/jql" } else { "search" };
    let body = json!({"jql": jql, "maxResults": 2, "fields": ["status"]});
    let answer = post_json(receiver, &format!("{base}/{path}"), &body).await?;
    answer.check(&[])?;
    let reply: Value = serde_json::from_str(&answer.body).map_err(|error| Failure::Final(error.to_string()))?;
    let first = &reply["issues"][0];
    let is_done = first["fields"]["status"]["statusCategory"]["key"] == "done";
    Ok(first["key"].as_str().map(|key| (key.to_owned(), is_done)))
}

fn issue(settings: &Settings, message: &Message<'_>, label: &str) -> std::result::Result<Value, String> {
    let text = |key: &str| message.text(settings.text(key));
    // Either a text, or a section with `template`.
    let templated = |key: &str, otherwise: &str| match settings.tree(key) {
        Some(Tree::Text(text)) => message.text(text),
        Some(Tree::Map(entries)) => match entries.iter().find(|(name, _)| name == "template") {
            Some((_, Tree::Text(text))) => message.text(text),
            _ => message.text(otherwise),
        },
        _ => message.text(otherwise),
    };
    let description = templated("description", r#"{{ template "jira.default.description" . }}"#)?;
    // A document of API v3 is JSON.
    let description = match serde_json::from_str::<Value>(&description) {
        Ok(document) if document.is_object() => document,
        _ => Value::String(truncated(&description, 32_767)),
    };
    let mut labels =
        settings.texts("labels").iter().map(|one| message.text(one)).collect::<std::result::Result<Vec<_>, _>>()?;
    labels.push(label.to_owned());
    let mut fields = json!({
        "project": {"key": text("project")?},
        "issuetype": {"name": text("issue_type")?},
        "summary": truncated(&templated("summary", r#"{{ template "jira.default.summary" . }}"#)?, 255),
        "description": description,
        "labels": labels,
    });
    let priority = text("priority")?;
    if !priority.is_empty() {
        fields["priority"] = json!({"name": priority});
    }
    for key in ["fields", "custom_fields"] {
        if let Some(tree) = settings.tree(key)
            && let Value::Object(own) = expanded(tree, message)?
        {
            own.into_iter().for_each(|(name, value)| fields[name] = value);
        }
    }
    Ok(json!({"fields": fields}))
}

async fn change(receiver: &Receiver, base: &str, key: &str, name: &str) -> std::result::Result<(), Failure> {
    let url = format!("{base}/issue/{key}/transitions");
    let answer = get(receiver, &url).await?;
    answer.check(&[])?;
    let reply: Value = serde_json::from_str(&answer.body).map_err(|error| Failure::Final(error.to_string()))?;
    let known = reply["transitions"].as_array().into_iter().flatten();
    let id = known.filter(|one| one["name"] == name).find_map(|one| one["id"].as_str());
    let id = id.ok_or_else(|| Failure::Final(format!("can't find transition {name} for issue {key}")))?;
    post_json(receiver, &url, &json!({"transition": {"id": id}})).await?.check(&[])
}
