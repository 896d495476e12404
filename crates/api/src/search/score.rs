//! How well a name fits a search term: Prometheus' scores (`util/strutil`, `web/api/v1/search_filters.go`), from 0 to 1.
//!
//! Terms and names are compared as characters; where both are ASCII, their bytes are.

/// Scores below 1, so that only the same text, or one that begins with the term, has 1.
const NOT_EXACT: f64 = 0.999;
/// The weight of common first characters in Jaro-Winkler's measure, and how many of them count.
const PREFIX_WEIGHT: f64 = 0.1;
const PREFIX: usize = 4;

/// How terms are compared with names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fuzziness {
    /// The characters of the term appear in the name in this order.
    Subsequence,
    /// The term is part of the name, or similar by Jaro and Winkler's measure.
    JaroWinkler,
}

/// A search: a name that fits any of the terms is found.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// In lower case where case does not matter.
    pub(super) terms: Vec<String>,
    pub(super) fuzziness: Fuzziness,
    /// What a name that is no exact match must reach.
    pub(super) threshold: f64,
    pub(super) case_sensitive: bool,
}

impl Search {
    /// The best score of a name, or nothing where it does not fit. Without terms everything fits.
    pub(super) fn score(&self, name: &str) -> Option<f64> {
        if self.terms.is_empty() {
            return Some(1.0);
        }
        let folded;
        let name = if self.case_sensitive {
            name
        } else {
            folded = name.to_lowercase();
            &folded
        };
        self.terms.iter().filter_map(|term| self.score_of(term, name)).max_by(f64::total_cmp)
    }

    fn score_of(&self, term: &str, name: &str) -> Option<f64> {
        match self.fuzziness {
            Fuzziness::Subsequence if name.starts_with(term) => Some(1.0),
            Fuzziness::Subsequence => {
                Some(by_chars(term, name, subsequence, subsequence)).filter(|s| *s > 0.0 && *s >= self.threshold)
            }
            Fuzziness::JaroWinkler => substring(term, name).or_else(|| {
                let similar = self.threshold > 0.0;
                similar.then(|| by_chars(term, name, jaro_winkler, jaro_winkler)).filter(|s| *s >= self.threshold)
            }),
        }
    }
}

fn by_chars(
    term: &str,
    name: &str,
    of_bytes: impl FnOnce(&[u8], &[u8]) -> f64,
    of_chars: impl FnOnce(&[char], &[char]) -> f64,
) -> f64 {
    if term.is_ascii() && name.is_ascii() {
        return of_bytes(term.as_bytes(), name.as_bytes());
    }
    let (term, name): (Vec<char>, Vec<char>) = (term.chars().collect(), name.chars().collect());
    of_chars(&term, &name)
}

/// 1 at the beginning, less the later the term appears, 0.1 at the end.
fn substring(term: &str, name: &str) -> Option<f64> {
    let at = name.find(term)?;
    let most = name.chars().count() - term.chars().count();
    if at == 0 || most == 0 {
        return Some(1.0);
    }
    Some(1.0 - 0.9 * name[..at].chars().count() as f64 / most as f64)
}

/// Rewards characters of the term that follow each other in the name, by the square of their number, and takes off for gaps.
fn subsequence<T: PartialEq>(term: &[T], name: &[T]) -> f64 {
    if term == name {
        return 1.0;
    }
    let Some(last_start) = name.len().checked_sub(term.len()) else { return 0.0 };
    let mut best = -1.0_f64;
    for start in (0..=last_start).filter(|at| name[*at] == term[0]) {
        // Where the rest is not found from here, it is not found from further on either.
        let Some(score) = subsequence_from(term, name, start) else { break };
        best = best.max(score);
    }
    if best < 0.0 { 0.0 } else { best / (term.len() * term.len()) as f64 * NOT_EXACT }
}

fn subsequence_from<T: PartialEq>(term: &[T], name: &[T], start: usize) -> Option<f64> {
    let share = 1.0 / name.len() as f64;
    let (mut score, mut at, mut matched, mut end_of_last) = (0.0, start, 0, 0);
    while matched < term.len() {
        at += name[at..].iter().position(|c| *c == term[matched])?;
        let run = name[at..].iter().zip(&term[matched..]).take_while(|(a, b)| a == b).count();
        score -= (at - end_of_last) as f64 * share;
        score += (run * run) as f64;
        at += run;
        matched += run;
        end_of_last = at;
    }
    Some(score - (name.len() - end_of_last) as f64 * share * 0.5)
}

