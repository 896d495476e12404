//! Packed bodies, unpacked within the account of requests under way.

use std::io::Read;

use thiserror::Error;

use super::body::{MAX_BYTES, ReadFault, Reserved};

/// Bytes that are unpacked at a time.
const STEP_BYTES: usize = 64 << 10;
/// Largest window of zstd, as a power of two: 8 MiB, the most that its specification asks of decoders.
const ZSTD_WINDOW_LOG: u32 = 23;

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    None,
    Gzip,
    Zstd,
    /// With or without the two bytes of zlib in front: HTTP means the one, Loki reads the other.
    Deflate,
}

/// Why a body was not unpacked.
#[derive(Debug, Error)]
pub(crate) enum UnpackFault {
    #[error(transparent)]
    Read(#[from] ReadFault),
    #[error("the body is not {0}: {1}")]
    Broken(&'static str, std::io::Error),
    #[error("unpacked size exceeds the {MAX_BYTES} bytes limit")]
    TooLarge,
}

impl Packing {
    /// By its name in `Content-Encoding` or `grpc-encoding`.
    pub(crate) fn named(name: &str) -> Option<Packing> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" | "none" => Some(Packing::None),
            "gzip" => Some(Packing::Gzip),
            "zstd" => Some(Packing::Zstd),
            "deflate" => Some(Packing::Deflate),
            _ => None,
        }
    }
}

/// Unpacks a body.
pub(crate) fn unpack(packed: Vec<u8>, packing: Packing, reserved: &mut Reserved<'_>) -> Result<Vec<u8>, UnpackFault> {
    match packing {
        Packing::None => Ok(packed),
        Packing::Gzip => read_all("gzip", flate2::read::MultiGzDecoder::new(packed.as_slice()), reserved),
        Packing::Deflate if is_zlib(&packed) => {
            read_all("deflate", flate2::read::ZlibDecoder::new(packed.as_slice()), reserved)
        }
        Packing::Deflate => read_all("deflate", flate2::read::DeflateDecoder::new(packed.as_slice()), reserved),
        Packing::Zstd => {
            let not_zstd = |error| UnpackFault::Broken("zstd", error);
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed.as_slice()).map_err(not_zstd)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(not_zstd)?;
            read_all("zstd", decoder, reserved)
        }
    }
}

/// RFC 1950: method 8, and both bytes together a multiple of 31.
fn is_zlib(packed: &[u8]) -> bool {
    matches!(packed, [method, flags, ..] if method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0)
}

fn read_all(name: &'static str, mut from: impl Read, reserved: &mut Reserved<'_>) -> Result<Vec<u8>, UnpackFault> {
    let mut bytes = Vec::new();
    loop {
        let before = bytes.len();
        let step = from.by_ref().take(STEP_BYTES as u64).read_to_end(&mut bytes);
        let read = step.map_err(|error| UnpackFault::Broken(name, error))?;
        if read == 0 {
            return Ok(bytes);
        }
        if bytes.len() > MAX_BYTES {
            return Err(UnpackFault::TooLarge);
        }
        reserved.add(bytes.len() - before)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::body::Account;
    use std::io::Write;

    #[test]
    fn packed_bodies() {
        let account = Account::new(1 << 30, None);
        let mut reserved = account.open();
        let text = b"hello hello hello".to_vec();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        let gzip = gzip.finish().unwrap();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&text).unwrap();
        let zlib = zlib.finish().unwrap();
        let raw = zlib[2..zlib.len() - 4].to_vec();
        let zstd = zstd::encode_all(text.as_slice(), 3).unwrap();
        for (packed, packing) in [
            (text.clone(), Packing::None),
            (gzip.clone(), Packing::Gzip),
            (zstd.clone(), Packing::Zstd),
            (zlib, Packing::Deflate),
            (raw, Packing::Deflate),
        ] {
            assert_eq!(unpack(packed, packing, &mut reserved).unwrap(), text, "{packing:?}");
        }
        for (packed, packing) in [
            (text, Packing::Gzip),
            (gzip[..gzip.len() - 3].to_vec(), Packing::Gzip),
            (zstd[..zstd.len() - 3].to_vec(), Packing::Zstd),
            (vec![0xff; 9], Packing::Deflate),
        ] {
            let fault = unpack(packed, packing, &mut reserved).unwrap_err();
            assert!(matches!(fault, UnpackFault::Broken(..)), "{fault}");
        }
    }

    #[test]
    fn bombs() {
        let zeros = zstd::encode_all(std::io::repeat(0).take(64 << 20), 3).unwrap();
        let account = Account::new(1 << 30, None);
        let fault = unpack(zeros.clone(), Packing::Zstd, &mut account.open()).unwrap_err();
        assert!(matches!(fault, UnpackFault::TooLarge));
        let small = Account::new(1 << 20, None);
        let fault = unpack(zeros, Packing::Zstd, &mut small.open()).unwrap_err();
        assert!(matches!(fault, UnpackFault::Read(ReadFault::BeyondMemory(_))));
    }
}
