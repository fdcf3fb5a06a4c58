//! Templates: texts of the manifest with `{{ … }}` in them, evaluated as the Python CDK does with Jinja. Knows the variables of a
//! scope by name, and nothing of who sets them.
//!
//! A template is read once (`lexer`, `parser`, `syntax`) and evaluated over a scope (`evaluate`, with Python's values and operators).
//! The crates for Jinja stop short of Python here: they know no operators of dates, and do not tell a TypeError from what is
//! undefined, which the CDK treats differently.

mod access;
mod digests;
mod evaluate;
mod filters;
mod formatting;
mod functions;
mod json_text;
mod lexer;
mod literal;
mod methods;
mod names;
mod operators;
mod parser;
mod patterns;
mod predicates;
mod python_text;
mod scope;
pub mod syntax;
#[cfg(test)]
mod tests;
mod value;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use airlock_sdk::{Failure, Result, config_error, system_error};
use serde_json::Value as Json;

use crate::manifest::{self, FromManifest, Node, Object};
use evaluate::{Evaluation, Fault};
use parser::Refusal;
use syntax::Statement;
use value::Value;

pub use filters::{python_float, python_int};
pub use python_text::{float_text, python_text};
pub use scope::Scope;

/// The statements of a template; or why it is none.
pub fn parse(source: &str) -> std::result::Result<Vec<Statement>, String> {
    parser::parse(source).map_err(|refusal| match refusal {
        Refusal::Invalid(what) | Refusal::Unsupported(what) => what,
    })
}

/// A value of the manifest that may be a template: the CDK's InterpolatedString. What is no text is what it is.
#[derive(Clone, Debug)]
pub struct Template {
    source: Json,
    path: Rc<str>,
    parameters: Rc<Object>,
    kind: Kind,
    /// Whether it came to its own text when it was evaluated first, which the CDK then takes for what it always comes to.
    is_its_own_text: Rc<Cell<Option<bool>>>,
}

#[derive(Clone, Debug)]
enum Kind {
    /// No text.
    Value,
    /// A text without tags.
    Plain,
    Tags(Rc<Compiled>),
    /// Names a variable that the CDK has no more.
    Outdated,
    /// Is wrong, and why.
    Invalid(Rc<str>),
}

#[derive(Debug)]
struct Compiled {
    statements: Vec<Statement>,
    /// The names that it wants from the scope.
    wanted: BTreeSet<String>,
}

/// The types of Python that a literal may be of: the CDK's `valid_types`. A text that is a literal of another one stays a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidTypes {
    Any,
    /// A text only: no literal is evaluated.
    Text,
    Int,
    Float,
    Bool,
    /// What a request's parameters and bodies may be of: texts, lists and dicts. No numbers among them.
    TextOrList,
}

impl ValidTypes {
    fn allow(self, value: &Value<'_>) -> bool {
        match self {
            ValidTypes::Any => true,
            ValidTypes::Text => matches!(value, Value::Text(_)),
            // Python's bool is an int.
            ValidTypes::Int => matches!(value, Value::Int(_) | Value::Bool(_)),
            ValidTypes::Float => matches!(value, Value::Float(_)),
            ValidTypes::Bool => matches!(value, Value::Bool(_)),
            ValidTypes::TextOrList => matches!(value, Value::Text(_)) || value.is_list(),
        }
    }
}

/// The language's `value_type`.
impl FromManifest for ValidTypes {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        Ok(match node.value.as_str() {
            Some("string") => ValidTypes::Text,
            Some("number") => ValidTypes::Float,
            Some("integer") => ValidTypes::Int,
            Some("boolean") => ValidTypes::Bool,
            _ => return Err(node.invalid("must be one of string, number, integer, boolean")),
        })
    }
}

impl FromManifest for Template {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        if matches!(node.value, Json::Array(_) | Json::Object(_)) {
            return Err(node.not("a string"));
        }
        Template::of_any(node)
    }
}

