//! The fields of a manifest's components, read one by one: what is missing, of another type or of an unknown name is told with its
//! path. Comes after references and parameters have been put in.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::Value;

use super::Object;
use super::parameters::PARAMETERS;
use super::problem::{Problem, Reason, Result};
use super::references::REFERENCE;
use super::spelling;

/// What is to be told of a manifest that can be used all the same: fields of no known name, for example.
#[derive(Debug, Default)]
pub struct Remarks(RefCell<Vec<Remark>>);

/// A remark, and where it holds. A definition that many streams refer to is told once, with the first of its places.
#[derive(Debug)]
struct Remark {
    path: String,
    what: String,
    others: usize,
}

impl Remarks {
    /// A remark of the value at this path. `what` is the rest of a sentence that begins with it.
    pub fn add_at(&self, path: &str, what: String) {
        let mut remarks = self.0.borrow_mut();
        match remarks.iter_mut().find(|remark| remark.is_like(path, &what)) {
            Some(remark) if remark.path == path => {}
            Some(remark) => remark.others += 1,
            None => remarks.push(Remark { path: path.to_owned(), what, others: 0 }),
        }
    }

    /// Adds those of another part of the manifest.
    pub fn add_all(&self, others: &Remarks) {
        for Remark { path, what, others } in others.0.borrow().iter() {
            self.add_at(path, what.clone());
            if let Some(remark) = self.0.borrow_mut().iter_mut().find(|remark| remark.is_like(path, what)) {
                remark.others += others;
            }
        }
    }

    pub fn take(&self) -> Vec<String> {
        let told = |Remark { path, what, others }| match others {
            0 => format!("{path} {what}."),
            others => format!("{path} {what}; {others} more of this kind."),
        };
        self.0.take().into_iter().map(told).collect()
    }
}

impl Remark {
    fn is_like(&self, path: &str, what: &str) -> bool {
        self.what == what && last_name(&self.path) == last_name(path)
    }
}

fn last_name(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// A value of the manifest, with where it stands and which parameters hold there.
#[derive(Clone)]
pub struct Node<'m> {
    pub value: &'m Value,
    pub path: String,
    pub parameters: Rc<Object>,
    pub remarks: &'m Remarks,
    /// The version of the CDK that the manifest says it is for. Empty where it is not known.
    pub version: &'m str,
}

/// What is made of a value of the manifest.
pub trait FromManifest: Sized {
    fn from_manifest(node: &Node<'_>) -> Result<Self>;
}

impl<'m> Node<'m> {
    /// The manifest itself.
    pub fn root(value: &'m Value, remarks: &'m Remarks) -> Self {
        let version = value.get("version").and_then(Value::as_str).unwrap_or_default();
        Node { value, path: String::new(), parameters: Rc::default(), remarks, version }
    }

    pub fn read<T: FromManifest>(&self) -> Result<T> {
        T::from_manifest(self)
    }

    /// The value as a component: an object with a `type` and fields.
    pub fn component(&self) -> Result<Component<'m>> {
        let Value::Object(fields) = self.value else {
            let problem = self.not("a component (an object with a type)");
            return Err(match self.value {
                Value::String(text) => Problem {
                    what: format!("{}; it is {text:?}, and a reference to a component begins with #/", problem.what),
                    ..problem
                },
                _ => problem,
            });
        };
        let parameters = match fields.get(PARAMETERS) {
            Some(Value::Object(parameters)) => Rc::new(parameters.clone()),
            // Those of the component around it were put in before, wherever they hold.
            _ => Rc::default(),
        };
        let kind = match fields.get("type") {
            Some(Value::String(kind)) => kind,
            _ => "",
        };
        let component =
            Component { fields, kind, node: Node { parameters, ..self.clone() }, known: RefCell::default() };
        component.refuse_python()?;
        Ok(component)
    }

