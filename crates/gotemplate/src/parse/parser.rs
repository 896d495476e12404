//! The parser: Go's grammar with its look-ahead, because errors name the line of the last token read.

use std::sync::Arc;

use super::lex::{Item, Kind, Lexer};
use super::unquote::unquote;
use super::{Branch, List, Node, Tree};
use crate::{Error, Text};

/// Blocks and parentheses nested deeper than this are refused, so that neither parsing nor execution can exhaust the stack.
const MAX_NESTING: usize = 200;

/// Parses a text into the templates it defines, the one called `name` last. `has_function` tells which functions exist.
pub(crate) fn parse(name: &str, text: &str, has_function: &dyn Fn(&str) -> bool) -> Result<Vec<Tree>, Error> {
    let mut parser = Parser {
        name: name.to_owned(),
        source: text.into(),
        lexer: Lexer::new(text, !has_function("break"), !has_function("continue")),
        has_function,
        tokens: [const { None }; 3],
        peeked: 0,
        last_line: 1,
        vars: vec!["$".to_owned()],
        action_line: 0,
        range_depth: 0,
        nesting: 0,
        trees: Vec::new(),
    };
    parser.parse_file()?;
    Ok(parser.trees)
}

pub(super) type Parsing<T> = Result<T, Error>;

pub(super) struct Parser<'a> {
    name: String,
    source: Arc<str>,
    lexer: Lexer<'a>,
    pub(super) has_function: &'a dyn Fn(&str) -> bool,
    pub(super) tokens: [Option<Item>; 3],
    pub(super) peeked: usize,
    /// Line of the token read last: where Go's parser says an error is.
    last_line: usize,
    pub(super) vars: Vec<String>,
    action_line: usize,
    range_depth: usize,
    pub(super) nesting: usize,
    trees: Vec<Tree>,
}

/// How a list of nodes ended.
enum Ending {
    End,
    Else { follows: Option<Kind> },
}

/// What stands at the place of a node.
enum Parsed {
    Node(Node),
    Ending(Ending),
}

impl Ending {
    fn text(&self) -> &'static str {
        match self {
            Ending::End => "{{end}}",
            Ending::Else { .. } => "{{else}}",
        }
    }
}

