//! Following every template through its contexts and deciding which escapers its actions need.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::context::{Context, Delim, JsCtx, Problem, State, UrlPart};
use super::edit::Edits;
use super::transition::{context_after_text, value_state};
use crate::Error;
use crate::parse::{Branch, Expr, List, Node, Pipe, Tree};
use crate::set::Trees;

/// Nodes looked at while escaping. The bodies of nested loops are looked at twice per level, so this must be bounded.
const MAX_NODES: usize = 200_000;

/// The set with everything escaped that `name` reaches.
pub(crate) fn escape(trees: &Trees, name: &str) -> Result<Trees, Error> {
    let mut nodes = 0;
    let mut escaper = Escaper {
        trees,
        output: HashMap::new(),
        called: HashSet::new(),
        derived: HashMap::new(),
        edits: Edits::default(),
        loops: Vec::new(),
        nodes: &mut nodes,
    };
    let (end, _) = escaper.call(Context::START, None, name);
    let mut problem = end.problem.clone();
    if problem.is_none() && end.state != State::Text {
        problem = Some(Problem::new(format!("ends in a non-text context: {end}")));
    }
    if let Some(problem) = problem {
        let place = match problem.place {
            Some(place) => format!(":{place}"),
            None if problem.line != 0 => format!(":{name}:{}", problem.line),
            None => format!(":{name}"),
        };
        return Err(Error::Escape { place, message: problem.message });
    }
    let mut escaped = trees.clone();
    for escaped_name in escaper.output.keys() {
        let base = escaper.derived.get(escaped_name).unwrap_or(escaped_name);
        if let Some(tree) = trees.get(base) {
            let mut tree = Tree { name: escaped_name.clone(), ..(**tree).clone() };
            escaper.edits.apply(escaped_name, &mut tree.root);
            escaped.insert(escaped_name.clone(), Arc::new(tree));
        }
    }
    Ok(escaped)
}

/// Contexts in which a loop is left or started again.
#[derive(Clone, Default)]
struct Loop {
    breaks: Vec<(Context, usize, usize)>,
    continues: Vec<(Context, usize, usize)>,
}

struct Escaper<'a, 'n> {
    trees: &'a Trees,
    /// The context in which a template (by its name for its starting context) ends.
    output: HashMap<String, Context>,
    called: HashSet<String>,
    /// From the name of a copy to the template it is a copy of.
    derived: HashMap<String, String>,
    edits: Edits,
    loops: Vec<Loop>,
    nodes: &'n mut usize,
}

/// The template at work: the name its edits are kept under, and its tree.
#[derive(Clone, Copy)]
struct Owner<'a> {
    name: &'a str,
    tree: &'a Tree,
}

impl Owner<'_> {
    fn place(&self, pos: usize) -> String {
        let (line, column) = crate::exec::position(&self.tree.source, pos);
        format!("{}:{line}:{column}", self.tree.parse_name)
    }

    fn failed(&self, pos: usize, message: String) -> Context {
        let problem = Problem { place: Some(self.place(pos)), line: 0, message };
        Context { problem: Some(Box::new(problem)), ..Context::in_state(State::Error) }
    }
}

