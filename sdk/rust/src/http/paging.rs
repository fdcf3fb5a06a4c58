//! Reading what comes in pages: where the next page is, when there is none, and when a server leads nowhere.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};
use url::Url;

use super::client::check_web_url;
use super::exchange;
use super::link_header;
use super::page::Page;
use super::records::Records;
use super::request::{Request, is_same_or_safer};
use super::retry::Waiting;
use crate::failure::{Failure, Result, system_error};
use crate::stream_writer::StreamWriter;

/// So many pages without records in a row are no gap in what there is.
const MAX_EMPTY_PAGES: u32 = 1000;

/// How an API says where the next page is.
#[derive(Clone, Debug)]
pub struct Paging {
    kind: Kind,
    /// Where the records are, if it was said.
    records: Option<String>,
    /// Whether null is no records.
    or_null: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    NextLink { path: String },
    LinkHeader,
    Offset { offset: String, limit: String, size: u64 },
    PageNumber { parameter: String, first: u64 },
    Cursor { path: String, parameter: String },
}

impl Paging {
    /// A field of the page has the URL of the next one, and is null, empty or absent in the last.
    pub fn next_link(path: impl Into<String>) -> Self {
        Paging::new(Kind::NextLink { path: path.into() })
    }

    /// The header `Link` has the URL of the next page: `<https://…>; rel="next"`.
    pub fn link_header() -> Self {
        Paging::new(Kind::LinkHeader)
    }

    /// A parameter says how many records to pass over, and another how many to give at most. A page without records is the
    /// last; [`records_at`](Paging::records_at) says where they are.
    pub fn offset(offset: impl Into<String>, limit: impl Into<String>, size: u64) -> Self {
        Paging::new(Kind::Offset { offset: offset.into(), limit: limit.into(), size })
    }

    /// A parameter has the number of the page, with this one for the first. A page without records is the last;
    /// [`records_at`](Paging::records_at) says where they are.
    pub fn page_number(parameter: impl Into<String>, first: u64) -> Self {
        Paging::new(Kind::PageNumber { parameter: parameter.into(), first })
    }

    /// A field of the page has a token that is the value of a parameter of the next one, and is null, empty or absent in the last.
    pub fn cursor(path: impl Into<String>, parameter: impl Into<String>) -> Self {
        Paging::new(Kind::Cursor { path: path.into(), parameter: parameter.into() })
    }

    /// Says where in a page the records are, as [`Page::records`] takes it: for what counts them, and so that a server which gives
    /// ever new pages without records is noticed. Without it, the page is an array.
    #[must_use]
    pub fn records_at(mut self, path: impl Into<String>) -> Self {
        self.records = Some(path.into());
        self
    }

    /// The same where null means that there are none, as [`Page::records_or_null`] has it.
    #[must_use]
    pub fn records_or_null_at(mut self, path: impl Into<String>) -> Self {
        self.or_null = true;
        self.records_at(path)
    }

    fn records<'p>(&self, page: &'p Page) -> Result<Records<'p>> {
        let path = self.records.as_deref().unwrap_or_default();
        if self.or_null { page.records_or_null(path) } else { page.records(path) }
    }

    fn new(kind: Kind) -> Self {
        Paging { kind, records: None, or_null: false }
    }

    /// Whether this is a position of these pages.
    fn takes(&self, position: &Position) -> bool {
        matches!(
            (&self.kind, position),
            (Kind::NextLink { .. } | Kind::LinkHeader, Position::Next(_))
                | (Kind::Offset { .. }, Position::Offset(_))
                | (Kind::PageNumber { .. }, Position::Page(_))
                | (Kind::Cursor { .. }, Position::Cursor(_))
        )
    }
}

/// Where a page begins: an object in a state, `{"offset": 200}`. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// At this URL.
    Next(String),
    /// After so many records.
    Offset(u64),
    /// With this number.
    Page(u64),
    /// With this token.
    Cursor(String),
}

