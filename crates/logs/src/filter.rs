//! What a page cannot contain: two Bloom filters over its lines, in blocks of 128 bytes of which a question reads one each.
//!
//! *Tokens* are runs of letters, digits and underscores, and long runs of hexadecimal digits. A fragment's inner tokens are tokens
//! of any line that contains it. Those at its ends may go on in the line; but a run of hexadecimal digits that is as long as
//! the longest in the page does not.
//!
//! *Grams* are the windows' least of 8 neighbouring bytes by a hash (minimizers): of any 17 neighbouring grams in the
//! text one is in the filter. So a fragment of [`SURE_BYTES`] is found or excluded, whatever stands around it.
//!
//! Each block ends with a checksum: a bit that was lost on a disk must not hide a line.

use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 128;
const BITS: u64 = (BLOCK as u64 - 4) * 8;
const GRAM: usize = 8;
/// Neighbouring grams of which one is in the filter.
const WINDOW: usize = 17;
/// Every fragment of this length has a gram in the filter of a page that contains it.
pub(crate) const SURE_BYTES: usize = WINDOW + GRAM - 1;
/// Shorter tokens are in nearly every page.
const LEAST_TOKEN: usize = 4;
/// Shorter runs of hexadecimal digits are like other words.
const LEAST_HEX: usize = 12;
const TOKEN_BITS: usize = 12;
const TOKEN_HASHES: u32 = 6;
const GRAM_BITS: usize = 6;
const GRAM_HASHES: u32 = 3;

/// How a page's filters lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) token_blocks: u32,
    pub(crate) gram_blocks: u32,
    /// Bit n: there is a run of n hexadecimal digits; the last bit for longer ones.
    pub(crate) hex_lengths: u64,
}

impl Shape {
    /// Bytes of both filters.
    pub(crate) fn bytes(&self) -> usize {
        (self.token_blocks as usize + self.gram_blocks as usize) * BLOCK
    }
}

const WORD: u8 = 1;
const HEX: u8 = 2;

static KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut b = 0;
    while b < 256 {
        let byte = b as u8;
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            kinds[b] |= WORD;
        }
        if byte.is_ascii_hexdigit() {
            kinds[b] |= HEX;
        }
        b += 1;
    }
    kinds
};

fn is(byte: u8, kind: u8) -> bool {
    KINDS[byte as usize] & kind != 0
}

/// Runs of bytes of a kind: begin and end.
fn runs(text: &[u8], kind: u8) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < text.len() && !is(text[at], kind) {
            at += 1;
        }
        let begin = at;
        while at < text.len() && is(text[at], kind) {
            at += 1;
        }
        (at > begin).then_some((begin, at))
    })
}

