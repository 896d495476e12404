//! The frames of a streamed answer: length, CRC-32C (Castagnoli), message; and the series in them.

use model::{Labels, SampleBuffer};

use super::chunks::Chunks;
use super::labels::merged;
use crate::protobuf_out as protobuf;

/// Bytes of labels and chunks in one frame, about (Prometheus' `storage.remote.read-max-bytes-in-frame`).
const FRAME_BYTES: usize = 1 << 20;

/// Hands over the frames of one series.
pub(super) fn series_frames(
    query: usize,
    labels: &Labels,
    external: &Labels,
    buffer: &SampleBuffer,
    mut hand_over: impl FnMut(Vec<u8>) -> bool,
) -> bool {
    let mut names = Vec::new();
    for (name, value) in merged(labels, external) {
        protobuf::pair(&mut names, 1, name, value);
    }
    let mut chunks = Chunks::new(buffer).peekable();
    while chunks.peek().is_some() {
        // `ChunkedSeries`: the labels are repeated in every frame.
        let mut series = names.clone();
        for chunk in chunks.by_ref() {
            protobuf::message(&mut series, 2, |out| {
                protobuf::int(out, 1, chunk.min_time);
                protobuf::int(out, 2, chunk.max_time);
                protobuf::int(out, 3, i64::from(chunk.encoding as u8));
                protobuf::bytes(out, 4, &chunk.data);
            });
            if series.len() >= FRAME_BYTES {
                break;
            }
        }
        let mut response = Vec::with_capacity(series.len() + 16);
        protobuf::bytes(&mut response, 1, &series);
        if query != 0 {
            protobuf::int(&mut response, 2, query as i64);
        }
        if !hand_over(frame(&response)) {
            return false;
        }
    }
    true
}

fn frame(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 14);
    protobuf::varint(&mut out, message.len() as u64);
    out.extend_from_slice(&crc32c(message).to_be_bytes());
    out.extend_from_slice(message);
    out
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            // The polynomial of Castagnoli, reversed.
            sum = if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
}

static TABLE: [u32; 256] = table();

/// CRC-32C of RFC 3720.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| TABLE[((sum ^ u32::from(*byte)) & 0xff) as usize] ^ sum >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_rfc_3720() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
