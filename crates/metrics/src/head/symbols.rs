//! Label names and values, each kept once and called by a number.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// The number of an interned text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Symbol(pub(crate) u32);

/// A label as two symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) name: Symbol,
    pub(crate) value: Symbol,
}

#[derive(Debug, Default)]
struct Entry {
    text: Box<str>,
    users: u32,
}

/// The interned texts of one tenant. A text is dropped with its last user.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    entries: Vec<Entry>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    free: Vec<u32>,
}

impl Symbols {
    /// The symbol of a text that is interned already.
    pub(crate) fn find(&self, text: &str) -> Option<Symbol> {
        let hash = self.hasher.hash_one(text);
        self.table.find(hash, |i| &*self.entries[*i as usize].text == text).map(|i| Symbol(*i))
    }

    /// Interns a text and counts one more user; answers whether it is new.
    pub(crate) fn acquire(&mut self, text: &str) -> (Symbol, bool) {
        let (symbol, is_new) = self.intern(text);
        self.add_user(symbol);
        (symbol, is_new)
    }

    /// Counts one more user.
    pub(crate) fn add_user(&mut self, symbol: Symbol) {
        self.entries[symbol.0 as usize].users += 1;
    }

    /// Counts more users.
    pub(crate) fn add_users(&mut self, symbol: Symbol, count: u32) {
        self.entries[symbol.0 as usize].users += count;
    }

    /// Interns a text for a user that is about to be counted; answers whether it is new.
    pub(crate) fn intern(&mut self, text: &str) -> (Symbol, bool) {
        if let Some(symbol) = self.find(text) {
            return (symbol, false);
        }
        let entry = Entry { text: Box::from(text), users: 0 };
        let index = match self.free.pop() {
            Some(index) => {
                self.entries[index as usize] = entry;
                index
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        let hash = self.hasher.hash_one(text);
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.table.insert_unique(hash, index, |i| hasher.hash_one(&*entries[*i as usize].text));
        (Symbol(index), true)
    }

    /// One user less; answers the text where it was the last.
    pub(crate) fn release(&mut self, symbol: Symbol) -> Option<Box<str>> {
        let index = symbol.0 as usize;
        self.entries[index].users -= 1;
        if self.entries[index].users > 0 {
            return None;
        }
        let hash = self.hasher.hash_one(&*self.entries[index].text);
        if let Ok(found) = self.table.find_entry(hash, |i| *i == symbol.0) {
            found.remove();
        }
        self.free.push(symbol.0);
        Some(std::mem::take(&mut self.entries[index]).text)
    }

    /// The text of a symbol in use.
    pub(crate) fn text(&self, symbol: Symbol) -> &str {
        &self.entries[symbol.0 as usize].text
    }
}
