//! From a page to the next one: the language's paginators and pagination strategies. Knows nothing of slices.

mod links;
mod named_fields;
mod reducible;
mod stop_condition;
mod strategy;

use airlock_sdk::http::{Kind, Part};
use airlock_sdk::{Result, system_error};
use serde_json::{Value, json};

use crate::decoders::{Decoded, First};
use crate::manifest::{self, FromManifest, Node, Object, is_true};
use crate::record::Record;
use crate::request_options::{RequestOption, RequestOptions};
use crate::session::Session;
use crate::template::{Scope, python_text};
use named_fields::Named;
pub use reducible::Reducible;
use strategy::PaginationStrategy;

/// The language's paginators.
#[derive(Debug, Default)]
pub enum Paginator {
    #[default]
    NoPagination,
    Default(Box<DefaultPaginator>),
}

/// The language's DefaultPaginator.
#[derive(Debug)]
pub struct DefaultPaginator {
    strategy: PaginationStrategy,
    page_size_option: Option<RequestOption>,
    page_token_option: Option<PageTokenOption>,
}

/// Where a page's token goes.
#[derive(Debug)]
enum PageTokenOption {
    /// The language's RequestPath: it is the URL of the next page, or its path.
    Path,
    Option(RequestOption),
}

impl FromManifest for Paginator {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let paginator = match component.kind() {
            "NoPagination" => Paginator::NoPagination,
            "DefaultPaginator" => {
                let paginator = DefaultPaginator {
                    strategy: component.required("pagination_strategy")?,
                    page_size_option: component.optional("page_size_option")?,
                    page_token_option: component.optional("page_token_option")?,
                };
                if paginator.page_size_option.is_some() && paginator.strategy.has_no_page_size() {
                    return Err(node.invalid("has a page_size_option, and its pagination_strategy has no page_size"));
                }
                Paginator::Default(Box::new(paginator))
            }
            _ => return Err(component.other_kind(&["DefaultPaginator", "NoPagination"], &[])),
        };
        component.finish();
        Ok(paginator)
    }
}

impl FromManifest for PageTokenOption {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        match component.kind() {
            "RequestPath" => {
                component.finish();
                Ok(PageTokenOption::Path)
            }
            "RequestOption" => node.read().map(PageTokenOption::Option),
            _ => Err(component.other_kind(&["RequestOption", "RequestPath"], &[])),
        }
    }
}

/// What a paginator wants to know of a page that was read.
#[derive(Debug)]
pub struct PageEnd<'d> {
    /// The body, where it is decoded for the paginator at all.
    pub decoded: Option<&'d Decoded<'d>>,
    pub headers: &'d [(String, String)],
    /// How many records the server gave.
    pub extracted: usize,
    /// How many of them were kept.
    pub size: usize,
    /// The last one that was kept, if anybody wants it.
    pub last_record: Option<Record<'d>>,
}

impl PageEnd<'_> {
    /// The variable `response`, as far as it is named.
    fn response(&self, named: &Named) -> Result<Value> {
        match self.decoded.and_then(Decoded::first) {
            Some(First::Part(part)) => value_of(&part, named),
            Some(First::Value(value)) => Ok(value.clone()),
            None => Ok(json!({})),
        }
    }

    /// The variable `last_record`, as far as it is named.
    fn last_record(&self, named: &Named) -> Result<Value> {
        match &self.last_record {
            None => Ok(Value::Null),
            Some(record) => match record.part() {
                Some(part) => value_of(part, named),
                None => Ok(Value::Object(record.object()?.clone())),
            },
        }
    }

    /// The variable `headers`. `link` is no text in it, but a mapping by relation, and always there.
    fn headers(&self) -> Object {
        let mut headers: Object =
            self.headers.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        let links = headers.get("link").and_then(Value::as_str).map(links::by_relation);
        headers.insert("link".to_owned(), Value::Object(links.unwrap_or_default()));
        headers
    }
}

/// A part of a page as a value. Of an object, what is not named may be left out.
fn value_of(part: &Part<'_>, named: &Named) -> Result<Value> {
    let parsed = |part: &Part<'_>| {
        serde_json::from_str::<Value>(part.text())
            .map_err(|error| system_error("A response can not be looked into by the paginator.").with_internal(error))
    };
    match (named, part.kind()) {
        // What the CDK's decoder gives for an empty body, it gives for null, too.
        (_, Kind::Null) => Ok(json!({})),
        (Named::Fields(fields), Kind::Object) => {
            let named = fields.iter().filter_map(|name| Some((name.clone(), part.get(name)?)));
            named.map(|(name, part)| Ok((name, parsed(&part)?))).collect::<Result<Object>>().map(Value::Object)
        }
        _ => parsed(part),
    }
}

