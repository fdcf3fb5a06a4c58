//! What a manifest asks of a config beside its schema: the language's DpathValidator and PredicateValidator. It is not asked here, which
//! is said.

use crate::manifest::{self, FromManifest, Node};

/// One of a Spec's `validations`.
#[derive(Debug)]
pub struct Validator;

impl FromManifest for Validator {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        if !matches!(component.kind(), "DpathValidator" | "PredicateValidator") {
            return Err(component.other_kind(&["DpathValidator", "PredicateValidator"], &[]));
        }
        node.remark(
            "is a check of the configuration that this connector does not make: it uses the configuration as it is",
        );
        Ok(Validator)
    }
}