impl<'a> Escaper<'a, '_> {
    fn list(&mut self, mut c: Context, list: &List, owner: Owner<'_>) -> Context {
        for node in &list.nodes {
            *self.nodes += 1;
            if *self.nodes > MAX_NODES {
                return owner.failed(node.pos(), "template is too complex to be escaped".into());
            }
            c = self.node(c, node, owner);
            if c.state == State::Dead {
                break;
            }
        }
        c
    }

    fn node(&mut self, c: Context, node: &Node, owner: Owner<'_>) -> Context {
        match node {
            Node::Text { pos, text } => self.text(c, *pos, text, owner),
            Node::Action { pos, pipe } => self.action(c, *pos, node, pipe, owner),
            Node::If(branch) => self.branch(c, branch, "if", owner),
            Node::With(branch) => self.branch(c, branch, "with", owner),
            Node::Range(branch) => self.branch(c, branch, "range", owner),
            Node::Template { pos, name, .. } => {
                let (after, called) = self.call(c, Some((owner, *pos)), name);
                if called != *name {
                    self.edits.templates.insert((owner.name.to_owned(), *pos), called);
                }
                after
            }
            Node::Break { pos, line } => {
                if let Some(innermost) = self.loops.last_mut() {
                    innermost.breaks.push((c, *pos, *line));
                }
                Context::in_state(State::Dead)
            }
            Node::Continue { pos, line } => {
                if let Some(innermost) = self.loops.last_mut() {
                    innermost.continues.push((c, *pos, *line));
                }
                Context::in_state(State::Dead)
            }
        }
    }

    fn action(&mut self, c: Context, pos: usize, node: &Node, pipe: &Pipe, owner: Owner<'_>) -> Context {
        if !pipe.decl.is_empty() {
            return c;
        }
        let mut c = nudge(c);
        for (i, command) in pipe.cmds.iter().enumerate() {
            let Expr::Identifier { name, .. } = &command.args[0] else { continue };
            if matches!(name.as_str(), "html" | "urlquery")
                && (i + 1 < pipe.cmds.len()
                    || c.state == State::Attr && c.delim == Delim::SpaceOrTagEnd && name == "html")
            {
                return owner.failed(pos, format!("predefined escaper \"{name}\" disallowed in template"));
            }
        }
        let mut escapers: Vec<&'static str> = Vec::with_capacity(3);
        match c.state {
            State::Error | State::Dead => return c,
            State::URL | State::CSSDqStr | State::CSSSqStr | State::CSSDqURL | State::CSSSqURL | State::CSSURL => {
                match c.url_part {
                    UrlPart::None | UrlPart::PreQuery => {
                        if c.url_part == UrlPart::None {
                            escapers.push("_html_template_urlfilter");
                        }
                        escapers.push(match c.state {
                            State::CSSDqStr | State::CSSSqStr => "_html_template_cssescaper",
                            _ => "_html_template_urlnormalizer",
                        });
                    }
                    UrlPart::QueryOrFrag => escapers.push("_html_template_urlescaper"),
                    UrlPart::Unknown => {
                        return owner.failed(pos, format!("{node} appears in an ambiguous context within a URL"));
                    }
                }
            }
            State::MetaContentURL => escapers.push("_html_template_urlfilter"),
            State::JS => {
                escapers.push("_html_template_jsvalescaper");
                c.js_ctx = JsCtx::DivOp;
            }
            State::JSDqStr | State::JSSqStr => escapers.push("_html_template_jsstrescaper"),
            State::JSTmplLit => escapers.push("_html_template_jstmpllitescaper"),
            State::JSRegexp => escapers.push("_html_template_jsregexpescaper"),
            State::CSS => escapers.push("_html_template_cssvaluefilter"),
            State::Text => escapers.push("_html_template_htmlescaper"),
            State::RCDATA => escapers.push("_html_template_rcdataescaper"),
            State::AttrName | State::Tag | State::AfterName | State::BeforeValue => {
                c.state = State::AttrName;
                escapers.push("_html_template_htmlnamefilter");
            }
            State::Srcset => escapers.push("_html_template_srcsetescaper"),
            State::Attr | State::MetaContent => {}
            State::HTMLCmt
            | State::JSBlockCmt
            | State::JSLineCmt
            | State::JSHTMLOpenCmt
            | State::JSHTMLCloseCmt
            | State::CSSBlockCmt
            | State::CSSLineCmt => escapers.push("_html_template_commentescaper"),
        }
        match c.delim {
            Delim::None => {}
            Delim::SpaceOrTagEnd => escapers.push("_html_template_nospaceescaper"),
            Delim::DoubleQuote | Delim::SingleQuote => escapers.push("_html_template_attrescaper"),
        }
        self.edits.actions.insert((owner.name.to_owned(), pos), escapers);
        c
    }

    fn branch(&mut self, c: Context, branch: &Branch, keyword: &str, owner: Owner<'_>) -> Context {
        let is_range = keyword == "range";
        if is_range {
            self.loops.push(Loop::default());
        }
        let mut after = self.list(c.clone(), &branch.list, owner);
        if is_range {
            let run = self.loops.pop().unwrap_or_default();
            if after.state != State::Error {
                after = join_loop(after, run, owner);
            }
            if after.state == State::Error {
                return after;
            }
            // A second turn must end where the first one did.
            self.loops.push(Loop::default());
            let (again, _) = self.list_if(after.clone(), &branch.list, owner, |_, _| false);
            let run = self.loops.pop().unwrap_or_default();
            after = join(after, again, branch.pos, keyword, owner);
            if let Some(problem) = &mut after.problem {
                problem.line = branch.line;
                problem.message = format!("on range loop re-entry: {}", problem.message);
                return after;
            }
            after = join_loop(after, run, owner);
            if after.state == State::Error {
                return after;
            }
        }
        let otherwise = match &branch.else_list {
            Some(list) => self.list(c, list, owner),
            None => c,
        };
        join(after, otherwise, branch.pos, keyword, owner)
    }

    /// Escapes a list, and keeps what was found only where `keep` agrees.
    fn list_if(
        &mut self,
        c: Context,
        list: &List,
        owner: Owner<'_>,
        keep: impl FnOnce(&Escaper<'_, '_>, &Context) -> bool,
    ) -> (Context, bool) {
        let mut inner = Escaper {
            trees: self.trees,
            output: self.output.clone(),
            called: HashSet::new(),
            derived: self.derived.clone(),
            edits: Edits::default(),
            loops: self.loops.clone(),
            nodes: self.nodes,
        };
        let after = inner.list(c, list, owner);
        let kept = keep(&inner, &after);
        let Escaper { output, called, derived, edits, loops, .. } = inner;
        self.loops = loops;
        if kept {
            self.output = output;
            self.derived = derived;
            self.called.extend(called);
            self.edits.merge(edits);
        }
        (after, kept)
    }

    /// Escapes a template for the context it is called in. Returns the context after it, and the name of the copy.
    fn call(&mut self, c: Context, from: Option<(Owner<'_>, usize)>, name: &str) -> (Context, String) {
        let copy = c.mangle(name);
        self.called.insert(copy.clone());
        if let Some(known) = self.output.get(&copy) {
            return (known.clone(), copy);
        }
        let Some(tree) = self.trees.get(name) else {
            let message = format!("no such template {}", model::float::go_quote(name));
            let failed = match from {
                Some((owner, pos)) => owner.failed(pos, message),
                None => Context::failed(message),
            };
            return (failed, copy);
        };
        if copy != name {
            self.derived.insert(copy.clone(), name.to_owned());
        }
        let owner = Owner { name: &copy, tree };
        // A recursive template is assumed to end in the context it starts in, or else in the one that this leads to.
        let (mut after, mut settled) = self.body(c, owner);
        if !settled {
            let (second, second_settled) = self.body(after.clone(), owner);
            if second_settled {
                (after, settled) = (second, true);
            }
        }
        if !settled && after.state != State::Error {
            after = owner.failed(0, format!("cannot compute output context for template {copy}"));
        }
        (after, copy)
    }

    fn body(&mut self, c: Context, owner: Owner<'_>) -> (Context, bool) {
        self.output.insert(owner.name.to_owned(), c.clone());
        let assumed = c.clone();
        let loops = std::mem::take(&mut self.loops);
        let result = self.list_if(c, &owner.tree.root, owner, |inner, after| {
            after.state != State::Error && (!inner.called.contains(owner.name) || *after == assumed)
        });
        self.loops = loops;
        if result.1 {
            self.output.insert(owner.name.to_owned(), result.0.clone());
        }
        result
    }

    fn text(&mut self, mut c: Context, pos: usize, text: &[u8], owner: Owner<'_>) -> Context {
        let mut out = Vec::new();
        let (mut at, mut written) = (0, 0);
        while at != text.len() {
            let (after, read) = context_after_text(c.clone(), &text[at..]);
            let end = at + read;
            if matches!(c.state, State::Text | State::RCDATA) {
                let mut text_end = end;
                if after.state != c.state
                    && let Some(tag) = text[at..end].iter().rposition(|b| *b == b'<')
                {
                    text_end = at + tag;
                }
                for i in at..text_end {
                    let doctype = text[i..].get(..9).is_some_and(|head| head.eq_ignore_ascii_case(b"<!DOCTYPE"));
                    if text[i] == b'<' && !doctype {
                        out.extend_from_slice(&text[written..i]);
                        out.extend_from_slice(b"&lt;");
                        written = i + 1;
                    }
                }
            } else if c.state.is_comment() && c.delim == Delim::None {
                // Comments are dropped; those of scripts and styles leave the white space that they count as.
                match c.state {
                    State::JSBlockCmt => out.push(if has_line_end(&text[written..end]) { b'\n' } else { b' ' }),
                    State::CSSBlockCmt => out.push(b' '),
                    _ => {}
                }
                written = end;
            }
            if c.state != after.state && after.state.is_comment() && after.delim == Delim::None {
                let opening = match after.state {
                    State::HTMLCmt | State::JSHTMLOpenCmt => 4,
                    State::JSHTMLCloseCmt => 3,
                    _ => 2,
                };
                out.extend_from_slice(&text[written..(end - opening).max(written)]);
                written = end;
            }
            if c.state.is_in_script_literal() {
                for i in at..end {
                    if is_special_script_tag(&text[i..]) {
                        out.extend_from_slice(&text[written..i]);
                        out.extend_from_slice(b"\\x3C");
                        written = i + 1;
                    }
                }
            }
            if end == at && after.state == c.state {
                return owner.failed(pos, "text cannot be followed".into());
            }
            (c, at) = (after, end);
        }
        if written != 0 && c.state != State::Error {
            if !c.state.is_comment() || c.delim != Delim::None {
                out.extend_from_slice(&text[written..]);
            }
            self.edits.texts.insert((owner.name.to_owned(), pos), out);
        }
        c
    }
}

