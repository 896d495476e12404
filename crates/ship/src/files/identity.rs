//! What a file is, whatever its name: device and inode, and the bytes at its beginning and in front of the place up to which it
//! was read, because inodes are used again and files are cut and written anew.

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};

use xxhash_rust::xxh3::xxh3_64;

use crate::positions::Identity;

/// Bytes of the beginning that are remembered.
pub(super) const HEAD: usize = 256;
/// Bytes in front of the offset that are remembered.
pub(super) const ANCHOR: usize = 64;
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
