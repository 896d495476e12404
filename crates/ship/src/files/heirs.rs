//! Files that have the content of another one: copies, compressed or not, and what was rotated while nobody looked.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::info;

use super::compressed::Compressed;
use super::follow::{Follower, ROTATED};
use super::groups::Group;
use super::identity::{FileId, furthest, has_content, id_of, identify, same_beginning};
use super::tail::{Opening, Standing, Tail};
use crate::batch::Batch;
use crate::entry::BaseLabels;
use crate::metrics::PathLabel;
use crate::positions::{Identity, Mark};

/// A copy that was written to within this time is not finished.
const COPYING: Duration = Duration::from_secs(1);
/// A file that is not named after another one needs so many bytes in common with it to be its copy: first lines are often alike.
const ENOUGH: u64 = 256;

impl Follower {
    /// Whether a new file is a copy of one that is followed, as `copytruncate` makes it before it cuts that one: nothing of it
    /// is read again.
    pub(super) fn copied_from(
        &mut self,
        job: usize,
        path: &Path,
        file: &File,
        metadata: &Metadata,
    ) -> io::Result<Copied> {
        let is_growing = metadata.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age < COPYING));
        if Compressed::detect(path, 0).is_some() {
            return self.packed_from(job, path, file, is_growing);
        }
        let size = metadata.len();
        let is_copy = self.tails.iter().any(|tail| {
            tail.job == job
                && tail.offset >= size
                && tail.compressed.is_none()
                && is_named_after(path, &tail.path)
                && same_beginning(&tail.file, file, size)
                && has_content(&tail.file, &identify(file, tail.id, size), size)
        });
        if !is_copy {
            // Or of one that was cut before it was looked at.
            let known = self.known_under(path);
            return Ok(furthest(path, file, &known)?.map_or(Copied::No, Copied::UpTo));
        }
        if is_growing {
            // It is looked at again before long.
            self.wants_scan = true;
            return Ok(Copied::NotYet);
        }
        Ok(Copied::UpTo(size))
    }

    /// A compressed file that has the text of one that was read goes on where that one was left.
    fn packed_from(&mut self, job: usize, path: &Path, file: &File, is_growing: bool) -> io::Result<Copied> {
        let mut known = self.known_under(path);
        let tails = self.tails.iter().filter(|tail| tail.job == job && tail.compressed.is_none());
        let tails = tails.filter(|tail| tail.offset > 0 && can_be_heir(path, &tail.path, tail.offset));
        known.extend(tails.map(|tail| (tail.offset, tail.identity)));
        if known.is_empty() {
            return Ok(Copied::No);
        }
        if is_growing {
            self.wants_scan = true;
            return Ok(Copied::NotYet);
        }
        Ok(furthest(path, file, &known)?.map_or(Copied::No, Copied::UpTo))
    }

    /// How far files were read that are not open and of which this one may be a copy.
    fn known_under(&self, path: &Path) -> Vec<(u64, Identity)> {
        let known = self.marks.iter().filter_map(|(key, mark)| match mark {
            Mark::File { offset, identity: Some(identity) } if *offset > 0 && identity.head_len > 0 => {
                can_be_heir(path, original(key), *offset).then_some((*offset, *identity))
            }
            _ => None,
        });
        known.collect()
    }

    /// What was cut, or removed, while nobody looked, but lies elsewhere as a copy, perhaps compressed: that one is read on under
    /// the old labels. `meant` are the files that patterns match.
    pub(super) fn find_moved(&mut self, groups: &[(usize, Group)], meant: &[(usize, &Group, PathBuf)]) {
        let known = self.marks.iter().filter_map(|(key, mark)| match mark {
            Mark::File { offset, identity: Some(identity) } => Some((key.clone(), *offset, *identity)),
            _ => None,
        });
        let mut known: Vec<(String, u64, Identity)> = known.collect();
        // Of two that fit one file the one that went further counts.
        known.sort_by_key(|(_, offset, _)| std::cmp::Reverse(*offset));
        let is_owned = |file: &File, id: FileId| {
            known
                .iter()
                .any(|(_, offset, identity)| (identity.dev, identity.ino) == id && has_content(file, identity, *offset))
        };
        for (key, offset, identity) in &known {
            let path = original(key);
            let id = (identity.dev, identity.ino);
            let fits = |file: &File| {
                file.metadata().is_ok_and(|found| id_of(&found) == id) && has_content(file, identity, *offset)
            };
            if *offset == 0 || identity.head_len == 0 || File::open(path).is_ok_and(|file| fits(&file)) {
                continue;
            }
            let Some((job, group)) = groups.iter().find(|(_, group)| group.pattern.is_match(path)) else { continue };
            let beside = files_beside(path, meant);
            let has_id = |found: &&PathBuf| std::fs::metadata(found).is_ok_and(|found| id_of(&found) == id);
            if beside.iter().filter(has_id).any(|found| File::open(found).is_ok_and(|file| fits(&file))) {
                continue;
            }
            let heir = beside.into_iter().filter(|found| found != path).find_map(|found| {
                let file = File::open(&found).ok()?;
                let id = id_of(&file.metadata().ok()?);
                (is_heir(&found, path, &file, identity, *offset) && !is_owned(&file, id)).then_some((found, file, id))
            });
            let Some((found, file, id)) = heir else { continue };
            let is_open = self.tails.iter().any(|tail| tail.job == *job && tail.id == id);
            if !is_open && let Err(error) = self.adopt(*job, group, path, found, file, *offset) {
                self.fail(*job, path, &error);
                continue;
            }
            // The path may have a new file, which is read from its beginning.
            self.marks.remove(key);
            if !self.tails.iter().any(|tail| tail.key == *key) {
                self.submit(Batch::of_changes(vec![(key.clone(), None)]));
            }
        }
    }

    /// What was rotated away while nobody looked, and lies beside its successor under a name that is not meant.
    pub(super) fn find_rotated(&mut self, groups: &[(usize, Group)]) {
        let marks: Vec<(String, Mark)> = self.marks.iter().map(|(key, mark)| (key.clone(), mark.clone())).collect();
        for (key, mark) in marks {
            let Mark::File { offset, identity: Some(identity) } = mark else { continue };
            let path = PathBuf::from(key.split(ROTATED).next().unwrap_or_default());
            let id = (identity.dev, identity.ino);
            if self.tails.iter().any(|tail| tail.id == id) {
                continue;
            }
            let Some((job, group)) = groups.iter().find(|(_, group)| group.pattern.is_match(&path)) else { continue };
            let Some((found, file)) =
                sibling_with(&path, |file, found| found == id && has_content(file, &identity, offset))
            else {
                self.marks.remove(&key);
                self.submit(Batch::of_changes(vec![(key, None)]));
                continue;
            };
            if let Err(error) = self.adopt(*job, group, &path, found, file, offset) {
                self.fail(*job, &path, &error);
            }
        }
    }

    fn adopt(
        &mut self,
        job: usize,
        group: &Group,
        path: &Path,
        found: PathBuf,
        file: File,
        offset: u64,
    ) -> io::Result<()> {
        let name = path.display().to_string();
        let labels = group.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let label = PathLabel { path: name.clone() };
        let now = self.stamps.now();
        let id = id_of(&file.metadata()?);
        let opening = Opening {
            job,
            path: path.to_owned(),
            found,
            key: format!("{name}{ROTATED}{}", id.1),
            base: BaseLabels::new(labels.chain([("filename", name.as_str())])),
            pipeline: self.jobs[job].pipeline.clone(),
            read_bytes: self.metrics.read_bytes.get_or_create(&label).clone(),
            read_lines: self.metrics.read_lines.get_or_create(&label).clone(),
        };
        let mut tail = Tail::new(opening, file, offset, now)?;
        tail.standing = Standing::Rotated(now);
        info!(path = %path.display(), offset, "reading the rest of a rotated log file");
        self.submit(Batch::of_changes(vec![(tail.key.clone(), Some(tail.mark()))]));
        self.tails.push(tail);
        Ok(())
    }

    /// The file was cut, or written anew. What was not read yet may be in a copy.
    pub(super) fn rewritten(&mut self, at: usize) {
        let now = self.stamps.now();
        let tail = &self.tails[at];
        let (offset, identity, path, id, job) = (tail.offset, tail.identity, tail.path.clone(), tail.id, tail.job);
        let copy = files_beside(&path, &[]).into_iter().find_map(|found| {
            let file = File::open(&found).ok()?;
            let is_other = id_of(&file.metadata().ok()?) != id;
            (is_other && is_heir(&found, &path, &file, &identity, offset)).then_some((found, file))
        });
        if copy.is_none() && offset > 0 {
            // Its copy may appear later, perhaps compressed.
            let mark = Mark::File { offset, identity: Some(identity) };
            self.marks.insert(format!("{}{ROTATED}cut", path.display()), mark);
        }
        let mut changes = Vec::new();
        if let Some((copied, file)) = copy.filter(|_| offset > 0)
            && let Ok(metadata) = file.metadata()
            && !self.tails.iter().any(|tail| tail.job == job && tail.id == id_of(&metadata))
        {
            if metadata.len() > offset || Compressed::detect(&copied, 0).is_some() {
                let key = format!("{}{ROTATED}{}", path.display(), id_of(&metadata).1);
                if let Ok(mut rest) = self.tails[at].sibling(copied, file, key.clone(), offset, now) {
                    rest.standing = Standing::Rotated(now);
                    changes.push((key, Some(rest.mark())));
                    self.tails.push(rest);
                }
            } else {
                // There is nothing in it that was not read: should its name be meant, it is not read again.
                let identity = Some(identify(&file, id_of(&metadata), offset));
                self.marks.insert(copied.display().to_string(), Mark::File { offset, identity });
            }
        }
        let tail = &mut self.tails[at];
        info!(path = %path.display(), offset, "a log file was cut or written anew; it is read from its beginning");
        tail.restart();
        changes.push((tail.key.clone(), Some(tail.mark())));
        self.submit(Batch::of_changes(changes));
    }
}

