//! From tokens to statements and expressions: Jinja's grammar. Knows which filters and tests there are by their names, and nothing
//! of what they do.

use super::lexer::{Token, tokens};
use super::syntax::{Arguments, Comparison, Expression, Filter, Operator, Sign, Statement, Target};
use super::{filters, functions, patterns, predicates};
use crate::manifest::nearest;

/// Why a template can not be used.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Jinja would refuse it, too.
    Invalid(String),
    /// Jinja has it, and this connector does not.
    Unsupported(String),
}

type Result<T> = std::result::Result<T, Refusal>;

fn invalid<T>(what: impl Into<String>) -> Result<T> {
    Err(Refusal::Invalid(what.into()))
}

/// Expressions within each other. More are no template that a person has written.
const MAX_DEPTH: u32 = 60;

/// Reads a template.
pub fn parse(source: &str) -> Result<Vec<Statement>> {
    let tokens = tokens(source).map_err(Refusal::Invalid)?;
    let mut parser = Parser { tokens, position: 0, depth: 0 };
    let statements = parser.statements(&[])?;
    match parser.next() {
        None => Ok(statements),
        Some(_) => invalid("it has an end of what was not begun"),
    }
}

struct Parser {
    tokens: Vec<Token>,
    position: usize,
    depth: u32,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.position)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.position).cloned();
        self.position += 1;
        token
    }

    fn is_operator(&self, operator: &str) -> bool {
        matches!(self.peek(), Some(Token::Operator(next)) if *next == operator)
    }

    fn is_name(&self, name: &str) -> bool {
        matches!(self.peek(), Some(Token::Name(next)) if next == name)
    }

    fn skip_operator(&mut self, operator: &str) -> bool {
        let is = self.is_operator(operator);
        self.position += usize::from(is);
        is
    }

    fn skip_name(&mut self, name: &str) -> bool {
        let is = self.is_name(name);
        self.position += usize::from(is);
        is
    }

    fn expect_operator(&mut self, operator: &str) -> Result<()> {
        if self.skip_operator(operator) { Ok(()) } else { invalid(format!("{operator} is missing {}", self.place())) }
    }

    fn expect(&mut self, token: &Token) -> Result<()> {
        if self.peek() == Some(token) {
            self.position += 1;
            return Ok(());
        }
        invalid(format!("a tag goes on where it should end {}", self.place()))
    }

    fn name(&mut self) -> Result<String> {
        match self.next() {
            Some(Token::Name(name)) => Ok(name),
            _ => {
                self.position -= 1;
                invalid(format!("a name is missing {}", self.place()))
            }
        }
    }

    /// Where the parser is, for messages.
    fn place(&self) -> String {
        match self.peek() {
            None => "at its end".to_owned(),
            Some(Token::Data(_) | Token::OutputBegin | Token::BlockBegin) => "before a tag".to_owned(),
            Some(Token::OutputEnd) => "before }}".to_owned(),
            Some(Token::BlockEnd) => "before %}".to_owned(),
            Some(Token::Name(name)) => format!("before {name}"),
            Some(Token::Text(text)) => format!("before {text:?}"),
            Some(Token::Int(int)) => format!("before {int}"),
            Some(Token::Float(float)) => format!("before {float}"),
            Some(Token::Operator(operator)) => format!("before {operator}"),
        }
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(Refusal::Unsupported(format!("it has more than {MAX_DEPTH} expressions within each other")));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Statements to the tag of one of these names, which is left where it is, behind its `{%`.
    fn statements(&mut self, ends: &[&str]) -> Result<Vec<Statement>> {
        let mut statements = Vec::new();
        loop {
            match self.next() {
                None if ends.is_empty() => {
                    self.position -= 1;
                    return Ok(statements);
                }
                None => return invalid(format!("it ends before {}", ends.join(" or "))),
                Some(Token::Data(text)) => statements.push(Statement::Text(text)),
                Some(Token::OutputBegin) => {
                    statements.push(Statement::Output(self.tuple()?));
                    self.expect(&Token::OutputEnd)?;
                }
                Some(Token::BlockBegin) => {
                    if let Some(Token::Name(name)) = self.peek() {
                        if ends.contains(&name.as_str()) {
                            return Ok(statements);
                        }
                    }
                    let name = self.name()?;
                    self.deeper(|parser| parser.statement(&name, &mut statements))?;
                }
                Some(_) => return invalid("a tag ends that was not begun"),
            }
        }
    }

    /// A body to one of these tags, whose name is given.
    fn body(&mut self, ends: &[&str]) -> Result<(Vec<Statement>, String)> {
        self.expect(&Token::BlockEnd)?;
        let body = self.statements(ends)?;
        Ok((body, self.name()?))
    }

    fn statement(&mut self, name: &str, out: &mut Vec<Statement>) -> Result<()> {
        let statement = match name {
            "if" => self.condition()?,
            "for" => self.loop_over()?,
            "set" => self.assignment()?,
            "with" => {
                let mut variables = Vec::new();
                while self.peek() != Some(&Token::BlockEnd) {
                    if !variables.is_empty() {
                        self.expect_operator(",")?;
                    }
                    let target = self.target(false)?;
                    self.expect_operator("=")?;
                    variables.push((target, self.expression()?));
                }
                Statement::With(variables, self.body(&["endwith"])?.0)
            }
            "filter" => {
                let filters = self.filters_of_block()?;
                Statement::FilterBlock(filters, self.body(&["endfilter"])?.0)
            }
            "print" => {
                while self.peek() != Some(&Token::BlockEnd) {
                    let expression = self.expression()?;
                    out.push(Statement::Output(expression));
                    if !self.skip_operator(",") {
                        break;
                    }
                }
                return self.expect(&Token::BlockEnd);
            }
            "macro" | "call" | "block" | "extends" | "include" | "import" | "from" | "autoescape" => {
                return Err(Refusal::Unsupported(format!("the tag {name} is not supported")));
            }
            _ => return invalid(format!("{name} is no tag that may stand there")),
        };
        self.expect(&Token::BlockEnd)?;
        out.push(statement);
        Ok(())
    }

    fn condition(&mut self) -> Result<Statement> {
        let mut branches = Vec::new();
        loop {
            let test = self.tuple_without_condition()?;
            let (body, end) = self.body(&["elif", "else", "endif"])?;
            branches.push((test, body));
            match end.as_str() {
                "elif" => {}
                "else" => {
                    let (otherwise, _) = self.body(&["endif"])?;
                    return Ok(Statement::If { branches, otherwise });
                }
                _ => return Ok(Statement::If { branches, otherwise: Vec::new() }),
            }
        }
    }

    fn loop_over(&mut self) -> Result<Statement> {
        let target = self.target(false)?;
        if !self.skip_name("in") {
            return invalid(format!("in is missing {}", self.place()));
        }
        let over = self.tuple_without_condition()?;
        let condition = if self.skip_name("if") { Some(self.expression()?) } else { None };
        if self.skip_name("recursive") {
            return Err(Refusal::Unsupported("a recursive for is not supported".to_owned()));
        }
        let (body, end) = self.body(&["else", "endfor"])?;
        let otherwise = if end == "else" { self.body(&["endfor"])?.0 } else { Vec::new() };
        Ok(Statement::For { target, over, condition, body, otherwise })
    }

    fn assignment(&mut self) -> Result<Statement> {
        let target = self.target(true)?;
        if self.skip_operator("=") {
            return Ok(Statement::Set(target, self.tuple()?));
        }
        let filters = if self.is_operator("|") { self.filters_of_block()? } else { Vec::new() };
        Ok(Statement::SetBlock(target, filters, self.body(&["endset"])?.0))
    }

    fn filters_of_block(&mut self) -> Result<Vec<Filter>> {
        let mut filters = Vec::new();
        if !self.is_operator("|") {
            filters.push(self.filter()?);
        }
        while self.skip_operator("|") {
            filters.push(self.filter()?);
        }
        Ok(filters)
    }

    fn target(&mut self, with_attributes: bool) -> Result<Target> {
        let mut targets = Vec::new();
        let mut is_tuple = false;
        loop {
            if self.skip_operator("(") {
                targets.push(self.deeper(|parser| parser.target(false))?);
                self.expect_operator(")")?;
            } else if targets.is_empty() || matches!(self.peek(), Some(Token::Name(name)) if name != "in") {
                let name = self.name()?;
                if matches!(name.as_str(), "true" | "false" | "none" | "True" | "False" | "None") {
                    return invalid(format!("{name} can not be assigned to"));
                }
                if with_attributes && self.skip_operator(".") {
                    targets.push(Target::Attribute(name, self.name()?));
                } else {
                    targets.push(Target::Name(name));
                }
            } else {
                break;
            }
            if !self.skip_operator(",") {
                break;
            }
            is_tuple = true;
        }
        match targets.pop() {
            Some(target) if !is_tuple => Ok(target),
            Some(target) => {
                targets.push(target);
                Ok(Target::Tuple(targets))
            }
            None => invalid("a name is missing"),
        }
    }

    /// An expression, or several that make a tuple.
    fn tuple(&mut self) -> Result<Expression> {
        self.tuple_of(Parser::expression, false)
    }

    fn tuple_without_condition(&mut self) -> Result<Expression> {
        self.tuple_of(Parser::or, false)
    }

    fn tuple_of(&mut self, element: fn(&mut Self) -> Result<Expression>, in_parentheses: bool) -> Result<Expression> {
        let mut elements = Vec::new();
        let mut is_tuple = false;
        loop {
            if !elements.is_empty() {
                if !self.skip_operator(",") {
                    break;
                }
                is_tuple = true;
            }
            let is_end = matches!(self.peek(), None | Some(Token::OutputEnd | Token::BlockEnd | Token::Operator(")")));
            if is_end {
                break;
            }
            elements.push(element(self)?);
        }
        match elements.pop() {
            Some(element) if !is_tuple => Ok(element),
            Some(element) => {
                elements.push(element);
                Ok(Expression::Tuple(elements))
            }
            None if in_parentheses => Ok(Expression::Tuple(elements)),
            None => invalid(format!("an expression is missing {}", self.place())),
        }
    }

    fn expression(&mut self) -> Result<Expression> {
        self.deeper(|parser| {
            let mut expression = parser.or()?;
            while parser.skip_name("if") {
                let test = parser.or()?;
                let otherwise = if parser.skip_name("else") { Some(Box::new(parser.expression()?)) } else { None };
                expression = Expression::Conditional { test: Box::new(test), then: Box::new(expression), otherwise };
            }
            Ok(expression)
        })
    }

    fn or(&mut self) -> Result<Expression> {
        let mut left = self.and()?;
        while self.skip_name("or") {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression> {
        let mut left = self.not()?;
        while self.skip_name("and") {
            left = Expression::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expression> {
        if self.skip_name("not") {
            return self.deeper(|parser| Ok(Expression::Not(Box::new(parser.not()?))));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Expression> {
        let first = self.sum()?;
        let mut rest = Vec::new();
        loop {
            let comparison = match self.peek() {
                Some(Token::Operator("==")) => Comparison::Equal,
                Some(Token::Operator("!=")) => Comparison::NotEqual,
                Some(Token::Operator("<")) => Comparison::Less,
                Some(Token::Operator("<=")) => Comparison::LessOrEqual,
                Some(Token::Operator(">")) => Comparison::Greater,
                Some(Token::Operator(">=")) => Comparison::GreaterOrEqual,
                Some(Token::Name(name)) if name == "in" => Comparison::In,
                Some(Token::Name(name)) if name == "not" => match self.tokens.get(self.position + 1) {
                    Some(Token::Name(name)) if name == "in" => {
                        self.position += 1;
                        Comparison::NotIn
                    }
                    _ => break,
                },
                _ => break,
            };
            self.position += 1;
            rest.push((comparison, self.sum()?));
        }
        Ok(if rest.is_empty() { first } else { Expression::Comparison(Box::new(first), rest) })
    }

    /// Operators of one rank, from left to right.
    fn arithmetic(
        &mut self,
        operators: &[(&str, Operator)],
        operand: fn(&mut Self) -> Result<Expression>,
    ) -> Result<Expression> {
        let mut left = operand(self)?;
        let mut length = 0;
        while let Some((_, operator)) = operators.iter().find(|(operator, _)| self.is_operator(operator)) {
            self.position += 1;
            length += 1;
            if length > 200 {
                return Err(Refusal::Unsupported("it has more than 200 operators in a row".to_owned()));
            }
            left = Expression::Arithmetic(Box::new(left), *operator, Box::new(operand(self)?));
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Expression> {
        self.arithmetic(&[("+", Operator::Plus), ("-", Operator::Minus)], Parser::concatenation)
    }

    fn concatenation(&mut self) -> Result<Expression> {
        let first = self.product()?;
        if !self.is_operator("~") {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.skip_operator("~") {
            parts.push(self.product()?);
        }
        Ok(Expression::Concatenation(parts))
    }

    fn product(&mut self) -> Result<Expression> {
        let operators = [
            ("*", Operator::Times),
            ("/", Operator::Divide),
            ("//", Operator::FloorDivide),
            ("%", Operator::Remainder),
        ];
        self.arithmetic(&operators, Parser::power)
    }

    fn power(&mut self) -> Result<Expression> {
        self.arithmetic(&[("**", Operator::Power)], |parser| parser.unary(true))
    }

    fn unary(&mut self, with_filters: bool) -> Result<Expression> {
        let sign = match self.peek() {
            Some(Token::Operator("-")) => Some(Sign::Minus),
            Some(Token::Operator("+")) => Some(Sign::Plus),
            _ => None,
        };
        let expression = match sign {
            Some(sign) => {
                self.position += 1;
                let of = self.deeper(|parser| parser.unary(false))?;
                Expression::Sign(sign, Box::new(of))
            }
            None => self.primary()?,
        };
        let expression = self.postfix(expression)?;
        if with_filters { self.filters_and_tests(expression) } else { Ok(expression) }
    }

    fn primary(&mut self) -> Result<Expression> {
        match self.next() {
            Some(Token::Name(name)) => Ok(match name.as_str() {
                "true" | "True" => Expression::Bool(true),
                "false" | "False" => Expression::Bool(false),
                "none" | "None" => Expression::None,
                unsupported if functions::UNSUPPORTED.contains(&unsupported) => {
                    return Err(Refusal::Unsupported(format!("the function {unsupported} is not supported")));
                }
                _ => Expression::Name(name),
            }),
            Some(Token::Text(mut text)) => {
                while let Some(Token::Text(more)) = self.peek() {
                    text.push_str(more);
                    self.position += 1;
                }
                Ok(Expression::Text(text))
            }
            Some(Token::Int(int)) => Ok(Expression::Int(int)),
            Some(Token::Float(float)) => Ok(Expression::Float(float)),
            Some(Token::Operator("(")) => {
                let tuple = self.deeper(|parser| parser.tuple_of(Parser::expression, true))?;
                self.expect_operator(")")?;
                Ok(tuple)
            }
            Some(Token::Operator("[")) => {
                let mut elements = Vec::new();
                while !self.is_operator("]") {
                    if !elements.is_empty() {
                        self.expect_operator(",")?;
                    }
                    if self.is_operator("]") {
                        break;
                    }
                    elements.push(self.expression()?);
                }
                self.expect_operator("]")?;
                Ok(Expression::List(elements))
            }
            Some(Token::Operator("{")) => {
                let mut entries = Vec::new();
                while !self.is_operator("}") {
                    if !entries.is_empty() {
                        self.expect_operator(",")?;
                    }
                    if self.is_operator("}") {
                        break;
                    }
                    let key = self.expression()?;
                    self.expect_operator(":")?;
                    entries.push((key, self.expression()?));
                }
                self.expect_operator("}")?;
                Ok(Expression::Dict(entries))
            }
            _ => {
                self.position -= 1;
                invalid(format!("an expression is missing {}", self.place()))
            }
        }
    }

    fn postfix(&mut self, mut expression: Expression) -> Result<Expression> {
        let mut length = 0;
        loop {
            length += 1;
            if length > 200 {
                return Err(Refusal::Unsupported("it has more than 200 attributes of attributes".to_owned()));
            }
            if self.skip_operator(".") {
                expression = match self.next() {
                    Some(Token::Name(name)) => Expression::Attribute(Box::new(expression), name),
                    Some(Token::Int(int)) => Expression::Item(Box::new(expression), Box::new(Expression::Int(int))),
                    _ => {
                        self.position -= 1;
                        return invalid(format!("a name is missing {}", self.place()));
                    }
                };
            } else if self.skip_operator("[") {
                expression = self.subscript(expression)?;
                self.expect_operator("]")?;
            } else if self.is_operator("(") {
                let arguments = self.arguments()?;
                expression = Expression::Call(Box::new(expression), arguments);
            } else {
                return Ok(expression);
            }
        }
    }

    fn subscript(&mut self, of: Expression) -> Result<Expression> {
        let mut parts: [Option<Box<Expression>>; 3] = [None, None, None];
        let mut is_slice = false;
        let mut elements = Vec::new();
        for (index, part) in parts.iter_mut().enumerate() {
            if !self.is_operator(":") && !self.is_operator("]") {
                let expression = self.expression()?;
                if index == 0 && self.is_operator(",") {
                    elements.push(expression);
                    while self.skip_operator(",") {
                        elements.push(self.expression()?);
                    }
                    return Ok(Expression::Item(Box::new(of), Box::new(Expression::Tuple(elements))));
                }
                *part = Some(Box::new(expression));
            }
            if index == 2 || !self.skip_operator(":") {
                break;
            }
            is_slice = true;
        }
        match parts {
            [Some(item), None, None] if !is_slice => Ok(Expression::Item(Box::new(of), item)),
            _ if !is_slice => invalid("[] has nothing in it"),
            parts => Ok(Expression::Slice(Box::new(of), parts)),
        }
    }

    fn arguments(&mut self) -> Result<Arguments> {
        self.expect_operator("(")?;
        let mut arguments = Arguments::default();
        let mut is_first = true;
        while !self.is_operator(")") {
            if !is_first {
                self.expect_operator(",")?;
                if self.is_operator(")") {
                    break;
                }
            }
            is_first = false;
            if self.skip_operator("*") {
                arguments.spread = Some(Box::new(self.expression()?));
            } else if self.skip_operator("**") {
                arguments.spread_named = Some(Box::new(self.expression()?));
            } else {
                let is_named = matches!(self.tokens.get(self.position + 1), Some(Token::Operator("=")));
                match self.peek().cloned() {
                    Some(Token::Name(name)) if is_named => {
                        self.position += 2;
                        arguments.named.push((name, self.expression()?));
                    }
                    _ if arguments.named.is_empty() => arguments.positional.push(self.expression()?),
                    _ => return invalid("an argument without a name comes after one with a name"),
                }
            }
        }
        self.expect_operator(")")?;
        Ok(arguments)
    }

    fn filters_and_tests(&mut self, mut expression: Expression) -> Result<Expression> {
        let mut length = 0;
        loop {
            length += 1;
            if length > 200 {
                return Err(Refusal::Unsupported("it has more than 200 filters in a row".to_owned()));
            }
            if self.skip_operator("|") {
                expression = Expression::Filter(Box::new(expression), self.filter()?);
            } else if self.skip_name("is") {
                expression = self.test(expression)?;
            } else if self.is_operator("(") {
                let arguments = self.arguments()?;
                expression = Expression::Call(Box::new(expression), arguments);
            } else {
                return Ok(expression);
            }
        }
    }

    fn filter(&mut self) -> Result<Filter> {
        let name = self.dotted_name()?;
        if filters::UNSUPPORTED.contains(&name.as_str()) {
            return Err(Refusal::Unsupported(format!("the filter {name} is not supported")));
        }
        if !filters::NAMES.contains(&name.as_str()) {
            let meant = nearest(&name, filters::NAMES.iter().copied())
                .map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
            return invalid(format!("there is no filter {name}{meant}"));
        }
        let arguments = if self.is_operator("(") { self.arguments()? } else { Arguments::default() };
        if let ("regex_search" | "regex_replace", Some(Expression::Text(pattern))) =
            (name.as_str(), arguments.positional.first())
        {
            patterns::compile(pattern).map_err(Refusal::Unsupported)?;
        }
        Ok(Filter { name, arguments })
    }

    fn test(&mut self, of: Expression) -> Result<Expression> {
        let is_negated = self.skip_name("not");
        let name = self.dotted_name()?;
        if !predicates::NAMES.contains(&name.as_str()) {
            return invalid(format!("there is no test {name}"));
        }
        let mut arguments = Arguments::default();
        if self.is_operator("(") {
            arguments = self.arguments()?;
        } else {
            let is_argument = match self.peek() {
                Some(Token::Name(name)) => !matches!(name.as_str(), "else" | "or" | "and"),
                Some(Token::Text(_) | Token::Int(_) | Token::Float(_) | Token::Operator("(" | "[" | "{")) => true,
                _ => false,
            };
            if is_argument {
                if self.is_name("is") {
                    return invalid("a test can not be tested itself");
                }
                let argument = self.primary()?;
                arguments.positional.push(self.postfix(argument)?);
            }
        }
        Ok(Expression::Test { of: Box::new(of), name, arguments, is_negated })
    }

    fn dotted_name(&mut self) -> Result<String> {
        let mut name = self.name()?;
        while self.skip_operator(".") {
            name = format!("{name}.{}", self.name()?);
        }
        Ok(name)
    }
}
