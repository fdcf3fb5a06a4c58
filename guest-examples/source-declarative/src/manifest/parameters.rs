//! Parameters and types: `$parameters` of a component hold for all components in it and are fields of theirs, and a component that
//! does not say its type has the one that is usual there. As the Python CDK's ManifestComponentTransformer does.

use serde_json::Value;

use super::problem::{Problem, Result};
use super::{MAX_DEPTH, MAX_VALUES, Object};

pub(super) const PARAMETERS: &str = "$parameters";

/// Whose parameters count where two have one of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precedence {
    /// The inner component's.
    Own,
    /// Those of the components around it: `use_parent_parameters`.
    Parent,
}

/// The component with all types and parameters put in.
pub fn propagate(component: Object, precedence: Precedence) -> Result<Object> {
    Propagation { precedence, values: 0 }.component("", component, &Object::new(), 0)
}

struct Propagation {
    precedence: Precedence,
    values: usize,
}

impl Propagation {
    /// `place` is the type of the component around it and the name of the field there.
    fn component(&mut self, place: &str, mut component: Object, parents: &Object, depth: usize) -> Result<Object> {
        if depth > MAX_DEPTH {
            return Err(Problem::here(format!("is nested more than {MAX_DEPTH} levels deep")));
        }
        if !component.contains_key("type") {
            let usual = if component.contains_key("class_name") { usual_custom_type(place) } else { usual_type(place) };
            if let Some(usual) = usual {
                component.insert("type".to_owned(), usual.into());
            }
        }
        let own = match component.shift_remove(PARAMETERS) {
            None => Object::new(),
            Some(Value::Object(own)) => own,
            Some(_) => return Err(Problem::here("must be an object").in_field(PARAMETERS)),
        };
        let (mut parameters, over) = match self.precedence {
            Precedence::Own => (parents.clone(), own),
            Precedence::Parent => (own, parents.clone()),
        };
        parameters.extend(over);
        let kind = match component.get("type") {
            Some(Value::String(kind)) if kind == "object" => return Ok(component),
            // A JSON schema, or its `properties` with one that is called so.
            Some(Value::Array(_) | Value::Object(_)) => return Ok(component),
            None => return self.plain_object(place, component, &parameters, depth),
            Some(Value::String(kind)) => kind.clone(),
            Some(other) => other.to_string(),
        };
        for (name, value) in &parameters {
            self.count(value)?;
            match component.get_mut(name) {
                Some(field) if is_true(field) => {}
                Some(field) => *field = value.clone(),
                None => {
                    component.insert(name.clone(), value.clone());
                }
            }
        }
        for (name, value) in &mut component {
            if !matches!(value, Value::Object(_) | Value::Array(_)) {
                continue;
            }
            let place = format!("{kind}.{name}");
            // A parameter that is a component would be put into itself without end.
            let excluded = parameters.shift_remove(name);
            self.below(&place, value, &parameters, depth).map_err(|problem| problem.in_field(name))?;
            if let Some(excluded) = excluded.filter(is_true) {
                parameters.insert(name.clone(), excluded);
            }
        }
        if !parameters.is_empty() {
            component.insert(PARAMETERS.to_owned(), Value::Object(parameters));
        }
        Ok(component)
    }

