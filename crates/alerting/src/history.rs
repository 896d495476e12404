//! The history on disk: one file of JSON lines for each day (UTC), kept for a while, read back on demand.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use model::Timestamp;
use tracing::warn;

use crate::event::Event;

const DAY_MS: i64 = 24 * 3600 * 1000;
/// Days that are kept.
const KEPT_DAYS: i64 = 90;
/// Events of the last time that are held in memory.
const IN_MEMORY: usize = 20_000;

/// The history.
#[derive(Debug)]
pub(crate) struct History {
    dir: PathBuf,
    open: Option<(i64, File)>,
    recent: VecDeque<Event>,
    /// Events before this time are on disk only.
    recent_from: Timestamp,
}

fn day(at: Timestamp) -> i64 {
    at.ms().div_euclid(DAY_MS)
}

fn name(day: i64) -> String {
    let date = DateTime::<Utc>::from_timestamp_millis(day * DAY_MS).unwrap_or_default();
    format!("{}.jsonl", date.format("%Y-%m-%d"))
}

impl History {
    /// Opens the history in a directory.
    pub(crate) fn open(dir: &Path, now: Timestamp) -> std::io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let mut history = History { dir: dir.to_owned(), open: None, recent: VecDeque::new(), recent_from: now };
        history.forget(now);
        Ok(history)
    }

    /// Adds events, in the order in which they happened. What cannot be written is in memory for a while.
    pub(crate) fn add(&mut self, events: Vec<Event>, now: Timestamp) {
        if events.is_empty() {
            return;
        }
        let mut text = Vec::new();
        for event in &events {
            if serde_json::to_writer(&mut text, event).is_ok() {
                text.push(b'\n');
            }
        }
        if let Err(error) = self.write(day(now), &text) {
            warn!(%error, dir = %self.dir.display(), "the history of alerts cannot be written");
        }
        self.recent.extend(events);
        while self.recent.len() > IN_MEMORY {
            if let Some(event) = self.recent.pop_front() {
                self.recent_from = Timestamp(event.at.ms() + 1);
            }
        }
    }

    fn write(&mut self, day: i64, text: &[u8]) -> std::io::Result<()> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != day) {
            let file = OpenOptions::new().create(true).append(true).open(self.dir.join(name(day)))?;
            self.open = Some((day, file));
            self.forget(Timestamp(day * DAY_MS));
        }
        match &mut self.open {
            Some((_, file)) => file.write_all(text),
            None => Ok(()),
        }
    }

    /// Removes files that are too old.
    fn forget(&mut self, now: Timestamp) {
        let oldest = name(day(now) - KEPT_DAYS);
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return };
        for entry in entries.filter_map(Result::ok) {
            let file = entry.file_name().to_string_lossy().into_owned();
            if file.ends_with(".jsonl") && file < oldest && std::fs::remove_file(entry.path()).is_err() {
                warn!(file, "an old file of the history cannot be removed");
            }
        }
    }

    /// Events of a span of time that a condition takes, the newest first, at most `limit`. Lines that cannot be read are passed over.
    pub(crate) fn query(
        &self,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
        takes: &dyn Fn(&Event) -> bool,
    ) -> std::io::Result<Vec<Event>> {
        let mut out = Vec::new();
        let within = |event: &Event| event.at >= from && event.at <= to && takes(event);
        for event in self.recent.iter().rev().filter(|event| within(event)) {
            if out.len() == limit {
                return Ok(out);
            }
            out.push(event.clone());
        }
        if from >= self.recent_from {
            return Ok(out);
        }
        let in_memory = self.recent.front().map_or(self.recent_from, |event| event.at.min(self.recent_from));
        let first = day(from).max(day(in_memory) - KEPT_DAYS);
        for day in (first..=day(to.min(in_memory)) + 1).rev() {
            let Ok(file) = File::open(self.dir.join(name(day))) else { continue };
            let mut of_day = Vec::new();
            for line in BufReader::new(file).lines() {
                let Ok(event) = serde_json::from_str::<Event>(&line?) else { continue };
                if event.at < in_memory && within(&event) {
                    of_day.push(event);
                }
            }
            out.extend(of_day.into_iter().rev());
            if out.len() >= limit {
                break;
            }
        }
        out.truncate(limit);
        Ok(out)
    }
}
