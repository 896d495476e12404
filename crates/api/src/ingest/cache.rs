//! What the receiver remembers of the series of each tenant, so that a known series costs one hash of its labels as they
//! came, and neither a look at a label nor an allocation.
//!
//! An entry holds no labels: the reference alone goes to the store. Should the store no longer know it, the labels are read
//! once more from the request, which is kept until the store has answered.

use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use hashbrown::HashMap;
use model::{Metadata, SeriesRef, Tenant, Timestamp};
use parking_lot::{Mutex, RwLock};

/// A 128-bit hash of a series' labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeriesKey {
    low: u64,
    high: u64,
}

impl SeriesKey {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let hash = xxhash_rust::xxh3::xxh3_128(bytes);
        SeriesKey { low: hash as u64, high: (hash >> 64) as u64 }
    }
}

impl Hash for SeriesKey {
    /// One half is hash enough for the table; equality compares both.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.low);
    }
}

/// What an entry takes: 33 bytes, and the table's free places, which are as many again right after it has grown; while it grows
/// the old table is there too.
const ENTRY_BYTES: u64 = 112;
/// Entries of all tenants together at most.
const MAX_ENTRIES: usize = 3_600_000;
/// Metric families a tenant's metadata is remembered of.
const MAX_FAMILIES: usize = 100_000;
/// Entries that no request named for so long are forgotten.
const IDLE_MINUTES: u32 = 10;

/// Takes the half of a key as it is.
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64(bytes);
    }

    fn write_u64(&mut self, half: u64) {
        self.0 = half;
    }
}

/// What is remembered of a series.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) reference: SeriesRef,
    /// Hash of the metadata that came with it, 0 for none.
    pub(crate) metadata: u32,
    seen_minute: AtomicU32,
}

/// The series of one tenant.
pub(crate) type Series = HashMap<SeriesKey, Entry, BuildHasherDefault<KeyHasher>>;

/// What is remembered of one tenant.
#[derive(Debug, Default)]
pub(crate) struct TenantCache {
    pub(crate) series: RwLock<Series>,
    /// Hash of the metadata by family.
    families: Mutex<HashMap<String, u64>>,
}

/// The caches of all tenants.
#[derive(Debug)]
pub(crate) struct Caches {
    tenants: RwLock<HashMap<Tenant, Arc<TenantCache>>>,
    entries: AtomicUsize,
    max_entries: usize,
    swept_minute: AtomicU32,
}

/// News of a series, to be remembered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Update {
    pub(crate) key: SeriesKey,
    pub(crate) reference: SeriesRef,
    pub(crate) metadata: u32,
}

/// Minutes since the epoch.
pub(crate) fn minute(now: Timestamp) -> u32 {
    (now.ms() / 60_000) as u32
}

/// A hash that tells metadata apart, never 0.
pub(crate) fn metadata_hash(metadata: &Metadata) -> u64 {
    let text = [metadata.metric_type.as_str(), &metadata.unit, &metadata.help].join("\u{0}");
    xxhash_rust::xxh3::xxh3_64(text.as_bytes()).max(1)
}

impl Entry {
    /// Notes that a request named the series.
    #[inline]
    pub(crate) fn touch(&self, minute: u32) {
        // Written only where it changes, so that the cache line stays shared between cores.
        if self.seen_minute.load(Ordering::Relaxed) != minute {
            self.seen_minute.store(minute, Ordering::Relaxed);
        }
    }
}

impl TenantCache {
    /// True where the family's metadata is not known as this.
    pub(crate) fn is_news(&self, family: &str, hash: u64) -> bool {
        self.families.lock().get(family) != Some(&hash)
    }

    /// Remembers metadata that the store has taken.
    pub(crate) fn keep_families(&self, taken: impl Iterator<Item = (String, u64)>) {
        let mut families = self.families.lock();
        for (family, hash) in taken {
            if families.len() >= MAX_FAMILIES && !families.contains_key(&family) {
                families.clear();
            }
            families.insert(family, hash);
        }
    }
}

impl Caches {
    /// Caches of so many bytes together.
    pub(crate) fn new(bytes: u64) -> Self {
        let max_entries = usize::try_from(bytes / ENTRY_BYTES).unwrap_or(usize::MAX).min(MAX_ENTRIES);
        Caches {
            tenants: RwLock::default(),
            entries: AtomicUsize::new(0),
            max_entries,
            swept_minute: AtomicU32::new(0),
        }
    }