fn has_line_end(text: &[u8]) -> bool {
    crate::text::chars(text).any(|(_, c, _)| matches!(c, Some('\n' | '\r' | '\u{2028}' | '\u{2029}')))
}

/// What inside a script literal would still be seen by an HTML parser.
fn is_special_script_tag(text: &[u8]) -> bool {
    [&b"<script"[..], b"</script", b"<!--"]
        .iter()
        .any(|tag| text.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag)))
}

/// The context at the first character of what follows.
fn nudge(mut c: Context) -> Context {
    match c.state {
        State::Tag => c.state = State::AttrName,
        State::BeforeValue => {
            c.state = value_state(c.attr);
            c.delim = Delim::SpaceOrTagEnd;
            c.attr = super::context::Attr::None;
        }
        State::AfterName => {
            c.state = State::AttrName;
            c.attr = super::context::Attr::None;
        }
        _ => {}
    }
    c
}

/// The context after two branches, which must agree, or nearly.
fn join(a: Context, b: Context, pos: usize, keyword: &str, owner: Owner<'_>) -> Context {
    if a.state == State::Error || b.state == State::Dead {
        return a;
    }
    if b.state == State::Error || a.state == State::Dead || a == b {
        return b;
    }
    let merged = Context { url_part: b.url_part, ..a.clone() };
    if merged == b {
        return Context { url_part: UrlPart::Unknown, ..merged };
    }
    let merged = Context { js_ctx: b.js_ctx, ..a.clone() };
    if merged == b {
        return Context { js_ctx: JsCtx::Unknown, ..merged };
    }
    let (nudged_a, nudged_b) = (nudge(a.clone()), nudge(b.clone()));
    if nudged_a != a || nudged_b != b {
        let joined = join(nudged_a, nudged_b, pos, keyword, owner);
        if joined.state != State::Error {
            return joined;
        }
    }
    owner.failed(pos, format!("{{{{{keyword}}}}} branches end in different contexts: {a}, {b}"))
}

fn join_loop(mut c: Context, run: Loop, owner: Owner<'_>) -> Context {
    for (what, ends) in [("break", run.breaks), ("continue", run.continues)] {
        for (end, pos, line) in ends {
            c = join(c, end, pos, "range", owner);
            if let Some(problem) = &mut c.problem {
                problem.line = line;
                problem.message = format!("at range loop {what}: {}", problem.message);
                return c;
            }
        }
    }
    c
}
