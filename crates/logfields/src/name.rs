//! Names of fields as names of labels: letters, digits and `_`, no digit first.

const fn plain_table() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric() || b == b'_';
        byte += 1;
    }
    table
}

static PLAIN: [bool; 256] = plain_table();

/// True where [`sanitize`] would give the same text back.
pub fn is_plain(name: &str) -> bool {
    match name.as_bytes() {
        [] => false,
        [first, rest @ ..] => {
            PLAIN[*first as usize] && !first.is_ascii_digit() && rest.iter().all(|b| PLAIN[*b as usize])
        }
    }
}

/// A name of one part as Loki makes a label name of it: without blanks around, `_` before a leading digit, `_` for every
/// character but letters, digits and `_`. Blank where nothing is left.
pub fn sanitize(name: &str) -> String {
    let mut to = String::new();
    append(&mut to, name);
    to
}

/// Adds a part to a name that parts are joined into by `_`. A blank part adds nothing.
pub(crate) fn append(to: &mut String, part: &str) {
    let part = part.trim();
    match part.as_bytes().first() {
        None => return,
        Some(_) if !to.is_empty() => to.push('_'),
        Some(first) if first.is_ascii_digit() => to.push('_'),
        Some(_) => {}
    }
    if part.bytes().all(|b| PLAIN[b as usize]) {
        to.push_str(part);
    } else {
        to.extend(part.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_names_of_labels() {
        for (name, want) in
            [("a.b-c", "a_b_c"), (" 1x ", "_1x"), ("", ""), (" \u{a0}", ""), ("\u{dc}x", "_x"), ("a_B9", "a_B9")]
        {
            assert_eq!(sanitize(name), want);
            assert_eq!(is_plain(name), name == want && !name.is_empty(), "{name:?}");
        }
        let mut joined = String::new();
        for part in ["", "1", " ", "b c"] {
            append(&mut joined, part);
        }
        assert_eq!(joined, "_1_b_c");
    }
}
