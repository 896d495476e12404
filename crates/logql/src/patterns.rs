//! Patterns of log lines: lines that differ only in numbers, ids and the like are one pattern with `<_>` in those places.
//!
//! Drain's fixed-depth tree (He et al., 2017): a line is cut into words; those with digits are taken for variables; words
//! lead down to a small list of clusters, of which the most similar one takes the line, or a new one is made.

use std::collections::BTreeMap;

use hashbrown::HashMap;

/// How a line is put to a cluster, and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PatternOptions {
    /// Words of a line that lead down the tree.
    pub depth: usize,
    /// Part of the words that must be equal, from 0 to 1.
    pub similarity: f64,
    /// Clusters that are remembered; the one that was met longest ago is forgotten first.
    pub max_clusters: usize,
    /// Words below one node of the tree; further ones share a place.
    pub max_children: usize,
    /// Words of a line that are looked at.
    pub max_words: usize,
    /// Counts are kept for spans of so many nanoseconds.
    pub resolution: i64,
}

impl Default for PatternOptions {
    fn default() -> Self {
        PatternOptions {
            depth: 4,
            similarity: 0.4,
            max_clusters: 300,
            max_children: 24,
            max_words: 80,
            resolution: 10_000_000_000,
        }
    }
}

/// A pattern with how often it was met.
#[derive(Clone, Debug, PartialEq)]
pub struct PatternCount {
    /// The pattern, as `|>` takes it.
    pub pattern: String,
    /// Start of a span in nanoseconds, and lines in it; by time.
    pub samples: Vec<(i64, u64)>,
    /// Lines altogether.
    pub total: u64,
}

struct Cluster {
    words: Vec<Option<Box<str>>>,
    /// For each word whether a blank stands before it.
    blanks: Vec<bool>,
    counts: BTreeMap<i64, u64>,
    total: u64,
    met: u64,
}

/// Learns patterns line by line.
pub struct Drain {
    options: PatternOptions,
    clusters: HashMap<u32, Cluster>,
    /// Clusters by the number of words and the first of them.
    tree: HashMap<(usize, Vec<u32>), Vec<u32>>,
    words: HashMap<Box<str>, u32>,
    children: HashMap<(usize, Vec<u32>), Vec<u32>>,
    next: u32,
    clock: u64,
}

/// What stands for a word that is a variable.
const VARIABLE: u32 = 0;

impl Drain {
    /// Knows nothing yet.
    pub fn new(options: PatternOptions) -> Self {
        Drain {
            options,
            clusters: HashMap::new(),
            tree: HashMap::new(),
            words: HashMap::new(),
            children: HashMap::new(),
            next: 0,
            clock: 0,
        }
    }

    /// Number of patterns.
    pub fn len(&self) -> usize {
        self.clusters.len()
    }

    /// True before the first line.
    pub fn is_empty(&self) -> bool {
        self.clusters.is_empty()
    }

    /// Learns a line at a time in nanoseconds.
    pub fn learn(&mut self, timestamp: i64, line: &str) {
        let (words, blanks) = cut(line, self.options.max_words);
        if words.is_empty() {
            return;
        }
        self.clock += 1;
        let path = self.path(&words);
        let id = match self.most_similar(&path, &words) {
            Some(id) => id,
            None => self.add(path, &words, blanks),
        };
        let (clock, resolution) = (self.clock, self.options.resolution.max(1));
        if let Some(cluster) = self.clusters.get_mut(&id) {
            for (known, word) in cluster.words.iter_mut().zip(&words) {
                if known.as_deref().is_some_and(|known| known != *word) {
                    *known = None;
                }
            }
            *cluster.counts.entry(timestamp.div_euclid(resolution) * resolution).or_default() += 1;
            cluster.total += 1;
            cluster.met = clock;
        }
    }

    fn path(&mut self, words: &[&str]) -> (usize, Vec<u32>) {
        let mut path = (words.len(), Vec::with_capacity(self.options.depth));
        for word in words.iter().take(self.options.depth) {
            let code = if is_variable(word) { VARIABLE } else { self.code(word) };
            let children = self.children.entry(path.clone()).or_default();
            let known = code == VARIABLE || children.contains(&code);
            let code = match known {
                true => code,
                false if children.len() < self.options.max_children => {
                    children.push(code);
                    code
                }
                false => VARIABLE,
            };
            path.1.push(code);
        }
        path
    }

    fn code(&mut self, word: &str) -> u32 {
        let next = self.words.len() as u32 + 1;
        match self.words.get(word) {
            Some(code) => *code,
            None => {
                self.words.insert(word.into(), next);
                next
            }
        }
    }

    fn most_similar(&self, path: &(usize, Vec<u32>), words: &[&str]) -> Option<u32> {
        let mut best: Option<(usize, u32)> = None;
        for id in self.tree.get(path)? {
            let cluster = self.clusters.get(id)?;
            let equal =
                cluster.words.iter().zip(words).filter(|(known, word)| known.as_deref() == Some(**word)).count();
            let variables = cluster.words.iter().filter(|known| known.is_none()).count();
            let is_similar = equal as f64 / (words.len() - variables).max(1) as f64 >= self.options.similarity
                || variables == words.len();
            if is_similar && best.is_none_or(|(most, _)| equal > most) {
                best = Some((equal, *id));
            }
        }
        best.map(|(_, id)| id)
    }

