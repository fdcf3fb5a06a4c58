//! What is put into a request beside its URL, by whoever has something to say: requester, paginator, partition router, cursor,
//! authenticator. Knows nothing of how it is sent.

use airlock_sdk::{Result, system_error};
use serde_json::Value;

use crate::manifest::{self, FromManifest, Node, Object};
use crate::template::{Scope, Template, TemplateMap, ValidTypes, python_text};

/// Where one value goes: the language's RequestOption.
#[derive(Clone, Debug)]
pub struct RequestOption {
    pub inject_into: InjectInto,
    /// `field_name`, or `field_path` (in a JSON body).
    pub field: Vec<Template>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InjectInto {
    RequestParameter,
    Header,
    BodyData,
    BodyJson,
}

impl FromManifest for RequestOption {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let Some(inject_into) = component.field("inject_into") else { return Err(component.lacks("inject_into")) };
        let inject_into = match inject_into.value.as_str().unwrap_or_default() {
            "request_parameter" => InjectInto::RequestParameter,
            "header" => InjectInto::Header,
            "body_data" => InjectInto::BodyData,
            "body_json" => InjectInto::BodyJson,
            _ => return Err(inject_into.other_word(&["request_parameter", "header", "body_data", "body_json"])),
        };
        let path = component.optional::<Vec<Template>>("field_path")?.filter(|path| !path.is_empty());
        let name = component.optional::<Template>("field_name")?.filter(|name| name.source() != "");
        let field = match (path, name) {
            (Some(_), Some(_)) => return Err(node.invalid("has both field_name and field_path, and must have one")),
            (Some(_), None) if inject_into != InjectInto::BodyJson => {
                return Err(node.invalid("has a field_path, which only inject_into body_json may have"));
            }
            (Some(path), None) => path,
            (None, Some(name)) => vec![name],
            (None, None) => return Err(component.lacks("field_name")),
        };
        component.finish();
        Ok(RequestOption { inject_into, field })
    }
}

/// The options of one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestOptions {
    pub parameters: Object,
    pub headers: Object,
    /// A text is sent as it is, an object as a form.
    pub body_data: Option<Value>,
    pub body_json: Object,
}

impl RequestOptions {
    /// Puts a value where the option says, in the place of what the same component has put there.
    pub fn inject(&mut self, option: &RequestOption, value: Value, scope: &Scope) -> Result<()> {
        let Some((name, path)) = option.field.split_last() else { return Ok(()) };
        let name = name.text(scope)?;
        match option.inject_into {
            InjectInto::RequestParameter => self.parameters.insert(name, value),
            InjectInto::Header => self.headers.insert(name, value),
            InjectInto::BodyData => match self.body_data.get_or_insert_with(|| Object::new().into()) {
                Value::Object(form) => form.insert(name, value),
                _ => return Err(text_and_more("body_data")),
            },
            InjectInto::BodyJson => {
                let mut object = &mut self.body_json;
                for part in path {
                    let part = part.text(scope)?;
                    object = match object.entry(part).or_insert_with(|| Object::new().into()) {
                        Value::Object(object) => object,
                        _ => return Err(collision(&name)),
                    };
                }
                object.insert(name, value)
            }
        };
        Ok(())
    }

    /// Puts what another says in the place of what this says of the same.
    pub fn replace(&mut self, other: RequestOptions) {
        self.parameters.extend(other.parameters);
        self.headers.extend(other.headers);
        self.body_json.extend(other.body_json);
        match (&mut self.body_data, other.body_data) {
            (Some(Value::Object(form)), Some(Value::Object(more))) => form.extend(more),
            (_, None) => {}
            (body, more) => *body = more,
        }
    }

