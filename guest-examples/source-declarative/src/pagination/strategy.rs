//! Where the next page is: the language's CursorPagination, OffsetIncrement and PageIncrement. Knows nothing of where a token goes.

use std::rc::Rc;

use airlock_sdk::{Result, system_error};
use serde_json::{Value, json};

use super::PageEnd;
use super::named_fields::{self, Named};
use crate::manifest::{self, FromManifest, Node};
use crate::template::{Condition, Scope, Template};

/// The language's pagination strategies.
#[derive(Debug)]
pub enum PaginationStrategy {
    Cursor(Box<CursorPagination>),
    Offset(OffsetIncrement),
    Page(PageIncrement),
}

#[derive(Debug)]
pub struct CursorPagination {
    cursor_value: Template,
    stop_condition: Option<Condition>,
    page_size: Option<PageSize>,
    /// What the templates name of the response, and of the page's last record.
    response: Named,
    last_record: Named,
}

#[derive(Debug)]
pub struct OffsetIncrement {
    page_size: Option<PageSize>,
    inject_on_first_request: bool,
}

#[derive(Debug)]
pub struct PageIncrement {
    page_size: Option<PageSize>,
    start_from_page: i64,
    inject_on_first_request: bool,
}

/// How many records a page has at most.
#[derive(Debug)]
enum PageSize {
    Fixed(i64),
    Template(Template),
}

impl FromManifest for PaginationStrategy {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let strategy = match component.kind() {
            "CursorPagination" => {
                let text = |field: &Node<'_>| field.value.as_str().unwrap_or_default().to_owned();
                let texts = [component.field("cursor_value"), component.field("stop_condition")];
                let texts: Vec<String> = texts.iter().flatten().map(text).collect();
                let cursor = CursorPagination {
                    cursor_value: component.required("cursor_value")?,
                    stop_condition: component.optional("stop_condition")?,
                    page_size: component.optional("page_size")?,
                    response: named_fields::of_variable(texts.iter().map(String::as_str), "response"),
                    last_record: named_fields::of_variable(texts.iter().map(String::as_str), "last_record"),
                };
                if cursor.page_size.is_none() && texts.iter().any(|text| names_page_size(text)) {
                    return Err(node.invalid("has a template that names page_size, and has no page_size itself"));
                }
                PaginationStrategy::Cursor(Box::new(cursor))
            }
            "OffsetIncrement" => PaginationStrategy::Offset(OffsetIncrement {
                page_size: component.optional("page_size")?,
                inject_on_first_request: component.optional("inject_on_first_request")?.unwrap_or_default(),
            }),
            "PageIncrement" => PaginationStrategy::Page(PageIncrement {
                page_size: component.optional("page_size")?,
                start_from_page: match component.field("start_from_page") {
                    Some(field) => field.value.as_i64().ok_or_else(|| field.not("a whole number"))?,
                    None => 0,
                },
                inject_on_first_request: component.optional("inject_on_first_request")?.unwrap_or_default(),
            }),
            _ => return Err(component.other_kind(&["CursorPagination", "OffsetIncrement", "PageIncrement"], &[])),
        };
        component.finish();
        Ok(strategy)
    }
}

impl FromManifest for PageSize {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        match node.value {
            Value::Number(number) => {
                number.as_i64().map(PageSize::Fixed).ok_or_else(|| node.not("a whole number or a template"))
            }
            Value::String(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map(PageSize::Fixed).map_err(|_| node.not("a whole number or a template"))
            }
            Value::String(text) if text.is_empty() || text.contains('{') => node.read().map(PageSize::Template),
            _ => Err(node.not("a whole number or a template")),
        }
    }
}

/// Whether a template reads the variable `page_size`, and not a field of that name.
fn names_page_size(text: &str) -> bool {
    const NAME: &str = "page_size";
    let is_of_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(NAME).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + NAME.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(|letter| is_of_name(letter) || matches!(letter, '.' | '\'' | '"'))
            && !after.is_some_and(|letter| is_of_name(letter) || matches!(letter, '\'' | '"'))
    })
}

impl PaginationStrategy {
    fn declared_page_size(&self) -> Option<&PageSize> {
        match self {
            PaginationStrategy::Cursor(cursor) => cursor.page_size.as_ref(),
            PaginationStrategy::Offset(offset) => offset.page_size.as_ref(),
            PaginationStrategy::Page(page) => page.page_size.as_ref(),
        }
    }

    /// Whether it is known without a config that pages have no size.
    pub fn has_no_page_size(&self) -> bool {
        matches!(self.declared_page_size(), None | Some(PageSize::Fixed(0)))
    }

    /// The size of its pages, where that is known without a config.
    pub fn fixed_page_size(&self) -> Option<i64> {
        match self.declared_page_size() {
            Some(PageSize::Fixed(size)) => Some(*size),
            _ => None,
        }
    }