/// Adds the least gram of every window, hashed, where `is_new` says so; of neighbouring windows with the same one only once.
///
/// Windows are told block by block: the least of a window is that of the end of one block and that of the beginning of the next.
/// Whether a window's is another than that before cannot be foreseen, so all are written down and counted only where it is.
fn minimizers(text: &[u8], hashes: &mut Vec<u64>, mut is_new: impl FnMut(u64) -> bool) {
    if text.len() < SURE_BYTES {
        return;
    }
    // Of each place on in the block before, the least up to its end.
    let mut ends = [u64::MAX; WINDOW + 1];
    // No window has this one: only one gram would, and equal neighbours are of one repeated byte, which it is not.
    let mut last = u64::MAX;
    let count = text.len() - (GRAM - 1);
    for begin in (0..count).step_by(WINDOW) {
        let mut order = [u64::MAX; WINDOW];
        let length = (count - begin).min(WINDOW);
        match text[begin..].first_chunk::<SURE_BYTES>() {
            Some(bytes) => order = std::array::from_fn(|place| gram_order(bytes, place)),
            None => order.iter_mut().zip(text[begin..].windows(GRAM)).for_each(|(to, gram)| *to = gram_order(gram, 0)),
        }
        let mut least = u64::MAX;
        let mut windows = [0; WINDOW];
        for place in 0..WINDOW {
            least = least.min(order[place]);
            windows[place] = least.min(ends[place + 1]);
        }
        for place in (0..WINDOW).rev() {
            ends[place] = order[place].min(ends[place + 1]);
        }
        let mut met = [0; WINDOW];
        let mut others = 0;
        // The first window ends with the first block.
        for of_window in &windows[if begin == 0 { WINDOW - 1 } else { 0 }..length] {
            met[others] = *of_window;
            others += usize::from(*of_window != last);
            last = *of_window;
        }
        let from = hashes.len();
        let mut kept = from;
        hashes.resize(from + others, 0);
        for of_window in &met[..others] {
            let hash = (of_window ^ of_window >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            hashes[kept] = hash;
            kept += usize::from(is_new(hash));
        }
        hashes.truncate(kept);
    }
}

fn gram_order(bytes: &[u8], place: usize) -> u64 {
    let gram = bytes[place..].first_chunk::<GRAM>().expect("a gram has eight bytes");
    u64::from_le_bytes(*gram).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// What has been met lately: what is in every line need not be noted each time.
struct Lately<K>(Box<[K; LATELY]>);

const LATELY: usize = 4096;

impl<K: Copy + PartialEq + Default> Lately<K> {
    fn new() -> Self {
        Lately(Box::new([K::default(); LATELY]))
    }

    /// False where the key is known to have been met; `hash` is one of the key, which is not the default.
    fn is_new(&mut self, key: K, hash: u64) -> bool {
        let place = &mut self.0[(hash >> 32) as usize % LATELY];
        let is_new = *place != key;
        *place = key;
        is_new
    }
}

/// A token of at most 15 bytes as a number, where the text goes on far enough to read it at once.
fn short_token(text: &[u8], begin: usize, length: usize) -> Option<u128> {
    let bytes = text[begin..].first_chunk::<16>().filter(|_| length < 16)?;
    let kept = u128::from_le_bytes(*bytes) << (8 * (16 - length));
    // Bytes of tokens are not zero, so the length is told, too.
    Some(kept)
}

/// Hashes of tokens, most of them once, and the lengths of runs of hexadecimal digits.
fn tokens(text: &[u8], hashes: &mut Vec<u64>) -> u64 {
    let mut hex_lengths = 0;
    let mut lately = Lately::<u128>::new();
    word_runs(text, |begin, end| {
        let length = end - begin;
        if length < LEAST_TOKEN {
            return;
        }
        if let Some(key) = short_token(text, begin, length) {
            let hash = ((key >> 64) as u64 ^ key as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            if !lately.is_new(key, hash) {
                return;
            }
        }
        let token = &text[begin..end];
        hashes.push(xxh3_64(token));
        if length >= LEAST_HEX {
            for (from, to) in runs(token, HEX).filter(|(from, to)| to - from >= LEAST_HEX) {
                hex_lengths |= 1 << (to - from).min(63);
                if to - from < length {
                    hashes.push(xxh3_64(&token[from..to]));
                }
            }
        }
    });
    hex_lengths
}

/// Bit n: byte n is part of a word.
fn word_bits(bytes: &[u8; 64]) -> u64 {
    let is_word =
        |b: u8| ((b | 0x20).wrapping_sub(b'a') < 26) as u8 | (b.wrapping_sub(b'0') < 10) as u8 | (b == b'_') as u8;
    let flags = bytes.map(is_word);
    let mut bits = 0;
    for (number, eight) in flags.as_chunks::<8>().0.iter().enumerate() {
        let packed = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        bits |= packed << (8 * number);
    }
    bits
}

/// Visits runs of letters, digits and underscores: begin and end.
fn word_runs(text: &[u8], mut visit: impl FnMut(usize, usize)) {
    let mut begun: Option<usize> = None;
    let mut tail = [0; 64];
    for base in (0..text.len()).step_by(64) {
        let rest = &text[base..];
        let bytes = match rest.first_chunk::<64>() {
            Some(bytes) => bytes,
            None => {
                tail[..rest.len()].copy_from_slice(rest);
                &tail
            }
        };
        let words = word_bits(bytes);
        // Bits where a word begins or has just ended.
        let mut edges = words ^ (words << 1 | u64::from(begun.is_some()));
        while edges != 0 {
            let at = base + edges.trailing_zeros() as usize;
            edges &= edges - 1;
            match begun.take() {
                Some(begin) => visit(begin, at),
                None => begun = Some(at),
            }
        }
    }
    if let Some(begin) = begun {
        visit(begin, text.len());
    }
}

/// About how many different ones there are among hashes: told by how many of some places none of them falls on.
fn distinct(hashes: &[u64]) -> usize {
    let places = (2 * hashes.len()).next_power_of_two().max(64);
    let mut taken = vec![0_u64; places / 64];
    for hash in hashes {
        let place = (mixed(*hash) >> 20) as usize % places;
        taken[place / 64] |= 1 << (place % 64);
    }
    let free = places - taken.iter().map(|word| word.count_ones() as usize).sum::<usize>();
    let estimate = -(places as f64) * (free.max(1) as f64 / places as f64).ln();
    (estimate.ceil() as usize).min(hashes.len())
}

/// Makes the filters of a page's lines.
pub(crate) fn build(text: &[u8]) -> (Vec<u8>, Shape) {
    let mut tokens_met = Vec::new();
    let mut shape = Shape { hex_lengths: tokens(text, &mut tokens_met), ..Shape::default() };
    let mut grams = Vec::with_capacity(text.len() / 16);
    let mut lately = Lately::<u64>::new();
    minimizers(text, &mut grams, |hash| lately.is_new(hash, hash) | (hash == 0));
    shape.token_blocks = blocks_for(distinct(&tokens_met) * TOKEN_BITS);
    shape.gram_blocks = blocks_for(distinct(&grams) * GRAM_BITS);
    let mut bytes = vec![0; shape.bytes()];
    let (first, second) = bytes.split_at_mut(shape.token_blocks as usize * BLOCK);
    tokens_met.iter().for_each(|hash| set(first, *hash, TOKEN_HASHES));
    grams.iter().for_each(|hash| set(second, *hash, GRAM_HASHES));
    for block in bytes.chunks_exact_mut(BLOCK) {
        let crc = crc32fast::hash(&block[..BLOCK - 4]);
        block[BLOCK - 4..].copy_from_slice(&crc.to_le_bytes());
    }
    (bytes, shape)
}

fn blocks_for(bits: usize) -> u32 {
    (bits as u64).div_ceil(BITS).max(1) as u32
}

/// Minimizers are small by choice, so they are mixed once more.
fn mixed(hash: u64) -> u64 {
    (hash ^ hash >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

/// The block of a hash, and bits in it.
fn bits(hash: u64, blocks: u32, count: u32) -> (usize, impl Iterator<Item = usize>) {
    let mixed = mixed(hash);
    let block = ((mixed >> 32) * u64::from(blocks)) >> 32;
    let mut state = mixed ^ hash;
    let bits = (0..count).map(move |_| {
        state = state.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678_9abc_def1);
        (((state >> 32) * BITS) >> 32) as usize
    });
    (block as usize, bits)
}

fn set(filter: &mut [u8], hash: u64, count: u32) {
    let (block, bits) = bits(hash, (filter.len() / BLOCK) as u32, count);
    bits.for_each(|bit| filter[block * BLOCK + bit / 8] |= 1 << (bit % 8));
}

/// What has to be in a page's filters if the page contains a fragment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Question {
    tokens: Vec<u64>,
    grams: Vec<u64>,
    /// Runs of hexadecimal digits at the ends of the fragment: their lengths and hashes.
    edges: Vec<(usize, u64)>,
}

impl Question {
    /// About any place of a line.
    pub(crate) fn of(fragment: &[u8]) -> Question {
        let mut question = Question::default();
        let is_inner = |begin: usize, end: usize| begin > 0 && end < fragment.len();
        for (begin, end) in runs(fragment, WORD) {
            if is_inner(begin, end) && end - begin >= LEAST_TOKEN {
                question.tokens.push(xxh3_64(&fragment[begin..end]));
            }
        }
        for (begin, end) in runs(fragment, HEX).filter(|(begin, end)| end - begin >= LEAST_HEX) {
            let hash = xxh3_64(&fragment[begin..end]);
            match is_inner(begin, end) {
                true => question.tokens.push(hash),
                false => question.edges.push((end - begin, hash)),
            }
        }
        minimizers(fragment, &mut question.grams, |_| true);
        question
    }

    /// About a text that stands between other characters than letters, digits and underscores, or at an end of the line.
    pub(crate) fn of_word(word: &[u8]) -> Question {
        let mut question = Question::of(word);
        for (begin, end) in runs(word, WORD).filter(|(begin, end)| end - begin >= LEAST_TOKEN) {
            question.tokens.push(xxh3_64(&word[begin..end]));
        }
        question.tokens.sort_unstable();
        question.tokens.dedup();
        question
    }

    /// False where the filters exclude it. `read` fills a block of the filters; one that cannot be read or is damaged excludes
    /// nothing.
    pub(crate) fn may_be_in(&self, shape: &Shape, mut read: impl FnMut(usize, &mut [u8; BLOCK]) -> bool) -> bool {
        let sure = self.edges.iter().filter(|(length, _)| *length < 63 && shape.hex_lengths >> (length + 1) == 0);
        let tokens = sure.map(|(_, hash)| hash).chain(&self.tokens);
        let mut has = |hash: u64, first: u32, blocks: u32, count: u32| {
            let (block, mut bits) = bits(hash, blocks, count);
            let mut bytes = [0; BLOCK];
            if blocks == 0 || !read(first as usize + block, &mut bytes) {
                return true;
            }
            let (body, crc) = bytes.split_at(BLOCK - 4);
            crc32fast::hash(body).to_le_bytes() != crc || bits.all(|bit| body[bit / 8] & 1 << (bit % 8) != 0)
        };
        for hash in tokens {
            if !has(*hash, 0, shape.token_blocks, TOKEN_HASHES) {
                return false;
            }
        }
        self.grams.iter().all(|hash| has(*hash, shape.token_blocks, shape.gram_blocks, GRAM_HASHES))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn may_contain(filter: &(Vec<u8>, Shape), question: &Question) -> bool {
        question.may_be_in(&filter.1, |block, out| {
            out.copy_from_slice(&filter.0[block * BLOCK..(block + 1) * BLOCK]);
            true
        })
    }

    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        (0..length).map(|_| b"0123456789abcdef"[(next() >> 20) as usize % 16]).collect()
    }

    proptest! {
        #[test]
        fn no_fragment_is_ever_missed(
            text in proptest::collection::vec(prop_oneof![3 => "[0-9a-f]{1,40}", 1 => "[a-z_ =\":.]{1,20}", 1 => "\\PC{0,4}"], 0..20),
            begin in any::<prop::sample::Index>(), length in 0_usize..90,
        ) {
            let text = text.concat().into_bytes();
            let filter = build(&text);
            let begin = begin.index(text.len() + 1);
            let fragment = &text[begin..(begin + length).min(text.len())];
            prop_assert!(may_contain(&filter, &Question::of(fragment)));
            for (begin, end) in runs(&text, WORD) {
                prop_assert!(may_contain(&filter, &Question::of_word(&text[begin..end])));
            }
        }

        #[test]
        fn every_long_fragment_has_a_gram(seed in any::<u64>(), length in SURE_BYTES..100) {
            prop_assert!(!Question::of(&noise(seed, length)).grams.is_empty());
        }
    }

    #[test]
    fn what_is_not_there_is_excluded() {
        let lines: Vec<Vec<u8>> = (1..3000).map(|seed| noise(seed, 32)).collect();
        let text =
            lines.iter().flat_map(|id| [b"{\"trace_id\":\"", &id[..], b"\",\"n\":1}\n"].concat()).collect::<Vec<u8>>();
        let filter = build(&text);
        let count = |question: &dyn Fn(u64) -> Question| {
            (10_000..12_000).filter(|seed| may_contain(&filter, &question(*seed))).count()
        };
        let whole = count(&|seed| Question::of(&noise(seed, 32)));
        let parts = count(&|seed| Question::of(&noise(seed, SURE_BYTES)));
        assert!(whole < 20, "{whole} of 2000 ids are not excluded");
        assert!(parts < 300, "{parts} of 2000 fragments are not excluded");
        assert!(filter.0.len() < text.len() / 10);
    }

    #[test]
    fn a_damaged_block_excludes_nothing() {
        let mut filter = build(b"one two three");
        filter.0.iter_mut().for_each(|byte| *byte = 0);
        assert!(may_contain(&filter, &Question::of_word(b"three")));
        assert!(!may_contain(&build(b"one two three"), &Question::of_word(b"threes")));
    }
}
