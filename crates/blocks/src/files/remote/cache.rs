//! Pieces of the bucket's files on the local disk, the least recently used ones going first.
//!
//! A piece is a file named after what it holds. Its bytes stand in chunks of 16 KiB, each followed by a checksum that also
//! covers the piece's name, so that a page is read with one access and what is damaged, cut or mixed up is never believed.
//! Nothing is synced: a piece that a crash has torn is fetched again. Pieces outlive a restart, with their order of use lost.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::RemoteOptions;
use super::counters::CacheCounters;
use crate::disk::Disk;

const CHUNK: u64 = 16 << 10;
const CRC: u64 = 4;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    name: Arc<str>,
    /// Length of the whole file.
    length: u64,
    index: u64,
}

#[derive(Debug, Default)]
struct State {
    /// Length on disk and time of last use.
    pieces: HashMap<Key, (u64, u64)>,
    by_use: BTreeMap<u64, Key>,
    used: u64,
    uses: u64,
    fetching: HashSet<Key>,
}

/// The pieces on disk.
#[derive(Debug)]
pub(super) struct Cache {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    capacity: u64,
    piece: u64,
    state: Mutex<State>,
    fetched: Condvar,
    counters: CacheCounters,
}

/// Pieces that the holder fetches while others wait for them.
pub(super) struct Claim<'a> {
    cache: &'a Cache,
    keys: Vec<Key>,
}

impl Claim<'_> {
    pub(super) fn first(&self) -> u64 {
        self.keys[0].index
    }

    pub(super) fn last(&self) -> u64 {
        self.keys[self.keys.len() - 1].index
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut state = self.cache.state.lock();
        for key in &self.keys {
            state.fetching.remove(key);
        }
        self.cache.fetched.notify_all();
    }
}

/// What the cache has of a piece.
pub(super) enum Lookup<'a> {
    /// The buffer is filled.
    Hit,
    /// Nothing: the caller fetches these pieces.
    Fetch(Claim<'a>),
}

impl State {
    fn touch(&mut self, key: &Key) -> bool {
        let Some((_, used)) = self.pieces.get_mut(key) else { return false };
        self.uses += 1;
        self.by_use.remove(used);
        *used = self.uses;
        self.by_use.insert(self.uses, key.clone());
        true
    }

    fn insert(&mut self, key: Key, bytes: u64) {
        self.drop_piece(&key);
        self.uses += 1;
        self.by_use.insert(self.uses, key.clone());
        self.pieces.insert(key, (bytes, self.uses));
        self.used += bytes;
    }

    fn drop_piece(&mut self, key: &Key) -> bool {
        let Some((bytes, used)) = self.pieces.remove(key) else { return false };
        self.by_use.remove(&used);
        self.used -= bytes;
        true
    }
}

impl Cache {
    /// Takes over the pieces of an earlier run and removes those that this one cannot use.
    pub(super) fn open(options: &RemoteOptions, counters: CacheCounters) -> io::Result<Cache> {
        let cache = Cache {
            disk: options.disk.clone(),
            dir: options.cache_dir.clone(),
            capacity: options.cache_bytes,
            piece: options.piece_bytes,
            state: Mutex::default(),
            fetched: Condvar::new(),
            counters,
        };
        if options.piece_bytes == 0 || !options.piece_bytes.is_multiple_of(CHUNK) {
            let text = format!("pieces of the cache must be a multiple of {CHUNK} bytes, not {}", options.piece_bytes);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        cache.disk.create_dir_all(&cache.dir)?;
        for file in cache.disk.list(&cache.dir)? {
            match cache.parse(&file) {
                Some(key) if cache.is_on() => {
                    let bytes = cache.sealed_length(&key);
                    cache.state.lock().insert(key, bytes);
                }
                Some(_) => cache.remove_file(&file),
                None if file.contains('~') => cache.remove_file(&file),
                None => {}
            }
        }
        cache.make_room();
        Ok(cache)
    }

    /// False where nothing is kept.
    pub(super) fn is_on(&self) -> bool {
        self.capacity > 0
    }

    fn file_name(&self, key: &Key) -> String {
        format!("{}~{:x}~{:x}~{:x}", key.name, key.length, self.piece, key.index)
    }

    fn parse(&self, file: &str) -> Option<Key> {
        let mut fields = file.split('~');
        let name = fields.next()?;
        let mut number = || u64::from_str_radix(fields.next()?, 16).ok();
        let (length, piece, index) = (number()?, number()?, number()?);
        let key = Key { name: Arc::from(name), length, index };
        let fits = piece == self.piece && index.checked_mul(piece)? < length && self.file_name(&key) == file;
        fits.then_some(key)
    }

    fn sealed_length(&self, key: &Key) -> u64 {
        let bytes = self.piece.min(key.length - key.index * self.piece);
        bytes + bytes.div_ceil(CHUNK) * CRC
    }

    fn checksum(file: &str, chunk: u64, bytes: &[u8]) -> [u8; CRC as usize] {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(file.as_bytes());
        hasher.update(&chunk.to_le_bytes());
        hasher.update(bytes);
        hasher.finalize().to_le_bytes()
    }

    /// Fills the buffer from a piece, `at` being the place in it. Where the piece is not there, the caller is to fetch it
    /// and those behind it up to `last` that are not there either. Waits while another thread fetches the piece.
    pub(super) fn look_up(
        &self,
        name: &Arc<str>,
        length: u64,
        index: u64,
        at: u64,
        buffer: &mut [u8],
        last: u64,
    ) -> Lookup<'_> {
        let key = Key { name: name.clone(), length, index };
        let mut state = self.state.lock();
        loop {
            if state.touch(&key) {
                drop(state);
                if self.read(&key, at, buffer) {
                    self.counters.hits.inc();
                    return Lookup::Hit;
                }
                state = self.state.lock();
                state.drop_piece(&key);
                self.counters.bytes.set(state.used as i64);
                continue;
            }
            if !state.fetching.contains(&key) {
                break;
            }
            self.fetched.wait(&mut state);
        }
        self.counters.misses.inc();
        let following = (index..=last).map(|index| Key { index, ..key.clone() });
        let free = |key: &Key| !state.pieces.contains_key(key) && !state.fetching.contains(key);
        let keys: Vec<Key> = following.take_while(free).collect();
        state.fetching.extend(keys.iter().cloned());
        Lookup::Fetch(Claim { cache: self, keys })
    }