    /// The text that says after which page there is no other.
    pub fn stop_condition(&self) -> Option<&str> {
        match self {
            PaginationStrategy::Cursor(cursor) => cursor.stop_condition.as_ref()?.source().as_str(),
            _ => None,
        }
    }

    /// How many records are asked for at most.
    pub fn page_size(&self, scope: &Scope) -> Result<Option<i64>> {
        match self.declared_page_size() {
            None => Ok(None),
            Some(PageSize::Fixed(size)) => Ok(Some(*size)),
            Some(PageSize::Template(template)) => whole(&template.evaluate(scope)?).map(Some),
        }
    }

    /// Whether the last record of a page must be kept.
    pub fn wants_last_record(&self) -> bool {
        let nothing = |named: &Named| matches!(named, Named::Fields(fields) if fields.is_empty());
        matches!(self, PaginationStrategy::Cursor(cursor) if !nothing(&cursor.last_record))
    }

    /// The token of the first page. None where its request has none.
    pub fn initial_token(&self) -> Option<Value> {
        match self {
            PaginationStrategy::Offset(OffsetIncrement { inject_on_first_request: true, .. }) => Some(Value::from(0)),
            PaginationStrategy::Page(PageIncrement { inject_on_first_request: true, start_from_page, .. }) => {
                Some(Value::from(*start_from_page))
            }
            _ => None,
        }
    }

    /// The token of the page that follows. None after the last one. `page_size` is what the paginator asks for.
    pub fn next_token(
        &self,
        page: &PageEnd<'_>,
        token: Option<&Value>,
        page_size: Option<i64>,
        scope: &Scope,
    ) -> Result<Option<Value>> {
        let page_size = match self {
            PaginationStrategy::Cursor(_) | PaginationStrategy::Page(_) => page_size,
            PaginationStrategy::Offset(offset) => match &offset.page_size {
                Some(PageSize::Fixed(size)) => Some(*size),
                Some(PageSize::Template(template)) => {
                    let scope = scope.with_shared("response", Rc::new(page.response(&Named::All)?));
                    Some(whole(&template.evaluate(&scope)?)?)
                }
                None => None,
            },
        };
        self.next_token_of_sized(page, token, page_size, scope)
    }

    /// The same of a page that was asked for with this size.
    pub fn next_token_of_sized(
        &self,
        page: &PageEnd<'_>,
        token: Option<&Value>,
        page_size: Option<i64>,
        scope: &Scope,
    ) -> Result<Option<Value>> {
        match self {
            PaginationStrategy::Cursor(cursor) => cursor.next_token(page, page_size, scope),
            PaginationStrategy::Offset(_) if is_last(page.extracted, page_size) => Ok(None),
            PaginationStrategy::Offset(_) => step(token, 0, page.extracted),
            PaginationStrategy::Page(_) if is_last(page.extracted, page_size) => Ok(None),
            PaginationStrategy::Page(pages) => step(token, pages.start_from_page, 1),
        }
    }
}

impl CursorPagination {
    fn next_token(&self, page: &PageEnd<'_>, page_size: Option<i64>, scope: &Scope) -> Result<Option<Value>> {
        let scope = scope
            .with_shared("response", Rc::new(page.response(&self.response)?))
            .with_headers("headers", page.headers())
            .with_shared("last_record", Rc::new(page.last_record(&self.last_record)?))
            .with_json("last_page_size", &json!(page.size))
            .with_json("page_size", &json!(page_size));
        if let Some(condition) = &self.stop_condition {
            if condition.holds(&scope)? {
                return Ok(None);
            }
        }
        self.cursor_value.evaluate(&scope).map(Some)
    }
}

/// A page that is not full, or empty, is the last.
fn is_last(records: usize, page_size: Option<i64>) -> bool {
    let is_short =
        page_size.is_some_and(|size| size != 0 && i64::try_from(records).is_ok_and(|records| records < size));
    is_short || records == 0
}

fn step(token: Option<&Value>, first: i64, by: impl TryInto<i64>) -> Result<Option<Value>> {
    let from = match token {
        None => first,
        Some(token) => whole(token)?,
    };
    let next = by.try_into().ok().and_then(|by| from.checked_add(by));
    next.map(|next| Some(Value::from(next))).ok_or_else(|| system_error("There are more pages than can be counted."))
}

fn whole(value: &Value) -> Result<i64> {
    value.as_i64().ok_or_else(|| {
        let kind = match value {
            Value::String(_) => "a text",
            Value::Null => "nothing",
            _ => "no whole number",
        };
        system_error(format!("The page_size of a pagination strategy is {kind}, and must be a whole number."))
    })
}
