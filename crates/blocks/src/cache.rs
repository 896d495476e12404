//! One cache, bounded in bytes, for everything that is read from blocks: pages, label columns, decoded times.
//!
//! Least recently used things go first. The map is cut into shards with a lock each; the limit holds for all of them together.

use std::any::Any;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use hashbrown::HashMap;
use parking_lot::Mutex;

const SHARDS: usize = 16;
/// What an entry costs beside its value.
const OVERHEAD: usize = 128;
const NONE: u32 = u32::MAX;

/// Where a cached value comes from.
pub trait CacheKey: Copy + Eq + Hash + Send {
    /// Well mixed bits that choose a shard.
    fn spread(&self) -> u64;
}

type Value = Arc<dyn Any + Send + Sync>;

struct Node<K> {
    key: K,
    value: Option<Value>,
    bytes: usize,
    newer: u32,
    older: u32,
}

/// A map and a list from the newest to the oldest entry, linked by places in `nodes`.
struct Shard<K> {
    map: HashMap<K, u32>,
    nodes: Vec<Node<K>>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
}

impl<K> Default for Shard<K> {
    fn default() -> Self {
        Shard { map: HashMap::new(), nodes: Vec::new(), free: Vec::new(), newest: NONE, oldest: NONE }
    }
}

impl<K: CacheKey> Shard<K> {
    fn unlink(&mut self, at: u32) {
        let (newer, older) = (self.nodes[at as usize].newer, self.nodes[at as usize].older);
        match newer {
            NONE => self.newest = older,
            newer => self.nodes[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.nodes[older as usize].newer = newer,
        }
    }

    fn link_newest(&mut self, at: u32) {
        let second = self.newest;
        self.nodes[at as usize].newer = NONE;
        self.nodes[at as usize].older = second;
        match second {
            NONE => self.oldest = at,
            second => self.nodes[second as usize].newer = at,
        }
        self.newest = at;
    }

    fn get(&mut self, key: &K) -> Option<Value> {
        let at = *self.map.get(key)?;
        if self.newest != at {
            self.unlink(at);
            self.link_newest(at);
        }
        self.nodes[at as usize].value.clone()
    }

    fn insert(&mut self, key: K, value: Value, bytes: usize) {
        let node = Node { key, value: Some(value), bytes, newer: NONE, older: NONE };
        let at = match self.free.pop() {
            Some(at) => {
                self.nodes[at as usize] = node;
                at
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        };
        self.map.insert(key, at);
        self.link_newest(at);
    }

    fn remove(&mut self, at: u32) -> usize {
        self.unlink(at);
        let node = &mut self.nodes[at as usize];
        node.value = None;
        self.map.remove(&node.key);
        self.free.push(at);
        node.bytes
    }

    fn remove_oldest(&mut self) -> Option<usize> {
        (self.oldest != NONE).then(|| self.remove(self.oldest))
    }
}

/// How often the cache helped, and its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Look-ups that found their value.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Bytes of memory that cached values take.
    pub bytes: usize,
    /// Bytes that they may take.
    pub limit: usize,
    /// Number of cached values.
    pub entries: usize,
}

/// The cache that all blocks of a store share.
pub struct Cache<K> {
    shards: [Mutex<Shard<K>>; SHARDS],
    limit: AtomicUsize,
    bytes: AtomicUsize,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl<K: CacheKey> std::fmt::Debug for Cache<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("counts", &self.counts()).finish()
    }
}

