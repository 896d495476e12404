//! `/api/afferent/v1/logs/searches`: searches that people keep by name. A list for each tenant, all in one file.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use model::Tenant;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tracing::{error, warn};

use super::{Answer, bad};
use crate::answer::success;
use crate::errors::{ApiError, ErrorKind};
use crate::files;
use crate::log_state::{LogTenant, Logs};

/// Searches of one tenant.
const MOST: usize = 1000;
const LONGEST_NAME: usize = 200;
/// Of one search as JSON.
const MOST_BYTES: usize = 16 << 10;

/// What a page needs to show the same again; the server does not look into it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Saved {
    search: Map<String, Value>,
    /// Milliseconds since the Unix epoch.
    saved_at: i64,
}

type Lists = BTreeMap<String, BTreeMap<String, Saved>>;

/// The searches of all tenants, by name.
pub(crate) struct SavedSearches {
    file: PathBuf,
    lists: Mutex<Lists>,
}

/// One entry of the list.
#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
    #[serde(flatten)]
    saved: &'a Saved,
}

/// The body of a `PUT`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToSave {
    search: Map<String, Value>,
}

impl SavedSearches {
    /// Reads the file. One that cannot be read is put aside, and the list begins anew.
    pub(crate) fn open(file: PathBuf) -> Self {
        let lists = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|reason| {
                put_aside(&file, &reason.to_string());
                Lists::new()
            }),
            Err(reason) if reason.kind() == std::io::ErrorKind::NotFound => Lists::new(),
            Err(reason) => {
                put_aside(&file, &reason.to_string());
                Lists::new()
            }
        };
        SavedSearches { file, lists: Mutex::new(lists) }
    }

    /// Changes the list of a tenant once that is durable, and answers the new one. Blocks the thread.
    fn change<R>(
        &self,
        tenant: &Tenant,
        change: impl FnOnce(&mut BTreeMap<String, Saved>) -> Result<R, ApiError>,
    ) -> Result<BTreeMap<String, Saved>, ApiError> {
        let mut lists = self.lists.lock();
        let mut next = lists.clone();
        change(next.entry(tenant.to_string()).or_default())?;
        let failed =
            |reason: String| ApiError::new(ErrorKind::Internal, format!("the list cannot be written: {reason}"));
        let bytes = serde_json::to_vec(&next).map_err(|e| failed(e.to_string()))?;
        files::replace(&self.file, &bytes).map_err(|e| failed(e.to_string()))?;
        *lists = next;
        Ok(lists.get(tenant.as_str()).cloned().unwrap_or_default())
    }
}

fn put_aside(file: &FilePath, reason: &str) {
    let aside = file.with_extension("damaged");
    match std::fs::rename(file, &aside) {
        Ok(()) => warn!(file = %aside.display(), reason, "saved searches could not be read; the file is put aside"),
        Err(error) => error!(file = %file.display(), reason, %error, "saved searches cannot be read"),
    }
}

fn answer(list: &BTreeMap<String, Saved>) -> Answer {
    let list: Vec<Named<'_>> = list.iter().map(|(name, saved)| Named { name, saved }).collect();
    Ok(success(&list)?)
}

/// The searches of the tenant, by name.
pub(crate) async fn list(State(logs): State<Arc<Logs>>, LogTenant(tenant): LogTenant) -> Answer {
    let list = logs.saved.lists.lock().get(tenant.as_str()).cloned();
    answer(&list.unwrap_or_default())
}

/// Keeps a search under a name, in place of one of that name.
pub(crate) async fn put(
    State(logs): State<Arc<Logs>>,
    LogTenant(tenant): LogTenant,
    Path(name): Path<String>,
    body: Result<Json<ToSave>, JsonRejection>,
) -> Answer {
    let Json(body) = body.map_err(|reason| bad(format!("{}; send {{\"search\": {{...}}}}", reason.body_text())))?;
    let name = name.trim().to_owned();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(bad(format!("a name has 1 to {LONGEST_NAME} characters, none of them a control character")));
    }
    let saved = Saved { search: body.search, saved_at: logs.intake.now() / 1_000_000 };
    let bytes = serde_json::to_vec(&saved.search).map_or(usize::MAX, |text| text.len());
    if bytes > MOST_BYTES {
        return Err(bad(format!("a search has at most {MOST_BYTES} bytes")));
    }
    changed(logs, tenant, move |list| {
        if list.len() >= MOST && !list.contains_key(&name) {
            return Err(ApiError::bad_data(format!("{MOST} searches are kept; delete some first")));
        }
        list.insert(name, saved);
        Ok(())
    })
    .await
}

/// Forgets a search.
pub(crate) async fn delete(
    State(logs): State<Arc<Logs>>,
    LogTenant(tenant): LogTenant,
    Path(name): Path<String>,
) -> Answer {
    changed(logs, tenant, move |list| match list.remove(&name) {
        Some(_) => Ok(()),
        None => Err(ApiError::new(ErrorKind::NotFound, format!("no search is called {name:?}"))),
    })
    .await
}

async fn changed(
    logs: Arc<Logs>,
    tenant: Tenant,
    change: impl FnOnce(&mut BTreeMap<String, Saved>) -> Result<(), ApiError> + Send + 'static,
) -> Answer {
    let changed = tokio::task::spawn_blocking(move || logs.saved.change(&tenant, change)).await;
    answer(&changed.map_err(|e| ApiError::new(ErrorKind::Internal, e.to_string()))??)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(n: i64) -> Saved {
        Saved { search: Map::from_iter([("q".to_owned(), Value::from(n))]), saved_at: n }
    }

    #[test]
    fn lists_are_there_after_a_start_and_belong_to_tenants() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("searches.json");
        let (one, two) = (Tenant::default(), Tenant::new("two").unwrap());
        let searches = SavedSearches::open(file.clone());
        searches.change(&one, |list| Ok(list.insert("a".to_owned(), saved(1)))).unwrap();
        searches.change(&two, |list| Ok(list.insert("a".to_owned(), saved(2)))).unwrap();
        let refused: Result<(), ApiError> = Err(ApiError::bad_data("no"));
        searches
            .change(&one, |list| {
                list.clear();
                refused
            })
            .unwrap_err();
        let again = SavedSearches::open(file);
        assert_eq!(again.lists.lock()["default"]["a"], saved(1));
        assert_eq!(again.lists.lock()["two"]["a"], saved(2));
    }

    #[test]
    fn a_damaged_file_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("searches.json");
        std::fs::write(&file, "{\"default\": {").unwrap();
        assert!(SavedSearches::open(file.clone()).lists.lock().is_empty());
        assert!(!file.exists() && file.with_extension("damaged").exists());
    }
}
