//! `ip("...")`: addresses, prefixes and ranges, and where addresses stand in a text.

use std::net::IpAddr;

/// What addresses are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IpMatcher {
    One(IpAddr),
    /// First and last address.
    Range(IpAddr, IpAddr),
}

impl IpMatcher {
    /// `10.0.0.1`, `10.0.0.0/8` or `10.0.0.1-10.0.0.9`. The error is Loki's.
    pub(crate) fn parse(pattern: &str) -> Result<Self, String> {
        if let Ok(address) = pattern.parse() {
            return Ok(IpMatcher::One(address));
        }
        let found = prefix(pattern).or_else(|| {
            let (first, last) = pattern.split_once('-')?;
            let (first, last): (IpAddr, IpAddr) = (first.parse().ok()?, last.parse().ok()?);
            (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(IpMatcher::Range(first, last))
        });
        found.ok_or_else(|| format!("ip: invalid pattern: {}", model::float::go_quote(pattern)))
    }

    fn contains(&self, address: IpAddr) -> bool {
        match self {
            IpMatcher::One(one) => *one == address,
            IpMatcher::Range(first, last) => {
                first.is_ipv4() == address.is_ipv4() && *first <= address && address <= *last
            }
        }
    }

    /// True where one of the addresses in the text is meant.
    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        let at = |i: usize| text.get(i).copied().unwrap_or(0);
        let mut i = 0;
        while i < text.len() {
            let is_v4 = i + 3 < text.len()
                && at(i).is_ascii_digit()
                && (at(i + 1) == b'.' || at(i + 2) == b'.' || at(i + 3) == b'.');
            let is_v6 = !is_v4 && looks_like_v6([at(i), at(i + 1), at(i + 2), at(i + 3), at(i + 4)]);
            if is_v4 || is_v6 {
                let belongs =
                    |b: &u8| b.is_ascii_digit() || *b == b'.' || is_v6 && (b.is_ascii_hexdigit() || *b == b':');
                let length = text[i..].iter().take_while(|b| belongs(b)).count();
                let address = std::str::from_utf8(&text[i..i + length]).ok().and_then(|text| text.parse().ok());
                if address.is_some_and(|address| self.contains(address)) {
                    return true;
                }
                i += length;
            }
            i += 1;
        }
        false
    }
}

fn prefix(pattern: &str) -> Option<IpMatcher> {
    let (address, bits) = pattern.split_once('/')?;
    let plain =
        !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) && (bits.len() == 1 || !bits.starts_with('0'));
    let bits: u32 = bits.parse().ok().filter(|_| plain)?;
    match address.parse().ok()? {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(bits).unwrap_or(0);
            let first = u32::from(address) & !host;
            (bits <= 32).then(|| IpMatcher::Range(IpAddr::V4(first.into()), IpAddr::V4((first | host).into())))
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(bits).unwrap_or(0);
            let first = u128::from(address) & !host;
            (bits <= 128).then(|| IpMatcher::Range(IpAddr::V6(first.into()), IpAddr::V6((first | host).into())))
        }
    }
}

fn looks_like_v6(start: [u8; 5]) -> bool {
    let digits = start.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    match digits {
        0 => start[0] == b':' && start[1] == b':' && start[2].is_ascii_hexdigit(),
        1..=4 => start[digits] == b':',
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_text() {
        for (pattern, text, want) in [
            ("10.0.0.0/8", "from 10.1.2.3 to x", true),
            ("10.0.0.0/8", "from 11.1.2.3 to x", false),
            ("10.1.0.0-10.1.3.255", "ip=10.1.2.9", true),
            ("192.168.0.1", "192.168.0.11", false),
            ("::1", "addr ::1 end", true),
            ("2001:db8::/32", "at 2001:db8::5.", false),
            ("2001:db8::/32", "at 2001:db8::5 ", true),
            ("0.0.0.0/0", "1.2.3", false),
        ] {
            assert_eq!(IpMatcher::parse(pattern).expect(pattern).is_in(text.as_bytes()), want, "{pattern} {text}");
        }
        assert_eq!(IpMatcher::parse("bad").unwrap_err(), "ip: invalid pattern: \"bad\"");
        assert!(IpMatcher::parse("10.0.0.0/33").is_err() && IpMatcher::parse("::1-10.0.0.1").is_err());
    }
}
