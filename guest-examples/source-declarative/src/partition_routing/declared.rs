//! Partition routers as a manifest declares them. Knows nothing of a read.

use airlock_sdk::{Result, system_error};
use serde_json::Value;

use crate::manifest::{self, Component, FromManifest, Node};
use crate::request_options::RequestOption;
use crate::stream::Stream;
use crate::template::{Scope, Template};

/// A retriever's `partition_router`.
#[derive(Debug)]
pub enum PartitionRouter {
    List(ListPartitionRouter),
    Substream(SubstreamPartitionRouter),
    /// A list of routers: each partition of the one with each of the others.
    CartesianProduct(Vec<PartitionRouter>),
    Grouping(GroupingPartitionRouter),
    Union(UnionPartitionRouter),
}

impl PartitionRouter {
    /// A retriever's router. An empty list of routers is none.
    pub fn of_retriever(retriever: &Component<'_>) -> manifest::Result<Option<Self>> {
        let router = retriever.field("partition_router");
        let router = router.filter(|router| router.value.as_array().is_none_or(|routers| !routers.is_empty()));
        router.map(|router| router.read()).transpose()
    }
}

#[derive(Debug)]
pub struct ListPartitionRouter {
    pub values: Values,
    pub cursor_field: Template,
    pub request_option: Option<RequestOption>,
}

#[derive(Debug)]
pub enum Values {
    Of(Vec<Value>),
    /// A template that comes to a list.
    Evaluated(Template),
}

#[derive(Debug)]
pub struct SubstreamPartitionRouter {
    pub parents: Vec<ParentStreamConfig>,
}

#[derive(Debug)]
pub struct ParentStreamConfig {
    pub stream: Stream,
    pub parent_key: Template,
    pub partition_field: Template,
    pub request_option: Option<RequestOption>,
    pub extra_fields: Vec<Vec<Template>>,
    /// Where a parent's record has the first page of the child's. Empty where it has none.
    pub lazy_read_pointer: Vec<Template>,
    /// The parent's state is part of the child's.
    pub incremental_dependency: bool,
}

#[derive(Debug)]
pub struct GroupingPartitionRouter {
    pub group_size: usize,
    pub underlying: Box<PartitionRouter>,
    pub deduplicate: bool,
}

#[derive(Debug)]
pub struct UnionPartitionRouter {
    pub partition_field: Template,
    pub routers: Vec<PartitionRouter>,
}

impl FromManifest for PartitionRouter {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        if node.value.is_array() {
            return node.read().map(PartitionRouter::CartesianProduct);
        }
        let component = node.component()?;
        let router = match component.kind() {
            "ListPartitionRouter" => list(&component).map(PartitionRouter::List),
            "SubstreamPartitionRouter" => substream(&component).map(PartitionRouter::Substream),
            "GroupingPartitionRouter" => grouping(&component).map(PartitionRouter::Grouping),
            "UnionPartitionRouter" => union(&component).map(PartitionRouter::Union),
            _ => {
                let supported = [
                    "ListPartitionRouter",
                    "SubstreamPartitionRouter",
                    "GroupingPartitionRouter",
                    "UnionPartitionRouter",
                ];
                Err(component.other_kind(&supported, &[]))
            }
        }?;
        component.finish();
        Ok(router)
    }
}

fn list(component: &Component<'_>) -> manifest::Result<ListPartitionRouter> {
    let values = component.field("values").ok_or_else(|| component.lacks("values"))?;
    let values = if values.value.is_string() { Values::Evaluated(values.read()?) } else { Values::Of(values.read()?) };
    Ok(ListPartitionRouter {
        values,
        cursor_field: component.required("cursor_field")?,
        request_option: component.optional("request_option")?,
    })
}

fn substream(component: &Component<'_>) -> manifest::Result<SubstreamPartitionRouter> {
    let parents: Vec<ParentStreamConfig> = component.required("parent_stream_configs")?;
    if parents.is_empty() {
        return Err(component.node.invalid("needs at least one parent stream"));
    }
    Ok(SubstreamPartitionRouter { parents })
}

fn grouping(component: &Component<'_>) -> manifest::Result<GroupingPartitionRouter> {
    let group_size = component.required::<u64>("group_size")?;
    if group_size == 0 {
        return Err(component.node.invalid("has a group_size of 0, and must have one of 1 or more"));
    }
    let underlying: PartitionRouter = component.required("underlying_partition_router")?;
    refuse_request_options(component, &underlying)?;
    Ok(GroupingPartitionRouter {
        group_size: usize::try_from(group_size).unwrap_or(usize::MAX),
        underlying: Box::new(underlying),
        deduplicate: component.optional("deduplicate")?.unwrap_or(true),
    })
}