impl Template {
    /// The same of what may be a list or an object: that is what it is.
    fn of_any(node: &Node<'_>) -> manifest::Result<Self> {
        let kind = match Kind::of(node.value) {
            Ok(kind) => kind,
            // As in the CDK, nothing but what needs it fails.
            Err(Refusal::Invalid(what)) => {
                node.remark(format!("is no template that can be read, and what needs it fails: {what}"));
                Kind::Invalid(what.into())
            }
            Err(Refusal::Unsupported(what)) => {
                return Err(node.unsupported(format!("is a template that can not be used: {what}")));
            }
        };
        if let Kind::Tags(compiled) = &kind {
            for (written, meant) in compiled.wanted.iter().filter_map(|written| Some((written, names::meant(written)?)))
            {
                node.remark(format!("names {written}, which no template has (perhaps {meant} is meant)"));
            }
        }
        Ok(Template {
            source: node.value.clone(),
            path: node.path.as_str().into(),
            parameters: Rc::clone(&node.parameters),
            kind,
            is_its_own_text: Rc::default(),
        })
    }
}

impl Kind {
    fn of(source: &Json) -> std::result::Result<Self, Refusal> {
        let Json::String(source) = source else { return Ok(Kind::Value) };
        if source.contains("stream_state") {
            return Ok(Kind::Outdated);
        }
        // Jinja makes one kind of line end of all, and drops the last one.
        if !["{{", "{%", "{#"].iter().any(|tag| source.contains(tag)) && !source.contains(['\n', '\r']) {
            return Ok(Kind::Plain);
        }
        let statements = parser::parse(source)?;
        let wanted = names::wanted(&statements);
        Ok(Kind::Tags(Rc::new(Compiled { statements, wanted })))
    }
}

/// What stands for a template whose text is empty, or that names what is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Default {
    /// An empty text stays, and what is not there is an error: the CDK's InterpolatedString.
    Own,
    /// False: the CDK's InterpolatedBoolean.
    False,
    /// Nothing: the CDK's InterpolatedMapping.
    Nothing,
}

type More<'a> = &'a [(&'static str, Variable<'a>)];

