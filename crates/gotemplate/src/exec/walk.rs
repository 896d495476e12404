//! Actions: what each node of the tree does.

use super::{At, Cell, MAX_BLOCKS, Outcome, State};
use crate::parse::{Branch, List, Node, Pipe};
use crate::value::Value;

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Break,
    Continue,
}

impl<'a> State<'a> {
    pub(super) fn walk_list(&mut self, dot: &Cell, list: &'a List) -> Outcome<Flow> {
        self.blocks += 1;
        if self.blocks > MAX_BLOCKS {
            return self.exceeded(&format!("{MAX_BLOCKS} nested blocks"));
        }
        let mut flow = Flow::Next;
        for node in &list.nodes {
            flow = self.walk(dot, node)?;
            if flow != Flow::Next {
                break;
            }
        }
        self.blocks -= 1;
        Ok(flow)
    }

    fn walk(&mut self, dot: &Cell, node: &'a Node) -> Outcome<Flow> {
        self.at = At::Node(node);
        self.step()?;
        match node {
            Node::Text { text, .. } => self.write(text)?,
            Node::Action { pipe, .. } => self.walk_action(dot, node, pipe)?,
            Node::If(branch) => return self.walk_choice(dot, branch, false),
            Node::With(branch) => return self.walk_choice(dot, branch, true),
            Node::Range(branch) => return self.walk_range(dot, node, branch),
            Node::Template { name, pipe, .. } => self.walk_template(dot, node, name, pipe.as_ref())?,
            Node::Break { .. } => return Ok(Flow::Break),
            Node::Continue { .. } => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    #[inline(never)]
    fn walk_action(&mut self, dot: &Cell, node: &'a Node, pipe: &'a Pipe) -> Outcome<()> {
        // Variables declared here live until the next "end".
        let cell = self.pipeline(dot, pipe)?;
        if pipe.decl.is_empty() {
            self.at = At::Node(node);
            if matches!(cell.value, Value::Func(_)) {
                return self.fail(format!("can't print {node} of type {}", cell.type_name()));
            }
            self.print(&cell.value)?;
        }
        Ok(())
    }

    fn walk_choice(&mut self, dot: &Cell, branch: &'a Branch, sets_dot: bool) -> Outcome<Flow> {
        let mark = self.vars.len();
        let cell = self.pipeline(dot, &branch.pipe)?;
        let flow = if cell.value.is_true() {
            self.walk_list(if sets_dot { &cell } else { dot }, &branch.list)?
        } else if let Some(list) = &branch.else_list {
            self.walk_list(dot, list)?
        } else {
            Flow::Next
        };
        self.vars.truncate(mark);
        Ok(flow)
    }

    fn walk_range(&mut self, dot: &Cell, node: &'a Node, branch: &'a Branch) -> Outcome<Flow> {
        let outer = self.vars.len();
        let value = self.pipeline(dot, &branch.pipe)?.value;
        let mut ran = false;
        if let Some(list) = value.as_list() {
            let interface = *list.element() == crate::Type::Interface;
            for (i, item) in list.items().iter().enumerate() {
                ran = true;
                let element = Cell { value: item.clone(), interface };
                if self.iterate(branch, Cell::plain(Value::int(i as i64)), element)? == Flow::Break {
                    break;
                }
            }
        } else if let Some(map) = value.as_map() {
            let interface = *map.element() == crate::Type::Interface;
            for (key, item) in map.entries() {
                ran = true;
                let element = Cell { value: item.clone(), interface };
                if self.iterate(branch, Cell::plain(Value::Str(key.clone())), element)? == Flow::Break {
                    break;
                }
            }
        } else {
            match value {
                Value::Nil => {}
                Value::Int(..) | Value::Uint(..) | Value::Duration(_) if branch.pipe.decl.len() > 1 => {
                    let shown = super::print_text(&value);
                    return self.fail(format!("can't use {shown} to iterate over more than one variable"));
                }
                Value::Int(..) | Value::Uint(..) | Value::Duration(_) => {
                    for element in integers(&value) {
                        ran = true;
                        if self.iterate(branch, Cell::plain(Value::Nil), Cell::plain(element))? == Flow::Break {
                            break;
                        }
                    }
                }
                value => {
                    self.at_range(node, branch);
                    return self.fail(format!("range can't iterate over {}", super::print_text(&value)));
                }
            }
        }
        let mut flow = Flow::Next;
        if !ran && let Some(list) = &branch.else_list {
            flow = self.walk_list(dot, list)?;
        }
        self.vars.truncate(outer);
        Ok(flow)
    }

    /// Go reports a value that cannot be iterated over at the last thing evaluated, which is where the state already is.
    fn at_range(&mut self, node: &'a Node, branch: &'a Branch) {
        if branch.pipe.cmds.is_empty() {
            self.at = At::Node(node);
        }
    }

    fn iterate(&mut self, branch: &'a Branch, index: Cell, element: Cell) -> Outcome<Flow> {
        self.step()?;
        let decl = &branch.pipe.decl;
        if branch.pipe.is_assign {
            match decl.as_slice() {
                [one] => self.assign(&one.idents[0], element.clone())?,
                [first, second] => {
                    self.assign(&first.idents[0], index)?;
                    self.assign(&second.idents[0], element.clone())?;
                }
                _ => {}
            }
        } else {
            let top = self.vars.len();
            if !decl.is_empty() {
                self.vars[top - 1].1 = element.clone();
            }
            if decl.len() > 1 {
                self.vars[top - 2].1 = index;
            }
        }
        let mark = self.vars.len();
        let flow = self.walk_list(&element, &branch.list)?;
        self.vars.truncate(mark);
        Ok(flow)
    }

    fn walk_template(&mut self, dot: &Cell, node: &'a Node, name: &str, pipe: Option<&'a Pipe>) -> Outcome<()> {
        let Some(tree) = self.trees.get(name) else {
            return self.fail(format!("template {} not defined", crate::fmt::quote::quote(name.as_bytes())));
        };
        if self.depth >= self.limits.depth {
            return self.exceeded(&format!("maximum template depth ({})", self.limits.depth));
        }
        let data = match pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Cell::plain(Value::Nil),
        };
        let vars = std::mem::replace(&mut self.vars, vec![("$", data.clone())]);
        let caller = std::mem::replace(&mut self.tree, tree);
        self.depth += 1;
        self.walk_list(&data, &tree.root)?;
        self.depth -= 1;
        self.tree = caller;
        self.vars = vars;
        self.at = At::Node(node);
        Ok(())
    }
}

/// 0, 1, ... below an integer, in its own type.
fn integers(of: &Value) -> Box<dyn Iterator<Item = Value>> {
    match *of {
        Value::Int(end, kind) => Box::new((0..end.max(0)).map(move |i| Value::Int(i, kind))),
        Value::Uint(end, kind) => Box::new((0..end).map(move |i| Value::Uint(i, kind))),
        Value::Duration(end) => Box::new((0..end.max(0)).map(Value::Duration)),
        _ => Box::new(std::iter::empty()),
    }
}
