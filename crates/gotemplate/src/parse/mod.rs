//! From text to tree: a lexer with Go's tokens, a parser with Go's grammar, and trees that print as Go prints them, because
//! errors quote them.

pub(crate) mod lex;
pub(crate) mod node;
mod number;
mod parser;
mod pipeline;
pub(crate) mod unquote;

pub(crate) use node::{Branch, Command, Expr, List, Node, Pipe, Tree, Variable};
pub(crate) use number::Number;
pub(crate) use parser::parse;
