//! Lines gathered for sending, already in the form in which they are sent.

use std::sync::Arc;

use hashbrown::HashMap;
use model::Labels;

use crate::entry::{BaseLabels, Entry, TENANT_LABEL};
use crate::positions::Change;
use crate::wire;

/// Streams of one tenant or of several, with their lines, and how far the lines' sources were read with them.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    streams: Vec<Stream>,
    index: HashMap<u128, u32>,
    /// Lines.
    pub(crate) entries: u64,
    /// Bytes of lines and metadata.
    pub(crate) bytes: u64,
    /// How far sources were read.
    pub(crate) changes: Vec<Change>,
    /// Keeps the labels alive whose numbers are in the index.
    bases: Vec<Arc<BaseLabels>>,
}

#[derive(Debug)]
struct Stream {
    key: u128,
    tenant: Box<str>,
    labels: Box<str>,
    entries: Vec<u8>,
    count: u32,
    bytes: u64,
}

/// What is sent in one request: the streams of one tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The tenant; empty for the client's own.
    pub tenant: String,
    /// Lines.
    pub entries: u64,
    /// Bytes of lines and metadata.
    pub bytes: u64,
    /// The push message, packed.
    pub body: Vec<u8>,
}

impl Batch {
    /// Nothing to send, only to remember.
    pub(crate) fn of_changes(changes: Vec<Change>) -> Self {
        Batch { changes, ..Batch::default() }
    }

    /// True where there is nothing to send or to remember.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries == 0 && self.changes.is_empty()
    }

    /// Adds a line.
    pub(crate) fn push(&mut self, entry: &Entry<'_>) {
        let stream = self.stream(entry);
        let stream = &mut self.streams[stream as usize];
        wire::put_entry(
            &mut stream.entries,
            entry.timestamp,
            &entry.line,
            entry.metadata.iter().map(|(name, value)| (&**name, &**value)),
        );
        let metadata: usize = entry.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = (entry.line.len() + metadata) as u64;
        stream.count += 1;
        stream.bytes += bytes;
        self.entries += 1;
        self.bytes += bytes;
    }

    fn stream(&mut self, entry: &Entry<'_>) -> u32 {
        let key = entry.labels.key();
        // Most lines belong to the stream of the line before.
        if let Some(last) = self.streams.last()
            && last.key == key
        {
            return self.streams.len() as u32 - 1;
        }
        if let Some(known) = self.index.get(&key) {
            return *known;
        }
        let pairs = entry.labels.pairs();
        let tenant = pairs.iter().find(|(name, _)| *name == TENANT_LABEL).map_or("", |(_, value)| value);
        let sent = pairs.iter().filter(|(name, value)| *name != TENANT_LABEL && !value.is_empty());
        let labels = Labels::from_pairs(sent.map(|(name, value)| (*name, *value))).to_string();
        let base = entry.labels.base();
        if !self.bases.iter().any(|known| known.id() == base.id()) {
            self.bases.push(base.clone());
        }
        self.add(key, tenant.into(), labels.into())
    }

    fn add(&mut self, key: u128, tenant: Box<str>, labels: Box<str>) -> u32 {
        let at = self.streams.len() as u32;
        self.streams.push(Stream { key, tenant, labels, entries: Vec::new(), count: 0, bytes: 0 });
        self.index.insert(key, at);
        at
    }

    /// Takes over everything of another batch.
    pub(crate) fn absorb(&mut self, other: Batch) {
        if self.streams.is_empty() && self.changes.is_empty() {
            *self = other;
            return;
        }
        for stream in other.streams {
            let at = match self.index.get(&stream.key) {
                Some(known) => *known,
                None => self.add(stream.key, stream.tenant, stream.labels),
            };
            let own = &mut self.streams[at as usize];
            own.entries.extend_from_slice(&stream.entries);
            own.count += stream.count;
            own.bytes += stream.bytes;
        }
        for base in other.bases {
            if !self.bases.iter().any(|known| known.id() == base.id()) {
                self.bases.push(base);
            }
        }
        self.entries += other.entries;
        self.bytes += other.bytes;
        self.changes.extend(other.changes);
    }

    /// The requests that send it.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let mut tenants: Vec<&str> = self.streams.iter().map(|stream| &*stream.tenant).collect();
        tenants.sort_unstable();
        tenants.dedup();
        let mut parts = Vec::with_capacity(tenants.len());
        for tenant in tenants {
            let streams = || self.streams.iter().filter(|stream| *stream.tenant == *tenant);
            let size: usize = streams().map(|stream| stream.entries.len() + stream.labels.len() + 16).sum();
            let mut message = Vec::with_capacity(size);
            streams().for_each(|stream| wire::put_stream(&mut message, &stream.labels, &stream.entries));
            parts.push(Part {
                tenant: tenant.to_owned(),
                entries: streams().map(|stream| u64::from(stream.count)).sum(),
                bytes: streams().map(|stream| stream.bytes).sum(),
                body: wire::pack(&message),
            });
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_gathered_by_stream_and_tenant() {
        let base = BaseLabels::new([("app", "web")]);
        let mut batch = Batch::default();
        let mut other = Batch::default();
        for (at, line) in ["a", "b", "c", "d"].iter().enumerate() {
            let mut entry = Entry::new(&base, at as i64, line.as_bytes(), 0);
            if at % 2 == 1 {
                entry.labels.set(&TENANT_LABEL.into(), "t");
                entry.labels.set(&"x".into(), "1");
            }
            if at < 2 { batch.push(&entry) } else { other.push(&entry) }
        }
        batch.absorb(other);
        assert_eq!((batch.entries, batch.bytes), (4, 4));
        let parts = batch.parts();
        let read = |part: &Part| {
            let message = wire::unpack(&part.body).unwrap();
            let mut found = Vec::new();
            wire::read_push(&message, |labels, entry| {
                found.push(format!("{labels} {} {}", entry.timestamp, String::from_utf8_lossy(entry.line)));
            })
            .unwrap();
            (part.tenant.clone(), found)
        };
        assert_eq!(read(&parts[0]), (String::new(), vec!["{app=\"web\"} 0 a".into(), "{app=\"web\"} 2 c".into()]));
        assert_eq!(
            read(&parts[1]),
            ("t".into(), vec!["{app=\"web\", x=\"1\"} 1 b".into(), "{app=\"web\", x=\"1\"} 3 d".into()])
        );
    }
}