/// A paginator made ready for a stream.
#[derive(Debug)]
pub struct PreparedPaginator<'s> {
    /// None where there is one page.
    paginator: Option<&'s DefaultPaginator>,
    page_size: Option<i64>,
}

impl Paginator {
    pub fn prepare(&self, session: &Session) -> Result<PreparedPaginator<'_>> {
        let paginator = match self {
            Paginator::NoPagination => return Ok(PreparedPaginator { paginator: None, page_size: None }),
            Paginator::Default(paginator) => paginator,
        };
        // Of an OffsetIncrement, it may be a template over the response, as long as no request has it.
        let page_size = match (&paginator.strategy, &paginator.page_size_option) {
            (PaginationStrategy::Offset(_), None) => None,
            (strategy, _) => strategy.page_size(&session.scope)?,
        };
        let prepared = PreparedPaginator { paginator: Some(paginator), page_size };
        prepared.check_options(&session.scope)?;
        Ok(prepared)
    }

    /// Whether it goes on by the number of records that the server counts.
    pub fn is_by_offset(&self) -> bool {
        matches!(self, Paginator::Default(paginator) if matches!(paginator.strategy, PaginationStrategy::Offset(_)))
    }

    /// Whether it must know the bodies of pages.
    pub fn is_default(&self) -> bool {
        matches!(self, Paginator::Default(_))
    }
}

impl PreparedPaginator<'_> {
    pub fn wants_last_record(&self) -> bool {
        self.paginator.is_some_and(|paginator| paginator.strategy.wants_last_record())
    }

    /// The token of the first page. None where its request has none.
    pub fn initial_token(&self) -> Option<Value> {
        self.paginator.and_then(|paginator| paginator.strategy.initial_token())
    }

    /// How many records a page is asked for at most, where that is not reduced.
    pub fn page_size(&self) -> Option<i64> {
        self.page_size
    }

    /// The token of the page that follows. None after the last one. `reduced` is the page's size where that was reduced, and `scope`
    /// knows `stream_slice`.
    pub fn next_token(
        &self,
        page: &PageEnd<'_>,
        token: Option<&Value>,
        reduced: Option<i64>,
        scope: &Scope,
    ) -> Result<Option<Value>> {
        let Some(paginator) = self.paginator else { return Ok(None) };
        let token = match reduced {
            Some(_) => paginator.strategy.next_token_of_sized(page, token, reduced, scope)?,
            None => paginator.strategy.next_token(page, token, self.page_size, scope)?,
        };
        Ok(token.filter(is_true))
    }

    /// What takes the place of the requester's path.
    pub fn path(&self, token: Option<&Value>) -> Option<String> {
        match self.paginator?.page_token_option {
            Some(PageTokenOption::Path) => token.filter(|token| is_true(token)).map(python_text),
            _ => None,
        }
    }

    /// What goes into the request of the page with this token. `reduced` is the page's size where that was reduced.
    pub fn request_options(
        &self,
        token: Option<&Value>,
        reduced: Option<i64>,
        scope: &Scope,
    ) -> Result<RequestOptions> {
        let mut options = RequestOptions::default();
        let Some(paginator) = self.paginator else { return Ok(options) };
        if let (Some(PageTokenOption::Option(option)), Some(token)) = (&paginator.page_token_option, token) {
            options.inject(option, token.clone(), scope)?;
        }
        if let (Some(option), Some(size)) =
            (&paginator.page_size_option, reduced.or(self.page_size).filter(|size| *size != 0))
        {
            options.inject(option, Value::from(size), scope)?;
        }
        Ok(options)
    }

    /// Token and size must not go to the same place.
    fn check_options(&self, scope: &Scope) -> Result<()> {
        let (Some(PageTokenOption::Option(token)), Some(size)) = (
            self.paginator.and_then(|paginator| paginator.page_token_option.as_ref()),
            self.paginator.and_then(|paginator| paginator.page_size_option.as_ref()),
        ) else {
            return Ok(());
        };
        let mut both = RequestOptions::default();
        both.inject(token, Value::from("token"), scope)?;
        let mut other = RequestOptions::default();
        other.inject(size, Value::from("size"), scope)?;
        both.merge(other)
    }
}
