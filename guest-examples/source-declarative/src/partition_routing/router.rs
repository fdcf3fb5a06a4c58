//! Partition routers in a read: their partitions in order, what those put into requests, and the parents' state. Knows nothing of the
//! cursor of the stream that is divided.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use airlock_sdk::{Result, system_error};
use serde_json::Value;

use super::declared::{GroupingPartitionRouter, ListPartitionRouter, PartitionRouter, UnionPartitionRouter, Values};
use super::grouping::Groups;
use super::parent_stream::ParentStream;
use crate::manifest::{Object, is_true};
use crate::request_options::{RequestOption, RequestOptions};
use crate::retriever::Going;
use crate::session::Session;
use crate::stream_slice::StreamSlice;
use crate::template::Scope;

/// Takes partitions one after the other.
pub type TakePartition<'t> = &'t mut dyn FnMut(StreamSlice) -> Result<Going>;

#[derive(Debug)]
pub enum Router<'s> {
    /// There is one partition.
    Single,
    List {
        field: String,
        values: Vec<Value>,
        request_option: Option<&'s RequestOption>,
    },
    Substream {
        parents: Vec<ParentStream<'s>>,
        /// What was last made of the parents' states.
        state: RefCell<ParentsState>,
    },
    CartesianProduct(Vec<Router<'s>>),
    Grouping {
        declared: &'s GroupingPartitionRouter,
        underlying: Box<Router<'s>>,
        /// The parents' state when the last group was complete.
        state: RefCell<Option<Rc<Object>>>,
    },
    Union {
        field: String,
        routers: Vec<Router<'s>>,
    },
}

impl<'s> Router<'s> {
    /// `state` is that of the stream that is divided.
    pub fn open(declared: Option<&'s PartitionRouter>, session: &'s Session, state: &Object) -> Result<Self> {
        let open = |router| Router::open(Some(router), session, state);
        match declared {
            None => Ok(Router::Single),
            Some(PartitionRouter::List(declared)) => open_list(declared, &session.scope),
            Some(PartitionRouter::Substream(declared)) => {
                let parents = declared.parents.iter().map(|parent| ParentStream::open(parent, session, state));
                let parents = parents.collect::<Result<_>>()?;
                Ok(Router::Substream { parents, state: RefCell::default() })
            }
            Some(PartitionRouter::CartesianProduct(routers)) => {
                if routers.iter().any(|router| matches!(router, PartitionRouter::Substream(_))) {
                    log::warn!("Parent state handling is not supported for a list of partition routers.");
                }
                routers.iter().map(open).collect::<Result<_>>().map(Router::CartesianProduct)
            }
            Some(PartitionRouter::Grouping(declared)) => Ok(Router::Grouping {
                declared,
                underlying: Box::new(open(&declared.underlying)?),
                state: RefCell::new(Some(Rc::default())),
            }),
            Some(PartitionRouter::Union(declared)) => open_union(declared, session, state),
        }
    }

    /// The names of the fields that all its partitions have.
    fn fields(&self) -> Vec<&str> {
        match self {
            Router::List { field, .. } | Router::Union { field, .. } => vec![field],
            Router::Substream { parents, .. } => parents.iter().map(|parent| parent.partition_field.as_str()).collect(),
            Router::Single | Router::CartesianProduct(_) | Router::Grouping { .. } => Vec::new(),
        }
    }

    /// Gives all partitions.
    pub fn partitions(&self, take: TakePartition<'_>) -> Result<Going> {
        match self {
            Router::Single => take(StreamSlice::default()),
            Router::List { field, values, .. } => {
                for value in values {
                    let partition = Object::from_iter([(field.clone(), value.clone())]);
                    if take(StreamSlice { partition, ..StreamSlice::default() })? == Going::Enough {
                        return Ok(Going::Enough);
                    }
                }
                Ok(Going::On)
            }
            Router::Substream { parents, .. } => {
                for parent in parents {
                    if parent.partitions(take)? == Going::Enough {
                        return Ok(Going::Enough);
                    }
                }
                Ok(Going::On)
            }
            Router::CartesianProduct(routers) => product(routers, take),
            Router::Grouping { declared, underlying, state } => {
                let mut groups = Groups::new(declared.group_size, declared.deduplicate);
                let going = underlying.partitions(&mut |slice| match groups.take(slice)? {
                    Some(group) => {
                        state.replace(underlying.parent_state());
                        take(group)
                    }
                    None => Ok(Going::On),
                })?;
                if going == Going::Enough {
                    return Ok(going);
                }
                state.replace(underlying.parent_state());
                groups.end().map_or(Ok(Going::On), take)
            }
            Router::Union { field, routers } => union(field, routers, take),
        }
    }

    /// What the partition of a slice puts into each of its requests.
    pub fn request_options(&self, slice: &StreamSlice, scope: &Scope) -> Result<RequestOptions> {
        let mut options = RequestOptions::default();
        let mut inject = |option: Option<&RequestOption>, field: &str| match (option, slice.get(field)) {
            (Some(option), Some(value)) if is_true(value) => options.inject(option, value.clone(), scope),
            _ => Ok(()),
        };
        match self {
            Router::List { field, request_option, .. } => inject(*request_option, field)?,
            Router::Substream { parents, .. } => {
                for parent in parents {
                    inject(parent.request_option, &parent.partition_field)?;
                }
            }
            Router::CartesianProduct(routers) => {
                // Where two say the same, the first one is right.
                for router in routers.iter().rev() {
                    options.replace(router.request_options(slice, scope)?);
                }
            }
            Router::Single | Router::Grouping { .. } | Router::Union { .. } => {}
        }
        Ok(options)
    }

