//! Execution: walking the tree, with every step, byte and level of nesting counted against [`Limits`].

mod builtin;
mod compare;
mod eval;
mod walk;

use std::fmt;

use crate::Error;
use crate::fmt::Printer;
use crate::funcs::{Call, Funcs};
use crate::parse::{Command, Expr, Node, Pipe, Tree};
use crate::set::{MissingKey, Trees};
use crate::value::Value;

pub(crate) use builtin::{is_builtin, print_text, url_query};

/// What one execution may use. A template that needs more fails with an error for which [`Error::is_limit`] is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Actions executed, calls made and elements iterated over.
    pub steps: u64,
    /// Templates that call templates.
    pub depth: usize,
    /// Bytes written.
    pub output_bytes: usize,
    /// Bytes that functions produce on the way, all together.
    pub scratch_bytes: usize,
}

impl Default for Limits {
    /// A million steps, 100 levels of templates, 4 MiB of output, 64 MiB produced by functions.
    fn default() -> Self {
        Limits { steps: 1_000_000, depth: 100, output_bytes: 4 << 20, scratch_bytes: 64 << 20 }
    }
}

/// Executes `name`, which is in `trees`.
pub(crate) fn execute(
    trees: &Trees,
    name: &str,
    funcs: &Funcs,
    missing_key: MissingKey,
    data: &Value,
    limits: &Limits,
) -> Result<Vec<u8>, Error> {
    let tree: &Tree = trees.get(name).ok_or_else(|| Error::NoSuchTemplate(name.to_owned()))?;
    let data = Cell::plain(data.clone());
    let mut state = State {
        trees,
        funcs,
        missing_key,
        limits: *limits,
        tree,
        at: At::Nothing,
        vars: vec![("$", data.clone())],
        depth: 0,
        blocks: 0,
        steps: 0,
        scratch: limits.scratch_bytes,
        out: Vec::new(),
    };
    state.walk_list(&data, &tree.root).map_err(|error| *error)?;
    Ok(state.out)
}

/// Blocks inside blocks, through all templates that call each other: what keeps the execution from exhausting the stack.
const MAX_BLOCKS: usize = 800;

/// A value with what Go's reflection would still know of it: whether it was found in a variable of type `interface {}`.
/// A nil that was is a nil interface, one that was not is no value at all, and the two fail differently.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub value: Value,
    pub interface: bool,
}

impl Cell {
    fn plain(value: Value) -> Cell {
        Cell { value, interface: false }
    }

    fn type_name(&self) -> String {
        if self.interface { "interface {}".into() } else { self.value.type_name() }
    }
}

/// Where the execution is, for errors.
#[derive(Clone, Copy)]
enum At<'a> {
    Nothing,
    Node(&'a Node),
    Pipe(&'a Pipe),
    Command(&'a Command),
    Expr(&'a Expr),
}

impl At<'_> {
    fn pos(&self) -> usize {
        match self {
            At::Nothing => 0,
            At::Node(node) => node.pos(),
            At::Pipe(pipe) => pipe.pos,
            At::Command(command) => command.pos,
            At::Expr(expr) => expr.pos(),
        }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Nothing => Ok(()),
            At::Node(node) => node.fmt(f),
            At::Pipe(pipe) => pipe.fmt(f),
            At::Command(command) => command.fmt(f),
            At::Expr(expr) => expr.fmt(f),
        }
    }
}

struct State<'a> {
    trees: &'a Trees,
    funcs: &'a Funcs,
    missing_key: MissingKey,
    limits: Limits,
    tree: &'a Tree,
    at: At<'a>,
    vars: Vec<(&'a str, Cell)>,
    depth: usize,
    blocks: usize,
    steps: u64,
    scratch: usize,
    out: Vec<u8>,
}

/// Boxed, because these results stand in every frame of a deep recursion.
type Outcome<T> = Result<T, Box<Error>>;

impl<'a> State<'a> {
    fn error(&self, message: impl Into<String>) -> Box<Error> {
        self.error_at(message.into(), false)
    }

    fn fail<T>(&self, message: impl Into<String>) -> Outcome<T> {
        Err(self.error(message))
    }

    fn exceeded<T>(&self, what: &str) -> Outcome<T> {
        Err(self.error_at(format!("exceeded {what}"), true))
    }

    #[cold]
    #[inline(never)]
    fn error_at(&self, message: String, limit: bool) -> Box<Error> {
        let (line, column) = position(&self.tree.source, self.at.pos());
        Box::new(Error::Execute {
            template: self.tree.parse_name.clone(),
            line,
            column,
            quoted_name: crate::fmt::quote::quote(self.tree.name.as_bytes()),
            context: self.at.to_string(),
            message,
            limit,
        })
    }

    fn step(&mut self) -> Outcome<()> {
        self.steps += 1;
        if self.steps > self.limits.steps {
            return self.exceeded(&format!("the limit of {} steps", self.limits.steps));
        }
        Ok(())
    }

    /// Takes what a value cost to build from the budget.
    fn charge(&mut self, value: &Value) -> Outcome<()> {
        if value.depth() > crate::value::MAX_VALUE_DEPTH {
            return self.exceeded("the nesting limit of values");
        }
        match self.scratch.checked_sub(value.cost()) {
            Some(rest) => {
                self.scratch = rest;
                Ok(())
            }
            None => self.exceeded(&format!("the limit of {} bytes produced by functions", self.limits.scratch_bytes)),
        }
    }

    fn call_context(&self) -> Call {
        Call::new(self.scratch)
    }

    fn write(&mut self, bytes: &[u8]) -> Outcome<()> {
        if self.out.len() + bytes.len() > self.limits.output_bytes {
            return self.exceeded(&format!("the limit of {} bytes of output", self.limits.output_bytes));
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes a value as `print` does.
    fn print(&mut self, value: &Value) -> Outcome<()> {
        match value {
            Value::Nil => self.write(b"<no value>"),
            Value::Str(text) | Value::Safe(_, text) => self.write(text),
            value => {
                let room = self.limits.output_bytes - self.out.len();
                match Printer::new(room).print(std::slice::from_ref(value)) {
                    Ok(bytes) => self.write(&bytes),
                    Err(_) => self.exceeded(&format!("the limit of {} bytes of output", self.limits.output_bytes)),
                }
            }
        }
    }
}

/// Line from 1 and bytes from its start.
pub(crate) fn position(source: &str, pos: usize) -> (usize, usize) {
    let before = &source.as_bytes()[..pos.min(source.len())];
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    (1 + before.iter().filter(|b| **b == b'\n').count(), before.len() - start)
}
