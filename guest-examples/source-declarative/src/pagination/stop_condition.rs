//! Whether a `stop_condition` may hold for a page that is full and smaller than usual: then what follows would be lost. Knows templates
//! by their syntax alone, and doubts what it does not understand.
//!
//! A comparison is understood where the condition holds as soon as it holds: from the root on through `and` and `or`, or as the only
//! test of an `{% if %}`.

use crate::template;
use crate::template::syntax::{Comparison, Expression, Statement};

const LAST_PAGE_SIZE: &str = "last_page_size";
const PAGE_SIZE: &str = "page_size";

/// What smaller pages mean to a stop condition. The texts are clauses that say why.
#[derive(Debug, PartialEq, Eq)]
pub enum Safety {
    Safe,
    /// It holds for a full page.
    Truncates(String),
    Unknown(String),
}

/// Looks into a stop condition. No page of a size below `minimum_page_size` is asked for.
pub fn classify(condition: &str, minimum_page_size: i64) -> Safety {
    let statements = match template::parse(condition) {
        Ok(statements) => statements,
        Err(what) => return Safety::Unknown(format!("it is no template that can be read ({what})")),
    };
    let mut found = Comparisons::default();
    // What stands beside a comparison is true in any case.
    let decides = statements.len() == 1;
    statements.iter().for_each(|statement| found.add_of_statement(statement, decides));
    if found.has_other_statements {
        return Safety::Unknown("it has statements beside its conditions".to_owned());
    }
    if !found.names_last_page_size {
        // The body tells how many records a page has, too.
        return match found.all.iter().find_map(Compared::bounded_from_above) {
            Some(bounded) => {
                Safety::Unknown(format!("it holds while {} is small, which may be the size of the page", told(bounded)))
            }
            None => Safety::Safe,
        };
    }
    let (mut doubt, mut is_understood) = (None, false);
    for compared in found.all.iter().filter(|compared| compared.names(LAST_PAGE_SIZE)) {
        match compared.classify(minimum_page_size) {
            Safety::Safe => is_understood = true,
            Safety::Unknown(why) => doubt = doubt.or(Some(why)),
            Safety::Truncates(why) => return Safety::Truncates(why),
        }
    }
    match doubt {
        Some(why) => Safety::Unknown(why),
        None if is_understood => Safety::Safe,
        None => Safety::Unknown("it names last_page_size outside of a comparison".to_owned()),
    }
}

/// The comparisons of a condition.
#[derive(Default)]
struct Comparisons<'e> {
    all: Vec<Compared<'e>>,
    names_last_page_size: bool,
    has_other_statements: bool,
}

/// A comparison in a condition.
struct Compared<'e> {
    left: &'e Expression,
    comparison: Comparison,
    right: &'e Expression,
    /// Whether the condition holds where it holds.
    decides: bool,
}

impl<'e> Comparisons<'e> {
    fn add_of_statement(&mut self, statement: &'e Statement, decides: bool) {
        match statement {
            Statement::Text(_) => {}
            Statement::Output(expression) => self.add(expression, decides),
            Statement::If { branches, otherwise } => {
                let is_its_test =
                    otherwise.is_empty() && matches!(branches.as_slice(), [(_, body)] if is_true_text(body));
                for (test, body) in branches {
                    self.add(test, decides && is_its_test);
                    body.iter().for_each(|statement| self.add_of_statement(statement, false));
                }
                otherwise.iter().for_each(|statement| self.add_of_statement(statement, false));
            }
            _ => self.has_other_statements = true,
        }
    }

    fn add(&mut self, expression: &'e Expression, decides: bool) {
        match expression {
            Expression::Name(name) => self.names_last_page_size |= name == LAST_PAGE_SIZE,
            Expression::Comparison(first, rest) => {
                let mut left = &**first;
                for (comparison, right) in rest {
                    self.all.push(Compared { left, comparison: *comparison, right, decides });
                    left = right;
                }
            }
            _ => {}
        }
        let decides = decides && matches!(expression, Expression::And(..) | Expression::Or(..));
        expression.children().into_iter().for_each(|child| self.add(child, decides));
    }
}

