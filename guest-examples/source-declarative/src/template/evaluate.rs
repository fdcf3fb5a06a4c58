//! From statements and expressions to text: what Jinja does when it renders. Knows the scope by name, and nothing of what the CDK
//! makes of the text.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::scope::Scope;
use super::syntax::{Arguments, Comparison, Expression, Filter, Sign, Statement, Target};
use super::value::{MAX_DEPTH, Value};
use super::{access, filters, functions, methods, operators, predicates};
use crate::manifest::Object;

/// Why an evaluation ended. The CDK tells these apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Something is not there: Jinja's UndefinedError.
    Undefined(String),
    /// Something is of a type that does not go there: Python's TypeError.
    Type(String),
    /// Any other of Python's errors.
    Other(String),
}

pub type Result<T> = std::result::Result<T, Fault>;

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Undefined(what) | Fault::Type(what) | Fault::Other(what) => formatter.write_str(what),
        }
    }
}

impl Fault {
    pub fn type_of(value: &Value<'_>, wanted: &str) -> Fault {
        match value {
            Value::Undefined(what) => Fault::Undefined(what.to_string()),
            other => Fault::Type(format!("{} is given, and {wanted} is wanted", other.type_name())),
        }
    }
}

/// What a function, a filter or a test is called with.
#[derive(Debug, Default)]
pub struct Given<'a> {
    pub positional: Vec<Value<'a>>,
    pub named: Vec<(String, Value<'a>)>,
}

impl<'a> Given<'a> {
    /// The arguments in the order of their names. The first `required` ones must be there.
    pub fn bind<const N: usize>(self, names: [&str; N], required: usize) -> Result<[Option<Value<'a>>; N]> {
        let mut bound = [const { None }; N];
        if self.positional.len() > N {
            return Err(Fault::Type(format!("{} arguments are given, and {N} are possible", self.positional.len())));
        }
        for (place, value) in bound.iter_mut().zip(self.positional) {
            *place = Some(value);
        }
        for (name, value) in self.named {
            match names.iter().position(|known| *known == name).and_then(|at| bound.get_mut(at)) {
                Some(place @ None) => *place = Some(value),
                Some(_) => return Err(Fault::Type(format!("the argument {name} is given twice"))),
                None => return Err(Fault::Type(format!("there is no argument {name}"))),
            }
        }
        match bound.iter().zip(names).take(required).find(|(value, _)| value.is_none()) {
            Some((_, name)) => Err(Fault::Type(format!("the argument {name} is missing"))),
            None => Ok(bound),
        }
    }
}

/// A text may not grow further than this: memory is shared.
pub const MAX_TEXT: usize = 64 << 20;

/// One evaluation of a template.
pub struct Evaluation<'a> {
    scope: &'a Scope,
    parameters: &'a Object,
    /// Variables beside the scope's.
    more: &'a [(&'static str, Value<'a>)],
    locals: Vec<Vec<(&'a str, Value<'a>)>>,
}

impl<'a> Evaluation<'a> {
    pub fn new(scope: &'a Scope, parameters: &'a Object, more: &'a [(&'static str, Value<'a>)]) -> Self {
        Evaluation { scope, parameters, more, locals: Vec::new() }
    }

    /// Whether a name stands for something.
    pub fn has(&self, name: &str) -> bool {
        self.outer(name).is_some() || functions::name(name).is_some()
    }