impl<K: CacheKey> Cache<K> {
    /// A cache of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Cache {
            shards: Default::default(),
            limit: AtomicUsize::new(limit),
            bytes: AtomicUsize::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Changes the limit, in bytes; what is too much goes at once.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
        self.shrink(0);
    }

    /// Counts since the start, and the present size.
    pub fn counts(&self) -> CacheCounts {
        CacheCounts {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            limit: self.limit.load(Ordering::Relaxed),
            entries: self.shards.iter().map(|shard| shard.lock().map.len()).sum(),
        }
    }

    /// Drops everything whose key is to go.
    pub fn forget(&self, goes: impl Fn(&K) -> bool) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            let places: Vec<u32> = shard.map.iter().filter(|(key, _)| goes(key)).map(|(_, at)| *at).collect();
            let bytes: usize = places.into_iter().map(|at| shard.remove(at)).sum();
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Drops everything.
    pub fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            while let Some(bytes) = shard.remove_oldest() {
                self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            }
        }
    }

    fn shard_of(key: &K) -> usize {
        (key.spread() >> 60) as usize % SHARDS
    }

    /// The cached value, or what `load` makes; that value says its size in bytes.
    pub fn get_or_load<T, E>(&self, key: K, load: impl FnOnce() -> Result<(T, usize), E>) -> Result<Arc<T>, E>
    where
        T: Send + Sync + 'static,
    {
        let home = Self::shard_of(&key);
        let found = self.shards[home].lock().get(&key).and_then(|value| value.downcast::<T>().ok());
        if let Some(found) = found {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(found);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let (value, bytes) = load()?;
        let (value, bytes) = (Arc::new(value), bytes + OVERHEAD);
        if bytes <= self.limit.load(Ordering::Relaxed) {
            let mut shard = self.shards[home].lock();
            if !shard.map.contains_key(&key) {
                shard.insert(key, value.clone(), bytes);
                self.bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            drop(shard);
            self.shrink(home);
        }
        Ok(value)
    }

    /// Drops the oldest entries, those of one shard first, until the limit holds.
    fn shrink(&self, home: usize) {
        let over = || self.bytes.load(Ordering::Relaxed) > self.limit.load(Ordering::Relaxed);
        for shard in (0..SHARDS).map(|i| &self.shards[(home + i) % SHARDS]) {
            while over() {
                let Some(bytes) = shard.lock().remove_oldest() else { break };
                self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    struct Key {
        block: u64,
        item: u32,
    }

    impl CacheKey for Key {
        fn spread(&self) -> u64 {
            (self.block << 32 ^ u64::from(self.item)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        }
    }

    fn key(item: u32) -> Key {
        Key { block: u64::from(item % 2), item }
    }

    fn put(caches: &Cache<Key>, item: u32, bytes: usize) -> u32 {
        *caches.get_or_load::<u32, Infallible>(key(item), || Ok((item, bytes - OVERHEAD))).unwrap()
    }

    #[test]
    fn stays_within_its_limit_and_keeps_what_is_used() {
        let caches = Cache::new(100_000);
        for round in 0..50 {
            for item in 0..200 {
                assert_eq!(put(&caches, item, 1000), item);
                assert_eq!(put(&caches, 1_000_000, 1000), 1_000_000);
                assert!(caches.counts().bytes <= 100_000, "round {round}");
            }
        }
        let counts = caches.counts();
        assert!(counts.hits >= 9_000, "{counts:?}");
        assert_eq!(counts.bytes, counts.entries * 1000);
        assert!(counts.entries > 90);
    }

    #[test]
    fn the_limit_moves_and_blocks_are_forgotten() {
        let caches = Cache::new(1_000_000);
        (0..100).for_each(|item| assert_eq!(put(&caches, item, 1000), item));
        caches.set_limit(50_000);
        assert!(caches.counts().bytes <= 50_000);
        caches.forget(|key| key.block == 0);
        caches.forget(|key| key.block == 1);
        assert_eq!((caches.counts().bytes, caches.counts().entries), (0, 0));
        put(&caches, 1, 60_000);
        assert_eq!(caches.counts().entries, 0, "a value beyond the limit is not kept");
    }

    #[test]
    fn is_shared_by_threads() {
        let caches = Cache::new(64_000);
        std::thread::scope(|scope| {
            for seed in 0..4_u32 {
                let caches = &caches;
                scope.spawn(move || {
                    for i in 0..5_000_u32 {
                        let item = i.wrapping_mul(2_654_435_761).wrapping_add(seed) % 100;
                        assert_eq!(put(caches, item, 1000), item);
                    }
                });
            }
        });
        let counts = caches.counts();
        assert!(counts.bytes <= 64_000 && counts.bytes == counts.entries * 1000, "{counts:?}");
    }
}
