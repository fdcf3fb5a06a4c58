//! The names that a template wants from its scope: those that it does not set itself before. The CDK refuses a template that wants
//! one which is not there.

use std::collections::BTreeSet;

use super::functions;
use super::syntax::{Expression, Filter, Statement, Target};
use crate::manifest::nearest;

/// What templates may find around them, by the place where they stand.
const KNOWN: &[&str] = &[
    "components_values",
    "config",
    "creation_response",
    "download_target",
    "headers",
    "last_page_size",
    "last_record",
    "next_page_token",
    "options",
    "page_size",
    "parameters",
    "path",
    "polling_response",
    "property",
    "raw_schema",
    "record",
    "request_url",
    "response",
    "session_token",
    "stream_interval",
    "stream_partition",
    "stream_slice",
    "stream_template_config",
    "value",
];

/// The known name that is nearest to one that is none.
pub fn meant(written: &str) -> Option<&'static str> {
    let known = || KNOWN.iter().chain(functions::NAMES).copied();
    let is_known = known().any(|name| name == written) || functions::UNSUPPORTED.contains(&written);
    if is_known { None } else { nearest(written, known()) }
}

/// The names that statements want from outside.
pub fn wanted(statements: &[Statement]) -> BTreeSet<String> {
    let mut names = Names::default();
    names.scopes.push(BTreeSet::new());
    names.statements(statements);
    names.wanted
}

#[derive(Default)]
struct Names {
    /// What is set, in the blocks that are open.
    scopes: Vec<BTreeSet<String>>,
    wanted: BTreeSet<String>,
}

impl Names {
    fn load(&mut self, name: &str) {
        if !self.scopes.iter().any(|scope| scope.contains(name)) {
            self.wanted.insert(name.to_owned());
        }
    }

    fn store(&mut self, name: &str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned());
        }
    }

    fn within(&mut self, names: &[&Target], statements: &[Statement], more: &[&str]) {
        self.scopes.push(more.iter().map(|name| (*name).to_owned()).collect());
        names.iter().for_each(|target| self.target(target));
        self.statements(statements);
        self.scopes.pop();
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::Name(name) => self.store(name),
            Target::Attribute(name, _) => self.load(name),
            Target::Tuple(targets) => targets.iter().for_each(|target| self.target(target)),
        }
    }

    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Text(_) => {}
            Statement::Output(expression) => self.expression(expression),
            Statement::If { branches, otherwise } => self.branches(branches, otherwise),
            Statement::For { target, over, condition, body, otherwise } => {
                self.expression(over);
                if let Some(condition) = condition {
                    self.scopes.push(BTreeSet::new());
                    self.target(target);
                    self.expression(condition);
                    self.scopes.pop();
                }
                self.within(&[target], body, &["loop"]);
                self.within(&[], otherwise, &[]);
            }
            Statement::Set(target, value) => {
                self.expression(value);
                self.target(target);
            }
            Statement::SetBlock(target, filters, body) => {
                self.within(&[], body, &[]);
                filters.iter().for_each(|filter| self.filter(filter));
                self.target(target);
            }
            Statement::With(variables, body) => {
                variables.iter().for_each(|(_, value)| self.expression(value));
                let targets: Vec<_> = variables.iter().map(|(target, _)| target).collect();
                self.within(&targets, body, &[]);
            }
            Statement::FilterBlock(filters, body) => {
                filters.iter().for_each(|filter| self.filter(filter));
                self.within(&[], body, &[]);
            }
        }
    }

    /// What only some branches set is wanted from outside by the others. For Jinja there are always three of them: `if`, all of
    /// `elif` together, `else`.
    fn branches(&mut self, branches: &[(Expression, Vec<Statement>)], otherwise: &[Statement]) {
        let before = self.scopes.last().cloned().unwrap_or_default();
        let mut outcomes = Vec::new();
        let (first, others) = branches.split_at(branches.len().min(1));
        for branches in [first, others] {
            for (test, body) in branches {
                self.expression(test);
                self.statements(body);
            }
            outcomes.push(self.restart(&before));
        }
        self.statements(otherwise);
        outcomes.push(self.restart(&before));
        for name in outcomes.iter().flatten() {
            if !outcomes.iter().all(|outcome| outcome.contains(name)) {
                self.load(name);
            }
        }
        outcomes.into_iter().flatten().for_each(|name| self.store(&name));
    }

    fn restart(&mut self, before: &BTreeSet<String>) -> BTreeSet<String> {
        self.scopes.last_mut().map(|scope| std::mem::replace(scope, before.clone())).unwrap_or_default()
    }

    fn filter(&mut self, filter: &Filter) {
        filter.arguments.expressions().for_each(|argument| self.expression(argument));
    }

    fn expression(&mut self, expression: &Expression) {
        if let Expression::Name(name) = expression {
            self.load(name);
        }
        expression.children().into_iter().for_each(|child| self.expression(child));
    }
}
