//! What a file is, whatever its name: device and inode, and the bytes at its beginning and in front of the place up to which it
//! was read, because inodes are used again and files are cut and written anew.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::compressed::Compressed;
use crate::positions::Identity;

/// Bytes of the beginning that are remembered.
pub(super) const HEAD: usize = 1024;
/// Bytes in front of the offset that are remembered.
pub(super) const ANCHOR: usize = 256;
/// Of a file that may be a copy, so many bytes are compared.
const COMPARED: u64 = 64 << 10;

/// Device and inode.
pub(super) type FileId = (u64, u64);

pub(super) fn id_of(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
}

/// The identity of a file that was read up to `offset`.
pub(super) fn identify(file: &File, id: FileId, offset: u64) -> Identity {
    let head = bytes_at(file, 0, offset.min(HEAD as u64));
    let anchor_len = offset.min(ANCHOR as u64);
    let anchor = bytes_at(file, offset - anchor_len, anchor_len);
    Identity {
        dev: id.0,
        ino: id.1,
        head_len: head.len() as u32,
        head: xxh3_64(&head),
        anchor_len: anchor.len() as u32,
        anchor: xxh3_64(&anchor),
    }
}

/// The identity of a compressed file: its beginning as it lies there, whatever the offset in the unpacked text is.
pub(super) fn identify_packed(file: &File, id: FileId) -> Identity {
    let head = bytes_at(file, 0, HEAD as u64);
    let (head_len, head) = (head.len() as u32, xxh3_64(&head));
    Identity { dev: id.0, ino: id.1, head_len, head, anchor_len: 0, anchor: xxh3_64(b"") }
}

/// The furthest of these offsets whose identity the file's text fits; that of a compressed file is unpacked for it. An error is
/// one of unpacking.
pub(super) fn furthest(path: &Path, file: &File, known: &[(u64, Identity)]) -> io::Result<Option<u64>> {
    let Some(packed) = Compressed::detect(path, 0) else {
        let size = file.metadata()?.len();
        let fitting = known.iter().filter(|(offset, identity)| *offset <= size && has_content(file, identity, *offset));
        return Ok(fitting.map(|(offset, _)| *offset).max());
    };
    let mut reader = packed.open(file)?;
    let mut window = Vec::new();
    reader.by_ref().take(HEAD as u64).read_to_end(&mut window)?;
    let has_head = |identity: &Identity| {
        window.get(..identity.head_len as usize).is_some_and(|head| xxh3_64(head) == identity.head)
    };
    let mut left: Vec<(u64, Identity)> = known.iter().filter(|(_, identity)| has_head(identity)).copied().collect();
    left.sort_by_key(|(offset, _)| *offset);
    // Unpacked bytes up to the end of the window, which is the last of them.
    let mut at = window.len() as u64;
    let mut found = None;
    let mut chunk = vec![0; 64 << 10];
    for (offset, identity) in left {
        while at < offset {
            let wanted = (offset - at).min(chunk.len() as u64) as usize;
            let read = reader.read(&mut chunk[..wanted])?;
            if read == 0 {
                return Ok(found);
            }
            at += read as u64;
            window.extend_from_slice(&chunk[..read]);
            window.drain(..window.len().saturating_sub(HEAD));
        }
        let Some(end) = window.len().checked_sub((at - offset) as usize) else { continue };
        let Some(from) = end.checked_sub(identity.anchor_len as usize) else { continue };
        if xxh3_64(&window[from..end]) == identity.anchor {
            found = Some(offset);
        }
    }
    Ok(found)
}

/// True where the file still has the bytes that were read from it. Who has the inode is not asked.
pub(super) fn has_content(file: &File, identity: &Identity, offset: u64) -> bool {
    let head = bytes_at(file, 0, u64::from(identity.head_len));
    if head.len() != identity.head_len as usize || xxh3_64(&head) != identity.head {
        return false;
    }
    let anchor_len = u64::from(identity.anchor_len);
    let Some(from) = offset.checked_sub(anchor_len) else { return false };
    let anchor = bytes_at(file, from, anchor_len);
    anchor.len() as u64 == anchor_len && xxh3_64(&anchor) == identity.anchor
}

/// True where both files begin with the same bytes, as far as `offset` and a bound.
pub(super) fn same_beginning(one: &File, other: &File, offset: u64) -> bool {
    let length = offset.min(COMPARED);
    let bytes = bytes_at(one, 0, length);
    bytes.len() as u64 == length && bytes == bytes_at(other, 0, length)
}

/// What can be read of a range; less at the end of the file or where it cannot be read.
fn bytes_at(file: &File, from: u64, length: u64) -> Vec<u8> {
    let mut bytes = vec![0; length as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], from + filled as u64) {
            Ok(0) | Err(_) => break,
            Ok(read) => filled += read,
        }
    }
    bytes.truncate(filled);
    bytes
}
