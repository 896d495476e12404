//! `${NAME}` and `${NAME:-default}` inside values.
//!
//! Only these two forms mean anything: `$1`, `${1}`, `$NAME` and a lone `$` or `$$` stay as they are, because relabelling,
//! regular expressions and passwords use them. `$${NAME}` gives a literal `${NAME}`.

use crate::environment::{Environment, is_name};

/// A variable that is neither set nor has a default.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Undefined(pub(crate) String);

/// Replaces every `${NAME}` and `${NAME:-default}`. `keep` names what is left alone: groups of a pattern. An empty variable
/// counts as unset for `:-`, as in a shell. Gives the first undefined variable as the error.
pub(crate) fn expand(text: &str, env: &Environment, keep: &dyn Fn(&str) -> bool) -> Result<String, Undefined> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, reference) = rest.split_at(at);
        let inside = &reference[2..];
        let Some(end) = inside.find('}') else { break };
        let (name, default) = match inside[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inside[..end], None),
        };
        let whole = &reference[..end + 3];
        let escaped = before.ends_with('$');
        if !is_name(name) {
            out.push_str(before);
            out.push_str("${");
            rest = inside;
            continue;
        }
        rest = &reference[whole.len()..];
        if escaped && default.is_none() && keep(name) {
            // In a relabelling replacement `$$` is Prometheus' own escape and stays.
            out.push_str(before);
            out.push_str(whole);
        } else if escaped {
            out.push_str(&before[..before.len() - 1]);
            out.push_str(whole);
        } else {
            out.push_str(before);
            match (env.get(name), default) {
                (_, None) if keep(name) => out.push_str(whole),
                (Some(value), None) => out.push_str(value),
                (Some(value), Some(_)) if !value.is_empty() => out.push_str(value),
                (_, Some(default)) => out.push_str(default),
                (None, None) => return Err(Undefined(name.to_owned())),
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Expands an external label as Prometheus does (Go's `os.Expand`): `$NAME` and `${NAME}`, `$$` for `$`. Unset variables give
/// nothing and are listed. `${NAME:-default}` works here too.
pub(crate) fn expand_external_label(text: &str, env: &Environment) -> (String, Vec<String>) {
    let mut out = String::with_capacity(text.len());
    let mut unset = Vec::new();
    let mut look_up = |out: &mut String, name: &str, default: Option<&str>| match env.get(name) {
        Some(value) if !value.is_empty() => out.push_str(value),
        _ => match default {
            Some(default) => out.push_str(default),
            None => unset.push(name.to_owned()),
        },
    };
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some(inside) = after.strip_prefix('{')
            && let Some(end) = inside.find('}')
        {
            match inside[..end].split_once(":-") {
                Some((name, default)) => look_up(&mut out, name, Some(default)),
                None if inside[..end] == *"$" => out.push('$'),
                None => look_up(&mut out, &inside[..end], None),
            }
            rest = &inside[end + 1..];
        } else {
            let length = after.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
            if length == 0 {
                out.push('$');
            } else {
                look_up(&mut out, &after[..length], None);
            }
            rest = &after[length..];
        }
    }
    out.push_str(rest);
    (out, unset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> Environment {
        Environment::from_pairs([("HOST", "db1"), ("EMPTY", ""), ("NESTED", "${HOST}")])
    }

    #[test]
    fn expands_braced_names_only() {
        for (text, expanded) in [
            ("${HOST}:5432", "db1:5432"),
            ("${NONE:-x y}", "x y"),
            ("${EMPTY:-x}|${EMPTY}|${NONE:-}", "x||"),
            ("$1 ${1} $HOST $$ a$$b $", "$1 ${1} $HOST $$ a$$b $"),
            ("$${HOST} ${HOST}", "${HOST} db1"),
            ("${NESTED}", "${HOST}"),
            ("${a b} ${HOST ${HOST}", "${a b} ${HOST db1"),
            ("${1}${HOST}", "${1}db1"),
            ("^a{2}$", "^a{2}$"),
            ("ü${HOST}ü", "üdb1ü"),
        ] {
            assert_eq!(expand(text, &env(), &|_| false).as_deref(), Ok(expanded), "{text}");
        }
        assert_eq!(expand("a${NONE}b", &env(), &|_| false), Err(Undefined("NONE".into())));
    }

    #[test]
    fn leaves_groups_to_the_pattern() {
        let group = |name: &str| name == "HOST" || name == "g";
        assert_eq!(expand("${HOST}-${g}-${NONE:-d}-$${g}", &env(), &group).as_deref(), Ok("${HOST}-${g}-d-$${g}"));
    }

    #[test]
    fn external_labels_follow_go() {
        assert_eq!(
            expand_external_label("$HOST-${HOST} $$HOST ${NONE}$NONE.${X:-d} 5$", &env()),
            ("db1-db1 $HOST .d 5$".to_owned(), vec!["NONE".to_owned(), "NONE".to_owned()])
        );
    }
}