/// Whether it is a text that is true for the CDK, and nothing else.
fn is_true_text(body: &[Statement]) -> bool {
    let mut text = String::new();
    for statement in body {
        match statement {
            Statement::Text(part) | Statement::Output(Expression::Text(part)) => text.push_str(part),
            Statement::Output(Expression::Bool(value)) => text.push_str(if *value { "True" } else { "False" }),
            Statement::Output(Expression::Int(value)) => text.push_str(&value.to_string()),
            _ => return false,
        }
    }
    !matches!(text.as_str(), "False" | "false" | "{}" | "[]" | "()" | "" | "0" | "0.0")
}

impl<'e> Compared<'e> {
    fn names(&self, variable: &str) -> bool {
        self.left.names(variable) || self.right.names(variable)
    }

    /// Of `a < b`, what is small when it holds. A literal is the size of no page.
    fn bounded_from_above(&self) -> Option<&'e Expression> {
        let (small, large) = match self.comparison {
            Comparison::Less | Comparison::LessOrEqual => (self.left, self.right),
            Comparison::Greater | Comparison::GreaterOrEqual => (self.right, self.left),
            _ => return None,
        };
        match is_literal(small) {
            false => Some(small),
            true => Some(large).filter(|_| !self.decides),
        }
    }

    fn classify(&self, minimum_page_size: i64) -> Safety {
        let unknown = |why: &str| Safety::Unknown(why.to_owned());
        if !self.decides {
            return unknown("it compares last_page_size in a place that does not decide it alone, as under a `not`");
        }
        let (size, comparison, other) = match (self.left.names(LAST_PAGE_SIZE), self.right.names(LAST_PAGE_SIZE)) {
            (true, true) => return unknown("it compares last_page_size with itself"),
            (true, false) => (self.left, self.comparison, self.right),
            _ => (self.right, mirrored(self.comparison), self.left),
        };
        let is_bare = matches!(size, Expression::Name(_));
        match comparison {
            // A full page has a record.
            Comparison::Equal | Comparison::NotEqual if is_bare && matches!(other, Expression::Int(0)) => Safety::Safe,
            Comparison::Equal | Comparison::NotEqual if is_bare => {
                unknown("it compares last_page_size with something else than 0")
            }
            // Smaller pages can only make it hold less often.
            Comparison::Greater | Comparison::GreaterOrEqual if is_bare => Safety::Safe,
            Comparison::Less | Comparison::LessOrEqual => match size {
                Expression::Arithmetic(..) => unknown("it calculates with last_page_size"),
                _ => small_enough(comparison, other, minimum_page_size),
            },
            Comparison::In | Comparison::NotIn => unknown("it looks for last_page_size in something"),
            _ => unknown("it changes last_page_size before it is compared"),
        }
    }
}

/// What it means that a condition holds below a limit.
fn small_enough(comparison: Comparison, limit: &Expression, minimum_page_size: i64) -> Safety {
    if limit.names(PAGE_SIZE) {
        let mut limit = limit;
        while let Expression::Filter(of, _) = limit {
            limit = of;
        }
        return match limit {
            Expression::Name(name) if name == PAGE_SIZE => Safety::Safe,
            _ => Safety::Unknown("it compares last_page_size with what is calculated of page_size".to_owned()),
        };
    }
    if let Expression::Int(limit) = limit {
        let least = if comparison == Comparison::Less { *limit } else { limit.saturating_add(1) };
        if least <= minimum_page_size.into() {
            return Safety::Safe;
        }
    }
    Safety::Truncates(format!(
        "it holds as soon as a page has less than {}, and so for a full page of a reduced size",
        told(limit)
    ))
}

fn mirrored(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        other => other,
    }
}

fn is_literal(expression: &Expression) -> bool {
    matches!(
        expression,
        Expression::None | Expression::Bool(_) | Expression::Int(_) | Expression::Float(_) | Expression::Text(_)
    )
}

