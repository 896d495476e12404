//! Sizes with units, as dustin/go-humanize reads them.

/// How many bytes a unit stands for: `kB` and `k` 1000, `KiB` and `Ki` 1024, up to exa; none and `B` one. Case does not
/// matter.
pub fn unit(name: &str) -> Option<u64> {
    let name = name.to_lowercase();
    let name = name.strip_suffix('b').unwrap_or(&name);
    let (prefix, base) = match name.strip_suffix('i') {
        Some(prefix) => (prefix, 1024_u64),
        None => (name, 1000),
    };
    match prefix {
        "" if base == 1000 => Some(1),
        "k" => Some(base),
        "m" => Some(base.pow(2)),
        "g" => Some(base.pow(3)),
        "t" => Some(base.pow(4)),
        "p" => Some(base.pow(5)),
        "e" => Some(base.pow(6)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        for (name, bytes) in
            [("", 1), ("B", 1), ("kB", 1000), ("K", 1000), ("KiB", 1024), ("gi", 1 << 30), ("EiB", 1 << 60)]
        {
            assert_eq!(unit(name), Some(bytes), "{name}");
        }
        for name in ["i", "ib", "bb", "kbb", "parsec"] {
            assert_eq!(unit(name), None, "{name}");
        }
    }
}