fn union(component: &Component<'_>) -> manifest::Result<UnionPartitionRouter> {
    let routers: Vec<PartitionRouter> = component.required("partition_routers")?;
    if routers.len() < 2 {
        return Err(component.node.invalid("needs at least two partition_routers"));
    }
    for router in &routers {
        refuse_request_options(component, router)?;
    }
    Ok(UnionPartitionRouter { partition_field: component.required("partition_field")?, routers })
}

/// What is made of several partitions can not be put into a request as each of them is.
fn refuse_request_options(component: &Component<'_>, router: &PartitionRouter) -> manifest::Result<()> {
    let has_options = match router {
        PartitionRouter::List(list) => list.request_option.is_some(),
        PartitionRouter::Substream(substream) => substream.parents.iter().any(|parent| parent.request_option.is_some()),
        _ => false,
    };
    if has_options {
        return Err(component
            .node
            .invalid(format!("has a router with a request_option, which a {} does not allow", component.kind())));
    }
    Ok(())
}

impl FromManifest for ParentStreamConfig {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        if component.kind() != "ParentStreamConfig" {
            return Err(component.other_kind(&["ParentStreamConfig"], &[]));
        }
        let parent_key = component.field("parent_key").ok_or_else(|| component.lacks("parent_key"))?;
        let is_glob = |key: &str| !key.contains("{{") && key.contains(['*', '?', '[']);
        if parent_key.value.as_str().is_some_and(is_glob) {
            return Err(parent_key.unsupported("has a wildcard, which is not supported"));
        }
        let lazy_read_pointer = component.field("lazy_read_pointer");
        for segment in lazy_read_pointer.as_ref().map_or_else(|| Ok(Vec::new()), Node::elements)? {
            if segment.value.as_str().is_some_and(|segment| segment.contains('*')) {
                return Err(segment.invalid("has a wildcard, which a lazy_read_pointer may not have"));
            }
        }
        let mut extra_fields = Vec::new();
        for path in component.field("extra_fields").map_or_else(|| Ok(Vec::new()), |fields| fields.elements())? {
            if path.elements()?.iter().any(|segment| segment.value.as_str().is_some_and(is_glob)) {
                return Err(path.unsupported("has a wildcard, which is not supported"));
            }
            extra_fields.push(path.read()?);
        }
        let parent = ParentStreamConfig {
            stream: component.required("stream")?,
            parent_key: parent_key.read()?,
            partition_field: component.required("partition_field")?,
            request_option: component.optional("request_option")?,
            extra_fields,
            lazy_read_pointer: lazy_read_pointer.map_or_else(|| Ok(Vec::new()), |pointer| pointer.read())?,
            incremental_dependency: component.optional("incremental_dependency")?.unwrap_or_default(),
        };
        component.finish();
        Ok(parent)
    }
}

impl PartitionRouter {
    /// Whether the parents' records have the first pages of the child's.
    pub fn has_first_pages(&self) -> bool {
        match self {
            PartitionRouter::Substream(router) => {
                router.parents.iter().any(|parent| !parent.lazy_read_pointer.is_empty())
            }
            _ => false,
        }
    }

    /// Whether a parent's state is to be kept in that of the stream.
    pub fn keeps_parents_state(&self) -> bool {
        match self {
            PartitionRouter::Substream(router) => router.parents.iter().any(|parent| parent.incremental_dependency),
            PartitionRouter::Grouping(router) => router.underlying.keeps_parents_state(),
            PartitionRouter::CartesianProduct(routers) => routers.iter().any(PartitionRouter::keeps_parents_state),
            PartitionRouter::List(_) | PartitionRouter::Union(_) => false,
        }
    }

    /// The field in which older states have their partitions. None where there are several parents.
    pub fn legacy_partition_field(&self, scope: &Scope) -> Result<Option<String>> {
        match self {
            PartitionRouter::Union(router) => router.partition_field.text(scope).map(Some),
            PartitionRouter::Substream(router) => match router.parents.as_slice() {
                [parent] => parent.partition_field.text(scope).map(Some),
                _ => Ok(None),
            },
            _ => Err(system_error(
                "The manifest can not be used: a LegacyToPerPartitionStateMigration needs a SubstreamPartitionRouter or a UnionPartitionRouter.",
            )),
        }
    }
}