    fn below(&mut self, place: &str, value: &mut Value, parameters: &Object, depth: usize) -> Result<()> {
        match value {
            Value::Object(fields) => {
                *fields = self.component(place, std::mem::take(fields), parameters, depth + 1)?;
            }
            Value::Array(elements) => {
                for (index, element) in elements.iter_mut().enumerate() {
                    if let Value::Object(fields) = element {
                        let component = self.component(place, std::mem::take(fields), parameters, depth + 1);
                        *fields = component.map_err(|problem| problem.in_element(index))?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// An object that is no component may hold some: a request's parameters, for example.
    fn plain_object(&mut self, place: &str, mut object: Object, parameters: &Object, depth: usize) -> Result<Object> {
        for (name, value) in &mut object {
            if let Value::Object(fields) = value {
                if fields.get("type").is_some_and(is_true) {
                    let component = self.component(place, std::mem::take(fields), parameters, depth + 1);
                    *fields = component.map_err(|problem| problem.in_field(name))?;
                }
            }
        }
        Ok(object)
    }

    /// Parameters that are components multiply each other.
    fn count(&mut self, value: &Value) -> Result<()> {
        self.values = self.values.saturating_add(super::size(value));
        if self.values > MAX_VALUES {
            return Err(Problem::here(format!(
                "is where the parameters of the manifest have come to more than {MAX_VALUES} values"
            )));
        }
        Ok(())
    }
}

/// Whether Python takes a value for true.
pub fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// The type of a component that says none.
fn usual_type(place: &str) -> Option<&'static str> {
    Some(match place {
        "CompositeErrorHandler.error_handlers" | "HttpRequester.error_handler" => "DefaultErrorHandler",
        "CursorPagination.decoder" | "DefaultPaginator.decoder" | "DpathExtractor.decoder" => "JsonDecoder",
        "DatetimeBasedCursor.end_datetime" | "DatetimeBasedCursor.start_datetime" => "MinMaxDatetime",
        "DatetimeBasedCursor.end_time_option"
        | "DatetimeBasedCursor.start_time_option"
        | "DefaultPaginator.page_size_option"
        | "ListPartitionRouter.request_option"
        | "ParentStreamConfig.request_option" => "RequestOption",
        "DeclarativeSource.check" => "CheckStream",
        "DeclarativeSource.spec" => "Spec",
        "DeclarativeSource.streams" | "DynamicDeclarativeStream.stream_template" | "ParentStreamConfig.stream" => {
            "DeclarativeStream"
        }
        "DeclarativeStream.retriever" | "HttpComponentsResolver.retriever" | "DynamicSchemaLoader.retriever" => {
            "SimpleRetriever"
        }
        "DeclarativeStream.schema_loader" => "JsonFileSchemaLoader",
        // Of no such type is there one, in the CDK neither: a resolver has to say its type.
        "DynamicDeclarativeStream.components_resolver" => "ConfigComponentResolver",
        "HttpComponentsResolver.components_mapping" | "ConfigComponentsResolver.components_mapping" => {
            "ComponentMappingDefinition"
        }
        "ConfigComponentsResolver.stream_config" => "StreamConfig",
        "DefaultErrorHandler.response_filters" => "HttpResponseFilter",
        "DpathExtractor.record_expander" => "RecordExpander",
        "RecordExpander.parent_fields" => "ParentFieldPath",
        "RecordSelector.extractor" => "DpathExtractor",
        "RecordSelector.record_filter" => "RecordFilter",
        "SimpleRetriever.paginator" => "NoPagination",
        "SimpleRetriever.record_selector" => "RecordSelector",
        "SimpleRetriever.requester" => "HttpRequester",
        "SubstreamPartitionRouter.parent_stream_configs" | "CustomPartitionRouter.parent_stream_configs" => {
            "ParentStreamConfig"
        }
        "AddFields.fields" => "AddedFieldDefinition",
        "SchemaTypeIdentifier.types_map" => "TypesMap",
        _ => return None,
    })
}

/// The same of a component that is a class of the connector's own.
fn usual_custom_type(place: &str) -> Option<&'static str> {
    Some(match place {
        "CompositeErrorHandler.backoff_strategies" | "DefaultErrorHandler.backoff_strategies" => {
            "CustomBackoffStrategy"
        }
        "DeclarativeStream.retriever" => "CustomRetriever",
        "DeclarativeStream.transformations" => "CustomTransformation",
        "DefaultPaginator.pagination_strategy" => "CustomPaginationStrategy",
        "HttpRequester.authenticator" => "CustomAuthenticator",
        "HttpRequester.error_handler" => "CustomErrorHandler",
        "RecordSelector.extractor" => "CustomRecordExtractor",
        "SimpleRetriever.partition_router" => "CustomPartitionRouter",
        _ => return None,
    })
}