/// Pages, one after the other.
///
/// A page that leads back to one that was read, or that is the same as the one before, ends the sync with a system error: it
/// would have no end. So does the last of a thousand pages in a row that have no records, where it is known where they would be.
#[derive(Debug)]
pub struct Pages {
    request: Request,
    paging: Paging,
    next: Next,
    /// What was asked for, as hashes.
    seen: HashSet<u64>,
    /// The records before, where only their end ends the pages.
    records_before: Option<u64>,
    /// Pages without records, since the last with any.
    empty: u32,
    /// An iterator ends with its first error.
    failed: bool,
}

#[derive(Debug)]
enum Next {
    First,
    At(Position),
    Over,
}

impl Pages {
    pub(super) fn new(request: Request, paging: Paging) -> Self {
        Pages {
            request,
            paging,
            next: Next::First,
            seen: HashSet::new(),
            records_before: None,
            empty: 0,
            failed: false,
        }
    }

    /// Begins at a position that an earlier sync came to; at the first page, where there is none.
    pub fn starting_at(mut self, position: impl Into<Option<Position>>) -> Result<Self> {
        if let Some(position) = position.into() {
            if !self.paging.takes(&position) {
                return Err(system_error(
                    "The saved state has a position of another kind than the pages that are read: reset the stream, to read it anew.",
                ));
            }
            self.next = Next::At(position);
        }
        Ok(self)
    }

    /// The next page, for which this stream waits. None after the last.
    pub fn next_for(&mut self, writer: &mut StreamWriter) -> Result<Option<Page>> {
        self.advance(writer)
    }

    /// Where the next page begins: what to save after the records of a page. None before the first page, and after the last.
    pub fn position(&self) -> Option<&Position> {
        match &self.next {
            Next::At(position) => Some(position),
            Next::First | Next::Over => None,
        }
    }

    /// Whether the last page has come.
    pub fn is_over(&self) -> bool {
        matches!(self.next, Next::Over)
    }

    fn advance(&mut self, waiting: impl Waiting) -> Result<Option<Page>> {
        let request = match &self.next {
            Next::First => self.first(),
            Next::At(position) => self.at(position)?,
            Next::Over => return Ok(None),
        };
        self.seen.insert(hash(request.target()?.as_str()));
        let page = exchange::send(&request, waiting)?.page()?;
        let next = self.after(&page)?;
        self.check_for_emptiness(&page)?;
        if let Next::At(position) = &next {
            let target = self.at(position)?.target()?;
            if self.seen.contains(&hash(target.as_str())) {
                let name = page.response().name();
                return Err(system_error(format!(
                    "{name} leads to a page that was read already, so that there would be no end. Nothing after it is read."
                )));
            }
        }
        self.next = next;
        Ok(Some(page))
    }

    fn first(&self) -> Request {
        match &self.paging.kind {
            Kind::Offset { limit, size, .. } => self.numbered(0).replacing_query(limit, size),
            Kind::PageNumber { first, .. } => self.numbered(*first),
            Kind::NextLink { .. } | Kind::LinkHeader | Kind::Cursor { .. } => self.request.clone(),
        }
    }

    fn at(&self, position: &Position) -> Result<Request> {
        Ok(match (&self.paging.kind, position) {
            (_, Position::Next(link)) => self.request.following(self.link(None, link)?),
            (Kind::Offset { limit, size, .. }, Position::Offset(offset)) => {
                self.numbered(*offset).replacing_query(limit, size)
            }
            (Kind::Cursor { parameter, .. }, Position::Cursor(token)) => {
                self.request.clone().replacing_query_by_foreign(parameter, token)
            }
            (_, Position::Offset(number) | Position::Page(number)) => self.numbered(*number),
            (_, Position::Cursor(_)) => self.request.clone(),
        })
    }

    fn numbered(&self, number: u64) -> Request {
        match &self.paging.kind {
            Kind::Offset { offset: parameter, .. } | Kind::PageNumber { parameter, .. } => {
                self.request.clone().replacing_query(parameter, number)
            }
            Kind::NextLink { .. } | Kind::LinkHeader | Kind::Cursor { .. } => self.request.clone(),
        }
    }