/// A variable beside those of a scope, which is not copied.
#[derive(Clone, Copy, Debug)]
pub enum Variable<'a> {
    Object(&'a Object),
    Json(&'a Json),
}

impl Template {
    /// A template that is not in the manifest itself: a default of the language.
    pub fn of(source: &str) -> Self {
        let source = Json::from(source);
        // Those that this connector has of itself can all be read; a name of the manifest that can not is its own text.
        let kind = Kind::of(&source).unwrap_or(Kind::Plain);
        Template { source, path: Rc::from(""), parameters: Rc::default(), kind, is_its_own_text: Rc::default() }
    }

    /// Its text as it stands in the manifest.
    pub fn source(&self) -> &Json {
        &self.source
    }

    /// Where it stands in the manifest.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What it comes to: Python's `ast.literal_eval` of its text where that is a literal, else the text.
    pub fn evaluate(&self, scope: &Scope) -> Result<Json> {
        self.evaluate_with(scope, &[], ValidTypes::Any)
    }

    /// The same with some more variables, and of certain types only.
    pub fn evaluate_with(&self, scope: &Scope, more: More<'_>, valid: ValidTypes) -> Result<Json> {
        let more = variables(more);
        let value = self.own_value(scope, &more, valid)?;
        value.to_json().map_err(|fault| self.failure(&fault))
    }

    /// What it comes to as a value of an InterpolatedMapping: null where it is empty or names what is not there.
    pub fn entry(&self, scope: &Scope, valid: ValidTypes) -> Result<Json> {
        let value = self.value(scope, &[], valid, Default::Nothing)?;
        value.to_json().map_err(|fault| self.failure(&fault))
    }

    /// What it comes to as a name of an InterpolatedMapping: its text, whatever literal that is.
    pub fn rendered(&self, scope: &Scope) -> Result<String> {
        let value = self.value(scope, &[], ValidTypes::Text, Default::Nothing)?;
        value.to_text().map_err(|fault| self.failure(&fault))
    }

    /// The same as Python's `str` of it.
    pub fn text(&self, scope: &Scope) -> Result<String> {
        self.text_with(scope, &[])
    }

    /// The same with some more variables.
    pub fn text_with(&self, scope: &Scope, more: More<'_>) -> Result<String> {
        let more = variables(more);
        let value = self.own_value(scope, &more, ValidTypes::Any)?;
        value.to_text().map_err(|fault| self.failure(&fault))
    }

    /// The value of an InterpolatedString.
    fn own_value<'a>(
        &'a self,
        scope: &'a Scope,
        more: &'a [(&'static str, Value<'a>)],
        valid: ValidTypes,
    ) -> Result<Value<'a>> {
        let Json::String(source) = &self.source else { return Ok(Value::of_json(&self.source)) };
        if self.is_its_own_text.get() == Some(true) {
            return Ok(Value::text(source.as_str()));
        }
        let value = self.value(scope, more, valid, Default::Own)?;
        if self.is_its_own_text.get().is_none() {
            self.is_its_own_text.set(Some(value.as_text() == Some(source)));
        }
        Ok(value)
    }

    /// What the CDK's JinjaInterpolation makes of it.
    fn value<'a>(
        &'a self,
        scope: &'a Scope,
        more: &'a [(&'static str, Value<'a>)],
        valid: ValidTypes,
        default: Default,
    ) -> Result<Value<'a>> {
        let Json::String(source) = &self.source else { return Ok(Value::of_json(&self.source)) };
        let compiled = match &self.kind {
            Kind::Value => return Ok(Value::of_json(&self.source)),
            Kind::Outdated => return Err(self.outdated()),
            Kind::Invalid(what) => return Err(self.failure(&Fault::Other(what.to_string()))),
            Kind::Plain => {
                return Ok(if source.is_empty() {
                    default.value()
                } else {
                    literal(Value::text(source.as_str()), valid)
                });
            }
            Kind::Tags(compiled) => compiled,
        };
        let mut evaluation = Evaluation::new(scope, &self.parameters, more);
        if let Some(name) = compiled.wanted.iter().find(|name| !evaluation.has(name)) {
            let what = format!("it names {name}, which there is not");
            return Err(self.failure(&Fault::Other(what)));
        }
        match evaluation.run(&compiled.statements) {
            Ok(Value::Undefined(_)) => Ok(default.value()),
            Ok(Value::Text(text)) if text.is_empty() => Ok(default.value()),
            Ok(value) => plain(value, valid).map_err(|fault| self.failure(&fault)),
            // The CDK takes what ends in a TypeError for a text that is no template.
            Err(Fault::Type(_)) => Ok(literal(Value::text(source.as_str()), valid)),
            Err(Fault::Undefined(_)) if default != Default::Own => Ok(default.value()),
            Err(fault) => Err(self.failure(&fault)),
        }
    }

    fn place(&self) -> String {
        let path = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        format!("{path}the template {}", self.source)
    }

    fn failure(&self, fault: &Fault) -> Failure {
        system_error(format!("{} can not be evaluated: {fault}.", self.place()))
    }

    fn outdated(&self) -> Failure {
        config_error(format!(
            "{} names stream_state, which templates can not use any more. Use stream_interval instead.",
            self.place()
        ))
    }
}

impl Default {
    fn value<'a>(self) -> Value<'a> {
        match self {
            Default::Own => Value::text(""),
            Default::False => Value::Bool(false),
            Default::Nothing => Value::None,
        }
    }
}

fn variables<'a>(more: More<'a>) -> Vec<(&'static str, Value<'a>)> {
    let value = |variable: Variable<'a>| match variable {
        Variable::Object(object) => Value::JsonDict(object),
        Variable::Json(json) => Value::of_json(json),
    };
    more.iter().map(|(name, variable)| (*name, value(*variable))).collect()
}

/// A text as the literal that it is, if that is of a type that is wanted.
fn literal(text: Value<'_>, valid: ValidTypes) -> Value<'_> {
    let found = text.as_text().and_then(literal::literal).filter(|found| valid.allow(found));
    found.unwrap_or(text)
}

/// A value as it is after it was written as a text, and that read as a literal. Most values are the same then.
fn plain<'a>(value: Value<'a>, valid: ValidTypes) -> evaluate::Result<Value<'a>> {
    if let Value::Text(_) = value {
        return Ok(literal(value, valid));
    }
    if is_plain(&value) && valid.allow(&value) {
        return Ok(value);
    }
    Ok(literal(Value::text(value.to_text()?), valid))
}

fn is_plain(value: &Value<'_>) -> bool {
    match value {
        Value::None | Value::Bool(_) | Value::Int(_) | Value::JsonList(_) | Value::JsonDict(_) => true,
        Value::Float(float) => float.is_finite(),
        _ => false,
    }
}

/// A condition: the CDK's InterpolatedBoolean.
#[derive(Clone, Debug)]
pub struct Condition(Template);

