//! Chunks: the samples of one series over some time, by encoding.

use model::SampleBuffer;

use crate::bits::{Bits, Xor};
use crate::bytes::Short;
use crate::histogram;

/// Why a chunk cannot be decoded.
#[derive(Debug)]
pub(crate) enum ChunkError {
    /// Its bytes make no sense.
    Damaged(&'static str),
    /// An encoding that is not known here.
    Encoding(u8),
}

impl From<Short> for ChunkError {
    fn from(_: Short) -> Self {
        ChunkError::Damaged("the samples of a chunk are cut off")
    }
}

/// Appends the samples of a chunk, without regard to the times of those before.
pub(crate) fn decode(encoding: u8, data: &[u8], out: &mut SampleBuffer) -> Result<(), ChunkError> {
    let (count, rest) = data.split_first_chunk::<2>().ok_or(Short)?;
    let count = u16::from_be_bytes(*count);
    match encoding {
        1 => Ok(floats(count, rest, out)?),
        2 => histogram::integers(count, rest, out),
        3 => histogram::floats(count, rest, out),
        other => Err(ChunkError::Encoding(other)),
    }
}

fn floats(count: u16, data: &[u8], out: &mut SampleBuffer) -> Result<(), Short> {
    let mut bits = Bits::new(data);
    let (mut time, mut step, mut value) = (0_i64, 0_i64, Xor::default());
    for number in 0..count {
        match number {
            0 => {
                time = bits.varint()?;
                value = Xor::new(bits.float()?);
            }
            1 => {
                step = bits.uvarint()? as i64;
                time = time.wrapping_add(step);
                bits.xor(&mut value)?;
            }
            _ => {
                step = step.wrapping_add(bits.time_step()?);
                time = time.wrapping_add(step);
                bits.xor(&mut value)?;
            }
        }
        out.push_float(time, value.value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Chunks without their checksums, which would keep most mutations from the decoder.
    #[test]
    fn mutated_chunks_never_panic() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/histograms");
        let dir = crate::find_blocks(&data).unwrap().remove(0);
        let file = std::fs::read(dir.join("chunks/000001")).unwrap();
        let mut rest = crate::bytes::Bytes::new(&file[8..]);
        let mut chunks = Vec::new();
        while rest.len() > 0 {
            let length = rest.uvarint().unwrap() as usize;
            chunks.push((rest.u8().unwrap(), rest.take(length).unwrap().to_vec()));
            rest.take(4).unwrap();
        }
        for encoding in 1..=3 {
            assert!(chunks.iter().any(|(e, _)| *e == encoding), "no chunk of encoding {encoding}");
        }
        let mut random = StdRng::seed_from_u64(3);
        let mut decoded = 0;
        for _ in 0..2000 {
            let (encoding, data) = &chunks[random.random_range(0..chunks.len())];
            let mut data = data.clone();
            for _ in 0..random.random_range(1..6) {
                let near = if random.random_bool(0.5) { data.len().min(24) } else { data.len() };
                data[random.random_range(0..near)] = random.random();
            }
            data.truncate(random.random_range(0..=data.len() * 2).min(data.len()));
            let mut out = SampleBuffer::default();
            decoded += usize::from(decode(*encoding, &data, &mut out).is_ok());
        }
        assert!(decoded > 0, "no mutation was decoded to the end");
    }
}