    /// Where the next page is, after this one.
    fn after(&mut self, page: &Page) -> Result<Next> {
        let found = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let position = match &self.paging.kind {
            Kind::NextLink { path } => match found(page.link(path)?) {
                Some(link) => Some(self.linked(page, &link)?),
                None => None,
            },
            Kind::LinkHeader => {
                let link = page.response().headers("link").find_map(|value| link_header::target(value, "next"));
                match link {
                    Some(link) => Some(self.linked(page, link)?),
                    None => None,
                }
            }
            Kind::Cursor { path, .. } => found(page.text(path)?).map(Position::Cursor),
            Kind::Offset { limit, size, .. } => {
                let count = self.paging.records(page)?.len() as u64;
                if count > *size {
                    let name = page.response().name();
                    return Err(system_error(format!(
                        "{name} was answered with {count} records although {limit} allows {size}: the server does not heed \
                         {limit}, so that its offsets can not be trusted."
                    )));
                }
                let before = match &self.next {
                    Next::At(Position::Offset(offset)) => *offset,
                    _ => 0,
                };
                (count > 0).then(|| Position::Offset(before.saturating_add(count)))
            }
            Kind::PageNumber { first, .. } => {
                let is_last = self.paging.records(page)?.is_empty();
                let before = match &self.next {
                    Next::At(Position::Page(number)) => *number,
                    _ => *first,
                };
                (!is_last).then(|| Position::Page(before.saturating_add(1)))
            }
        };
        if let Some(Position::Offset(_) | Position::Page(_)) = position {
            self.check_for_repetition(page)?;
        }
        Ok(position.map_or(Next::Over, Next::At))
    }

    /// Each page may lead on to another, with an address that was never seen.
    fn check_for_emptiness(&mut self, page: &Page) -> Result<()> {
        let is_empty = self.paging.records(page).is_ok_and(|records| records.is_empty());
        self.empty = if is_empty { self.empty + 1 } else { 0 };
        if self.empty < MAX_EMPTY_PAGES {
            return Ok(());
        }
        let name = page.response().name();
        Err(system_error(format!(
            "{name} was answered with one more of {MAX_EMPTY_PAGES} pages without records in a row: there is no end to be seen."
        )))
    }

    fn check_for_repetition(&mut self, page: &Page) -> Result<()> {
        let records = hash(&self.paging.records(page)?.texts().collect::<Vec<_>>());
        if self.records_before.replace(records) == Some(records) {
            let name = page.response().name();
            return Err(system_error(format!(
                "{name} was answered with the same records as the page before: the server does not heed which page is asked for."
            )));
        }
        Ok(())
    }

    fn linked(&self, page: &Page, link: &str) -> Result<Position> {
        let url = self.link(Some(page), link)?;
        Ok(Position::Next(self.request.without_secrets(url).into()))
    }

    /// The URL that a link leads to. Without a page it is one that was saved.
    fn link(&self, page: Option<&Page>, link: &str) -> Result<Url> {
        let joined = match page {
            Some(page) => page.response().url().join(link.trim()),
            None => Url::parse(link),
        };
        let url = joined.map_err(|error| error.to_string()).and_then(check_web_url);
        let url = url.map_err(|why| unusable_link(page, &why))?;
        // A body may hold secrets of which nobody said so.
        if !self.request.body.is_empty() && !is_same_or_safer(&self.request.target()?, &url) {
            return Err(unusable_link(page, "it leads to another host, to which the request's body is not sent"));
        }
        Ok(url)
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        if self.failed {
            return None;
        }
        let page = self.advance(());
        self.failed = page.is_err();
        page.transpose()
    }
}

fn unusable_link(page: Option<&Page>, why: &str) -> Failure {
    system_error(match page {
        Some(page) => {
            format!("{} names a next page whose URL can not be used: {why}.", page.response().name())
        }
        None => format!(
            "The saved state names a next page whose URL can not be used: {why}. Reset the stream, to read it anew."
        ),
    })
}

fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
