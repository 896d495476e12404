//! Writes protobuf messages by hand, field by field: the few messages that are answered are large and flat, and generated
//! types would be filled only to be walked over once.

/// Wire types.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const DELIMITED: u32 = 2;

/// Appends a varint.
#[inline]
pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a field of type `int64`, `uint64`, `enum` or `bool`.
#[inline]
pub(crate) fn int(out: &mut Vec<u8>, field: u32, value: i64) {
    varint(out, u64::from(field << 3 | VARINT));
    varint(out, value as u64);
}

/// Appends a field of type `sint32` or `sint64`.
#[inline]
pub(crate) fn sint(out: &mut Vec<u8>, field: u32, value: i64) {
    int(out, field, value << 1 ^ value >> 63);
}

/// Appends a field of type `double`.
#[inline]
pub(crate) fn double(out: &mut Vec<u8>, field: u32, value: f64) {
    varint(out, u64::from(field << 3 | FIXED64));
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a field of type `string` or `bytes`.
#[inline]
pub(crate) fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    varint(out, u64::from(field << 3 | DELIMITED));
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Appends a packed field of type `repeated double`; nothing where there is no value.
pub(crate) fn doubles(out: &mut Vec<u8>, field: u32, values: &[f64]) {
    if values.is_empty() {
        return;
    }
    varint(out, u64::from(field << 3 | DELIMITED));
    varint(out, 8 * values.len() as u64);
    values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
}

/// Appends a message, which `write` fills.
pub(crate) fn message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    varint(out, u64::from(field << 3 | DELIMITED));
    delimited(out, write);
}

/// Appends what `write` fills behind its length.
pub(crate) fn delimited(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    // Most messages are shorter than 128 bytes; the longer are moved to make room.
    out.push(0);
    write(out);
    let length = out.len() - start - 1;
    if length < 0x80 {
        out[start] = length as u8;
        return;
    }
    let mut prefix = Vec::with_capacity(10);
    varint(&mut prefix, length as u64);
    out.splice(start..=start, prefix);
}

/// Appends a label or any other pair of texts with the fields 1 and 2.
pub(crate) fn pair(out: &mut Vec<u8>, field: u32, name: &str, value: &str) {
    message(out, field, |out| {
        bytes(out, 1, name.as_bytes());
        bytes(out, 2, value.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[derive(Clone, PartialEq, Message)]
    struct Inner {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(string, tag = "2")]
        value: String,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Outer {
        #[prost(int64, tag = "1")]
        int: i64,
        #[prost(sint64, tag = "2")]
        sint: i64,
        #[prost(double, tag = "3")]
        double: f64,
        #[prost(message, repeated, tag = "4")]
        pairs: Vec<Inner>,
        #[prost(double, repeated, tag = "200")]
        doubles: Vec<f64>,
    }

    #[test]
    fn prost_reads_what_is_written() {
        for size in [0, 1, 60, 120, 130, 20_000] {
            let text = "x".repeat(size);
            let mut out = Vec::new();
            int(&mut out, 1, -7);
            sint(&mut out, 2, i64::MIN);
            double(&mut out, 3, -0.5);
            pair(&mut out, 4, "a", &text);
            pair(&mut out, 4, &text, "b");
            doubles(&mut out, 200, &[1.0, 2.0]);
            let inner = |name: &str, value: &str| Inner { name: name.into(), value: value.into() };
            let expected = Outer {
                int: -7,
                sint: i64::MIN,
                double: -0.5,
                pairs: vec![inner("a", &text), inner(&text, "b")],
                doubles: vec![1.0, 2.0],
            };
            assert_eq!(Outer::decode(out.as_slice()).unwrap(), expected);
        }
    }
}
