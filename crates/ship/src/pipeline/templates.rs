//! `template`: Go templates over what was extracted, with Promtail's functions: those of Loki's `line_format`, `Hash`,
//! `Sha2Hash`, and the ones of sprig that pipelines use.

use std::sync::Arc;

use config::promtail::TemplateStage;
use gotemplate::types::Type;
use gotemplate::{Funcs, Function, Limits, MissingKey, Template, Value};
use model::{Clock, Timestamp};
use sha2::{Digest, Sha256};
use sha3::Sha3_256;

use crate::entry::{Entry, Extract};
use crate::stamp::Stamps;

const NAME: &str = "pipeline_template";

/// A template that can be executed for a line.
#[derive(Debug)]
pub(super) struct Compiled {
    template: Template,
    /// The text itself, where nothing in it is to be computed.
    constant: Option<Vec<u8>>,
    /// What it reads, where that can be told.
    fields: Option<Vec<String>>,
    limits: Limits,
}

impl Compiled {
    pub(super) fn new(text: &str, stamps: Arc<Stamps>) -> Result<Self, String> {
        let template = Template::parse(NAME, text, &functions(stamps)).map_err(|e| e.to_string())?;
        let template = template.with_missing_key(MissingKey::Invalid);
        let constant = (!text.contains("{{")).then(|| text.as_bytes().to_vec());
        let fields = template.fields(NAME);
        let limits = Limits { steps: 100_000, output_bytes: 1 << 20, scratch_bytes: 4 << 20, ..Limits::default() };
        Ok(Compiled { template, constant, fields, limits })
    }

    /// Executes it over the extracted values, `.Value` and `.Entry`. `None` where it fails.
    pub(super) fn execute(&self, entry: &Entry<'_>, value: Option<&[u8]>, line: Option<&[u8]>) -> Option<Vec<u8>> {
        if let Some(constant) = &self.constant {
            return Some(constant.clone());
        }
        let wanted = |name: &str| self.fields.as_ref().is_none_or(|fields| fields.iter().any(|field| field == name));
        let extracted = entry.extracted.texts().filter(|(name, _)| wanted(name));
        let mut data: Vec<(&str, Value)> =
            extracted.map(|(name, text)| (name, Value::Str(text.into_owned().into()))).collect();
        let special = [("Value", value), ("Entry", line)];
        for (name, bytes) in special.into_iter().filter_map(|(name, bytes)| Some((name, bytes?))) {
            data.push((name, Value::Str(bytes.into())));
        }
        self.template.execute_bytes(NAME, &Value::map(data), &self.limits).ok()
    }
}

/// The stage.
#[derive(Debug)]
pub(crate) struct TemplateStep {
    source: Arc<str>,
    compiled: Compiled,
}

impl TemplateStep {
    pub(super) fn new(config: &TemplateStage, stamps: Arc<Stamps>) -> Result<Self, String> {
        Ok(TemplateStep {
            source: Arc::from(config.source.as_str()),
            compiled: Compiled::new(&config.template, stamps)?,
        })
    }

    /// Nothing printed removes the value.
    pub(super) fn apply(&self, entry: &mut Entry<'_>) {
        let value = entry.extracted.bytes(&self.source);
        let Some(text) = self.compiled.execute(entry, value.as_deref(), Some(&entry.line)) else { return };
        if text.is_empty() {
            entry.extracted.remove(&self.source);
        } else {
            entry.extracted.set(&self.source, Extract::Text(text.into()));
        }
    }
}

#[derive(Debug)]
struct StampClock(Arc<Stamps>);

impl Clock for StampClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.now() / 1_000_000)
    }
}

/// Loki's functions know the line at hand; Promtail's do not.
struct NoEntry;

impl gotemplate::funcs::loki::Entry for NoEntry {
    fn line(&self) -> String {
        String::new()
    }

    fn timestamp_nanos(&self) -> i64 {
        0
    }
}

fn text(args: &[Value], at: usize) -> String {
    args.get(at).and_then(Value::as_text).unwrap_or_default().into_owned()
}

