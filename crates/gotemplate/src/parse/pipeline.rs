//! The parser's lower half: pipelines, commands, operands and terms.

use super::lex::Kind;
use super::parser::{Parser, Parsing};
use super::{Command, Expr, Number, Pipe, Variable};

impl Parser<'_> {
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Parsing<Pipe> {
        self.enter()?;
        let mut pipe = Pipe { pos: self.peek_non_space().pos, is_assign: false, decl: Vec::new(), cmds: Vec::new() };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.backup();
                    let command = self.command()?;
                    pipe.cmds.push(command);
                }
                _ => return self.unexpected(&token, context),
            }
        }
        if pipe.cmds.is_empty() {
            return self.fail(format!("missing value for {context}"));
        }
        for (i, command) in pipe.cmds.iter().enumerate().skip(1) {
            if matches!(
                command.args[0],
                Expr::Bool { .. } | Expr::Dot { .. } | Expr::Nil { .. } | Expr::Number(_) | Expr::Str { .. }
            ) {
                return self.fail(format!("non executable command in pipeline stage {}", i + 1));
            }
        }
        self.nesting -= 1;
        Ok(pipe)
    }

    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Parsing<()> {
        loop {
            let variable = self.peek_non_space();
            if variable.kind != Kind::Variable {
                return Ok(());
            }
            self.next();
            // A space is a token here, and "$x foo" and "$x | foo" must keep it.
            let after = self.peek();
            let next = self.peek_non_space();
            let declared = Variable { pos: variable.pos, idents: vec![variable.text.clone()] };
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    pipe.is_assign = next.kind == Kind::Assign;
                    self.next_non_space();
                    pipe.decl.push(declared);
                    self.vars.push(variable.text);
                    return Ok(());
                }
                Kind::Char if next.text == "," => {
                    self.next_non_space();
                    pipe.decl.push(declared);
                    self.vars.push(variable.text);
                    if context != "range" || pipe.decl.len() >= 2 {
                        return self.fail(format!("too many declarations in {context}"));
                    }
                    match self.peek_non_space().kind {
                        Kind::Variable | Kind::RightDelim | Kind::RightParen => continue,
                        _ => return self.fail("range can only initialize variables"),
                    }
                }
                _ if after.kind == Kind::Space => {
                    self.tokens[1] = Some(after);
                    self.tokens[2] = Some(variable);
                    self.peeked = 3;
                }
                _ => {
                    self.tokens[1] = Some(variable);
                    self.peeked = 2;
                }
            }
            return Ok(());
        }
    }

    fn command(&mut self) -> Parsing<Command> {
        let mut command = Command { pos: self.peek_non_space().pos, args: Vec::new() };
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                command.args.push(operand);
            }
            let token = self.next();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.backup(),
                Kind::Pipe => {}
                _ => return self.unexpected(&token, "operand"),
            }
            break;
        }
        if command.args.is_empty() { self.fail("empty command") } else { Ok(command) }
    }

    fn operand(&mut self) -> Parsing<Option<Expr>> {
        let Some(node) = self.term()? else { return Ok(None) };
        if self.peek().kind != Kind::Field {
            return Ok(Some(node));
        }
        let pos = self.peek().pos;
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            fields.push(self.next().text[1..].to_owned());
        }
        Ok(Some(match node {
            Expr::Field { mut idents, .. } => {
                idents.extend(fields);
                Expr::Field { pos, idents }
            }
            Expr::Variable(Variable { mut idents, .. }) => {
                idents.extend(fields);
                Expr::Variable(Variable { pos, idents })
            }
            Expr::Bool { .. } | Expr::Str { .. } | Expr::Number(_) | Expr::Nil { .. } | Expr::Dot { .. } => {
                let term = model::float::go_quote(&node.to_string());
                return self.fail(format!("unexpected . after term {term}"));
            }
            node => Expr::Chain { pos, node: Box::new(node), fields },
        }))
    }

    fn term(&mut self) -> Parsing<Option<Expr>> {
        let token = self.next_non_space();
        let pos = token.pos;
        Ok(Some(match token.kind {
            Kind::Identifier => {
                if !(self.has_function)(&token.text) {
                    let name = model::float::go_quote(&token.text);
                    return self.fail(format!("function {name} not defined"));
                }
                Expr::Identifier { pos, name: token.text }
            }
            Kind::Dot => Expr::Dot { pos },
            Kind::Nil => Expr::Nil { pos },
            Kind::Variable => {
                if !self.vars.contains(&token.text) {
                    let name = model::float::go_quote(&token.text);
                    return self.fail(format!("undefined variable {name}"));
                }
                Expr::Variable(Variable { pos, idents: vec![token.text] })
            }
            Kind::Field => Expr::Field { pos, idents: vec![token.text[1..].to_owned()] },
            Kind::Bool => Expr::Bool { pos, value: token.text == "true" },
            Kind::CharConstant | Kind::Complex | Kind::Number => {
                let number = match token.kind {
                    Kind::CharConstant => Number::from_char(pos, &token.text),
                    kind => Number::parse(pos, &token.text, kind == Kind::Complex),
                };
                match number {
                    Ok(number) => Expr::Number(number),
                    Err(message) => return self.fail(message),
                }
            }
            Kind::LeftParen => Expr::Pipe(self.pipeline("parenthesized pipeline", Kind::RightParen)?),
            Kind::String | Kind::RawString => {
                let text = self.unquoted(&token)?;
                Expr::Str { pos, quoted: token.text, text }
            }
            _ => {
                self.backup();
                return Ok(None);
            }
        }))
    }
}
