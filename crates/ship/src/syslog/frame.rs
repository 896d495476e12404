//! Cutting a byte stream into messages (RFC 6587): octet counting (`12 <34>1 ...`), or lines ended by a newline or a zero byte.
//! Each message says by its first byte which it is, so that senders of both kinds may share a port.

use thiserror::Error;

/// What is wrong in a stream of messages.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// A message is longer than allowed; it is passed over, and the next one can be read.
    #[error("message too long: more than {0} bytes")]
    TooLong(usize),
    /// A count is followed by something else than a blank: nothing says where the next message begins.
    #[error("a message begins neither with < nor with its length")]
    Count,
}

/// Takes bytes as they come, gives messages.
#[derive(Debug)]
pub struct Framer {
    ahead: Vec<u8>,
    taken: usize,
    most: usize,
    passing: Passing,
}

/// What is passed over before the next message.
#[derive(Debug)]
enum Passing {
    /// So many bytes.
    Bytes(usize),
    /// All up to what ends a line.
    Line,
}

impl Framer {
    /// Messages may have `most` bytes.
    pub fn new(most: usize) -> Self {
        Framer { ahead: Vec::new(), taken: 0, most, passing: Passing::Bytes(0) }
    }

    /// Adds bytes that were received.
    pub fn push(&mut self, bytes: &[u8]) {
        self.ahead.drain(..self.taken);
        self.taken = 0;
        self.ahead.extend_from_slice(bytes);
    }

    /// The next whole message, without what ends it; `None` where more bytes are needed.
    pub fn next_message(&mut self) -> Result<Option<&[u8]>, FrameError> {
        if !self.pass() {
            return Ok(None);
        }
        let blanks = self.ahead[self.taken..].iter().take_while(|b| matches!(b, b'\n' | b'\r' | 0 | b' ')).count();
        self.taken += blanks;
        let rest = &self.ahead[self.taken..];
        let Some(first) = rest.first() else { return Ok(None) };
        let (from, length, used) = if first.is_ascii_digit() {
            let digits = rest.iter().take(9).take_while(|b| b.is_ascii_digit()).count();
            let count: usize = std::str::from_utf8(&rest[..digits]).ok().and_then(|t| t.parse().ok()).unwrap_or(0);
            match rest.get(digits) {
                None => return Ok(None),
                Some(b' ') if count <= self.most => {}
                Some(b' ') => return Err(self.too_long(Passing::Bytes(digits + 1 + count))),
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
                _ => return Err(self.too_long(Passing::Line)),
            }
        };
        let from = self.taken + from;
        self.taken += used;
        Ok(Some(trimmed(&self.ahead[from..from + length])))
    }

    fn too_long(&mut self, passing: Passing) -> FrameError {
        self.passing = passing;
        FrameError::TooLong(self.most)
    }

    /// Passes over what is to be; false where that goes on in bytes still to come.
    fn pass(&mut self) -> bool {
        let rest = &self.ahead[self.taken..];
        let (passed, left) = match self.passing {
            Passing::Bytes(count) => (count.min(rest.len()), Passing::Bytes(count - count.min(rest.len()))),
            Passing::Line => match memchr::memchr2(b'\n', 0, rest) {
                Some(end) => (end + 1, Passing::Bytes(0)),
                None => (rest.len(), Passing::Line),
            },
        };
        self.taken += passed;
        self.passing = left;
        matches!(self.passing, Passing::Bytes(0))
    }

    /// What is left at the end of a connection: a last message without an end.
    pub fn rest(&mut self) -> Option<&[u8]> {
        if !self.pass() {
            return None;
        }
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

    /// The messages, and the errors in their order; reading ends at one that says nothing of where to go on.
    fn all(most: usize, pieces: &[&[u8]]) -> (Vec<String>, Vec<FrameError>) {
        let mut framer = Framer::new(most);
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        for piece in pieces {
            framer.push(piece);
            loop {
                match framer.next_message() {
                    Ok(Some(message)) => out.push(String::from_utf8_lossy(message).into_owned()),
                    Ok(None) => break,
                    Err(error) => errors.push(error),
                }
                if errors.last() == Some(&FrameError::Count) {
                    return (out, errors);
                }
            }
        }
        out.extend(framer.rest().map(|rest| String::from_utf8_lossy(rest).into_owned()));
        (out, errors)
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
    fn messages_are_bounded_and_the_next_one_is_read() {
        let too_long = [FrameError::TooLong(4)];
        for stream in [&b"<1>a\n<1>abcdef\n<2>b\n"[..], b"<1>a\n7 <1>a\nbc<2>b\n", b"<1>a\n<1>abcdef\x00<2>b"] {
            let expected = (vec!["<1>a".to_owned(), "<2>b".to_owned()], too_long.to_vec());
            assert_eq!(all(4, &[stream]), expected);
            for cut in 1..stream.len() {
                assert_eq!(all(4, &[&stream[..cut], &stream[cut..]]), expected, "cut at {cut}");
            }
        }
        assert_eq!(all(4, &[b"<1>abcdef"]), (vec![], too_long.to_vec()));
        assert_eq!(all(4, &[b"99999999999 x"]).1, [FrameError::Count]);
        assert_eq!(all(4, &[b"5x<1>ab"]).1, [FrameError::Count]);
    }
}