    /// The state of all parents whose state matters. None where there are no parents.
    pub fn parent_state(&self) -> Option<Rc<Object>> {
        match self {
            Router::Single | Router::List { .. } | Router::CartesianProduct(_) => None,
            Router::Substream { parents, state } => {
                let each = parents.iter().filter_map(|parent| Some((parent.name(), parent.state()?))).collect();
                Some(state.borrow_mut().of(each))
            }
            Router::Grouping { state, .. } => state.borrow().clone(),
            Router::Union { routers, .. } => {
                let states = routers.iter().filter_map(Router::parent_state);
                Some(Rc::new(states.flat_map(|states| Object::clone(&states)).collect()))
            }
        }
    }
}

/// The states of all parents as one: made anew where one of them has changed, and not for each partition.
#[derive(Debug, Default)]
pub struct ParentsState {
    each: Vec<Rc<Object>>,
    all: Rc<Object>,
}

impl ParentsState {
    fn of(&mut self, named: Vec<(&str, Rc<Object>)>) -> Rc<Object> {
        let is_known = named.len() == self.each.len()
            && named.iter().zip(&self.each).all(|((_, state), known)| Rc::ptr_eq(state, known));
        if !is_known {
            let all = named.iter().map(|(name, state)| ((*name).to_owned(), Value::Object(Object::clone(state))));
            self.all = Rc::new(all.collect());
            self.each = named.into_iter().map(|(_, state)| state).collect();
        }
        Rc::clone(&self.all)
    }
}

fn open_list<'s>(declared: &'s ListPartitionRouter, scope: &Scope) -> Result<Router<'s>> {
    let values = match &declared.values {
        Values::Of(values) => values.clone(),
        Values::Evaluated(template) => match template.evaluate(scope)? {
            Value::Array(values) => values,
            // Python goes through a text letter by letter, and through an object name by name.
            Value::String(text) => text.chars().map(|letter| letter.to_string().into()).collect(),
            Value::Object(object) => object.into_iter().map(|(name, _)| name.into()).collect(),
            other => {
                return Err(system_error(format!(
                    "The values of a ListPartitionRouter come to {other}, and must come to a list."
                )));
            }
        },
    };
    Ok(Router::List {
        field: declared.cursor_field.text(scope)?,
        values,
        request_option: declared.request_option.as_ref(),
    })
}

fn open_union<'s>(declared: &'s UnionPartitionRouter, session: &'s Session, state: &Object) -> Result<Router<'s>> {
    let field = declared.partition_field.text(&session.scope)?;
    let routers =
        declared.routers.iter().map(|router| Router::open(Some(router), session, state)).collect::<Result<Vec<_>>>()?;
    if let Some(other) = routers.iter().flat_map(Router::fields).find(|other| *other != field) {
        return Err(system_error(format!(
            "A UnionPartitionRouter has the partition field {field:?}, and one of its routers has {other:?}: they must be the same."
        )));
    }
    Ok(Router::Union { field, routers })
}

/// Each partition of the first router with each of the second, and so on. The last one changes fastest.
fn product(routers: &[Router<'_>], take: TakePartition<'_>) -> Result<Going> {
    let mut factors = Vec::with_capacity(routers.len());
    for router in routers {
        let mut partitions = Vec::new();
        router.partitions(&mut |slice| {
            partitions.push(slice);
            Ok(Going::On)
        })?;
        factors.push(partitions);
    }
    let count = factors.iter().try_fold(1_usize, |count, factor| count.checked_mul(factor.len()));
    let count = count
        .ok_or_else(|| system_error("The list of partition routers makes more partitions than can be counted."))?;
    for number in 0..count {
        let mut rest = number;
        let mut slice = StreamSlice::default();
        for partitions in factors.iter().rev() {
            let Some(factor) = partitions.get(rest % partitions.len()) else { continue };
            rest /= partitions.len();
            // Where two have the same field, the first one is right.
            slice.partition.extend(factor.partition.clone());
            slice.extra_fields.extend(factor.extra_fields.clone());
        }
        if take(slice)? == Going::Enough {
            return Ok(Going::Enough);
        }
    }
    Ok(Going::On)
}

/// The partitions of all routers, each once, with one field.
fn union(field: &str, routers: &[Router<'_>], take: TakePartition<'_>) -> Result<Going> {
    let mut seen = HashSet::new();
    for router in routers {
        let going = router.partitions(&mut |mut slice| {
            let Some(value) = slice.partition.shift_remove(field) else {
                return Err(system_error(format!(
                    "A UnionPartitionRouter got a partition without the field {field:?}."
                )));
            };
            if value.is_array() || value.is_object() {
                return Err(system_error(format!(
                    "A UnionPartitionRouter got a partition whose {field:?} is a list or an object."
                )));
            }
            if !seen.insert(value.to_string()) {
                return Ok(Going::On);
            }
            let mut extra_fields = slice.extra_fields;
            extra_fields.extend(slice.partition);
            let partition = Object::from_iter([(field.to_owned(), value)]);
            take(StreamSlice { partition, extra_fields, ..StreamSlice::default() })
        })?;
        if going == Going::Enough {
            return Ok(going);
        }
    }
    Ok(Going::On)
}