    /// Puts what another says beside this. It is an error where both say something of the same; only in a JSON body they may say the
    /// same of it.
    pub fn merge(&mut self, other: RequestOptions) -> Result<()> {
        merge_flat(&mut self.parameters, other.parameters)?;
        merge_flat(&mut self.headers, other.headers)?;
        merge_nested(&mut self.body_json, other.body_json, &mut Vec::new())?;
        let body = std::mem::take(&mut self.body_data);
        self.body_data = match (body, other.body_data) {
            (Some(Value::Object(mut form)), Some(Value::Object(more))) => {
                merge_flat(&mut form, more)?;
                Some(form.into())
            }
            (Some(Value::Object(empty)), other) if empty.is_empty() => other,
            (body, Some(Value::Object(empty))) if empty.is_empty() => body,
            (None, body) | (body, None) => body,
            (Some(_), Some(_)) => return Err(text_and_more("body_data")),
        };
        Ok(())
    }
}

fn merge_flat(target: &mut Object, other: Object) -> Result<()> {
    for (name, value) in other {
        if target.contains_key(&name) {
            return Err(collision(&name));
        }
        target.insert(name, value);
    }
    Ok(())
}

fn merge_nested(target: &mut Object, other: Object, path: &mut Vec<String>) -> Result<()> {
    for (name, value) in other {
        path.push(name.clone());
        match (target.get_mut(&name), value) {
            (None, value) => drop(target.insert(name, value)),
            (Some(Value::Object(known)), Value::Object(value)) => merge_nested(known, value, path)?,
            (Some(known), value) if *known == value => {}
            _ => return Err(collision(&path.join("."))),
        }
        path.pop();
    }
    Ok(())
}

fn collision(path: &str) -> airlock_sdk::Failure {
    system_error(format!(
        "The request can not be made: two parts of the manifest say what {path:?} of it is. Let only one of requester, \
         authenticator, paginator, partition router and cursor say it."
    ))
}

fn text_and_more(what: &str) -> airlock_sdk::Failure {
    system_error(format!(
        "The request can not be made: its {what} is a text, and another part of the manifest adds something to it. Give it as \
         names and values."
    ))
}

/// `request_parameters`, `request_headers` and the like: names and values, or one template that comes to them.
#[derive(Clone, Debug)]
pub enum RequestInput {
    Text(Template),
    Fields(TemplateMap),
}

impl FromManifest for RequestInput {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        match node.value.is_string() {
            true => node.read().map(RequestInput::Text),
            false => node.read().map(RequestInput::Fields),
        }
    }
}

impl RequestInput {
    /// An object or a text. Fields that come to null are left out.
    pub fn evaluate(&self, valid: ValidTypes, scope: &Scope) -> Result<Value> {
        let mut object = match self {
            RequestInput::Text(template) => match template.evaluate(scope)? {
                Value::Object(object) => object,
                Value::String(text) => return Ok(text.into()),
                // Python's CDK drops it as silently as it does nothing else.
                other => {
                    let text = python_text(&other);
                    log::warn!("{text} is neither a text nor names and values, and is not sent.");
                    Object::new()
                }
            },
            RequestInput::Fields(fields) => fields.evaluate_of(scope, valid)?,
        };
        object.retain(|_, value| !value.is_null());
        Ok(object.into())
    }

