//! A line on its way through a pipeline: its labels, what was extracted from it, its time.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The label that names the tenant of a line; it is never sent.
pub const TENANT_LABEL: &str = "__tenant_id__";

/// Labels that all lines of a target begin with. Each has a number of its own, so that streams are found without comparing.
#[derive(Debug)]
pub struct BaseLabels {
    id: u64,
    pairs: Vec<(Arc<str>, Arc<str>)>,
}

impl BaseLabels {
    /// Takes the pairs of a target; later ones of the same name win.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut own: Vec<(Arc<str>, Arc<str>)> = Vec::new();
        for (name, value) in pairs {
            own.retain(|(known, _)| **known != *name.as_ref());
            own.push((Arc::from(name.as_ref()), Arc::from(value.as_ref())));
        }
        own.sort();
        Arc::new(BaseLabels { id: NEXT.fetch_add(1, Ordering::Relaxed), pairs: own })
    }

    /// The pairs, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (&**name, &**value))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The number.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }
}

/// The labels of one line: those of its target, and what the pipeline changed.
#[derive(Clone, Debug)]
pub struct LabelSet {
    base: Arc<BaseLabels>,
    changes: Vec<(Arc<str>, Option<Box<str>>)>,
}

impl LabelSet {
    /// The labels of a target, unchanged.
    pub fn new(base: Arc<BaseLabels>) -> Self {
        LabelSet { base, changes: Vec::new() }
    }

    /// The value of a label.
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.changes.iter().find(|(changed, _)| **changed == *name) {
            Some((_, value)) => value.as_deref(),
            None => self.base.get(name),
        }
    }

    /// Sets a label.
    pub fn set(&mut self, name: &Arc<str>, value: &str) {
        self.change(name, Some(value.into()));
    }

    /// Removes a label.
    pub fn remove(&mut self, name: &str) {
        if self.get(name).is_some() {
            self.change(&Arc::from(name), None);
        }
    }

    fn change(&mut self, name: &Arc<str>, value: Option<Box<str>>) {
        match self.changes.iter_mut().find(|(changed, _)| changed == name) {
            Some((_, old)) => *old = value,
            None => self.changes.push((name.clone(), value)),
        }
    }

    /// All labels, by name.
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        let unchanged =
            self.base.iter().filter(|(name, _)| !self.changes.iter().any(|(changed, _)| **changed == **name));
        let changed = self.changes.iter().filter_map(|(name, value)| Some((&**name, value.as_deref()?)));
        let mut pairs: Vec<_> = unchanged.chain(changed).collect();
        pairs.sort_unstable();
        pairs
    }

    /// The labels of the target.
    pub(crate) fn base(&self) -> &Arc<BaseLabels> {
        &self.base
    }

    /// Equal for equal labels of one target where the same stages set them in the same order.
    pub(crate) fn key(&self) -> u128 {
        if self.changes.is_empty() {
            return u128::from(self.base.id);
        }
        let mut hash = xxhash_rust::xxh3::Xxh3::with_seed(self.base.id);
        for (name, value) in &self.changes {
            hash.update(name.as_bytes());
            hash.update(&[0xff, u8::from(value.is_some())]);
            hash.update(value.as_deref().unwrap_or_default().as_bytes());
            hash.update(&[0xff]);
        }
        hash.digest128()
    }
}

/// What a stage extracted. Text is bytes: it may come from a line that is no UTF-8.
#[derive(Clone, Debug, PartialEq)]
pub enum Extract {
    /// Text.
    Text(Box<[u8]>),
    /// A number.
    Number(f64),
    /// A truth value.
    Bool(bool),
    /// JSON's null, or what a JSON expression did not find.
    Null,
}

impl Extract {
    /// Text from anything that is bytes.
    pub fn text(bytes: impl AsRef<[u8]>) -> Self {
        Extract::Text(bytes.as_ref().into())
    }