    fn outer(&self, name: &str) -> Option<Value<'a>> {
        if let Some((_, value)) = self.more.iter().find(|(known, _)| *known == name) {
            return Some(value.clone());
        }
        match name {
            "parameters" => Some(Value::JsonDict(self.parameters)),
            name => self.scope.get(name),
        }
    }

    fn variable(&self, name: &'a str) -> Value<'a> {
        let local =
            self.locals.iter().rev().flatten().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        local
            .or_else(|| self.outer(name))
            .or_else(|| functions::name(name).map(Value::Function))
            .unwrap_or_else(|| Value::undefined(format!("{name} is undefined")))
    }

    fn set(&mut self, name: &'a str, value: Value<'a>) {
        if self.locals.is_empty() {
            self.locals.push(Vec::new());
        }
        if let Some(frame) = self.locals.last_mut() {
            match frame.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value,
                None => frame.push((name, value)),
            }
        }
    }

    /// The value of a template that is one expression, the text of any other.
    pub fn run(&mut self, statements: &'a [Statement]) -> Result<Value<'a>> {
        if let [Statement::Output(expression)] = statements {
            return self.evaluate(expression);
        }
        let mut out = String::new();
        self.render(statements, &mut out)?;
        Ok(Value::text(out))
    }

    fn render(&mut self, statements: &'a [Statement], out: &mut String) -> Result<()> {
        for statement in statements {
            self.render_one(statement, out)?;
            if out.len() > MAX_TEXT {
                return Err(Fault::Other("the text is too long".to_owned()));
            }
        }
        Ok(())
    }

    /// Renders in a block of its own.
    fn render_within(&mut self, variables: Vec<(&'a str, Value<'a>)>, body: &'a [Statement]) -> Result<String> {
        let mut out = String::new();
        // Variables of the template itself are set in its first block.
        if self.locals.is_empty() {
            self.locals.push(Vec::new());
        }
        self.locals.push(variables);
        let rendered = self.render(body, &mut out);
        self.locals.pop();
        rendered.map(|()| out)
    }

    fn render_one(&mut self, statement: &'a Statement, out: &mut String) -> Result<()> {
        match statement {
            Statement::Text(text) => out.push_str(text),
            Statement::Output(expression) => self.evaluate(expression)?.write_text(out)?,
            Statement::If { branches, otherwise } => {
                for (test, body) in branches {
                    if self.evaluate(test)?.is_true() {
                        return self.render(body, out);
                    }
                }
                self.render(otherwise, out)?;
            }
            Statement::For { target, over, condition, body, otherwise } => {
                self.render_loop(target, over, condition.as_ref(), body, otherwise, out)?;
            }
            Statement::Set(target, value) => {
                let value = self.evaluate(value)?;
                let mut set = Vec::new();
                self.assign(target, value, &mut set)?;
                set.into_iter().for_each(|(name, value)| self.set(name, value));
            }
            Statement::SetBlock(target, filters, body) => {
                let text = self.render_within(Vec::new(), body)?;
                let value = self.apply(filters, Value::text(text))?;
                let mut set = Vec::new();
                self.assign(target, value, &mut set)?;
                set.into_iter().for_each(|(name, value)| self.set(name, value));
            }
            Statement::With(variables, body) => {
                let mut set = Vec::new();
                for (target, value) in variables {
                    let value = self.evaluate(value)?;
                    self.assign(target, value, &mut set)?;
                }
                out.push_str(&self.render_within(set, body)?);
            }
            Statement::FilterBlock(filters, body) => {
                let text = self.render_within(Vec::new(), body)?;
                self.apply(filters, Value::text(text))?.write_text(out)?;
            }
        }
        Ok(())
    }

    fn render_loop(
        &mut self,
        target: &'a Target,
        over: &'a Expression,
        condition: Option<&'a Expression>,
        body: &'a [Statement],
        otherwise: &'a [Statement],
        out: &mut String,
    ) -> Result<()> {
        let over = self.evaluate(over)?;
        let mut rounds = Vec::new();
        for element in over.iterate().ok_or_else(|| Fault::type_of(&over, "something to loop over"))? {
            let mut variables = Vec::new();
            self.assign(target, element.clone(), &mut variables)?;
            if let Some(condition) = condition {
                self.locals.push(variables.clone());
                let holds = self.evaluate(condition);
                self.locals.pop();
                if !holds?.is_true() {
                    continue;
                }
            }
            rounds.push((element, variables));
        }
        if rounds.is_empty() {
            out.push_str(&self.render_within(Vec::new(), otherwise)?);
        }
        let elements: Vec<Value<'a>> = rounds.iter().map(|(element, _)| element.clone()).collect();
        for (index, (_, mut variables)) in rounds.into_iter().enumerate() {
            variables.push(("loop", loop_value(&elements, index)));
            out.push_str(&self.render_within(variables, body)?);
        }
        Ok(())
    }

    /// The names of a target with their values.
    fn assign(&self, target: &'a Target, value: Value<'a>, out: &mut Vec<(&'a str, Value<'a>)>) -> Result<()> {
        match target {
            Target::Name(name) => out.push((name, value)),
            Target::Attribute(name, attribute) => {
                let Value::Namespace(entries) = self.variable(name) else {
                    return Err(Fault::Other(format!("{name} is no namespace(), and only its attributes can be set")));
                };
                if value.has_no_end(Rc::as_ptr(&entries).cast(), MAX_DEPTH) {
                    return Err(Fault::Other("values are put into each other without an end".to_owned()));
                }
                let mut entries = entries.borrow_mut();
                match entries.iter_mut().find(|(known, _)| known == attribute) {
                    Some((_, known)) => *known = value,
                    None => entries.push((attribute.clone(), value)),
                }
            }
            Target::Tuple(targets) => {
                let values = value.iterate().ok_or_else(|| Fault::type_of(&value, "something of several values"))?;
                if values.len() != targets.len() {
                    return Err(Fault::Other(format!(
                        "{} values are given, and {} names are there for them",
                        values.len(),
                        targets.len()
                    )));
                }
                for (target, value) in targets.iter().zip(values) {
                    self.assign(target, value, out)?;
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, filters: &'a [Filter], value: Value<'a>) -> Result<Value<'a>> {
        filters.iter().try_fold(value, |value, filter| self.filter(value, filter))
    }

    fn filter(&mut self, value: Value<'a>, filter: &'a Filter) -> Result<Value<'a>> {
        let given = self.arguments(&filter.arguments)?;
        filters::apply(&filter.name, value, given)
    }

    fn arguments(&mut self, arguments: &'a Arguments) -> Result<Given<'a>> {
        let mut given = Given::default();
        for argument in &arguments.positional {
            given.positional.push(self.evaluate(argument)?);
        }
        for (name, argument) in &arguments.named {
            given.named.push((name.clone(), self.evaluate(argument)?));
        }
        if let Some(spread) = &arguments.spread {
            let list = self.evaluate(spread)?;
            given.positional.extend(list.iterate().ok_or_else(|| Fault::type_of(&list, "a list"))?);
        }
        if let Some(spread) = &arguments.spread_named {
            let dict = self.evaluate(spread)?;
            for (name, value) in dict.entries().ok_or_else(|| Fault::type_of(&dict, "a dict"))? {
                given.named.push((name.to_text()?, value));
            }
        }
        Ok(given)
    }

    fn all(&mut self, expressions: &'a [Expression]) -> Result<Vec<Value<'a>>> {
        expressions.iter().map(|expression| self.evaluate(expression)).collect()
    }

    fn evaluate(&mut self, expression: &'a Expression) -> Result<Value<'a>> {
        Ok(match expression {
            Expression::None => Value::None,
            Expression::Bool(bool) => Value::Bool(*bool),
            Expression::Int(int) => Value::Int(*int),
            Expression::Float(float) => Value::Float(*float),
            Expression::Text(text) => Value::text(text.as_str()),
            Expression::Name(name) => self.variable(name),
            Expression::List(elements) => Value::list(self.all(elements)?),
            Expression::Tuple(elements) => Value::tuple(self.all(elements)?),
            Expression::Dict(entries) => {
                let mut values = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let key = self.evaluate(key)?;
                    if !key.is_hashable() {
                        return Err(Fault::Type(format!("a {} can not be a key", key.type_name())));
                    }
                    values.push((key, self.evaluate(value)?));
                }
                Value::dict(values)
            }
            Expression::Or(one, other) => {
                let one = self.evaluate(one)?;
                if one.is_true() { one } else { self.evaluate(other)? }
            }
            Expression::And(one, other) => {
                let one = self.evaluate(one)?;
                if one.is_true() { self.evaluate(other)? } else { one }
            }
            Expression::Not(of) => Value::Bool(!self.evaluate(of)?.is_true()),
            Expression::Sign(sign, of) => operators::sign(*sign == Sign::Minus, self.evaluate(of)?)?,
            Expression::Arithmetic(one, operator, other) => {
                let one = self.evaluate(one)?;
                let other = self.evaluate(other)?;
                operators::arithmetic(one, *operator, other)?
            }
            Expression::Concatenation(parts) => {
                let mut text = String::new();
                for part in parts {
                    self.evaluate(part)?.write_text(&mut text)?;
                }
                Value::text(text)
            }
            Expression::Comparison(first, rest) => self.compare(first, rest)?,
            Expression::Conditional { test, then, otherwise } => {
                if self.evaluate(test)?.is_true() {
                    self.evaluate(then)?
                } else {
                    match otherwise {
                        Some(otherwise) => self.evaluate(otherwise)?,
                        None => Value::undefined("an if without an else, whose condition does not hold, is undefined"),
                    }
                }
            }
            Expression::Attribute(of, name) => access::attribute(&self.evaluate(of)?, name)?,
            Expression::Item(of, key) => {
                let of = self.evaluate(of)?;
                access::item(&of, &self.evaluate(key)?)?
            }
            Expression::Slice(of, parts) => {
                let of = self.evaluate(of)?;
                let mut bounds = [None, None, None];
                for (bound, part) in bounds.iter_mut().zip(parts) {
                    if let Some(part) = part {
                        *bound = Some(self.evaluate(part)?);
                    }
                }
                access::slice(&of, bounds)?
            }
            Expression::Call(of, arguments) => {
                let of = self.evaluate(of)?;
                let given = self.arguments(arguments)?;
                match of {
                    Value::Function(name) => functions::call(name, given)?,
                    Value::Method(method) => methods::call(&method.0, &method.1, given)?,
                    other => return Err(Fault::type_of(&other, "a function")),
                }
            }
            Expression::Filter(of, filter) => {
                let of = self.evaluate(of)?;
                self.filter(of, filter)?
            }
            Expression::Test { of, name, arguments, is_negated } => {
                let of = self.evaluate(of)?;
                let given = self.arguments(arguments)?;
                Value::Bool(predicates::holds(name, &of, given)? != *is_negated)
            }
        })
    }

    /// `a < b < c`: as soon as one does not hold, nothing more is evaluated.
    fn compare(&mut self, first: &'a Expression, rest: &'a [(Comparison, Expression)]) -> Result<Value<'a>> {
        let mut left = self.evaluate(first)?;
        for (comparison, right) in rest {
            let right = self.evaluate(right)?;
            if !operators::compare(&left, *comparison, &right)? {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }
}

/// Jinja's `loop`.
fn loop_value<'a>(elements: &[Value<'a>], index: usize) -> Value<'a> {
    let int = |int: usize| Value::Int(i128::try_from(int).unwrap_or_default());
    let neighbour = |at: Option<usize>| {
        at.and_then(|at| elements.get(at)).cloned().unwrap_or_else(|| Value::undefined("there is no such item"))
    };
    let length = elements.len();
    let entries = [
        ("index", int(index + 1)),
        ("index0", int(index)),
        ("first", Value::Bool(index == 0)),
        ("last", Value::Bool(index + 1 == length)),
        ("length", int(length)),
        ("revindex", int(length - index)),
        ("revindex0", int(length - index - 1)),
        ("depth", int(1)),
        ("depth0", int(0)),
        ("previtem", neighbour(index.checked_sub(1))),
        ("nextitem", neighbour(Some(index + 1))),
    ];
    let entries = entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Value::Namespace(Rc::new(RefCell::new(entries)))
}