    fn add(&mut self, path: (usize, Vec<u32>), words: &[&str], blanks: Vec<bool>) -> u32 {
        if self.clusters.len() >= self.options.max_clusters.max(1) {
            self.forget_one();
        }
        let id = self.next;
        self.next += 1;
        let words = words.iter().map(|word| (!is_variable(word)).then(|| Box::from(*word))).collect();
        self.clusters.insert(id, Cluster { words, blanks, counts: BTreeMap::new(), total: 0, met: self.clock });
        self.tree.entry(path).or_default().push(id);
        id
    }

    fn forget_one(&mut self) {
        let oldest = self.clusters.iter().min_by_key(|(_, cluster)| cluster.met).map(|(id, _)| *id);
        if let Some(oldest) = oldest {
            self.clusters.remove(&oldest);
            self.tree.retain(|_, ids| {
                ids.retain(|id| *id != oldest);
                !ids.is_empty()
            });
            if self.words.len() > 100 * self.options.max_clusters.max(1) {
                // Words of lines long gone: the tree is grown anew, the clusters stay.
                self.words.clear();
                self.children.clear();
                self.tree.clear();
                self.clusters.clear();
            }
        }
    }

    /// What was learned, most frequent first.
    pub fn patterns(&self) -> Vec<PatternCount> {
        let mut joined: BTreeMap<String, (BTreeMap<i64, u64>, u64)> = BTreeMap::new();
        for cluster in self.clusters.values() {
            let known = joined.entry(text(cluster)).or_default();
            known.1 += cluster.total;
            for (time, count) in &cluster.counts {
                *known.0.entry(*time).or_default() += count;
            }
        }
        let count = |(pattern, (counts, total)): (String, (BTreeMap<i64, u64>, u64))| PatternCount {
            pattern,
            samples: counts.into_iter().collect(),
            total,
        };
        let mut patterns: Vec<PatternCount> = joined.into_iter().map(count).collect();
        patterns.sort_by(|a, b| b.total.cmp(&a.total).then_with(|| a.pattern.cmp(&b.pattern)));
        patterns
    }
}

/// Words of a line, and for each whether a blank stands before it. Punctuation is a word of its own where it separates.
fn cut(line: &str, most: usize) -> (Vec<&str>, Vec<bool>) {
    let (mut words, mut blanks) = (Vec::new(), Vec::new());
    let mut rest = line.trim();
    let mut blank = false;
    while let Some(first) = rest.chars().next() {
        if words.len() + 1 >= most {
            words.push(rest);
            blanks.push(blank);
            break;
        }
        if first.is_whitespace() {
            rest = rest.trim_start();
            blank = true;
            continue;
        }
        let length = match is_separator(first) {
            true => first.len_utf8(),
            false => rest.find(|c: char| c.is_whitespace() || is_separator(c)).unwrap_or(rest.len()),
        };
        words.push(&rest[..length]);
        blanks.push(std::mem::take(&mut blank));
        rest = &rest[length..];
    }
    (words, blanks)
}

fn is_separator(c: char) -> bool {
    matches!(c, '=' | ',' | ';' | '"' | '\'' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '|')
}

/// Words with digits are numbers, times, ids.
fn is_variable(word: &str) -> bool {
    word.bytes().any(|b| b.is_ascii_digit())
}

fn text(cluster: &Cluster) -> String {
    let mut text = String::new();
    for (word, blank) in cluster.words.iter().zip(&cluster.blanks) {
        match word {
            // Two variables without anything between them are one.
            None if !*blank && text.ends_with("<_>") => continue,
            _ => {}
        }
        if *blank {
            text.push(' ');
        }
        text.push_str(word.as_deref().unwrap_or("<_>"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_in_numbers_are_one_pattern() {
        let mut drain = Drain::new(PatternOptions::default());
        for i in 0..100 {
            drain.learn(i * 1_000_000_000, &format!("connection {i} from 10.0.0.{i}:4{i} closed after {i}ms"));
            drain.learn(i, &format!("level=info msg=\"user u{i} logged in\" duration={i}s"));
        }
        let patterns = drain.patterns();
        let texts: Vec<&str> = patterns.iter().map(|pattern| pattern.pattern.as_str()).collect();
        assert_eq!(
            texts,
            ["connection <_> from <_> closed after <_>", "level=info msg=\"user <_> logged in\" duration=<_>"]
        );
        assert_eq!(patterns[0].total, 100);
        assert_eq!(patterns[0].samples.len(), 10);
        for text in texts {
            assert!(crate::parse(&format!("{{a=\"b\"}} |> {}", model::float::go_quote(text))).is_ok());
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let options = PatternOptions { max_clusters: 20, ..PatternOptions::default() };
        let mut drain = Drain::new(options);
        for i in 0..5000_u32 {
            let word = format!("{}{}", (b'a' + (i % 26) as u8) as char, "x".repeat((i % 97) as usize));
            drain.learn(0, &format!("{word} {word} {word} {}", "y ".repeat((i % 13) as usize)));
            assert!(drain.len() <= 20);
        }
        drain.learn(0, "");
        drain.learn(0, &"word ".repeat(10_000));
        assert!(drain.patterns().iter().all(|pattern| pattern.pattern.len() < 60_000));
    }
}
