//! What is put into a request beside its URL, by whoever has something to say: requester, paginator, partition router, cursor,
//! authenticator. Knows nothing of how it is sent.

use airlock_sdk::{Result, config_error};
use serde_json::Value;

use crate::manifest::{self, FromManifest, Node, Object};
use crate::template::{Scope, Template};

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
        let inject_into = component.required::<String>("inject_into")?;
        let inject_into = match inject_into.as_str() {
            "request_parameter" => InjectInto::RequestParameter,
            "header" => InjectInto::Header,
            "body_data" => InjectInto::BodyData,
            "body_json" => InjectInto::BodyJson,
            _ => return Err(node.invalid(format!(
                "has inject_into {inject_into:?}, and must have one of request_parameter, header, body_data, body_json"
            ))),
        };
        let field = match component.optional("field_path")? {
            Some(path) => path,
            None => vec![component.required("field_name")?],
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
    /// Puts a value where the option says.
    pub fn inject(&mut self, _option: &RequestOption, _value: Value, _scope: &Scope) -> Result<()> {
        Err(config_error("request options are not there yet"))
    }

    /// Puts what another says beside this. It is an error where both say something of the same.
    pub fn merge(&mut self, _other: RequestOptions) -> Result<()> {
        Err(config_error("request options are not there yet"))
    }
}
