//! What a template is made of: Jinja's statements and expressions. Knows neither how they are read nor what they come to.

/// A part of a template.
#[derive(Debug)]
pub enum Statement {
    Text(String),
    Output(Expression),
    If {
        /// Conditions and what holds under them, from `if` to the last `elif`.
        branches: Vec<(Expression, Vec<Statement>)>,
        otherwise: Vec<Statement>,
    },
    For {
        target: Target,
        over: Expression,
        condition: Option<Expression>,
        body: Vec<Statement>,
        otherwise: Vec<Statement>,
    },
    Set(Target, Expression),
    /// `{% set name | filters %}…{% endset %}`
    SetBlock(Target, Vec<Filter>, Vec<Statement>),
    With(Vec<(Target, Expression)>, Vec<Statement>),
    FilterBlock(Vec<Filter>, Vec<Statement>),
}

/// What is assigned to.
#[derive(Debug)]
pub enum Target {
    Name(String),
    /// An attribute of a namespace().
    Attribute(String, String),
    Tuple(Vec<Target>),
}

#[derive(Debug)]
pub struct Filter {
    pub name: String,
    pub arguments: Arguments,
}

#[derive(Debug)]
pub enum Expression {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Name(String),
    List(Vec<Expression>),
    Tuple(Vec<Expression>),
    Dict(Vec<(Expression, Expression)>),
    Or(Box<Expression>, Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Sign(Sign, Box<Expression>),
    Arithmetic(Box<Expression>, Operator, Box<Expression>),
    /// `a ~ b ~ c`
    Concatenation(Vec<Expression>),
    Comparison(Box<Expression>, Vec<(Comparison, Expression)>),
    Conditional {
        test: Box<Expression>,
        then: Box<Expression>,
        otherwise: Option<Box<Expression>>,
    },
    Attribute(Box<Expression>, String),
    Item(Box<Expression>, Box<Expression>),
    Slice(Box<Expression>, [Option<Box<Expression>>; 3]),
    Call(Box<Expression>, Arguments),
    Filter(Box<Expression>, Filter),
    Test {
        of: Box<Expression>,
        name: String,
        arguments: Arguments,
        is_negated: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Plus,
    Minus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Plus,
    Minus,
    Times,
    Divide,
    FloorDivide,
    Remainder,
    Power,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

/// What a function, a filter or a test is called with.
#[derive(Debug, Default)]
pub struct Arguments {
    pub positional: Vec<Expression>,
    pub named: Vec<(String, Expression)>,
    /// `*list` and `**dict`
    pub spread: Option<Box<Expression>>,
    pub spread_named: Option<Box<Expression>>,
}

impl Arguments {
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let named = self.named.iter().map(|(_, argument)| argument);
        let spread = [&self.spread, &self.spread_named].into_iter().flatten().map(Box::as_ref);
        self.positional.iter().chain(named).chain(spread)
    }
}

impl Expression {
    /// What it is made of, in the order in which it stands there.
    pub fn children(&self) -> Vec<&Expression> {
        match self {
            Expression::None
            | Expression::Bool(_)
            | Expression::Int(_)
            | Expression::Float(_)
            | Expression::Text(_)
            | Expression::Name(_) => Vec::new(),
            Expression::List(elements) | Expression::Tuple(elements) | Expression::Concatenation(elements) => {
                elements.iter().collect()
            }
            Expression::Dict(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
            Expression::Or(one, other)
            | Expression::And(one, other)
            | Expression::Arithmetic(one, _, other)
            | Expression::Item(one, other) => vec![one, other],
            Expression::Not(of) | Expression::Sign(_, of) | Expression::Attribute(of, _) => vec![of],
            Expression::Comparison(first, rest) => {
                std::iter::once(&**first).chain(rest.iter().map(|(_, other)| other)).collect()
            }
            Expression::Conditional { test, then, otherwise } => {
                [test, then].into_iter().chain(otherwise).map(Box::as_ref).collect()
            }
            Expression::Slice(of, parts) => {
                std::iter::once(of).chain(parts.iter().flatten()).map(Box::as_ref).collect()
            }
            Expression::Call(of, arguments) | Expression::Test { of, arguments, .. } => {
                std::iter::once(&**of).chain(arguments.expressions()).collect()
            }
            Expression::Filter(of, filter) => std::iter::once(&**of).chain(filter.arguments.expressions()).collect(),
        }
    }

    /// Whether a variable is named in it.
    pub fn names(&self, variable: &str) -> bool {
        matches!(self, Expression::Name(name) if name == variable)
            || self.children().into_iter().any(|child| child.names(variable))
    }
}