fn jaro_winkler<T: PartialEq>(term: &[T], name: &[T]) -> f64 {
    if term == name {
        return 1.0;
    }
    let (short, long) = if term.len() <= name.len() { (term, name) } else { (name, term) };
    let distance = (long.len() / 2).saturating_sub(1);
    let mut taken = vec![false; long.len()];
    let mut matching: Vec<&T> = Vec::new();
    for (i, c) in short.iter().enumerate() {
        let window = i.saturating_sub(distance)..(i + distance + 1).min(long.len());
        if let Some(at) = window.into_iter().find(|at| !taken[*at] && long[*at] == *c) {
            taken[at] = true;
            matching.push(c);
        }
    }
    if matching.is_empty() {
        return 0.0;
    }
    let in_long = long.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(c, _)| c);
    let transpositions = matching.iter().zip(in_long).filter(|(a, b)| **a != *b).count() as f64;
    let matches = matching.len() as f64;
    let shares = matches * (1.0 / short.len() as f64) + matches * (1.0 / long.len() as f64);
    let jaro = (shares + (matches - transpositions * 0.5) / matches) / 3.0;
    let prefix = short.iter().zip(long).take(PREFIX).take_while(|(a, b)| a == b).count() as f64;
    jaro + prefix * PREFIX_WEIGHT * (1.0 - jaro)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(terms: &[&str], fuzziness: Fuzziness, threshold: f64, case_sensitive: bool) -> Search {
        Search { terms: terms.iter().map(|t| (*t).to_owned()).collect(), fuzziness, threshold, case_sensitive }
    }

    #[track_caller]
    fn check(found: Option<f64>, wanted: Option<f64>) {
        match (found, wanted) {
            (Some(f), Some(w)) => assert!((f - w).abs() < 1e-9, "{f} instead of {w}"),
            (f, w) => assert_eq!(f, w),
        }
    }

    #[test]
    fn subsequences() {
        let s = |term: &str| search(&[term], Fuzziness::Subsequence, 0.0, true);
        check(s("up").score("up"), Some(1.0));
        check(s("node").score("node_load1"), Some(1.0));
        check(s("xyz").score("node_load1"), None);
        check(s("load").score("loa"), None);
        // Gap of 5 before, one run of 4, 1 behind: (16 - 5/10 - 0.5/10) / 16 * 0.999.
        check(s("load").score("node_load1"), Some((16.0 - 0.5 - 0.05) / 16.0 * 0.999));
        // n, then l after 4: (1 + 1 - 4/10 - 4/20) / 4 * 0.999.
        check(s("nl").score("node_load1"), Some((2.0 - 0.4 - 0.2) / 4.0 * 0.999));
        // The second start is the better one.
        check(s("ab").score("xaxab"), Some((4.0 - 3.0 / 5.0) / 4.0 * 0.999));
        check(s("lß").score("große_ließ"), Some((2.0 - 6.0 / 10.0 - 2.0 / 10.0) / 4.0 * 0.999));
        let strict = search(&["nl"], Fuzziness::Subsequence, 0.9, true);
        check(strict.score("node_load1"), None);
        check(strict.score("nlx"), Some(1.0));
    }

    #[test]
    fn similar_names() {
        let exact = |term: &str| search(&[term], Fuzziness::JaroWinkler, 0.0, true);
        check(exact("load").score("node_load1"), Some(1.0 - 0.9 * 5.0 / 6.0));
        check(exact("node").score("node_load1"), Some(1.0));
        check(exact("nodes").score("node_load1"), None);
        let fuzzy = |term: &str| search(&[term], Fuzziness::JaroWinkler, 0.5, true);
        // The textbook's examples.
        check(fuzzy("MARTHA").score("MARHTA"), Some(0.961_111_111_111_111));
        check(fuzzy("DIXON").score("DICKSONX"), Some(0.813_333_333_333_333));
        check(fuzzy("DWAYNE").score("DUANE"), Some(0.84));
        check(fuzzy("abc").score("xyz"), None);
    }

    #[test]
    fn terms_and_case() {
        let any = search(&["zzz", "load"], Fuzziness::JaroWinkler, 0.0, true);
        check(any.score("load1"), Some(1.0));
        check(search(&[], Fuzziness::Subsequence, 0.9, true).score("anything"), Some(1.0));
        check(search(&["load"], Fuzziness::Subsequence, 0.0, true).score("LOAD"), None);
        check(search(&["load"], Fuzziness::Subsequence, 0.0, false).score("LOAD_5"), Some(1.0));
    }
}
