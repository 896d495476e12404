//! The history on disk: one file of JSON lines for each day (UTC), kept for a while, read back on demand.
//!
//! The newest events are in memory as well. An event is named by its [`Place`], so that a reader can go on where it was while
//! more is written.

use std::collections::VecDeque;
use std::fmt;
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

/// Where an event stands: the day since the epoch on which it was written, and its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    day: i64,
    line: u64,
}

impl Place {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (day, line) = text.split_once('.')?;
        Some(Place { day: day.parse().ok()?, line: line.parse().ok()? })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.day, self.line)
    }
}

/// Some events, the newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The events.
    pub events: Vec<Event>,
    /// Where there may be more: events before this place.
    pub next: Option<Place>,
}

/// What is asked of the history.
pub struct Question<'a> {
    /// First time.
    pub from: Timestamp,
    /// Last time.
    pub to: Timestamp,
    /// Events at most.
    pub limit: usize,
    /// Only what stands before.
    pub before: Option<Place>,
    /// What is wanted.
    pub takes: &'a dyn Fn(&Event) -> bool,
}

impl Question<'_> {
    fn wants(&self, event: &Event, place: Place) -> bool {
        self.before.is_none_or(|before| place < before)
            && event.at >= self.from
            && event.at <= self.to
            && (self.takes)(event)
    }
}

/// The history.
#[derive(Debug)]
pub(crate) struct History {
    dir: PathBuf,
    open: Option<(i64, File)>,
    /// Where the next event will stand.
    end: Place,
    recent: VecDeque<(Place, Event)>,
}

/// The history without what is in memory: what can be read while events are added.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    dir: PathBuf,
    /// The day of the last file.
    last: i64,
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
        let end = Place { day: day(now), line: 0 };
        let mut history = History { dir: dir.to_owned(), open: None, end, recent: VecDeque::new() };
        history.end.line = end_cut_line(&history.dir.join(name(end.day)))?;
        history.forget(now);
        Ok(history)
    }

    /// Adds events, in the order in which they happened. What cannot be written is in memory for a while.
    pub(crate) fn add(&mut self, events: Vec<Event>, now: Timestamp) {
        if events.is_empty() {
            return;
        }
        let today = day(now).max(self.end.day);
        if today != self.end.day {
            self.end = Place { day: today, line: 0 };
        }
        let mut text = Vec::new();
        for event in events {
            if serde_json::to_writer(&mut text, &event).is_err() {
                continue;
            }
            text.push(b'\n');
            self.recent.push_back((self.end, event));
            self.end.line += 1;
        }
        if let Err(error) = self.write(today, &text) {
            warn!(%error, dir = %self.dir.display(), "the history of alerts cannot be written");
        }
        let surplus = self.recent.len().saturating_sub(IN_MEMORY);
        self.recent.drain(..surplus);
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

    /// What memory holds of the answer, and before which place the files have the rest: `None` where nothing is missing.
    pub(crate) fn recent(&self, question: &Question<'_>) -> (Vec<Event>, Option<Place>) {
        let mut out = Vec::new();
        for (place, event) in self.recent.iter().rev() {
            if !question.wants(event, *place) {
                continue;
            }
            out.push(event.clone());
            if out.len() == question.limit {
                return (out, Some(*place));
            }
        }
        let begin = self.recent.front().map_or(self.end, |(place, _)| *place);
        (out, Some(question.before.map_or(begin, |before| before.min(begin))))
    }

    /// The files.
    pub(crate) fn files(&self) -> Files {
        Files { dir: self.dir.clone(), last: self.end.day }
    }
}

/// Where the last write was cut off by a kill, the line is ended, so that no later event is lost with it. Answers how many lines there are.
fn end_cut_line(path: &Path) -> std::io::Result<u64> {
    let Ok(file) = File::open(path) else { return Ok(0) };
    let (mut lines, mut last) = (0, b'\n');
    let mut reader = BufReader::new(file);
    loop {
        let bytes = reader.fill_buf()?;
        let Some(end) = bytes.last() else { break };
        last = *end;
        lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        let read = bytes.len();
        reader.consume(read);
    }
    if last != b'\n' {
        OpenOptions::new().append(true).open(path)?.write_all(b"\n")?;
        lines += 1;
    }
    Ok(lines)
}

