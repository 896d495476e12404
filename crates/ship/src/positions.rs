//! How far sources were read: offsets of files with what tells them from other files, cursors of everything else.
//!
//! The truth is in the buffer: each batch is written there together with the changes it brings, so that both are durable or
//! neither is. `positions.yaml` is written from time to time in Promtail's format, for people and for the way back; beside the
//! buffer `state.json` keeps the same with the identity of each file. A missing `positions.yaml` means: begin anew.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::ShipError;

/// What tells a file from another one that has its name or its inode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Device.
    pub(crate) dev: u64,
    /// Inode.
    pub(crate) ino: u64,
    /// So many bytes at the beginning ...
    pub(crate) head_len: u32,
    /// ... have this hash.
    pub(crate) head: u64,
    /// So many bytes in front of the offset ...
    pub(crate) anchor_len: u32,
    /// ... have this hash.
    pub(crate) anchor: u64,
}

/// How far one source was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Mark {
    /// A file: everything in front of the offset is done.
    File {
        /// Bytes; of a compressed file bytes as unpacked.
        offset: u64,
        /// Unknown where it comes from a file of Promtail.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        identity: Option<Identity>,
    },
    /// A journal's cursor, a container's last time.
    Cursor {
        /// As the source understands it.
        cursor: String,
    },
}

impl Mark {
    /// As it stands in Promtail's file.
    pub(crate) fn text(&self) -> String {
        match self {
            Mark::File { offset, .. } => offset.to_string(),
            Mark::Cursor { cursor } => cursor.clone(),
        }
    }
}

/// A change of one source; `None` where it is forgotten.
pub(crate) type Change = (String, Option<Mark>);

/// All sources.
pub(crate) type Marks = BTreeMap<String, Mark>;

#[derive(Debug, Default, Serialize, Deserialize)]
struct PositionsFile {
    positions: BTreeMap<String, String>,
}

/// Applies changes in their order.
pub(crate) fn apply(marks: &mut Marks, changes: impl IntoIterator<Item = Change>) {
    for (source, mark) in changes {
        match mark {
            Some(mark) => marks.insert(source, mark),
            None => marks.remove(&source),
        };
    }
}

/// Where positions are kept.
#[derive(Clone, Debug)]
pub(crate) struct PositionFiles {
    pub(crate) yaml: PathBuf,
    pub(crate) state: PathBuf,
}

impl PositionFiles {
    /// What was known when the files were written last; `changes` are those of the buffer, in their order.
    pub(crate) fn load(
        &self,
        ignore_invalid: bool,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<Marks, ShipError> {
        let refuse = |reason: String| ShipError::Positions { path: self.yaml.clone(), reason };
        let text = match std::fs::read_to_string(&self.yaml) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(refuse(error.to_string())),
        };
        let state: Option<Marks> =
            std::fs::read_to_string(&self.state).ok().and_then(|text| serde_json::from_str(&text).ok());
        let Some(text) = text else {
            if state.is_some() {
                warn!(path = %self.yaml.display(), "the positions file is gone; sources are read from their beginning");
            }
            return Ok(Marks::new());
        };
        let told = match read_yaml(&text) {
            Ok(told) => told,
            Err(reason) if ignore_invalid => {
                warn!(path = %self.yaml.display(), reason, "positions file ignored");
                BTreeMap::new()
            }
            Err(reason) => return Err(refuse(reason)),
        };
        let state = state.unwrap_or_default();
        let mut newest = state.clone();
        apply(&mut newest, changes);
        let mut marks = newest.clone();
        for (source, text) in told {
            let (before, now) = (state.get(&source), newest.get(&source));
            if !is_ours(&text, before, now) {
                marks.insert(source, foreign(&text));
            }
        }
        Ok(marks)
    }

    /// Writes both files, each whole or not at all.
    pub(crate) fn save(&self, marks: &Marks) -> io::Result<()> {
        let positions = marks.iter().map(|(source, mark)| (source.clone(), mark.text())).collect();
        let yaml = serde_saphyr::to_string(&PositionsFile { positions }).map_err(io::Error::other)?;
        replace(&self.yaml, yaml.as_bytes())?;
        replace(&self.state, &serde_json::to_vec(marks).map_err(io::Error::other)?)
    }
}

