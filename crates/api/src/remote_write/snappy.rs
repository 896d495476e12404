//! Bodies in snappy's block format: the size is declared at the beginning, so memory is taken before it is used.

use thiserror::Error;

use crate::ingest::body::{MAX_BYTES, ReadFault, Reserved};

/// How the frame format of snappy begins.
const FRAME_FORMAT: &[u8] = b"\xff\x06\x00\x00sNaPpY";

/// Why a body gives no message.
#[derive(Debug, Error)]
pub(crate) enum BodyFault {
    #[error(transparent)]
    Read(#[from] ReadFault),
    #[error("the request body is empty; expected a message in snappy's block format")]
    Empty,
    #[error("the request body is in snappy's frame format; only the block format is accepted")]
    FrameFormat,
    #[error("decoded size of {0} bytes exceeds the {MAX_BYTES} bytes limit")]
    DecodedTooLarge(u64),
    #[error("the request body is not in snappy's block format: {0}")]
    Snappy(#[from] snap::Error),
}

/// The size that a compressed message declares, reserved.
pub(crate) fn declared_size(compressed: &[u8], reserved: &mut Reserved<'_>) -> Result<usize, BodyFault> {
    if compressed.is_empty() {
        return Err(BodyFault::Empty);
    }
    if compressed.starts_with(FRAME_FORMAT) {
        return Err(BodyFault::FrameFormat);
    }
    let size = match snap::raw::decompress_len(compressed) {
        Ok(size) => size,
        Err(snap::Error::TooBig { given, .. }) => return Err(BodyFault::DecodedTooLarge(given)),
        Err(error) => return Err(error.into()),
    };
    if size > MAX_BYTES {
        return Err(BodyFault::DecodedTooLarge(size as u64));
    }
    reserved.add(size)?;
    Ok(size)
}

/// Decompresses into `buffer`, which only ever grows; answers the message.
pub(crate) fn decompress<'b>(compressed: &[u8], size: usize, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], BodyFault> {
    if buffer.len() < size {
        buffer.resize(size, 0);
    }
    let written = snap::raw::Decoder::new().decompress(compressed, &mut buffer[..size])?;
    Ok(&buffer[..written])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::body::Account;

    fn size_of(compressed: &[u8]) -> Result<usize, BodyFault> {
        let account = Account::new(u64::MAX, None);
        declared_size(compressed, &mut account.open())
    }

    #[test]
    fn what_is_no_block_is_told_apart() {
        let packed = snap::raw::Encoder::new().compress_vec(b"hello").unwrap();
        assert_eq!(size_of(&packed).unwrap(), 5);
        let mut buffer = vec![7; 100];
        assert_eq!(decompress(&packed, 5, &mut buffer).unwrap(), b"hello");
        assert!(matches!(size_of(b""), Err(BodyFault::Empty)));
        assert!(matches!(size_of(b"\xff\x06\x00\x00sNaPpY\x00"), Err(BodyFault::FrameFormat)));
        assert!(matches!(size_of(&[0xff; 12]), Err(BodyFault::Snappy(_))));
        // 32 MiB and one byte; then four GiB; nothing is allocated for either.
        assert!(matches!(size_of(&[0x81, 0x80, 0x80, 0x10]), Err(BodyFault::DecodedTooLarge(33_554_433))));
        assert!(matches!(size_of(&[0x80, 0x80, 0x80, 0x80, 0x10]), Err(BodyFault::DecodedTooLarge(4_294_967_296))));
        assert!(decompress(&[5, 0], 5, &mut buffer).is_err());
    }
}
