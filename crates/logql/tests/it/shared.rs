//! Cases that are shared between products: found beside the repository or through `AFFERENT_SHARED`.

use std::path::PathBuf;

/// The folder of LogQL cases. Without it, one line says so and the test has nothing to do.
#[allow(clippy::print_stderr, reason = "a test that has nothing to do says so")]
pub(crate) fn folder() -> Option<PathBuf> {
    let root = std::env::var_os("AFFERENT_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let folder = root.join("conformance/logql");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no shared cases at {}", folder.display());
    None
}

/// The text of a file of the folder.
pub(crate) fn read(name: &str) -> Option<String> {
    let path = folder()?.join(name);
    Some(std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}
