//! [`Template`]: named templates that may call each other, with the functions they may call.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::exec::{self, Limits};
use crate::funcs::Funcs;
use crate::parse::{self, Command, Expr, List, Node, Pipe, Tree};
use crate::value::Value;
use crate::{Error, html};

/// How output is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As text/template does: as it is.
    Text,
    /// As html/template does: every value escaped for the place where it stands.
    Html,
}

/// What a missing map key yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingKey {
    /// No value, printed as `<no value>`: Go's default.
    Invalid,
    /// The zero value of the map's element type: what all three matched systems set.
    Zero,
    /// An error.
    Error,
}

pub(crate) type Trees = BTreeMap<String, Arc<Tree>>;

/// A set of named templates.
#[derive(Debug)]
pub struct Template {
    mode: Mode,
    missing_key: MissingKey,
    funcs: Funcs,
    trees: Trees,
    /// HTML mode: the set as escaped for each entry point, or why it cannot be.
    escaped: Mutex<HashMap<String, Result<Arc<Trees>, Error>>>,
}

impl Clone for Template {
    fn clone(&self) -> Self {
        Template {
            mode: self.mode,
            missing_key: self.missing_key,
            funcs: self.funcs.clone(),
            trees: self.trees.clone(),
            escaped: Mutex::default(),
        }
    }
}

impl Template {
    /// An empty set, with `missingkey=zero`.
    pub fn new(mode: Mode, funcs: &Funcs) -> Self {
        Template {
            mode,
            missing_key: MissingKey::Zero,
            funcs: funcs.clone(),
            trees: Trees::new(),
            escaped: Mutex::default(),
        }
    }

    /// One text template and whatever it defines.
    pub fn parse(name: &str, text: &str, funcs: &Funcs) -> Result<Self, Error> {
        let mut template = Template::new(Mode::Text, funcs);
        template.add(name, text)?;
        Ok(template)
    }

    /// One HTML template and whatever it defines.
    pub fn parse_html(name: &str, text: &str, funcs: &Funcs) -> Result<Self, Error> {
        let mut template = Template::new(Mode::Html, funcs);
        template.add(name, text)?;
        Ok(template)
    }

    /// Sets what a missing map key yields.
    #[must_use]
    pub fn with_missing_key(mut self, missing_key: MissingKey) -> Self {
        self.missing_key = missing_key;
        self
    }

    /// Replaces functions: those of the same name, bound to what only the caller of an execution knows.
    #[must_use]
    pub fn with_funcs(mut self, funcs: &Funcs) -> Self {
        self.funcs.extend(funcs);
        self
    }

    /// Parses `text` under `name` and adds all that it defines. A later definition replaces an earlier one of the same name
    /// unless it is blank; on an error nothing is added.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), Error> {
        let has_function = |name: &str| self.funcs.get(name).is_some() || exec::is_builtin(name);
        for tree in parse::parse(name, text, &has_function)? {
            if !(tree.root.is_blank() && self.trees.contains_key(&tree.name)) {
                self.trees.insert(tree.name.clone(), Arc::new(tree));
            }
        }
        self.escaped.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    /// Names of the templates in the set, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.trees.keys().map(String::as_str)
    }

    /// The functions that can be called.
    pub fn funcs(&self) -> &Funcs {
        &self.funcs
    }

    /// Executes a template of the set. Output that is not UTF-8 has U+FFFD for each such byte.
    pub fn execute(&self, name: &str, data: &Value, limits: &Limits) -> Result<String, Error> {
        let bytes = self.execute_bytes(name, data, limits)?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| crate::text::lossy(error.as_bytes()).into_owned()))
    }

    /// Executes a template of the set and returns its output as it is.
    pub fn execute_bytes(&self, name: &str, data: &Value, limits: &Limits) -> Result<Vec<u8>, Error> {
        if !self.trees.contains_key(name) {
            return Err(Error::NoSuchTemplate(name.to_owned()));
        }
        match self.mode {
            Mode::Text => exec::execute(&self.trees, name, &self.funcs, self.missing_key, data, limits),
            Mode::Html => {
                let trees = self.escaped_for(name)?;
                exec::execute(&trees, name, &self.funcs, self.missing_key, data, limits)
            }
        }
    }

    fn escaped_for(&self, name: &str) -> Result<Arc<Trees>, Error> {
        let mut cache = self.escaped.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = cache.get(name) {
            return known.clone();
        }
        let escaped = html::escape(&self.trees, name).map(Arc::new);
        cache.insert(name.to_owned(), escaped.clone());
        escaped
    }

    /// The name `x` where the template is `{{.x}}` and nothing else: such a template can be answered without executing it.
    pub fn single_field(&self, name: &str) -> Option<&str> {
        let [Node::Action { pipe, .. }] = self.trees.get(name)?.root.nodes.as_slice() else { return None };
        let ([], [Command { args, .. }]) = (pipe.decl.as_slice(), pipe.cmds.as_slice()) else { return None };
        let [Expr::Field { idents, .. }] = args.as_slice() else { return None };
        let [ident] = idents.as_slice() else { return None };
        Some(ident)
    }

    /// Every field name that a template mentions, sorted: the labels that a log line must have parsed for it. A template
    /// that may read others (it uses `.` or `$` as a whole, or calls templates) makes this `None`.
    pub fn fields(&self, name: &str) -> Option<Vec<String>> {
        let mut fields = Vec::new();
        collect_list(&self.trees.get(name)?.root, &mut fields)?;
        fields.sort_unstable();
        fields.dedup();
        Some(fields)
    }
}

fn collect_list(list: &List, fields: &mut Vec<String>) -> Option<()> {
    for node in &list.nodes {
        match node {
            Node::Text { .. } | Node::Break { .. } | Node::Continue { .. } => {}
            Node::Action { pipe, .. } => collect_pipe(pipe, fields)?,
            Node::If(branch) | Node::Range(branch) | Node::With(branch) => {
                collect_pipe(&branch.pipe, fields)?;
                collect_list(&branch.list, fields)?;
                if let Some(list) = &branch.else_list {
                    collect_list(list, fields)?;
                }
            }
            Node::Template { .. } => return None,
        }
    }
    Some(())
}

fn collect_pipe(pipe: &Pipe, fields: &mut Vec<String>) -> Option<()> {
    pipe.cmds.iter().flat_map(|command| &command.args).try_for_each(|arg| collect_expr(arg, fields))
}

fn collect_expr(expr: &Expr, fields: &mut Vec<String>) -> Option<()> {
    match expr {
        Expr::Dot { .. } => return None,
        Expr::Variable(variable) if variable.idents[0] == "$" && variable.idents.len() == 1 => return None,
        Expr::Variable(variable) => fields.extend_from_slice(&variable.idents[1..]),
        Expr::Field { idents, .. } => fields.extend_from_slice(idents),
        Expr::Chain { node, fields: chained, .. } => {
            collect_expr(node, fields)?;
            fields.extend_from_slice(chained);
        }
        Expr::Pipe(pipe) => collect_pipe(pipe, fields)?,
        Expr::Identifier { .. } | Expr::Nil { .. } | Expr::Bool { .. } | Expr::Number(_) | Expr::Str { .. } => {}
    }
    Some(())
}