/// How sprig shows any value as text.
fn shown(value: &Value) -> String {
    match value {
        Value::Nil => String::new(),
        value => match value.as_text() {
            Some(text) => text.into_owned(),
            None => gotemplate::fmt::sprintf("%v", std::slice::from_ref(value)),
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn functions(stamps: Arc<Stamps>) -> Funcs {
    let mut funcs = gotemplate::funcs::loki::functions(Arc::new(NoEntry), Arc::new(StampClock(stamps)));
    let strings = |count: usize, f: fn(&[String]) -> String| {
        Function::new(vec![Type::String; count], move |_, args| {
            let args: Vec<String> = (0..args.len()).map(|at| text(args, at)).collect();
            Ok(f(&args).into())
        })
    };
    let tests = |f: fn(&str, &str) -> bool| {
        Function::new([Type::String, Type::String], move |_, args| Ok(f(&text(args, 0), &text(args, 1)).into()))
    };
    funcs.insert("Hash", strings(2, |a| hex(&Sha3_256::digest(format!("{}{}", a[0], a[1]).as_bytes()))));
    funcs.insert("Sha2Hash", strings(2, |a| hex(&Sha256::digest(format!("{}{}", a[0], a[1]).as_bytes()))));
    funcs.insert("sha256sum", strings(1, |a| hex(&Sha256::digest(a[0].as_bytes()))));
    funcs.insert("nospace", strings(1, |a| a[0].split_whitespace().collect()));
    funcs.insert("untitle", strings(1, |a| untitle(&a[0])));
    funcs.insert(
        "squote",
        Function::variadic([], Type::Interface, |_, args| {
            Ok(args.iter().map(|v| format!("'{}'", shown(v))).collect::<Vec<_>>().join(" ").into())
        }),
    );
    funcs.insert(
        "quote",
        Function::variadic([], Type::Interface, |_, args| {
            let quoted = args.iter().filter(|v| !matches!(v, Value::Nil));
            Ok(quoted.map(|v| gotemplate::fmt::quote::quote(shown(v).as_bytes())).collect::<Vec<_>>().join(" ").into())
        }),
    );
    funcs.insert(
        "cat",
        Function::variadic([], Type::Interface, |_, args| {
            let shown = args.iter().filter(|v| !matches!(v, Value::Nil)).map(shown);
            Ok(shown.collect::<Vec<_>>().join(" ").into())
        }),
    );
    funcs.insert("toString", Function::new([Type::Interface], |_, args| Ok(shown(&args[0]).into())));
    funcs.insert("empty", Function::new([Type::Interface], |_, args| Ok((!args[0].is_true()).into())));
    funcs.insert(
        "coalesce",
        Function::variadic([], Type::Interface, |_, args| {
            Ok(args.iter().find(|v| v.is_true()).cloned().unwrap_or(Value::Nil))
        }),
    );
    funcs.insert(
        "ternary",
        Function::new([Type::Interface, Type::Interface, Type::Bool], |_, args| {
            Ok(args[if args[2].is_true() { 0 } else { 1 }].clone())
        }),
    );
    funcs.insert(
        "splitList",
        Function::new([Type::String, Type::String], |_, args| {
            let (separator, whole) = (text(args, 0), text(args, 1));
            Ok(Value::strings(whole.split(separator.as_str()).map(str::to_owned).collect::<Vec<_>>()))
        }),
    );
    funcs.insert(
        "join",
        Function::new([Type::String, Type::Interface], |_, args| {
            let items = args[1].as_list().map(|list| list.items().iter().map(shown).collect::<Vec<_>>());
            Ok(items.unwrap_or_else(|| vec![shown(&args[1])]).join(&text(args, 0)).into())
        }),
    );
    funcs.insert(
        "regexMatch",
        Function::new([Type::String, Type::String], |_, args| {
            let regex = super::patterns::compile(&text(args, 0));
            Ok(regex.is_ok_and(|regex| regex.is_match(text(args, 1).as_bytes())).into())
        }),
    );
    funcs.insert(
        "regexFind",
        Function::new([Type::String, Type::String], |_, args| {
            let regex = super::patterns::compile(&text(args, 0))?;
            let whole = text(args, 1);
            Ok(regex.find(whole.as_bytes()).map_or(Value::from(""), |found| Value::Str(found.as_bytes().into())))
        }),
    );
    funcs.insert("atoi", Function::new([Type::String], |_, args| Ok(Value::int(text(args, 0).parse().unwrap_or(0)))));
    funcs.insert("hasPrefix", tests(|part, whole| whole.starts_with(part)));
    funcs.insert("hasSuffix", tests(|part, whole| whole.ends_with(part)));
    funcs
}

fn untitle(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at_start = true;
    for c in text.chars() {
        if at_start {
            out.extend(c.to_lowercase())
        } else {
            out.push(c)
        }
        at_start = c.is_whitespace();
    }
    out
}
