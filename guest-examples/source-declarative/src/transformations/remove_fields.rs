//! The language's RemoveFields: what paths lead to is taken out of a record, or what a condition holds for.

use std::rc::Rc;

use airlock_sdk::Result;
use serde_json::Value;

use crate::dpath;
use crate::manifest::{self, Component, Node};
use crate::record::Record;
use crate::template::{Condition, Scope, Variable};

#[derive(Clone, Debug)]
pub struct RemoveFields {
    /// Names as they are: no templates.
    pointers: Vec<Vec<Value>>,
    condition: Option<Condition>,
}

impl RemoveFields {
    pub fn of(component: &Component<'_>) -> manifest::Result<Self> {
        let condition = component.field("condition").map(|field| {
            // The CDK gives no parameters to it.
            Node { parameters: Rc::default(), ..field }.read::<Condition>()
        });
        let condition = condition.transpose()?.filter(|condition| !condition.is_empty());
        Ok(RemoveFields { pointers: component.required("field_pointers")?, condition })
    }

    pub fn apply(&self, record: &mut Record<'_>, scope: &Scope) -> Result<()> {
        if self.pointers.is_empty() || (self.condition.is_none() && self.leaves(record)) {
            return Ok(());
        }
        let object = record.object_mut()?;
        let mut whole = Value::Object(std::mem::take(object));
        let mut removed = Ok(());
        match &self.condition {
            None => self.pointers.iter().for_each(|pointer| dpath::delete(&mut whole, pointer)),
            // With a condition, the CDK removes every value of the record for which it holds, wherever that stands.
            Some(condition) => {
                let mut holds = |value: &Value| condition.holds_with(scope, &[("property", Variable::Json(value))]);
                for _ in &self.pointers {
                    removed = removed.and_then(|()| dpath::delete_leaves(&mut whole, &mut holds));
                }
            }
        }
        if let Value::Object(whole) = whole {
            *object = whole;
        }
        removed
    }

    /// Whether a record has nothing that is removed, as can be seen without a parse of it.
    fn leaves(&self, record: &Record<'_>) -> bool {
        let Some(part) = record.part() else { return false };
        self.pointers.iter().all(|pointer| match pointer.first() {
            Some(Value::String(name)) => !dpath::is_pattern(name) && part.get(name).is_none(),
            _ => false,
        })
    }
}