/// True where we wrote it: it says what we last saved, or something between that and what the buffer says.
fn is_ours(text: &str, before: Option<&Mark>, now: Option<&Mark>) -> bool {
    if [before, now].iter().flatten().any(|mark| mark.text() == text) {
        return true;
    }
    match (text.parse::<u64>(), before, now) {
        (Ok(told), Some(Mark::File { offset: from, .. }), Some(Mark::File { offset: to, .. })) => {
            (*from..=*to).contains(&told)
        }
        _ => false,
    }
}

fn foreign(text: &str) -> Mark {
    match text.parse() {
        Ok(offset) => Mark::File { offset, identity: None },
        Err(_) => Mark::Cursor { cursor: text.to_owned() },
    }
}

fn read_yaml(text: &str) -> Result<BTreeMap<String, String>, String> {
    if text.trim().is_empty() {
        return Ok(BTreeMap::new());
    }
    let file: PositionsFile = serde_saphyr::from_str(text).map_err(|e| e.to_string())?;
    Ok(file.positions)
}

/// Writes a file so that after any stop the old or the new content is there. What is no file, such as `/dev/null`, is written
/// to as it stands: another in its place would take it from the whole machine.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write;
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return std::fs::OpenOptions::new().write(true).open(path)?.write_all(content);
    }
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(offset: u64) -> Mark {
        Mark::File { offset, identity: Some(Identity { ino: 7, ..Identity::default() }) }
    }

    fn files(dir: &Path) -> PositionFiles {
        PositionFiles { yaml: dir.join("positions.yaml"), state: dir.join("state.json") }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_stays_what_it_is() {
        use std::os::unix::fs::FileTypeExt;
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("positions");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        replace(&socket, b"positions: {}\n").unwrap_err();
        assert!(std::fs::metadata(&socket).unwrap().file_type().is_socket());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        drop(listener);
    }

    #[test]
    fn a_file_of_promtail_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let text = "positions:\n  /var/log/a.log: \"1234\"\n  journal-x: s=abc;i=1\n  cursor-c0ffee: \"1700000000\"\n";
        std::fs::write(dir.path().join("positions.yaml"), text).unwrap();
        let marks = files(dir.path()).load(false, []).unwrap();
        assert_eq!(marks["/var/log/a.log"], Mark::File { offset: 1234, identity: None });
        assert_eq!(marks["journal-x"], Mark::Cursor { cursor: "s=abc;i=1".into() });
    }

    #[test]
    fn the_buffer_is_ahead_of_the_files_and_people_are_ahead_of_both() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        let saved: Marks = [("a".to_owned(), file(10)), ("b".to_owned(), file(10))].into();
        files.save(&saved).unwrap();
        let changes = || [("a".to_owned(), Some(file(20))), ("c".to_owned(), Some(file(5)))];
        let marks = files.load(false, changes()).unwrap();
        assert_eq!(marks, [("a".into(), file(20)), ("b".into(), file(10)), ("c".into(), file(5))].into());
        let edited = std::fs::read_to_string(&files.yaml).unwrap().replacen("a: \"10\"", "a: \"3\"", 1);
        assert!(edited.contains("\"3\""), "{edited}");
        std::fs::write(&files.yaml, edited).unwrap();
        assert_eq!(files.load(false, changes()).unwrap()["a"], Mark::File { offset: 3, identity: None });
        std::fs::remove_file(&files.yaml).unwrap();
        assert_eq!(files.load(false, changes()).unwrap(), Marks::new());
    }

    #[test]
    fn a_broken_file_is_refused_or_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        std::fs::write(&files.yaml, "positions: [1, 2").unwrap();
        assert!(matches!(files.load(false, []), Err(ShipError::Positions { .. })));
        assert_eq!(files.load(true, []).unwrap(), Marks::new());
    }
}
