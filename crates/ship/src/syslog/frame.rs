//! Cutting a byte stream into messages (RFC 6587): octet counting (`12 <34>1 ...`), or lines ended by a newline or a zero byte.
//! Each message says by its first byte which it is, so that senders of both kinds may share a port.

use thiserror::Error;

/// Why a connection cannot be read any further.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// A message is longer than allowed.
    #[error("message too long: more than {0} bytes")]
    TooLong(usize),
    /// A count is followed by something else than a blank.
    #[error("a message begins neither with < nor with its length")]
    Count,
}

/// Takes bytes as they come, gives messages.
#[derive(Debug)]
pub struct Framer {
    ahead: Vec<u8>,
    taken: usize,
    most: usize,
}

impl Framer {
    /// Messages may have `most` bytes.
    pub fn new(most: usize) -> Self {
        Framer { ahead: Vec::new(), taken: 0, most }
    }

    /// Adds bytes that were received.
    pub fn push(&mut self, bytes: &[u8]) {
        self.ahead.drain(..self.taken);
        self.taken = 0;
        self.ahead.extend_from_slice(bytes);
    }

    /// The next whole message, without what ends it; `None` where more bytes are needed.
    pub fn next_message(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let blanks = self.ahead[self.taken..].iter().take_while(|b| matches!(b, b'\n' | b'\r' | 0 | b' ')).count();
        self.taken += blanks;
        let rest = &self.ahead[self.taken..];
        let Some(first) = rest.first() else { return Ok(None) };
        let (from, length, used) = if first.is_ascii_digit() {
            let digits = rest.iter().take(9).take_while(|b| b.is_ascii_digit()).count();
            let count: usize = std::str::from_utf8(&rest[..digits]).ok().and_then(|t| t.parse().ok()).unwrap_or(0);
            match rest.get(digits) {
                None => return if count > self.most { Err(FrameError::TooLong(self.most)) } else { Ok(None) },
                Some(b' ') if count <= self.most => {}
                Some(b' ') => return Err(FrameError::TooLong(self.most)),
                Some(_) => return Err(FrameError::Count),
            }
            if rest.len() < digits + 1 + count {
                return Ok(None);
            }
            (digits + 1, count, digits + 1 + count)
        } else {
            match memchr::memchr2(b'\n', 0, rest) {
                Some(end) if end <= self.most => (0, end, end + 1),
                None if rest.len() <= self.most => return Ok(None),
                _ => return Err(FrameError::TooLong(self.most)),
            }
        };
        let from = self.taken + from;
        self.taken += used;
        Ok(Some(trimmed(&self.ahead[from..from + length])))
    }

    /// What is left at the end of a connection: a last message without an end.
    pub fn rest(&mut self) -> Option<&[u8]> {
        let rest = trimmed(&self.ahead[self.taken..]);
        self.taken = self.ahead.len() - rest.len();
        let is_message = rest.first() == Some(&b'<') && rest.len() <= self.most;
        is_message.then(|| trimmed(&self.ahead[self.taken..]))
    }
}

fn trimmed(mut message: &[u8]) -> &[u8] {
    while let [rest @ .., b'\n' | b'\r' | 0] = message {
        message = rest;
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(most: usize, pieces: &[&[u8]]) -> (Vec<String>, Option<FrameError>) {
        let mut framer = Framer::new(most);
        let mut out = Vec::new();
        for piece in pieces {
            framer.push(piece);
            loop {
                match framer.next_message() {
                    Ok(Some(message)) => out.push(String::from_utf8_lossy(message).into_owned()),
                    Ok(None) => break,
                    Err(error) => return (out, Some(error)),
                }
            }
        }
        out.extend(framer.rest().map(|rest| String::from_utf8_lossy(rest).into_owned()));
        (out, None)
    }

    #[test]
    fn both_framings_may_be_mixed_and_cut_anywhere() {
        let stream = b"8 <1>1 abc<2>one\r\n<3>two\x0010 <4>1 x\ny z\n<5>last";
        let expected = ["<1>1 abc", "<2>one", "<3>two", "<4>1 x\ny z", "<5>last"];
        assert_eq!(all(100, &[stream]).0, expected);
        for cut in 1..stream.len() {
            assert_eq!(all(100, &[&stream[..cut], &stream[cut..]]).0, expected, "cut at {cut}");
        }
    }

    #[test]
    fn messages_are_bounded() {
        assert_eq!(all(4, &[b"<1>ab\n"]).1, Some(FrameError::TooLong(4)));
        assert_eq!(all(4, &[b"<1>abcdef"]).1, Some(FrameError::TooLong(4)));
        assert_eq!(all(4, &[b"99999999999 x"]).1, Some(FrameError::Count));
        assert_eq!(all(4, &[b"5 <1>ab"]).1, Some(FrameError::TooLong(4)));
        assert_eq!(all(4, &[b"5x<1>ab"]).1, Some(FrameError::Count));
    }
}