impl FromManifest for Condition {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let is_word = |text: &str| !matches!(text.trim().to_lowercase().as_str(), "" | "true" | "false");
        if node.value.as_str().is_some_and(|text| is_word(text) && !text.contains("{{") && !text.contains("{%")) {
            node.remark("is no template, and so it always holds: a condition stands in {{ and }}");
        }
        node.read().map(Condition)
    }
}

impl Condition {
    /// A condition that is not in the manifest itself.
    pub fn of(source: &str) -> Self {
        Condition(Template::of(source))
    }

    /// As the manifest has it.
    pub fn source(&self) -> &Json {
        &self.0.source
    }

    /// Whether it is an empty text, which is no condition in some places and holds nowhere.
    pub fn is_empty(&self) -> bool {
        self.0.source.as_str().is_some_and(str::is_empty)
    }

    pub fn holds(&self, scope: &Scope) -> Result<bool> {
        self.holds_with(scope, &[])
    }

    /// The same with some more variables.
    pub fn holds_with(&self, scope: &Scope, more: More<'_>) -> Result<bool> {
        let more = variables(more);
        let value = self.0.value(scope, &more, ValidTypes::Any, Default::False)?;
        // The CDK's FALSE_VALUES.
        let is_false = match &value {
            Value::Text(text) => matches!(text.as_ref(), "False" | "false" | "{}" | "[]" | "()" | "" | "0" | "0.0"),
            value => !value.is_true(),
        };
        Ok(!is_false)
    }
}

/// Names and values that may both be templates: the CDK's InterpolatedMapping. What is no text is what it is.
#[derive(Clone, Debug, Default)]
pub struct TemplateMap {
    entries: Vec<(Template, Template)>,
}

impl FromManifest for TemplateMap {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let entry = |(name, node): (&str, Node<'_>)| Ok((name_template(name, &node)?, Template::of_any(&node)?));
        Ok(TemplateMap { entries: node.entries()?.into_iter().map(entry).collect::<manifest::Result<_>>()? })
    }
}

fn name_template(name: &str, node: &Node<'_>) -> manifest::Result<Template> {
    let name = Json::from(name);
    Node { value: &name, ..node.clone() }.read()
}

impl TemplateMap {
    /// What names and values come to. What is empty or not there is null.
    pub fn evaluate(&self, scope: &Scope) -> Result<Object> {
        self.evaluate_of(scope, ValidTypes::Any)
    }

    /// The same with values of certain types.
    pub fn evaluate_of(&self, scope: &Scope, valid: ValidTypes) -> Result<Object> {
        self.entries.iter().map(|(name, value)| Ok((name.rendered(scope)?, value.entry(scope, valid)?))).collect()
    }
}

/// Names and values that may be templates to any depth: the CDK's InterpolatedNestedMapping.
#[derive(Clone, Debug)]
pub enum NestedTemplate {
    One(Template),
    List(Vec<NestedTemplate>),
    Object(Vec<(Template, NestedTemplate)>),
}

impl FromManifest for NestedTemplate {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        Ok(match node.value {
            Json::Array(_) => NestedTemplate::List(node.read()?),
            Json::Object(_) => {
                let entry = |(name, node): (&str, Node<'_>)| Ok((name_template(name, &node)?, node.read()?));
                NestedTemplate::Object(node.entries()?.into_iter().map(entry).collect::<manifest::Result<_>>()?)
            }
            _ => NestedTemplate::One(node.read()?),
        })
    }
}

impl NestedTemplate {
    /// What it comes to. Entries of objects that are empty or not there are left out.
    pub fn evaluate(&self, scope: &Scope) -> Result<Json> {
        Ok(match self {
            NestedTemplate::One(template) => template.entry(scope, ValidTypes::Any)?,
            NestedTemplate::List(elements) => {
                elements.iter().map(|element| element.evaluate(scope)).collect::<Result<_>>()?
            }
            NestedTemplate::Object(entries) => {
                let mut object = Object::new();
                for (name, value) in entries {
                    let key = name.value(scope, &[], ValidTypes::Any, Default::Nothing)?;
                    let key = key.to_json_key().map_err(|fault| name.failure(&fault))?;
                    let value = value.evaluate(scope)?;
                    if !value.is_null() {
                        object.insert(key, value);
                    }
                }
                Json::Object(object)
            }
        })
    }
}
