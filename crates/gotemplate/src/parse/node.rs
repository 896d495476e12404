//! The tree, and how it prints: errors quote the failing action in this form.

use std::fmt;
use std::sync::Arc;

use super::Number;
use crate::Text;

/// One template: its name, the name and text of the file it came from, and its body.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub name: String,
    pub parse_name: String,
    pub source: Arc<str>,
    pub root: List,
}

/// A sequence of nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    pub nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text { pos: usize, text: Text },
    Action { pos: usize, pipe: Pipe },
    If(Branch),
    Range(Branch),
    With(Branch),
    Template { pos: usize, name: String, pipe: Option<Pipe> },
    Break { pos: usize, line: usize },
    Continue { pos: usize, line: usize },
}

/// `if`, `range` and `with`.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub pos: usize,
    pub line: usize,
    pub pipe: Pipe,
    pub list: List,
    pub else_list: Option<List>,
}

/// A pipeline with the variables it declares or assigns.
#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    pub pos: usize,
    pub is_assign: bool,
    pub decl: Vec<Variable>,
    pub cmds: Vec<Command>,
}

#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub pos: usize,
    pub idents: Vec<String>,
}

/// One stage of a pipeline: what to call and its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub pos: usize,
    pub args: Vec<Expr>,
}

#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Identifier { pos: usize, name: String },
    Field { pos: usize, idents: Vec<String> },
    Variable(Variable),
    Dot { pos: usize },
    Nil { pos: usize },
    Bool { pos: usize, value: bool },
    Number(Number),
    Str { pos: usize, quoted: String, text: Text },
    Pipe(Pipe),
    Chain { pos: usize, node: Box<Expr>, fields: Vec<String> },
}

impl Node {
    pub(crate) fn pos(&self) -> usize {
        match self {
            Node::Text { pos, .. }
            | Node::Action { pos, .. }
            | Node::Template { pos, .. }
            | Node::Break { pos, .. }
            | Node::Continue { pos, .. } => *pos,
            Node::If(branch) | Node::Range(branch) | Node::With(branch) => branch.pos,
        }
    }
}

impl Expr {
    pub(crate) fn pos(&self) -> usize {
        match self {
            Expr::Identifier { pos, .. }
            | Expr::Field { pos, .. }
            | Expr::Dot { pos }
            | Expr::Nil { pos }
            | Expr::Bool { pos, .. }
            | Expr::Str { pos, .. }
            | Expr::Chain { pos, .. } => *pos,
            Expr::Variable(variable) => variable.pos,
            Expr::Number(number) => number.pos,
            Expr::Pipe(pipe) => pipe.pos,
        }
    }
}

impl List {
    /// True where there is nothing but white space: such a template does not replace one of the same name.
    pub(crate) fn is_blank(&self) -> bool {
        self.nodes.iter().all(|node| matches!(node, Node::Text { text, .. } if text.trim_ascii().is_empty()))
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nodes.iter().try_for_each(|node| write!(f, "{node}"))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Text { text, .. } => f.write_str(&model::float::go_quote(&text.lossy())),
            Node::Action { pipe, .. } => write!(f, "{{{{{pipe}}}}}"),
            Node::If(branch) => branch.write("if", f),
            Node::Range(branch) => branch.write("range", f),
            Node::With(branch) => branch.write("with", f),
            Node::Template { name, pipe, .. } => {
                write!(f, "{{{{template {}", model::float::go_quote(name))?;
                if let Some(pipe) = pipe {
                    write!(f, " {pipe}")?;
                }
                f.write_str("}}")
            }
            Node::Break { .. } => f.write_str("{{break}}"),
            Node::Continue { .. } => f.write_str("{{continue}}"),
        }
    }
}

impl Branch {
    fn write(&self, keyword: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{{keyword} {}}}}}{}", self.pipe, self.list)?;
        if let Some(list) = &self.else_list {
            write!(f, "{{{{else}}}}{list}")?;
        }
        f.write_str("{{end}}")
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.decl.is_empty() {
            for (i, variable) in self.decl.iter().enumerate() {
                write!(f, "{}{variable}", if i > 0 { ", " } else { "" })?;
            }
            f.write_str(if self.is_assign { " = " } else { " := " })?;
        }
        for (i, command) in self.cmds.iter().enumerate() {
            write!(f, "{}{command}", if i > 0 { " | " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, arg) in self.args.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            match arg {
                Expr::Pipe(pipe) => write!(f, "({pipe})")?,
                arg => write!(f, "{arg}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.idents.join("."))
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Identifier { name, .. } => f.write_str(name),
            Expr::Field { idents, .. } => idents.iter().try_for_each(|ident| write!(f, ".{ident}")),
            Expr::Variable(variable) => write!(f, "{variable}"),
            Expr::Dot { .. } => f.write_str("."),
            Expr::Nil { .. } => f.write_str("nil"),
            Expr::Bool { value, .. } => write!(f, "{value}"),
            Expr::Number(number) => f.write_str(&number.text),
            Expr::Str { quoted, .. } => f.write_str(quoted),
            Expr::Pipe(pipe) => write!(f, "{pipe}"),
            Expr::Chain { node, fields, .. } => {
                match &**node {
                    Expr::Pipe(pipe) => write!(f, "({pipe})")?,
                    node => write!(f, "{node}")?,
                }
                fields.iter().try_for_each(|field| write!(f, ".{field}"))
            }
        }
    }
}