    /// The value's elements, if it is an array.
    pub fn elements(&self) -> Result<Vec<Node<'m>>> {
        let Value::Array(elements) = self.value else { return Err(self.not("a list")) };
        Ok(elements.iter().enumerate().map(|(index, value)| self.at(value, &format!("[{index}]"))).collect())
    }

    /// The value's fields, if it is an object that is no component.
    pub fn entries(&self) -> Result<Vec<(&'m str, Node<'m>)>> {
        let Value::Object(fields) = self.value else { return Err(self.not("an object")) };
        Ok(fields.iter().map(|(name, value)| (name.as_str(), self.below(name, value))).collect())
    }

    fn below(&self, name: &str, value: &'m Value) -> Node<'m> {
        let below = if self.path.is_empty() { name.to_owned() } else { format!(".{name}") };
        self.at(value, &below)
    }

    fn at(&self, value: &'m Value, below: &str) -> Node<'m> {
        Node { value, path: format!("{}{below}", self.path), ..self.clone() }
    }

    /// Tells of the fields of components that have a name only: mostly, what they should have stands where it is not theirs.
    pub fn remark_empty_fields(&self) {
        match self.value {
            Value::Array(_) => self.elements().into_iter().flatten().for_each(|element| element.remark_empty_fields()),
            Value::Object(fields) if matches!(fields.get("type"), Some(Value::String(kind)) if kind != "object") => {
                for (name, node) in self.entries().into_iter().flatten() {
                    match node.value {
                        Value::Null => node.remark("is empty, and has no effect"),
                        _ if name == PARAMETERS => {}
                        _ => node.remark_empty_fields(),
                    }
                }
            }
            _ => {}
        }
    }

    /// The value is wrong. `what` is the rest of a sentence that begins with its path.
    pub fn invalid(&self, what: impl Into<String>) -> Problem {
        self.problem(Reason::Invalid, what)
    }

    /// The value is right, and this connector can not do what it says.
    pub fn unsupported(&self, what: impl Into<String>) -> Problem {
        self.problem(Reason::Unsupported, what)
    }

    /// The value is of another type than it must be.
    pub fn not(&self, wanted: &str) -> Problem {
        let given = match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.invalid(format!("is {given}, and must be {wanted}"))
    }

    /// The value is a word, and none of those that may stand here.
    pub fn other_word(&self, known: &[&str]) -> Problem {
        let Value::String(word) = self.value else { return self.not(&format!("one of {}", known.join(", "))) };
        let meant = spelling::nearest(word, known.iter().copied())
            .map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
        self.invalid(format!("is {word:?}{meant}, and must be one of {}", known.join(", ")))
    }

    /// Tells something of the value that is no problem. `what` is the rest of a sentence that begins with its path.
    pub fn remark(&self, what: impl Into<String>) {
        self.remarks.add_at(&self.path, what.into());
    }

    fn problem(&self, reason: Reason, what: impl Into<String>) -> Problem {
        let path = if self.path.is_empty() { "the manifest".to_owned() } else { self.path.clone() };
        Problem { path, reason, what: what.into() }
    }
}

/// A component of the manifest, whose fields are read by name. [`finish`](Component::finish) tells what nobody has read.
pub struct Component<'m> {
    fields: &'m Object,
    kind: &'m str,
    pub node: Node<'m>,
    known: RefCell<BTreeSet<&'static str>>,
}

