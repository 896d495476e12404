//! Stages that make one line of several: `multiline`, and the second half of `cri`.

use std::sync::Arc;

use config::promtail::{CriStage, MultilineStage};
use hashbrown::HashMap;
use regex::bytes::Regex;

use super::Flow;
use super::patterns::{as_go_sees, compile};
use crate::entry::Entry;

/// Bytes after which a block is handed on, however many lines it may have.
const MOST_BLOCK: usize = 4 << 20;

/// `multiline`.
#[derive(Debug)]
pub(crate) struct MultilineStep {
    settings: Arc<Settings>,
    blocks: HashMap<u128, Block>,
}

#[derive(Debug)]
struct Settings {
    firstline: Regex,
    max_lines: u64,
    max_wait: i64,
}

/// The lines of a block as far as they have come. `first` stays when they have been handed on: what follows without a first
/// line of its own belongs to it.
#[derive(Debug)]
struct Block {
    first: Entry<'static>,
    text: Vec<u8>,
    lines: u64,
    start: u64,
    last: i64,
}

impl Block {
    fn take(&mut self) -> Option<Entry<'static>> {
        if self.lines == 0 {
            return None;
        }
        self.lines = 0;
        let mut entry = self.first.clone();
        entry.line = std::mem::take(&mut self.text).into();
        Some(entry)
    }
}

impl Clone for MultilineStep {
    /// With the same settings and nothing held back.
    fn clone(&self) -> Self {
        MultilineStep { settings: self.settings.clone(), blocks: HashMap::new() }
    }
}

impl MultilineStep {
    pub(super) fn new(config: &MultilineStage) -> Result<Self, String> {
        let settings = Settings {
            firstline: compile(&config.firstline)?,
            max_lines: config.max_lines.max(1),
            max_wait: config.max_wait_time.ms().saturating_mul(1_000_000),
        };
        Ok(MultilineStep { settings: Arc::new(settings), blocks: HashMap::new() })
    }

    pub(super) fn apply(&mut self, entry: &mut Entry<'_>, now: i64) -> Flow {
        let is_first = self.settings.firstline.is_match(&as_go_sees(std::borrow::Cow::Borrowed(&entry.line)));
        let key = entry.labels.key();
        let mut out = Vec::new();
        if is_first {
            let mut first = entry.clone().into_owned();
            let line = std::mem::take(&mut first.line).into_owned();
            let (start, text) = (first.start, trimmed(&line).to_vec());
            let block = Block { first, text, lines: 1, start, last: now };
            if let Some(mut before) = self.blocks.insert(key, block) {
                out.extend(before.take());
            }
        } else {
            let Some(block) = self.blocks.get_mut(&key) else { return Flow::Next };
            if block.lines == 0 {
                block.start = entry.start;
            } else {
                block.text.push(b'\n');
            }
            block.text.extend_from_slice(trimmed(&entry.line));
            block.lines += 1;
            block.last = now;
        }
        if let Some(block) = self.blocks.get_mut(&key)
            && (block.lines >= self.settings.max_lines || block.text.len() >= MOST_BLOCK)
        {
            out.extend(block.take());
        }
        Flow::Many(out)
    }

    pub(super) fn overdue(&mut self, now: i64, everything: bool) -> Vec<Entry<'static>> {
        let max_wait = self.settings.max_wait;
        let due = self.blocks.values_mut().filter(|b| everything || now.saturating_sub(b.last) >= max_wait);
        let mut due: Vec<&mut Block> = due.collect();
        due.sort_by_key(|block| block.start);
        due.into_iter().filter_map(Block::take).collect()
    }

    pub(super) fn held_from(&self) -> Option<u64> {
        self.blocks.values().filter(|block| block.lines > 0).map(|block| block.start).min()
    }
}

fn trimmed(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Lines of a container runtime with the flag `P` wait for the rest.
#[derive(Debug)]
pub(crate) struct PartialStep {
    config: CriStage,
    partial: HashMap<u128, Entry<'static>>,
}

impl Clone for PartialStep {
    /// With the same settings and nothing held back.
    fn clone(&self) -> Self {
        PartialStep { config: self.config.clone(), partial: HashMap::new() }
    }
}

impl PartialStep {
    pub(super) fn new(config: &CriStage) -> Self {
        PartialStep { config: config.clone(), partial: HashMap::new() }
    }

    pub(super) fn apply(&mut self, entry: &mut Entry<'_>) -> Flow {
        let key = entry.labels.key();
        let before = self.partial.remove(&key);
        if let Some(before) = &before {
            let mut line = before.line.to_vec();
            line.extend_from_slice(&entry.line);
            entry.line = line.into();
            entry.start = before.start;
        }
        let limit = self.config.max_partial_line_size.bytes() as usize;
        if self.config.max_partial_line_size_truncate && limit > 0 && entry.line.len() > limit {
            let cut = entry.line[..limit].to_vec();
            entry.line = cut.into();
        }
        let is_partial = entry.extracted.bytes("flags").is_some_and(|flags| *flags == *b"P");
        if !is_partial || entry.line.len() > MOST_BLOCK {
            return Flow::Next;
        }
        let full = before.is_none() && self.partial.len() as u64 >= self.config.max_partial_lines;
        let out = if full { self.drain() } else { Vec::new() };
        self.partial.insert(key, entry.clone().into_owned());
        Flow::Many(out)
    }

    pub(super) fn drain(&mut self) -> Vec<Entry<'static>> {
        let mut out: Vec<Entry<'static>> = self.partial.drain().map(|(_, entry)| entry).collect();
        out.sort_by_key(|entry| entry.start);
        out
    }

    pub(super) fn held_from(&self) -> Option<u64> {
        self.partial.values().map(|entry| entry.start).min()
    }
}
