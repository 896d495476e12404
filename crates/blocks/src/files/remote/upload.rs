//! Local files on their way into the bucket: whole where they are short, in parts where not, so that a few parts at most
//! are in memory.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{Bucket, Bytes, GetOptions, PutOptions, PutPayload};
use crate::disk::ReadFile;

/// Parts on their way at one time.
const PARALLEL: usize = 3;
/// S3 takes 10,000 parts.
const MOST_PARTS: u64 = 9_000;

/// Uploads a file; durable when it answers.
pub(super) fn upload(bucket: &Bucket, name: &str, local: &Path) -> io::Result<()> {
    let file = bucket.options.disk.open(local)?;
    let length = file.len()?;
    let part = bucket.options.part_bytes.max(1).max(length.div_ceil(MOST_PARTS));
    if length <= part {
        let bytes = read(file.as_ref(), 0, length)?;
        bucket.cache.fill(name, length, 0, &bytes);
        put_whole(bucket, name, bytes)?;
    } else {
        put_parts(bucket, name, file, length, part)?;
    }
    bucket.lengths.lock().insert(name.to_owned(), length);
    Ok(())
}

/// Uploads bytes at once.
pub(super) fn put_whole(bucket: &Bucket, name: &str, bytes: Bytes) -> io::Result<()> {
    let (store, path) = (bucket.store(), bucket.path(name)?);
    let length = bytes.len() as u64;
    bucket.wait("write", name, async move {
        store.put_opts(&path, PutPayload::from_bytes(bytes), PutOptions::default()).await
    })?;
    bucket.counters.written_bytes.inc_by(length);
    sync(bucket, name)
}

fn put_parts(bucket: &Bucket, name: &str, file: Arc<dyn ReadFile>, length: u64, part: u64) -> io::Result<()> {
    let before = found(bucket, name)?;
    let (store, path) = (bucket.store(), bucket.path(name)?);
    let mut upload =
        bucket.wait("write", name, async move { store.put_multipart_opts(&path, Default::default()).await })?;
    let mut send = || {
        let mut on_their_way = VecDeque::new();
        let mut at = 0;
        while at < length {
            let bytes = read(file.as_ref(), at, part.min(length - at))?;
            bucket.cache.fill(name, length, at, &bytes);
            at += bytes.len() as u64;
            let sent = bytes.len() as u64;
            let request = upload.put_part(PutPayload::from_bytes(bytes));
            on_their_way.push_back((sent, bucket.start("write", name, request)));
            if on_their_way.len() >= PARALLEL
                && let Some((sent, wait)) = on_their_way.pop_front()
            {
                wait()?;
                bucket.counters.written_bytes.inc_by(sent);
            }
        }
        for (sent, wait) in on_their_way {
            wait()?;
            bucket.counters.written_bytes.inc_by(sent);
        }
        Ok(())
    };
    let sent: io::Result<()> = send();
    if let Err(error) = sent {
        bucket.cache.forget(name);
        // The bucket's own rule for unfinished uploads removes what cannot be given back now.
        let given_up = bucket.wait("write", name, async move { upload.abort().await });
        if let Err(error) = given_up {
            tracing::warn!(%error, name, "an unfinished upload stays in the bucket");
        }
        return Err(error);
    }
    if let Err(error) = bucket.wait("write", name, async move { upload.complete().await }) {
        // Where only the answer was lost, the next attempt finds no upload to complete: look at what is there.
        let after = found(bucket, name)?.filter(|(_, there)| *there == length);
        if after.is_none() || after == before {
            bucket.cache.forget(name);
            return Err(error);
        }
    }
    sync(bucket, name)
}

/// Tag and length of what the bucket holds under a name.
fn found(bucket: &Bucket, name: &str) -> io::Result<Option<(Option<String>, u64)>> {
    let (store, path) = (bucket.store(), bucket.path(name)?);
    let answer = bucket.wait("find", name, async move {
        let options = GetOptions { head: true, ..GetOptions::default() };
        Ok(store.get_opts(&path, options).await?.meta)
    });
    match answer {
        Ok(meta) => Ok(Some((meta.e_tag, meta.size))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read(file: &dyn ReadFile, at: u64, length: u64) -> io::Result<Bytes> {
    let mut bytes = vec![0; length as usize];
    file.read_at(&mut bytes, at)?;
    Ok(bytes.into())
}

/// A bucket is durable when it answers; a directory that plays one is not.
fn sync(bucket: &Bucket, name: &str) -> io::Result<()> {
    let Some(dir) = &bucket.address.local_dir else { return Ok(()) };
    File::open(dir.join(name))?.sync_all()?;
    File::open(dir)?.sync_all()
}