    /// The cache of a tenant, made where there is none.
    pub(crate) fn of(&self, tenant: &Tenant) -> Arc<TenantCache> {
        if let Some(cache) = self.tenants.read().get(tenant) {
            return cache.clone();
        }
        self.tenants.write().entry(tenant.clone()).or_default().clone()
    }

    /// Series remembered.
    pub(crate) fn len(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// Remembers series. Where there is no room, those not named for a minute make room, or the news are dropped: they cost
    /// time, not samples.
    pub(crate) fn keep(&self, cache: &TenantCache, updates: &[Update], minute: u32) {
        if updates.is_empty() {
            return;
        }
        let mut series = cache.series.write();
        if self.len() + updates.len() > self.max_entries {
            self.forget(&mut series, minute.saturating_sub(1));
        }
        for update in updates {
            let has_room = self.len() < self.max_entries;
            match series.entry(update.key) {
                hashbrown::hash_map::Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    (known.reference, known.metadata) = (update.reference, update.metadata);
                }
                hashbrown::hash_map::Entry::Vacant(vacant) if has_room => {
                    let (reference, metadata) = (update.reference, update.metadata);
                    vacant.insert(Entry { reference, metadata, seen_minute: AtomicU32::new(minute) });
                    self.entries.fetch_add(1, Ordering::Relaxed);
                }
                hashbrown::hash_map::Entry::Vacant(_) => {}
            }
        }
    }

    fn forget(&self, series: &mut Series, before_minute: u32) {
        let before = series.len();
        series.retain(|_, entry| *entry.seen_minute.get_mut() >= before_minute);
        self.entries.fetch_sub(before - series.len(), Ordering::Relaxed);
        if series.capacity() > 4 * series.len() {
            series.shrink_to_fit();
        }
    }

    /// Forgets what was not named for [`IDLE_MINUTES`]; does nothing when called again within half that time.
    pub(crate) fn sweep(&self, minute: u32) {
        let swept = self.swept_minute.load(Ordering::Relaxed);
        if minute < swept.saturating_add(IDLE_MINUTES / 2) {
            return;
        }
        if self.swept_minute.compare_exchange(swept, minute, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        let caches: Vec<Arc<TenantCache>> = self.tenants.read().values().cloned().collect();
        for cache in caches {
            self.forget(&mut cache.series.write(), minute.saturating_sub(IDLE_MINUTES));
        }
        self.tenants.write().retain(|_, cache| Arc::strong_count(cache) > 1 || !cache.series.read().is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(n: u64) -> Update {
        Update { key: SeriesKey::of(&n.to_le_bytes()), reference: SeriesRef(n), metadata: 0 }
    }

    #[test]
    fn idle_series_and_tenants_are_forgotten() {
        let caches = Caches::new(1 << 20);
        let tenant = Tenant::new("a").unwrap();
        let cache = caches.of(&tenant);
        caches.keep(&cache, &[update(1), update(2)], 100);
        caches.keep(&cache, &[update(2)], 100);
        assert_eq!(caches.len(), 2);
        caches.sweep(104);
        cache.series.read()[&update(2).key].touch(109);
        caches.sweep(109);
        assert_eq!(caches.len(), 2);
        caches.sweep(115);
        assert_eq!(caches.len(), 1);
        assert_eq!(cache.series.read()[&update(2).key].reference, SeriesRef(2));
        drop(cache);
        caches.sweep(130);
        assert_eq!((caches.len(), caches.tenants.read().len()), (0, 0));
    }

    #[test]
    fn a_full_cache_takes_no_more_and_makes_room_of_what_is_old() {
        let caches = Caches::new(1 << 20);
        let cache = caches.of(&Tenant::default());
        caches.keep(&cache, &[update(1)], 10);
        caches.entries.store(caches.max_entries, Ordering::Relaxed);
        caches.keep(&cache, &[update(2)], 10);
        assert_eq!(cache.series.read().len(), 1);
        caches.keep(&cache, &[update(3)], 12);
        assert!(cache.series.read().get(&update(3).key).is_some());
        assert!(cache.series.read().get(&update(1).key).is_none());
    }

    #[test]
    fn metadata_is_news_once() {
        let cache = TenantCache::default();
        let hash = metadata_hash(&Metadata::default());
        assert!(cache.is_news("up", hash));
        cache.keep_families([("up".to_owned(), hash)].into_iter());
        assert!(!cache.is_news("up", hash));
        assert!(cache.is_news("up", hash + 1));
    }
}