    /// Names and values. A text comes to none.
    pub fn fields(&self, valid: ValidTypes, scope: &Scope) -> Result<Object> {
        match self.evaluate(valid, scope)? {
            Value::Object(fields) => Ok(fields),
            _ => Ok(Object::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::Remarks;

    fn read<T: FromManifest>(value: &Value) -> manifest::Result<T> {
        let remarks = Remarks::default();
        Node::root(value, &remarks).read()
    }

    fn object(value: &Value) -> Object {
        value.as_object().cloned().unwrap_or_default()
    }

    fn body(data: Value) -> RequestOptions {
        RequestOptions { body_data: Some(data), ..RequestOptions::default() }
    }

    #[test]
    fn an_option_is_a_name_or_a_path_in_json() {
        let option = |value: Value| read::<RequestOption>(&value).map(|option| option.field.len());
        assert_eq!(option(json!({"inject_into": "header", "field_name": "X-Key"})), Ok(1));
        assert_eq!(option(json!({"inject_into": "body_json", "field_path": ["a", "b"]})), Ok(2));
        for wrong in [
            json!({"inject_into": "body_json"}),
            json!({"inject_into": "cookie", "field_name": "a"}),
            json!({"inject_into": "header", "field_path": ["a"]}),
            json!({"inject_into": "body_json", "field_path": ["a"], "field_name": "b"}),
        ] {
            assert!(option(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_go_where_options_say() {
        let scope = Scope::of_config(&object(&json!({"name": "size"})));
        let mut options = RequestOptions::default();
        for (option, value) in [
            (json!({"inject_into": "request_parameter", "field_name": "{{ config['name'] }}"}), json!(5)),
            (json!({"inject_into": "header", "field_name": "X-Page"}), json!("2")),
            (json!({"inject_into": "body_data", "field_name": "from"}), json!("1")),
            (json!({"inject_into": "body_json", "field_path": ["a", "b"]}), json!(1)),
            (json!({"inject_into": "body_json", "field_path": ["a", "c"]}), json!(2)),
            (json!({"inject_into": "body_json", "field_name": "d"}), json!([3])),
        ] {
            options.inject(&read(&option).unwrap(), value, &scope).unwrap();
        }
        assert_eq!(
            options,
            RequestOptions {
                parameters: object(&json!({"size": 5})),
                headers: object(&json!({"X-Page": "2"})),
                body_data: Some(json!({"from": "1"})),
                body_json: object(&json!({"a": {"b": 1, "c": 2}, "d": [3]})),
            }
        );
        let through = read(&json!({"inject_into": "body_json", "field_path": ["d", "e"]})).unwrap();
        assert!(options.inject(&through, json!(1), &scope).is_err());
    }

    /// As `combine_mappings` of the CDK.
    #[test]
    fn only_a_json_body_may_be_said_twice() {
        let merged = |mut one: RequestOptions, other: RequestOptions| one.merge(other).map(|()| one);
        let parameters = |value: Value| RequestOptions { parameters: object(&value), ..RequestOptions::default() };
        let json_body = |value: Value| RequestOptions { body_json: object(&value), ..RequestOptions::default() };
        assert_eq!(
            merged(parameters(json!({"a": 1})), parameters(json!({"b": 2}))),
            Ok(parameters(json!({"a": 1, "b": 2})))
        );
        assert!(merged(parameters(json!({"a": 1})), parameters(json!({"a": 1}))).is_err());
        assert_eq!(
            merged(json_body(json!({"a": {"b": 1}})), json_body(json!({"a": {"b": 1, "c": 2}}))),
            Ok(json_body(json!({"a": {"b": 1, "c": 2}})))
        );
        let failure = merged(json_body(json!({"a": {"b": 1}})), json_body(json!({"a": {"b": 2}}))).unwrap_err();
        assert!(failure.message.contains("\"a.b\""), "{}", failure.message);
        assert_eq!(merged(body(json!("x=1")), body(json!({}))), Ok(body(json!("x=1"))));
        assert_eq!(merged(body(json!({})), body(json!("x=1"))), Ok(body(json!("x=1"))));
        assert!(merged(body(json!("x=1")), body(json!("y"))).is_err());
        assert!(merged(body(json!("x=1")), body(json!({"a": 1}))).is_err());
    }

    /// As `InterpolatedRequestOptionsProvider` of the CDK.
    #[test]
    fn parameters_are_texts_and_lists() {
        let scope = Scope::of_config(&object(&json!({"n": 5, "list": ["a", "b"], "none": null, "map": {"a": "1"}})));
        let input = |value: Value| read::<RequestInput>(&value).unwrap();
        let fields =
            input(json!({"n": "{{ config['n'] }}", "list": "{{ config['list'] }}", "t": "1.50", "none": null}));
        let parameters = fields.evaluate(ValidTypes::TextOrList, &scope).unwrap();
        assert_eq!(parameters, json!({"n": "5", "list": ["a", "b"], "t": "1.50"}));
        assert_eq!(fields.evaluate(ValidTypes::Any, &scope).unwrap()["n"], json!(5));
        let text = input(json!("{{ config['map'] }}"));
        assert_eq!(text.evaluate(ValidTypes::TextOrList, &scope).unwrap(), json!({"a": "1"}));
        assert_eq!(input(json!("a={{ config['n'] }}")).evaluate(ValidTypes::Any, &scope).unwrap(), json!("a=5"));
    }
}