impl Parser<'_> {
    fn read(&mut self) -> Item {
        let item = self.lexer.next_item();
        self.last_line = item.line;
        item
    }

    pub(super) fn next(&mut self) -> Item {
        if self.peeked > 0 {
            self.peeked -= 1;
        } else {
            self.tokens[0] = Some(self.read());
        }
        self.token(self.peeked)
    }

    fn token(&self, at: usize) -> Item {
        self.tokens[at].clone().expect("a token was read before it is looked at again")
    }

    pub(super) fn backup(&mut self) {
        self.peeked += 1;
    }

    pub(super) fn peek(&mut self) -> Item {
        if self.peeked == 0 {
            self.tokens[0] = Some(self.read());
            self.peeked = 1;
        }
        self.token(self.peeked - 1)
    }

    pub(super) fn next_non_space(&mut self) -> Item {
        loop {
            let item = self.next();
            if item.kind != Kind::Space {
                return item;
            }
        }
    }

    pub(super) fn peek_non_space(&mut self) -> Item {
        let item = self.next_non_space();
        self.backup();
        item
    }

    pub(super) fn fail<T>(&self, message: impl Into<String>) -> Parsing<T> {
        let line = self.tokens[0].as_ref().map_or(self.last_line, |item| item.line);
        Err(Error::Parse { template: self.name.clone(), line, message: message.into() })
    }

    pub(super) fn unexpected<T>(&self, item: &Item, context: &str) -> Parsing<T> {
        if item.kind != Kind::Error {
            return self.fail(format!("unexpected {} in {context}", describe(item)));
        }
        let mut extra = String::new();
        if self.action_line != 0 && self.action_line != item.line {
            extra = format!(" in action started at {}:{}", self.name, self.action_line);
            if item.text.ends_with(" action") {
                extra = extra[" in action".len()..].to_owned();
            }
        }
        self.fail(format!("{}{extra}", item.text))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsing<Item> {
        let item = self.next_non_space();
        if item.kind == kind { Ok(item) } else { self.unexpected(&item, context) }
    }

    pub(super) fn enter(&mut self) -> Parsing<()> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING { self.fail("blocks or parentheses nested too deeply") } else { Ok(()) }
    }

    fn parse_file(&mut self) -> Parsing<()> {
        let mut root = List::default();
        while self.peek().kind != Kind::Eof {
            if self.peek().kind == Kind::LeftDelim {
                let delim = self.next();
                if self.next_non_space().kind == Kind::Define {
                    self.definition()?;
                    continue;
                }
                // Both tokens go back.
                self.tokens[1] = Some(delim);
                self.peeked = 2;
            }
            match self.text_or_action()? {
                Parsed::Node(node) => root.nodes.push(node),
                Parsed::Ending(ending) => return self.fail(format!("unexpected {}", ending.text())),
            }
        }
        self.add(self.name.clone(), root)
    }

    fn add(&mut self, name: String, root: List) -> Parsing<()> {
        let tree = Tree { parse_name: self.name.clone(), source: self.source.clone(), root, name };
        match self.trees.iter().position(|known| known.name == tree.name) {
            None => self.trees.push(tree),
            Some(at) if self.trees[at].root.is_blank() => self.trees[at] = tree,
            Some(_) if tree.root.is_blank() => {}
            Some(_) => {
                let name = model::float::go_quote(&tree.name);
                return self.fail(format!("template: multiple definition of template {name}"));
            }
        }
        Ok(())
    }

    fn definition(&mut self) -> Parsing<()> {
        const CONTEXT: &str = "define clause";
        let item = self.next_non_space();
        if !matches!(item.kind, Kind::String | Kind::RawString) {
            return self.unexpected(&item, CONTEXT);
        }
        let name = self.unquoted(&item)?;
        self.expect(Kind::RightDelim, CONTEXT)?;
        let root = self.own_scope(CONTEXT)?;
        self.add(name.lossy().into_owned(), root)
    }

    /// The body of a `define` or `block`: it sees no variables but `$`.
    fn own_scope(&mut self, context: &str) -> Parsing<List> {
        let vars = std::mem::replace(&mut self.vars, vec!["$".to_owned()]);
        let range_depth = std::mem::take(&mut self.range_depth);
        let action_line = std::mem::take(&mut self.action_line);
        let (root, ending) = self.item_list()?;
        if !matches!(ending, Ending::End) {
            return self.fail(format!("unexpected {} in {context}", ending.text()));
        }
        self.vars = vars;
        self.range_depth = range_depth;
        self.action_line = action_line;
        Ok(root)
    }

    pub(super) fn unquoted(&self, item: &Item) -> Parsing<Text> {
        match unquote(&item.text) {
            Some(bytes) => Ok(Text::from(bytes)),
            None => self.fail("invalid syntax"),
        }
    }

    fn item_list(&mut self) -> Parsing<(List, Ending)> {
        self.enter()?;
        let mut list = List::default();
        while self.peek_non_space().kind != Kind::Eof {
            match self.text_or_action()? {
                Parsed::Node(node) => list.nodes.push(node),
                Parsed::Ending(ending) => {
                    self.nesting -= 1;
                    return Ok((list, ending));
                }
            }
        }
        self.fail("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Parsing<Parsed> {
        let item = self.next_non_space();
        match item.kind {
            Kind::Text => Ok(Parsed::Node(Node::Text { pos: item.pos, text: item.text.into() })),
            Kind::LeftDelim => {
                self.action_line = item.line;
                let parsed = self.action();
                if parsed.is_ok() {
                    self.action_line = 0;
                }
                parsed
            }
            _ => self.unexpected(&item, "input"),
        }
    }

    fn action(&mut self) -> Parsing<Parsed> {
        let item = self.next_non_space();
        let node = match item.kind {
            Kind::Block => self.block()?,
            Kind::Break | Kind::Continue => self.loop_control(&item)?,
            Kind::Else => {
                let next = self.peek_non_space();
                // "{{else if": what follows is the "if" action, whose closing delimiter is read there.
                if matches!(next.kind, Kind::If | Kind::With) {
                    return Ok(Parsed::Ending(Ending::Else { follows: Some(next.kind) }));
                }
                self.expect(Kind::RightDelim, "else")?;
                return Ok(Parsed::Ending(Ending::Else { follows: None }));
            }
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Parsed::Ending(Ending::End));
            }
            Kind::If => Node::If(self.control("if")?),
            Kind::Range => Node::Range(self.control("range")?),
            Kind::With => Node::With(self.control("with")?),
            Kind::Template => {
                const CONTEXT: &str = "template clause";
                let token = self.next_non_space();
                let name = self.template_name(&token, CONTEXT)?;
                let mut pipe = None;
                if self.next_non_space().kind != Kind::RightDelim {
                    self.backup();
                    pipe = Some(self.pipeline(CONTEXT, Kind::RightDelim)?);
                }
                Node::Template { pos: token.pos, name, pipe }
            }
            _ => {
                self.backup();
                let token = self.peek();
                let pipe = self.pipeline("command", Kind::RightDelim)?;
                Node::Action { pos: token.pos, pipe }
            }
        };
        Ok(Parsed::Node(node))
    }

    fn loop_control(&mut self, item: &Item) -> Parsing<Node> {
        let (keyword, node) = match item.kind {
            Kind::Break => ("{{break}}", Node::Break { pos: item.pos, line: item.line }),
            _ => ("{{continue}}", Node::Continue { pos: item.pos, line: item.line }),
        };
        let token = self.next_non_space();
        if token.kind != Kind::RightDelim {
            return self.unexpected(&token, keyword);
        }
        if self.range_depth == 0 {
            return self.fail(format!("{keyword} outside {{{{range}}}}"));
        }
        Ok(node)
    }

    fn template_name(&mut self, token: &Item, context: &str) -> Parsing<String> {
        match token.kind {
            Kind::String | Kind::RawString => Ok(self.unquoted(token)?.lossy().into_owned()),
            _ => self.unexpected(token, context),
        }
    }

    fn block(&mut self) -> Parsing<Node> {
        const CONTEXT: &str = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Kind::RightDelim)?;
        let root = self.own_scope(CONTEXT)?;
        self.add(name.clone(), root)?;
        Ok(Node::Template { pos: token.pos, name, pipe: Some(pipe) })
    }

    fn control(&mut self, context: &str) -> Parsing<Branch> {
        self.enter()?;
        let vars = self.vars.len();
        let line = self.peek_non_space().line;
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        if context == "range" {
            self.range_depth += 1;
        }
        let (list, ending) = self.item_list()?;
        if context == "range" {
            self.range_depth -= 1;
        }
        let mut else_list = None;
        if let Ending::Else { follows } = ending {
            // "{{else if}}" is an "{{if}}" in the else part whose "{{end}}" closes both, likewise "with".
            let nested = match (context, follows) {
                ("if", Some(Kind::If)) => Some("if"),
                ("with", Some(Kind::With)) => Some("with"),
                _ => None,
            };
            if let Some(keyword) = nested {
                self.next_non_space();
                let branch = self.control(keyword)?;
                let node = if keyword == "if" { Node::If(branch) } else { Node::With(branch) };
                else_list = Some(List { nodes: vec![node] });
            } else {
                let (list, ending) = self.item_list()?;
                if !matches!(ending, Ending::End) {
                    return self.fail(format!("expected end; found {}", ending.text()));
                }
                else_list = Some(list);
            }
        }
        self.vars.truncate(vars);
        self.nesting -= 1;
        Ok(Branch { pos: pipe.pos, line, pipe, list, else_list })
    }
}

/// A token as Go's errors show it.
fn describe(item: &Item) -> String {
    match item.kind {
        Kind::Eof => "EOF".into(),
        Kind::Block
        | Kind::Break
        | Kind::Continue
        | Kind::Dot
        | Kind::Define
        | Kind::Else
        | Kind::End
        | Kind::If
        | Kind::Nil
        | Kind::Range
        | Kind::Template
        | Kind::With => format!("<{}>", item.text),
        _ if item.text.len() > 10 => {
            let short: String = item.text.chars().take(10).collect();
            format!("{}...", model::float::go_quote(&short))
        }
        _ => model::float::go_quote(&item.text),
    }
}