impl<'m> Component<'m> {
    /// Its `type`. Empty where it has none.
    pub fn kind(&self) -> &'m str {
        self.kind
    }

    pub fn parameters(&self) -> &Rc<Object> {
        &self.node.parameters
    }

    /// The value of a field. None where it is absent or null.
    pub fn field(&self, name: &'static str) -> Option<Node<'m>> {
        self.known.borrow_mut().insert(name);
        let value = self.fields.get(name).filter(|value| !value.is_null())?;
        Some(self.node.below(name, value))
    }

    pub fn optional<T: FromManifest>(&self, name: &'static str) -> Result<Option<T>> {
        self.field(name).map(|field| field.read()).transpose()
    }

    pub fn required<T: FromManifest>(&self, name: &'static str) -> Result<T> {
        self.optional(name)?.ok_or_else(|| self.lacks(name))
    }

    /// The problem of a field that must be there, with what may stand for it: a field of nearly that name, or one a level too deep.
    pub fn lacks(&self, name: &'static str) -> Problem {
        let what = format!("lacks the field {name}");
        if let Some((written, meant)) = self.mistyped(name) {
            let meant = if meant == name { "that".to_owned() } else { meant.to_owned() };
            return self.node.invalid(format!("{what}; it has {written}, perhaps {meant} is meant"));
        }
        let has_it = |value: &Value| value.as_object().is_some_and(|fields| fields.contains_key(name));
        let deeper = self.fields.iter().find(|(field, value)| *field != PARAMETERS && has_it(value));
        match deeper {
            Some((field, _)) => {
                self.node.invalid(format!("{what}; {field} in it has one, which may be a level too deep"))
            }
            None => self.node.invalid(what),
        }
    }

    /// A field of no name that was asked for, near to this one or to that of a reference.
    fn mistyped(&self, name: &'static str) -> Option<(&'m str, &'static str)> {
        let known = self.known.borrow();
        let is_other = |written: &&str| {
            !known.contains(written) && *written != PARAMETERS && !self.node.parameters.contains_key(*written)
        };
        let written = || self.fields.keys().map(String::as_str).filter(is_other);
        let is_near = |written: &str, meant: &str| {
            spelling::nearest(written, [meant]).is_some() || spelling::is_last_word(written, meant)
        };
        [name, REFERENCE]
            .into_iter()
            .find_map(|meant| written().find(|written| is_near(written, meant)).map(|written| (written, meant)))
    }

    /// The component can not be used with any of these fields: the language has them, and this connector does not.
    pub fn refuse_fields(&self, names: &[&'static str]) -> Result<()> {
        match names.iter().find_map(|name| self.field(name)) {
            Some(field) => Err(field.unsupported("is not supported")),
            None => Ok(()),
        }
    }

    /// These fields mean nothing to a read.
    pub fn skip_fields(&self, names: &[&'static str]) {
        self.known.borrow_mut().extend(names);
    }

    /// The problem of a `type` that is none of those that may stand here. `supported` are those that this connector has,
    /// `unsupported` the rest of the language's.
    pub fn other_kind(&self, supported: &[&str], unsupported: &[&str]) -> Problem {
        if unsupported.contains(&self.kind) {
            return self.node.unsupported(format!("is of the type {}, which is not supported", self.kind));
        }
        match self.kind {
            "" if supported.len() == 1 => self.node.invalid(format!("lacks the field type: {}", supported.concat())),
            "" => self.node.invalid(format!("lacks the field type: one of {}", supported.join(", "))),
            kind => {
                let known = supported.iter().chain(unsupported).copied();
                let meant =
                    spelling::nearest(kind, known).map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
                let wanted = if supported.len() == 1 { "must be" } else { "must be one of" };
                self.node.invalid(format!("is of the type {kind}{meant}, and {wanted} {}", supported.join(", ")))
            }
        }
    }

    /// Ends the reading of the component: fields of no known name are remarked. Inherited parameters are fields
    /// of every component, and so may be a description.
    pub fn finish(self) {
        let known = self.known.borrow();
        for name in self.fields.keys() {
            let is_known =
                known.contains(name.as_str()) || matches!(name.as_str(), "type" | "description" | PARAMETERS);
            if !is_known && !self.node.parameters.contains_key(name) {
                let below = self.node.below(name, &Value::Null);
                let meant = spelling::nearest(name, known.iter().copied().chain([REFERENCE]))
                    .map_or_else(String::new, |near| format!(" (perhaps {near} is meant)"));
                let kind = if self.kind.is_empty() { "what it stands in" } else { self.kind };
                below.remark(format!("is no field of {kind}, and has no effect{meant}"));
            }
        }
    }

    fn refuse_python(&self) -> Result<()> {
        match self.fields.get("class_name") {
            None if !self.kind.starts_with("Custom") => Ok(()),
            class => {
                let class = class.and_then(Value::as_str).unwrap_or("of no name");
                let what = format!("needs the Python class {class}, which is code of the connector's own");
                Err(self.node.problem(Reason::NeedsPython, what))
            }
        }
    }
}

impl FromManifest for String {
    fn from_manifest(node: &Node<'_>) -> Result<Self> {
        node.value.as_str().map(str::to_owned).ok_or_else(|| node.not("a string"))
    }
}

impl FromManifest for bool {
    fn from_manifest(node: &Node<'_>) -> Result<Self> {
        node.value.as_bool().ok_or_else(|| node.not("true or false"))
    }
}

impl FromManifest for u64 {
    fn from_manifest(node: &Node<'_>) -> Result<Self> {
        // JSON's schemas take 10.0 for a whole number.
        let whole = |number: f64| (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as u64);
        let number = node.value.as_u64().or_else(|| node.value.as_f64().and_then(whole));
        number.ok_or_else(|| node.not("a whole number of 0 or more"))
    }
}

impl FromManifest for f64 {
    fn from_manifest(node: &Node<'_>) -> Result<Self> {
        node.value.as_f64().ok_or_else(|| node.not("a number"))
    }
}

impl FromManifest for Value {
    fn from_manifest(node: &Node<'_>) -> Result<Self> {
        Ok(node.value.clone())
    }
}

impl FromManifest for Object {
    fn from_manifest(node: &Node<'_>) -> Result<Self> {
        node.value.as_object().cloned().ok_or_else(|| node.not("an object"))
    }
}

impl<T: FromManifest> FromManifest for Vec<T> {
    fn from_manifest(node: &Node<'_>) -> Result<Self> {
        node.elements()?.iter().map(Node::read).collect()
    }
}

impl<T: FromManifest> FromManifest for Box<T> {
    fn from_manifest(node: &Node<'_>) -> Result<Self> {
        node.read().map(Box::new)
    }
}