    /// False where the piece is not whole.
    fn read(&self, key: &Key, at: u64, buffer: &mut [u8]) -> bool {
        let file_name = self.file_name(key);
        let bytes = self.piece.min(key.length - key.index * self.piece);
        let first = at / CHUNK;
        let end = at + buffer.len() as u64;
        let sealed_end = (end.div_ceil(CHUNK) * CHUNK).min(bytes) + end.div_ceil(CHUNK) * CRC;
        let sealed_start = first * (CHUNK + CRC);
        let mut sealed = vec![0; (sealed_end - sealed_start) as usize];
        let read = self.disk.open(&self.dir.join(&file_name)).and_then(|file| file.read_at(&mut sealed, sealed_start));
        if read.is_err() {
            // Put out meanwhile, which is no damage; or cut, which is as good as gone.
            return false;
        }
        let mut filled = 0;
        for (i, chunk) in sealed.chunks((CHUNK + CRC) as usize).enumerate() {
            let (body, crc) = chunk.split_at(chunk.len() - CRC as usize);
            let number = first + i as u64;
            if crc != Self::checksum(&file_name, number, body) {
                self.counters.damaged.inc();
                return false;
            }
            let skip = at.saturating_sub(number * CHUNK) as usize;
            let part = &body[skip..body.len().min((end - number * CHUNK) as usize)];
            buffer[filled..filled + part.len()].copy_from_slice(part);
            filled += part.len();
        }
        true
    }

    /// Keeps what is whole of these bytes of a file, which start at the start of a piece. A disk that does not take them
    /// is no error.
    pub(super) fn fill(&self, name: &str, length: u64, start: u64, bytes: &[u8]) {
        if !self.is_on() || !start.is_multiple_of(self.piece) {
            return;
        }
        let name: Arc<str> = Arc::from(name);
        for (i, body) in bytes.chunks(self.piece as usize).enumerate() {
            let key = Key { name: name.clone(), length, index: start / self.piece + i as u64 };
            let whole = body.len() as u64 == self.piece || start + bytes.len() as u64 == length;
            if !whole || self.sealed_length(&key) > self.capacity {
                return;
            }
            if let Err(error) = self.write(&key, body) {
                tracing::debug!(%error, "a piece of a bucket's file cannot be kept");
                self.state.lock().drop_piece(&key);
                self.remove_file(&self.file_name(&key));
                return;
            }
            self.state.lock().insert(key.clone(), self.sealed_length(&key));
            self.make_room();
        }
    }

    fn write(&self, key: &Key, body: &[u8]) -> io::Result<()> {
        let file_name = self.file_name(key);
        let mut sealed = Vec::with_capacity(self.sealed_length(key) as usize);
        for (number, chunk) in body.chunks(CHUNK as usize).enumerate() {
            sealed.extend_from_slice(chunk);
            sealed.extend_from_slice(&Self::checksum(&file_name, number as u64, chunk));
        }
        self.disk.create(&self.dir.join(file_name))?.write_all(&sealed)
    }

    fn make_room(&self) {
        let mut gone = Vec::new();
        let mut state = self.state.lock();
        while state.used > self.capacity {
            let Some((_, key)) = state.by_use.first_key_value() else { break };
            let key = key.clone();
            state.drop_piece(&key);
            gone.push(key);
        }
        self.counters.bytes.set(state.used as i64);
        drop(state);
        for key in gone {
            self.counters.evicted.inc();
            self.remove_file(&self.file_name(&key));
        }
    }

    /// Drops all pieces of a file.
    pub(super) fn forget(&self, name: &str) {
        let mut state = self.state.lock();
        let keys: Vec<Key> = state.pieces.keys().filter(|key| &*key.name == name).cloned().collect();
        for key in &keys {
            state.drop_piece(key);
        }
        self.counters.bytes.set(state.used as i64);
        drop(state);
        for key in keys {
            self.remove_file(&self.file_name(&key));
        }
    }

    fn remove_file(&self, file: &str) {
        if let Err(error) = self.disk.remove(&self.dir.join(file))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, file, "a piece of the cache cannot be removed");
        }
    }
}
