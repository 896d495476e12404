//! systemd's journal, through `journalctl --output=json --follow`: no library of the system is linked, and what journalctl may
//! read, so may we. Fields become `__journal_*` labels.

use std::process::Stdio;
use std::time::Duration;

use config::promtail::JournalConfig;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing::warn;

use super::Source;
use crate::batch::Batch;
use crate::entry::Entry;
use crate::intake::Stopped;
use crate::positions::Mark;

/// Before journalctl is started again.
const PAUSE: Duration = Duration::from_secs(5);
/// Lines are handed over together.
const GATHER: Duration = Duration::from_millis(200);
const MOST_LINES: usize = 1000;
const PRIORITIES: [&str; 8] = ["emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"];

pub(super) async fn run(mut source: Source, config: JournalConfig, key: String, mut cursor: Option<String>) {
    let stop = source.context.stop.clone();
    loop {
        let reason = tokio::select! {
            outcome = follow(&mut source, &config, &key, &mut cursor) => match outcome {
                Ok(reason) => reason,
                Err(Stopped) => return,
            },
            () = stop.cancelled() => return,
        };
        warn!(job = source.job, reason, "journalctl has ended; it is started again");
        source.tell(&reason);
        tokio::select! {
            () = sleep_until(Instant::now() + PAUSE) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// The program and its arguments.
fn command(config: &JournalConfig, cursor: Option<&str>) -> Command {
    let mut command = Command::new("journalctl");
    command.args(["--output=json", "--all", "--follow", "--no-pager", "--quiet"]);
    match cursor {
        Some(cursor) => command.arg(format!("--after-cursor={cursor}")).arg("--no-tail"),
        None => command.arg(format!("--since=-{}s", config.max_age.ms() / 1000)).arg("--no-tail"),
    };
    if let Some(path) = &config.path {
        command.arg("--directory").arg(path);
    }
    command.args(&config.matches).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

async fn follow(
    source: &mut Source,
    config: &JournalConfig,
    key: &str,
    cursor: &mut Option<String>,
) -> Result<String, Stopped> {
    let mut child = match command(config, cursor.as_deref()).spawn() {
        Ok(child) => child,
        Err(error) => return Ok(format!("journalctl cannot be started: {error}")),
    };
    let Some(output) = child.stdout.take() else { return Ok("journalctl has no output".to_owned()) };
    let mut reader = BufReader::with_capacity(64 << 10, output);
    let mut ticks = interval(GATHER);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batch = Batch::default();
    let mut gathered = 0;
    let mut newest = None;
    let mut line = Vec::new();
    loop {
        let is_ended = tokio::select! {
            read = reader.read_until(b'\n', &mut line) => {
                let is_ended = matches!(read, Ok(0) | Err(_));
                if !is_ended {
                    gathered += 1;
                    match record(source, config, &line, &mut batch) {
                        Some(found) => newest = Some(found),
                        None => {
                            source.context.metrics.journal_errors.inc();
                        }
                    }
                    line.clear();
                }
                if !is_ended && gathered < MOST_LINES {
                    continue;
                }
                is_ended
            }
            _ = ticks.tick() => false,
        };
        source.tick(&mut batch, false);
        if source.is_clear()
            && let Some(newest) = newest.take()
        {
            batch.changes.push((key.to_owned(), Some(Mark::Cursor { cursor: newest.clone() })));
            *cursor = Some(newest);
        }
        gathered = 0;
        source.submit(std::mem::take(&mut batch)).await?;
        if is_ended {
            let status = child.wait().await;
            return Ok(status.map_or_else(|error| error.to_string(), |status| format!("journalctl: {status}")));
        }
    }
}

/// Puts one record into the batch; answers its cursor. `None` where it is no record.
fn record(source: &mut Source, config: &JournalConfig, text: &[u8], batch: &mut Batch) -> Option<String> {
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(text).ok()?;
    let cursor = fields.get("__CURSOR")?.as_str()?.to_owned();
    let micros = fields.get("__REALTIME_TIMESTAMP").and_then(|value| value.as_str()?.parse::<i64>().ok());
    let timestamp = micros.map_or_else(|| source.stamp(), |micros| micros.saturating_mul(1000));
    let mut labels = super::owned(&config.labels);
    let mut shown = serde_json::Map::new();
    for (name, value) in &fields {
        let Some(bytes) = bytes_of(value) else { continue };
        let value = String::from_utf8_lossy(&bytes).into_owned();
        if name == "PRIORITY"
            && let Some(keyword) = value.parse().ok().and_then(|number: usize| PRIORITIES.get(number))
        {
            labels.push(("__journal_priority_keyword".to_owned(), (*keyword).to_owned()));
        }
        // What differs from line to line is of no use to rules.
        if !matches!(
            name.as_str(),
            "MESSAGE" | "__CURSOR" | "__REALTIME_TIMESTAMP" | "__MONOTONIC_TIMESTAMP" | "__SEQNUM"
        ) {
            labels.push((format!("__journal_{}", name.to_lowercase()), value.clone()));
        }
        shown.insert(name.clone(), value.into());
    }
    let line = if config.json {
        serde_json::to_vec(&shown).ok()?
    } else {
        fields.get("MESSAGE").and_then(bytes_of).unwrap_or_default()
    };
    if let Some(base) = source.base(labels) {
        source.context.metrics.journal_lines.inc();
        source.put(batch, Entry::new(&base, timestamp, &line, 0));
    }
    Some(cursor)
}

/// Text, or a list of bytes where it is no UTF-8; of several values the last.
fn bytes_of(value: &serde_json::Value) -> Option<Vec<u8>> {
    match value {
        serde_json::Value::String(text) => Some(text.clone().into_bytes()),
        serde_json::Value::Array(items) if items.iter().all(serde_json::Value::is_number) => {
            items.iter().map(|item| item.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect()
        }
        serde_json::Value::Array(items) => items.last().and_then(bytes_of),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_text_bytes_or_several() {
        let bytes = |text: &str| bytes_of(&serde_json::from_str(text).unwrap());
        assert_eq!(bytes("\"a\""), Some(b"a".to_vec()));
        assert_eq!(bytes("[104,255]"), Some(vec![104, 255]));
        assert_eq!(bytes("[\"a\",\"b\"]"), Some(b"b".to_vec()));
        assert_eq!(bytes("null"), None);
        assert_eq!(bytes("[300]"), None);
    }
}
