//! Columns of times and values as they lie in blocks: any bytes give entries or an error, and what decodes encodes again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metrics::codec;

fuzz_target!(|data: &[u8]| {
    let [low, high, column @ ..] = data else { return };
    let count = usize::from(u16::from_le_bytes([*low, *high])) % codec::MAX_SAMPLES + 1;
    let mut times = Vec::new();
    if codec::decode_times(column, count, &mut times).is_ok() && times.is_sorted_by(|a, b| a < b) {
        let (mut bytes, mut again) = (Vec::new(), Vec::new());
        codec::encode_times(&times, &mut bytes);
        codec::decode_times(&bytes, times.len(), &mut again).expect("what was encoded decodes");
        assert_eq!(again, times);
    }
    let mut values = Vec::new();
    if codec::decode_values(column, count, &mut values).is_ok() {
        let bits: Vec<u64> = values.iter().map(|v| v.to_bits()).collect();
        let (mut bytes, mut again) = (Vec::new(), Vec::new());
        codec::encode_values(&bits, &mut bytes);
        codec::decode_values(&bytes, bits.len(), &mut again).expect("what was encoded decodes");
        assert_eq!(again.iter().map(|v| v.to_bits()).collect::<Vec<_>>(), bits);
    }
});