    /// As text (Promtail `getString`); null has none.
    pub fn as_bytes(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Extract::Text(text) => Some(Cow::Borrowed(text)),
            Extract::Number(number) => Some(Cow::Owned(number.to_string().into_bytes())),
            Extract::Bool(true) => Some(Cow::Borrowed(b"true")),
            Extract::Bool(false) => Some(Cow::Borrowed(b"false")),
            Extract::Null => None,
        }
    }
}

/// All that was extracted from a line. The target's labels count as extracted, too, until something else of that name is.
#[derive(Clone, Debug)]
pub struct Extracted {
    base: Arc<BaseLabels>,
    own: Vec<(Arc<str>, Option<Extract>)>,
}

impl Extracted {
    pub(crate) fn new(base: Arc<BaseLabels>) -> Self {
        Extracted { base, own: Vec::new() }
    }

    /// True where there is something of that name, be it null.
    pub fn has(&self, name: &str) -> bool {
        match self.own.iter().find(|(known, _)| **known == *name) {
            Some((_, value)) => value.is_some(),
            None => self.base.get(name).is_some(),
        }
    }

    /// As text; `None` where there is nothing or null.
    pub fn bytes(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        match self.own.iter().find(|(known, _)| **known == *name) {
            Some((_, value)) => value.as_ref()?.as_bytes(),
            None => self.base.get(name).map(|value| Cow::Borrowed(value.as_bytes())),
        }
    }

    /// The value.
    pub fn get(&self, name: &str) -> Option<Cow<'_, Extract>> {
        match self.own.iter().find(|(known, _)| **known == *name) {
            Some((_, value)) => value.as_ref().map(Cow::Borrowed),
            None => self.base.get(name).map(|value| Cow::Owned(Extract::text(value))),
        }
    }

    /// Sets a value.
    pub fn set(&mut self, name: &Arc<str>, value: Extract) {
        self.change(name, Some(value));
    }

    /// Removes a value.
    pub fn remove(&mut self, name: &Arc<str>) {
        self.change(name, None);
    }

    fn change(&mut self, name: &Arc<str>, value: Option<Extract>) {
        match self.own.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.own.push((name.clone(), value)),
        }
    }

    /// Everything that can be shown as text, in no order.
    pub fn texts(&self) -> impl Iterator<Item = (&str, Cow<'_, [u8]>)> {
        let base = self.base.iter().filter(|(name, _)| !self.own.iter().any(|(known, _)| **known == **name));
        let base = base.map(|(name, value)| (name, Cow::Borrowed(value.as_bytes())));
        base.chain(self.own.iter().filter_map(|(name, value)| Some((&**name, value.as_ref()?.as_bytes()?))))
    }
}

/// A line in a pipeline.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Labels.
    pub labels: LabelSet,
    /// What was extracted so far.
    pub extracted: Extracted,
    /// Nanoseconds since the Unix epoch.
    pub timestamp: i64,
    /// The line.
    pub line: Cow<'a, [u8]>,
    /// Structured metadata.
    pub metadata: Vec<(Arc<str>, Box<str>)>,
    /// Where it begins in its source, for sources that are read again after a stop.
    pub start: u64,
}

impl<'a> Entry<'a> {
    /// A line as it was read.
    pub fn new(base: &Arc<BaseLabels>, timestamp: i64, line: &'a [u8], start: u64) -> Self {
        Entry {
            labels: LabelSet::new(base.clone()),
            extracted: Extracted::new(base.clone()),
            timestamp,
            line: Cow::Borrowed(line),
            metadata: Vec::new(),
            start,
        }
    }

    /// With a line of its own, to be held back.
    pub(crate) fn into_owned(self) -> Entry<'static> {
        Entry {
            labels: self.labels,
            extracted: self.extracted,
            timestamp: self.timestamp,
            line: Cow::Owned(self.line.into_owned()),
            metadata: self.metadata,
            start: self.start,
        }
    }
}