/// Whether a new file is a copy.
pub(super) enum Copied {
    No,
    /// It was read up to here.
    UpTo(u64),
    NotYet,
}

/// The path of a position.
fn original(key: &str) -> &Path {
    Path::new(key.split(ROTATED).next().unwrap_or_default())
}

/// By its name, or because so much would have to be alike.
fn can_be_heir(found: &Path, path: &Path, offset: u64) -> bool {
    let name = |path: &Path| path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
    found != path && (offset >= ENOUGH || name(found).starts_with(&name(path)))
}

/// True where a file begins with what was read from `path` up to `offset`.
fn is_heir(found: &Path, path: &Path, file: &File, identity: &Identity, offset: u64) -> bool {
    can_be_heir(found, path, offset) && matches!(furthest(found, file, &[(offset, *identity)]), Ok(Some(_)))
}

/// The files in the same directory and those that are meant; those named after the path come first.
fn files_beside(path: &Path, meant: &[(usize, &Group, PathBuf)]) -> Vec<PathBuf> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    paths.extend(meant.iter().map(|(_, _, path)| path).filter(|path| path.parent() != Some(dir)).cloned());
    paths.sort_by_key(|other| !is_named_after(other, path));
    paths
}

/// `app.log.1` and `app.log-2026` are named after `app.log`.
pub(super) fn is_named_after(path: &Path, original: &Path) -> bool {
    let name = |path: &Path| path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
    path.parent() == original.parent() && path != original && name(path).starts_with(&name(original))
}

/// A file in the same directory that `is_it`; those named after the path are asked first.
fn sibling_with(path: &Path, is_it: impl Fn(&File, FileId) -> bool) -> Option<(PathBuf, File)> {
    files_beside(path, &[]).into_iter().find_map(|path| {
        let file = File::open(&path).ok()?;
        let id = id_of(&file.metadata().ok()?);
        is_it(&file, id).then_some((path, file))
    })
}
