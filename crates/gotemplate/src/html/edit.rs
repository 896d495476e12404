//! Applying what the escaper decided: escapers at the end of pipelines, changed text, changed names of called templates.

use std::collections::HashMap;

use crate::parse::{Command, Expr, List, Node, Pipe};

/// What to change, by the name of the template and the offset of the node in its source.
#[derive(Default)]
pub(super) struct Edits {
    pub actions: HashMap<(String, usize), Vec<&'static str>>,
    pub templates: HashMap<(String, usize), String>,
    pub texts: HashMap<(String, usize), Vec<u8>>,
}

impl Edits {
    pub(super) fn merge(&mut self, other: Edits) {
        self.actions.extend(other.actions);
        self.templates.extend(other.templates);
        self.texts.extend(other.texts);
    }

    /// Changes the body of the template called `owner`.
    pub(super) fn apply(&self, owner: &str, list: &mut List) {
        for node in &mut list.nodes {
            let key = (owner.to_owned(), node.pos());
            match node {
                Node::Text { text, .. } => {
                    if let Some(edited) = self.texts.get(&key) {
                        *text = edited.as_slice().into();
                    }
                }
                Node::Action { pipe, .. } => {
                    if let Some(escapers) = self.actions.get(&key) {
                        append_escapers(pipe, escapers);
                    }
                }
                Node::Template { name, .. } => {
                    if let Some(edited) = self.templates.get(&key) {
                        name.clone_from(edited);
                    }
                }
                Node::If(branch) | Node::Range(branch) | Node::With(branch) => {
                    self.apply(owner, &mut branch.list);
                    if let Some(list) = &mut branch.else_list {
                        self.apply(owner, list);
                    }
                }
                Node::Break { .. } | Node::Continue { .. } => {}
            }
        }
    }
}

/// `html` and `urlquery` may end a pipeline; they count as the escapers they are equivalent to.
fn equivalent(name: &str) -> &str {
    match name {
        "_html_template_attrescaper" | "_html_template_htmlescaper" | "_html_template_rcdataescaper" => "html",
        "_html_template_urlescaper" | "_html_template_urlnormalizer" => "urlquery",
        name => name,
    }
}

fn identifier(command: &Command) -> Option<&str> {
    match &command.args[0] {
        Expr::Identifier { name, .. } => Some(name),
        _ => None,
    }
}

fn append_escapers(pipe: &mut Pipe, escapers: &[&'static str]) {
    if escapers.is_empty() {
        return;
    }
    let mut escapers: Vec<String> = escapers.iter().map(|name| (*name).to_owned()).collect();
    let pos = pipe.pos;
    let last = pipe.cmds.last().and_then(identifier).filter(|name| matches!(*name, "html" | "urlquery"));
    if let Some(own) = last.map(str::to_owned) {
        // `{{html a b}}` becomes `{{_eval_args_ a b | html}}`.
        if let [command] = pipe.cmds.as_mut_slice()
            && command.args.len() > 1
        {
            let at = command.args[0].pos();
            command.args[0] = Expr::Identifier { pos: at, name: "_eval_args_".into() };
            push(&mut pipe.cmds, &own, pos);
        }
        let mut replaced = false;
        for escaper in &mut escapers {
            if equivalent(escaper) == own {
                escaper.clone_from(&own);
                replaced = true;
            }
        }
        if replaced {
            pipe.cmds.pop();
        }
    }
    let present: Vec<String> =
        pipe.cmds.iter().filter_map(identifier).map(|name| equivalent(name).to_owned()).collect();
    for escaper in escapers {
        if !present.iter().any(|name| name == equivalent(&escaper)) {
            push(&mut pipe.cmds, &escaper, pos);
        }
    }
}

/// Adds a command unless the one before makes it superfluous.
fn push(cmds: &mut Vec<Command>, name: &str, pos: usize) {
    let superfluous = matches!(
        (cmds.last().and_then(identifier), name),
        (Some("_html_template_commentescaper"), "_html_template_attrescaper" | "_html_template_htmlescaper")
            | (
                Some(
                    "_html_template_cssescaper"
                        | "_html_template_jsregexpescaper"
                        | "_html_template_jsstrescaper"
                        | "_html_template_jstmpllitescaper"
                ),
                "_html_template_attrescaper"
            )
            | (Some("_html_template_urlescaper"), "_html_template_urlnormalizer")
    );
    if !superfluous {
        cmds.push(Command { pos, args: vec![Expr::Identifier { pos, name: name.to_owned() }] });
    }
}