fn told(expression: &Expression) -> String {
    match expression {
        Expression::Int(number) => number.to_string(),
        Expression::Name(name) => name.clone(),
        Expression::Attribute(of, name) => format!("{}.{name}", told(of)),
        Expression::Item(of, item) => match &**item {
            Expression::Text(name) => format!("{}['{name}']", told(of)),
            _ => "what the template calculates".to_owned(),
        },
        _ => "what the template calculates".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(condition: &str) -> &'static str {
        match classify(condition, 2) {
            Safety::Safe => "SAFE",
            Safety::Truncates(_) => "TRUNCATES",
            Safety::Unknown(_) => "UNKNOWN",
        }
    }

    #[test]
    fn conditions_are_judged_as_the_cdk_judges_them() {
        for (condition, expected) in [
            ("{{ last_page_size == 0 }}", "SAFE"),
            ("{{ last_page_size != 0 }}", "SAFE"),
            ("{{ last_page_size == 100 }}", "UNKNOWN"),
            ("{{ last_page_size < 100 }}", "TRUNCATES"),
            ("{{ last_page_size <= 100 }}", "TRUNCATES"),
            ("{{ 100 > last_page_size }}", "TRUNCATES"),
            ("{{ 100 < last_page_size }}", "SAFE"),
            ("{{ last_page_size < 2 }}", "SAFE"),
            ("{{ last_page_size <= 2 }}", "TRUNCATES"),
            ("{{ last_page_size <= 1 }}", "SAFE"),
            ("{{ last_page_size < page_size }}", "SAFE"),
            ("{{ last_page_size < page_size | int }}", "SAFE"),
            ("{{ last_page_size < config['page_size'] }}", "TRUNCATES"),
            ("{{ last_page_size < page_size + 1 }}", "UNKNOWN"),
            ("{{ last_page_size < [page_size, 100] | max }}", "UNKNOWN"),
            ("{{ not (last_page_size >= 100) }}", "UNKNOWN"),
            ("{{ last_page_size - 100 < 0 }}", "UNKNOWN"),
            ("{{ last_page_size >= 100 }}", "SAFE"),
            ("{{ last_page_size | int >= 100 }}", "UNKNOWN"),
            ("{{ last_page_size | int < 100 }}", "TRUNCATES"),
            ("{{ last_page_size < 100 or not response.next }}", "TRUNCATES"),
            ("{{ not response.next and last_page_size < 100 }}", "TRUNCATES"),
            ("{{ not response.next }}", "SAFE"),
            ("{{ response['data'] | length < 100 }}", "UNKNOWN"),
            ("{{ 100 > response.count }}", "UNKNOWN"),
            ("{{ response.count > 100 }}", "SAFE"),
            ("{{ not (response.count > 100) }}", "UNKNOWN"),
            ("{{ config['page_size'] > response['data'] | length }}", "UNKNOWN"),
            ("{% if last_page_size < 100 %}true{% endif %}", "TRUNCATES"),
            ("{% if last_page_size < 100 %}false{% endif %}", "UNKNOWN"),
            ("{% if last_page_size < 100 %}true{% else %}x{% endif %}", "UNKNOWN"),
            ("{% if last_page_size < 100 %}{{ 1 }}{% endif %}", "TRUNCATES"),
            ("{{ last_page_size < 100 }} ", "UNKNOWN"),
            ("x{{ last_page_size < 100 }}", "UNKNOWN"),
            ("{{ last_page_size }}", "UNKNOWN"),
            ("{{ not last_page_size }}", "UNKNOWN"),
            ("{{ last_page_size in [0] }}", "UNKNOWN"),
            ("{{ last_page_size < last_page_size }}", "UNKNOWN"),
            ("{{ 0 < last_page_size < 100 }}", "TRUNCATES"),
            ("{{ last_page_size < 100 if response.a else 1 }}", "UNKNOWN"),
            ("{{ last_page_size <", "UNKNOWN"),
            ("last_page_size < 100", "SAFE"),
            ("{{ 5 < last_page_size < page_size }}", "SAFE"),
            ("{{ (last_page_size < 100) == true }}", "UNKNOWN"),
            ("{{ response.data | length == 0 }}", "SAFE"),
            ("{% if response.count < 5 %}true{% endif %}", "UNKNOWN"),
        ] {
            assert_eq!(verdict(condition), expected, "{condition}");
        }
    }
}
