//! Paths by patterns: `*`, `?`, `[a-z]`, `{a,b}` within a part of a path, `**` for any number of directories.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

/// Directories within each other; more are a loop of links.
const MOST_DEPTH: usize = 40;
/// Entries of directories that one walk looks at.
const MOST_ENTRIES: usize = 1_000_000;

/// A compiled pattern, with what is excluded.
#[derive(Clone, Debug)]
pub(crate) struct PathPattern {
    glob: GlobMatcher,
    exclude: Option<GlobMatcher>,
    /// The directory below which all matches lie.
    root: PathBuf,
    /// Directories below the root in which matches can lie; `None` for any number.
    depth: Option<usize>,
}

fn compile(pattern: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| error.to_string())
}

impl PathPattern {
    /// Compiles `__path__` and `__path_exclude__`.
    pub(crate) fn new(path: &str, exclude: Option<&str>) -> Result<Self, String> {
        let is_literal =
            |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{', '\\']);
        let parts: Vec<Component<'_>> = Path::new(path).components().collect();
        let fixed = parts.iter().take(parts.len().saturating_sub(1)).take_while(|part| is_literal(part)).count();
        let depth = (!path.contains("**")).then(|| parts.len().saturating_sub(fixed + 1));
        Ok(PathPattern {
            glob: compile(path)?,
            exclude: exclude.filter(|text| !text.is_empty()).map(compile).transpose()?,
            root: parts[..fixed].iter().collect(),
            depth,
        })
    }

    /// True where a path is one of those meant.
    pub(crate) fn is_match(&self, path: &Path) -> bool {
        self.glob.is_match(path) && self.exclude.as_ref().is_none_or(|exclude| !exclude.is_match(path))
    }

    /// The files there are, in order. `directories` learns where new ones may appear.
    pub(crate) fn find(&self, directories: &mut BTreeSet<PathBuf>) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut budget = MOST_ENTRIES;
        let root = if self.root.as_os_str().is_empty() { Path::new(".") } else { &self.root };
        self.walk(root, 0, &mut budget, directories, &mut found);
        found.sort();
        found
    }

    fn walk(
        &self,
        dir: &Path,
        level: usize,
        budget: &mut usize,
        directories: &mut BTreeSet<PathBuf>,
        found: &mut Vec<PathBuf>,
    ) {
        directories.insert(dir.to_owned());
        let Ok(entries) = std::fs::read_dir(dir) else { return };
        for entry in entries.flatten() {
            if *budget == 0 {
                return;
            }
            *budget -= 1;
            let path = if self.root.as_os_str().is_empty() && level == 0 {
                PathBuf::from(entry.file_name())
            } else {
                entry.path()
            };
            let kind = match entry.file_type() {
                // Kubernetes' logs are links.
                Ok(kind) if kind.is_symlink() => std::fs::metadata(&path).map(|m| m.file_type()),
                kind => kind,
            };
            let Ok(kind) = kind else { continue };
            if kind.is_dir() {
                let may_go_deeper = self.depth.is_none_or(|depth| level < depth) && level < MOST_DEPTH;
                if may_go_deeper {
                    self.walk(&path, level + 1, budget, directories, found);
                }
            } else if kind.is_file() && self.is_match(&path) {
                found.push(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_promtail_finds() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["a.log", "a.log.1", "b.txt", "x/c.log", "x/y/d.log", "x/y/skip.log"] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink(dir.path().join("x/y"), dir.path().join("link")).unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("x/loop")).unwrap();
        let find = |pattern: &str, exclude: Option<&str>| {
            let absolute = |p: &str| format!("{}/{p}", dir.path().display());
            let exclude = exclude.map(absolute);
            let pattern = PathPattern::new(&absolute(pattern), exclude.as_deref()).unwrap();
            let found = pattern.find(&mut BTreeSet::new());
            let names = found.iter().map(|p| p.strip_prefix(dir.path()).unwrap().display().to_string());
            names.filter(|name| !name.contains("loop")).collect::<Vec<_>>()
        };
        assert_eq!(find("*.log", None), ["a.log"]);
        assert_eq!(find("*.log*", None), ["a.log", "a.log.1"]);
        assert_eq!(find("{a,b}.*", None), ["a.log", "a.log.1", "b.txt"]);
        assert_eq!(find("*/*.log", None), ["link/d.log", "link/skip.log", "x/c.log"]);
        assert_eq!(find("**/*.log", Some("**/skip*")), ["a.log", "link/d.log", "x/c.log", "x/y/d.log"]);
        assert_eq!(find("x/y/d.log", None), ["x/y/d.log"]);
        assert!(PathPattern::new("/a/[", None).is_err());
    }
}
