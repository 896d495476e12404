//! Targets in JSON and YAML files, watched for changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::FileSdConfig;
use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::warn;

use super::{GroupFile, Groups, Publisher, SourceContext, groups_from};

/// Reads the files again whenever something happens in their directories, and every refresh interval.
pub(super) async fn run(config: FileSdConfig, publisher: Publisher, context: SourceContext) {
    let (notices, mut noticed) = mpsc::channel(1);
    let watcher = watch(&config, notices);
    if let Err(error) = &watcher {
        warn!(pool = context.pool, %error, "file discovery cannot watch, it will only refresh periodically");
    }
    let mut found: BTreeMap<PathBuf, Groups> = BTreeMap::new();
    let mut refresh = interval_at(Instant::now(), config.refresh_interval.to_std());
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = refresh.tick() => {}
            Some(()) = noticed.recv() => {}
        }
        found = read_all(&config, found, &context).await;
        publisher.publish(found.values().flatten().cloned().collect());
    }
}

/// The watcher stops when it is dropped.
fn watch(config: &FileSdConfig, notices: mpsc::Sender<()>) -> notify::Result<notify::RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|e| !matches!(e.kind, notify::EventKind::Access(_))) {
            // A full channel already says that something changed.
            let _ = notices.try_send(());
        }
    })?;
    for file in &config.files {
        watcher.watch(directory_of(file), RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Reads all files that there are. One that cannot be read keeps the groups it had.
async fn read_all(
    config: &FileSdConfig,
    mut before: BTreeMap<PathBuf, Groups>,
    context: &SourceContext,
) -> BTreeMap<PathBuf, Groups> {
    let mut found = BTreeMap::new();
    for pattern in &config.files {
        let place = pattern.display().to_string();
        match matching_files(pattern).is_empty() {
            true => context.troubles.note(&place, "no such file"),
            false => context.troubles.clear(&place),
        }
    }
    for path in config.files.iter().flat_map(|pattern| matching_files(pattern)) {
        match read(&path).await {
            Ok(groups) => {
                context.troubles.clear(&path.display().to_string());
                found.insert(path, groups);
            }
            Err(error) => {
                context.troubles.note(&path.display().to_string(), &error);
                context.metrics.sd_file_read_errors.inc();
                warn!(pool = context.pool, path = %path.display(), error, "error reading file of file discovery");
                if let Some(groups) = before.remove(&path) {
                    found.insert(path, groups);
                }
            }
        }
    }
    // What is gone is no trouble any more.
    before
        .keys()
        .filter(|path| !found.contains_key(*path))
        .for_each(|p| context.troubles.clear(&p.display().to_string()));
    found
}

/// Files whose name fits the pattern's last part, in which each `*` stands for any text.
fn matching_files(pattern: &Path) -> Vec<PathBuf> {
    let Some(name) = pattern.file_name().and_then(|n| n.to_str()) else { return Vec::new() };
    if !name.contains('*') {
        return if pattern.exists() { vec![pattern.to_owned()] } else { Vec::new() };
    }
    let directory = directory_of(pattern);
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|file| fits(file, name)))
        .map(|entry| pattern.with_file_name(entry.file_name()))
        .collect();
    files.sort();
    files
}

fn fits(name: &str, pattern: &str) -> bool {
    let (first, rest) = pattern.split_once('*').unwrap_or((pattern, ""));
    let Some(mut remaining) = name.strip_prefix(first) else { return false };
    if !pattern.contains('*') {
        return remaining.is_empty();
    }
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return remaining.ends_with(part);
        }
        match remaining.find(part) {
            Some(at) => remaining = &remaining[at + part.len()..],
            None => return false,
        }
    }
    true
}

async fn read(path: &Path) -> Result<Groups, String> {
    let text = tokio::fs::read_to_string(path).await.map_err(|e| e.to_string())?;
    let is_json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    let groups: Option<Vec<Option<GroupFile>>> = if is_json {
        serde_json::from_str(&text).map_err(|e| e.to_string())?
    } else {
        serde_saphyr::from_str(&text).map_err(|e| e.to_string())?
    };
    groups_from(groups.unwrap_or_default(), &path.to_string_lossy(), "__meta_filepath")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_file_names() {
        for (name, pattern, expected) in [
            ("a.json", "*.json", true),
            ("a.yml", "*.json", false),
            ("web-1.json", "web-*.json", true),
            ("web.json", "web-*.json", false),
            ("a-b-c.yml", "a*b*.yml", true),
            ("a.yml", "a.yml", true),
            ("ab.yml", "a.yml", false),
        ] {
            assert_eq!(fits(name, pattern), expected, "{name} {pattern}");
        }
    }
}
