//! Which requests are worth keeping: those of streams that are the parents of others are asked for again by each child. As the CDK does, it
//! says so in the manifest, before components are made of it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::manifest;

/// Sets `use_cache` of the requesters of all parents, but where the manifest says that it must not be.
pub fn enable(manifest: &mut Value) {
    let mut parents = BTreeSet::new();
    each_stream(manifest, &mut |stream| collect_parents(stream, &mut parents));
    each_stream(manifest, &mut |stream| {
        each_parent(stream, &mut enable_stream);
        enable_schema(stream);
        if stream.get("name").and_then(Value::as_str).is_some_and(|name| parents.contains(name)) {
            enable_stream(stream);
        }
    });
    enable_endpoints_of_properties(manifest);
    for dynamic in elements_mut(manifest.get_mut("dynamic_streams")) {
        // The list of streams is asked for in each command, and more than once in some.
        if let Some(requester) = dynamic.pointer_mut("/components_resolver/retriever/requester") {
            set(requester, true);
        }
    }
}

/// Whether any request of the manifest is kept for others.
pub fn is_enabled(manifest: &Value) -> bool {
    manifest::has_object(manifest, &|fields| fields.get("use_cache") == Some(&Value::Bool(true)))
}

fn each_stream(manifest: &mut Value, see: &mut dyn FnMut(&mut Value)) {
    for stream in elements_mut(manifest.get_mut("streams")) {
        if stream.get("type").and_then(Value::as_str) == Some("ConditionalStreams") {
            elements_mut(stream.get_mut("streams")).for_each(&mut *see);
        } else {
            see(stream);
        }
    }
    for dynamic in elements_mut(manifest.get_mut("dynamic_streams")) {
        if let Some(template) = dynamic.get_mut("stream_template") {
            see(template);
        }
    }
}

fn collect_parents(stream: &mut Value, parents: &mut BTreeSet<String>) {
    each_parent(stream, &mut |parent| {
        if let Some(name) = parent.get("name").and_then(Value::as_str) {
            parents.insert(name.to_owned());
        }
    });
}

/// The parents of a stream, in whatever routers they stand.
fn each_parent(stream: &mut Value, see: &mut dyn FnMut(&mut Value)) {
    if let Some(parent) = stream.pointer_mut("/incremental_sync/parent_stream") {
        see(parent);
        return;
    }
    let mut routers: Vec<&mut Value> = match stream.pointer_mut("/retriever/partition_router") {
        Some(Value::Array(routers)) => routers.iter_mut().collect(),
        Some(router) => vec![router],
        None => Vec::new(),
    };
    while let Some(router) = routers.pop() {
        let Value::Object(router) = router else { continue };
        for (name, value) in router {
            match (name.as_str(), value) {
                ("parent_stream_configs", Value::Array(configs)) => {
                    configs.iter_mut().filter_map(|config| config.get_mut("stream")).for_each(&mut *see);
                }
                ("partition_routers", Value::Array(inner)) => routers.extend(inner),
                ("underlying_partition_router", inner) => routers.push(inner),
                _ => {}
            }
        }
    }
}

fn enable_stream(stream: &mut Value) {
    for requester in
        ["/retriever/requester", "/full_refresh_stream/retriever/requester", "/incremental_stream/retriever/requester"]
    {
        if let Some(requester) = stream.pointer_mut(requester) {
            set(requester, false);
        }
    }
}

/// Streams may ask one address for their schemas.
fn enable_schema(stream: &mut Value) {
    let loaders: Vec<&mut Value> = match stream.get_mut("schema_loader") {
        Some(Value::Array(loaders)) => loaders.iter_mut().collect(),
        Some(loader) => vec![loader],
        None => Vec::new(),
    };
    for requester in loaders.into_iter().filter_map(|loader| loader.pointer_mut("/retriever/requester")) {
        set(requester, true);
    }
}

/// The properties that streams may ask for are wanted for each slice.
fn enable_endpoints_of_properties(value: &mut Value) {
    if value.get("type").is_some_and(|kind| kind == "PropertiesFromEndpoint") {
        value.pointer_mut("/retriever/requester").into_iter().for_each(|requester| set(requester, true));
    }
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(_, value)| enable_endpoints_of_properties(value)),
        Value::Array(elements) => elements.iter_mut().for_each(enable_endpoints_of_properties),
        _ => {}
    }
}

fn set(requester: &mut Value, always: bool) {
    if let Value::Object(requester) = requester {
        if always || requester.get("use_cache") != Some(&Value::Bool(false)) {
            requester.insert("use_cache".to_owned(), true.into());
        }
    }
}

fn elements_mut(value: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    value.and_then(Value::as_array_mut).into_iter().flatten()
}