impl Files {
    /// Fills a page up to its limit with events that stand before a place.
    pub(crate) fn fill(&self, question: &Question<'_>, mut page: Page, before: Place) -> std::io::Result<Page> {
        let first = day(question.from).max(self.last - KEPT_DAYS);
        let mut today = before.day.min(self.last);
        page.next = None;
        while today >= first && page.events.len() < question.limit {
            let mut found: VecDeque<(Place, Event)> = VecDeque::new();
            let room = question.limit - page.events.len();
            self.read(today, &mut |place, event| {
                if place < before && question.wants(&event, place) {
                    found.push_back((place, event));
                    if found.len() > room {
                        found.pop_front();
                    }
                }
                true
            })?;
            if found.len() == room {
                page.next = found.front().map(|(place, _)| *place);
            }
            page.events.extend(found.into_iter().rev().map(|(_, event)| event));
            today -= 1;
        }
        Ok(page)
    }

    /// Shows the events of a span of time in the order in which they were written, until `see` answers false.
    pub(crate) fn visit(
        &self,
        from: Timestamp,
        to: Timestamp,
        see: &mut dyn FnMut(Event) -> bool,
    ) -> std::io::Result<()> {
        let mut goes_on = true;
        // What ended long before it was noticed stands in a later file.
        for today in day(from).max(self.last - KEPT_DAYS)..=self.last.min(day(to).saturating_add(1)) {
            self.read(today, &mut |_, event| {
                goes_on = event.at < from || event.at > to || see(event);
                goes_on
            })?;
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    /// The events of a day. Lines that cannot be read are passed over.
    fn read(&self, day: i64, see: &mut dyn FnMut(Place, Event) -> bool) -> std::io::Result<()> {
        let Ok(file) = File::open(self.dir.join(name(day))) else { return Ok(()) };
        let mut reader = BufReader::new(file);
        let (mut text, mut line) = (Vec::new(), 0);
        while reader.read_until(b'\n', &mut text)? > 0 {
            if let Ok(event) = serde_json::from_slice::<Event>(&text)
                && !see(Place { day, line }, event)
            {
                break;
            }
            line += 1;
            text.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;

    const START: i64 = 1_700_000_000_000;

    fn events(times: std::ops::Range<i64>) -> Vec<Event> {
        times.map(|n| Event { attempt: n as u32, ..Event::new(Timestamp(START + n), EventKind::Sent) }).collect()
    }

    fn ask(history: &History, limit: usize, before: Option<Place>) -> Page {
        let takes = |event: &Event| event.attempt % 2 == 1;
        let question = Question { from: Timestamp(START), to: Timestamp(i64::MAX), limit, before, takes: &takes };
        let (events, next) = history.recent(&question);
        let page = Page { events, next };
        match page.next {
            Some(before) if page.events.len() < limit => history.files().fill(&question, page, before).unwrap(),
            _ => page,
        }
    }

    fn all_pages(history: &History, limit: usize) -> Vec<u32> {
        let (mut out, mut next) = (Vec::new(), None);
        loop {
            let page = ask(history, limit, next);
            out.extend(page.events.iter().map(|event| event.attempt));
            next = page.next;
            if next.is_none() {
                return out;
            }
        }
    }

    #[test]
    fn pages_follow_one_another_through_memory_and_files() {
        let dir = tempfile::tempdir().unwrap();
        let mut history = History::open(dir.path(), Timestamp(START)).unwrap();
        for day in 0..3 {
            history.add(events(day * 20..day * 20 + 20), Timestamp(START + day * DAY_MS));
        }
        let expected: Vec<u32> = (0..60).rev().filter(|n| n % 2 == 1).collect();
        for limit in [1, 3, 7, 10, 30, 100] {
            assert_eq!(all_pages(&history, limit), expected, "from memory, {limit} a page");
        }
        // A kill in the middle of a line loses that line alone.
        let cut = dir.path().join(name(day(Timestamp(START + 2 * DAY_MS))));
        OpenOptions::new().append(true).open(cut).unwrap().write_all(b"{\"at\":17").unwrap();
        let mut history = History::open(dir.path(), Timestamp(START + 2 * DAY_MS)).unwrap();
        history.add(events(60..70), Timestamp(START + 2 * DAY_MS));
        let expected: Vec<u32> = (0..70).rev().filter(|n| n % 2 == 1).collect();
        for limit in [1, 4, 5, 8, 100] {
            assert_eq!(all_pages(&history, limit), expected, "from files, {limit} a page");
        }
        let mut seen = Vec::new();
        let mut see = |event: Event| {
            seen.push(event.attempt);
            true
        };
        history.files().visit(Timestamp(START), Timestamp(i64::MAX), &mut see).unwrap();
        assert_eq!(seen, (0..70).collect::<Vec<u32>>());
    }
}
