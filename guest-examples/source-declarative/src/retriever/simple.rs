//! The pages of one slice, one after the other: the language's SimpleRetriever. Knows nothing of slices' order and of state.

use std::cell::OnceCell;

use airlock_sdk::{Result, system_error};

use serde_json::{Value, json};

use super::page_size::{self, PageSizeReducer, PageSizeReduction};
use super::pagination_reset::PaginationReset;
use super::request_window::{self, RefusedWindow, RequestWindowSplitting};
use super::{Going, SliceReader};
use crate::decoders::{Decoded, Decoder};
use crate::error_handling::Action;
use crate::incremental::IncrementalSync;
use crate::manifest::{self, Component, FromManifest, Node};
use crate::pagination::{PageEnd, Paginator, PreparedPaginator};
use crate::partition_routing::{FIRST_PAGE, PartitionRouter};
use crate::query_properties::{MergedRecords, QueryProperties, RecordMergeStrategy, slice_with};
use crate::record::{Record, may_have_nulls};
use crate::record_selection::{PreparedSelector, RecordExtractor, RecordRules, RecordSelector};
use crate::requester::{HttpRequester, HttpResponse, Outcome};
use crate::session::Session;
use crate::stream_slice::StreamSlice;
use crate::template::Scope;

/// The language's SimpleRetriever.
#[derive(Debug)]
pub struct SimpleRetriever {
    pub requester: HttpRequester,
    /// None for one partition.
    pub partition_router: Option<PartitionRouter>,
    record_selector: RecordSelector,
    decoder: Decoder,
    paginator: Paginator,
    pagination_reset: PaginationReset,
    /// None where a page is as large as it is.
    page_size_reduction: Option<PageSizeReduction>,
    /// None where the interval of a slice is as long as it is.
    request_window_splitting: Option<RequestWindowSplitting>,
    /// Whether cursor and partition router have nothing to say in requests with a page's token.
    ignores_slicer_when_paginated: bool,
}

impl FromManifest for SimpleRetriever {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        if component.kind() != "SimpleRetriever" {
            return Err(component.other_kind(&["SimpleRetriever"], &["AsyncRetriever"]));
        }
        let retriever = SimpleRetriever {
            requester: component.required("requester")?,
            partition_router: PartitionRouter::of_retriever(&component)?,
            record_selector: component.required("record_selector")?,
            decoder: component.optional("decoder")?.unwrap_or_default(),
            paginator: component.optional("paginator")?.unwrap_or_default(),
            pagination_reset: component.optional("pagination_reset")?.unwrap_or_default(),
            page_size_reduction: component.optional("page_size_reduction")?,
            request_window_splitting: component.optional("request_window_splitting")?,
            ignores_slicer_when_paginated: component
                .optional("ignore_stream_slicer_parameters_on_paginated_requests")?
                .unwrap_or_default(),
        };
        if retriever.paginator.is_default() && !retriever.decoder.is_for_pagination() {
            return Err(
                node.invalid("has a paginator and a decoder that goes with none: use JsonDecoder or XmlDecoder")
            );
        }
        let extractor = retriever.record_selector.extractor();
        if extractor.is_combined() && retriever.decoder.is_streamed() {
            return Err(node.invalid("has a CombinedExtractor and a decoder that reads a body once only"));
        }
        if extractor.is_union() && retriever.paginator.is_by_offset() {
            return Err(node.invalid("has an OffsetIncrement and a CombinedExtractor of the mode union, whose records are more than the server counts"));
        }
        if retriever.pagination_reset.most_records.is_some() && retriever.record_selector.has_record_filter() {
            return Err(node.invalid("has limits of a pagination_reset and a record_filter, which do not go together"));
        }
        if retriever.partition_router.as_ref().is_some_and(PartitionRouter::has_first_pages)
            && !matches!(retriever.decoder, Decoder::Json)
        {
            return Err(
                node.invalid("has a parent stream with a lazy_read_pointer, and a decoder that is no JsonDecoder")
            );
        }
        retriever.check_refused_requests(&component)?;
        component.finish();
        Ok(retriever)
    }
}

impl SimpleRetriever {
    /// What reads one file or page after the other, and does nothing else to records.
    pub fn of_downloads(
        requester: HttpRequester,
        extractor: RecordExtractor,
        decoder: Decoder,
        paginator: Paginator,
    ) -> Self {
        SimpleRetriever {
            requester,
            partition_router: None,
            record_selector: RecordSelector::of_extractor(extractor),
            decoder,
            paginator,
            pagination_reset: PaginationReset::default(),
            page_size_reduction: None,
            request_window_splitting: None,
            ignores_slicer_when_paginated: false,
        }
    }

    /// What is to be done about pages and intervals that the API refuses must be declared, and possible.
    fn check_refused_requests(&self, component: &Component<'_>) -> manifest::Result<()> {
        let node = &component.node;
        let features = [
            (Action::ReducePageSize, "REDUCE_PAGE_SIZE", "page_size_reduction", self.page_size_reduction.is_some()),
            (
                Action::SplitRequestWindow,
                "SPLIT_REQUEST_WINDOW",
                "request_window_splitting",
                self.request_window_splitting.is_some(),
            ),
        ];
        for (action, name, field, is_declared) in features {
            let has_action = self.requester.has(action);
            if has_action && !is_declared {
                return Err(
                    node.invalid(format!("has a response filter with the action {name}, and lacks the field {field}"))
                );
            }
            if !is_declared {
                continue;
            }
            if self.partition_router.as_ref().is_some_and(PartitionRouter::has_first_pages) {
                return Err(node.invalid(format!(
                    "has a {field} and a parent stream with a lazy_read_pointer, which do not go together"
                )));
            }
            if self.requester.properties().is_some() {
                return Err(node.invalid(format!(
                    "has a {field} and a requester with query properties, which do not go together"
                )));
            }
            if !has_action {
                node.remark(format!("has a {field}, and no response filter with the action {name}: it has no effect"));
            }
        }
        match &self.page_size_reduction {
            Some(reduction) => reduction.check(self.paginator.reducible(), node),
            None => Ok(()),
        }
    }

    /// Whether the slices of a cursor can be split, where they are to be. `node` is the stream.
    pub fn check_cursor(&self, cursor: Option<&IncrementalSync>, node: &Node<'_>) -> manifest::Result<()> {
        match self.request_window_splitting {
            Some(_) => RequestWindowSplitting::check_cursor(cursor, node),
            None => Ok(()),
        }
    }

    /// Makes it ready for the slices of a stream: what does not change from page to page is worked out.
    pub fn prepare<'s>(&'s self, session: &'s Session, rules: &RecordRules<'s>) -> Result<PreparedSimpleRetriever<'s>> {
        Ok(PreparedSimpleRetriever {
            retriever: self,
            session,
            selector: self.record_selector.prepare(session, rules)?,
            paginator: self.paginator.prepare(session)?,
            is_data_feed: rules.is_data_feed,
            stream_name: rules.stream_name,
            properties: self.requester.properties(),
            begins_in_parents: !rules.has_state
                && self.partition_router.as_ref().is_some_and(PartitionRouter::has_first_pages),
            known_properties: OnceCell::new(),
        })
    }

    /// Reads the pages of a slice and gives their records to `reader`. There is no stream around: no transformations, no cursor.
    pub fn read_slice(&self, session: &Session, slice: &StreamSlice, reader: &mut dyn SliceReader) -> Result<Going> {
        self.prepare(session, &RecordRules::default())?.read_slice(slice, reader)
    }
}

/// A retriever made ready for the slices of a stream.
#[derive(Debug)]
pub struct PreparedSimpleRetriever<'s> {
    retriever: &'s SimpleRetriever,
    session: &'s Session,
    selector: PreparedSelector<'s>,
    paginator: PreparedPaginator<'s>,
    is_data_feed: bool,
    stream_name: &'s str,
    properties: Option<&'s QueryProperties>,
    /// Whether the parents' records have the first pages: the language's LazySimpleRetriever.
    begins_in_parents: bool,
    /// Those that an endpoint has told.
    known_properties: OnceCell<Vec<String>>,
}

impl PreparedSimpleRetriever<'_> {
    /// Reads the pages of a slice and gives their records to `reader`.
    pub fn read_slice(&self, slice: &StreamSlice, reader: &mut dyn SliceReader) -> Result<Going> {
        self.read_window(slice, 0, reader)
    }

    /// Reads a slice that is, after so many splits, a part of one.
    fn read_window(&self, slice: &StreamSlice, splits: u32, reader: &mut dyn SliceReader) -> Result<Going> {
        let message = match self.read_pages(slice, reader)? {
            SliceEnd::Read(going) => return Ok(going),
            SliceEnd::WindowTooLarge(message) => message,
        };
        let stream_name = self.stream_name;
        let Some(splitting) = &self.retriever.request_window_splitting else {
            return Err(request_window::not_supported(stream_name));
        };
        let refused = RefusedWindow { stream_name, slice, splits, message: &message };
        for half in splitting.split(&refused, reader)? {
            if self.read_window(&half, splits + 1, reader)? == Going::Enough {
                return Ok(Going::Enough);
            }
        }
        Ok(Going::On)
    }

    fn read_pages(&self, slice: &StreamSlice, reader: &mut dyn SliceReader) -> Result<SliceEnd> {
        let scope = slice.scope(&self.session.scope);
        let mut token = self.paginator.initial_token();
        let mut tracker = self.retriever.pagination_reset.track(reader);
        let reduction = self.retriever.page_size_reduction.as_ref();
        let mut page_size = reduction.map(|reduction| reduction.begin(self.paginator.page_size(), self.stream_name));
        // What requests are about, where that is not all of the slice any more.
        let mut rest: Option<(StreamSlice, Scope)> = None;
        if self.begins_in_parents {
            match self.read_first_page(slice, &scope, &mut tracker)? {
                (Going::On, Some(next)) => token = Some(next),
                (going, _) => return Ok(SliceEnd::Read(going)),
            }
        }
        loop {
            let (asked, asked_scope) = rest.as_ref().map_or((slice, &scope), |(slice, scope)| (slice, scope));
            let reduced = page_size.as_ref().and_then(PageSizeReducer::reduced);
            let (outcome, chunked) = match self.properties {
                None => (self.fetch(asked, asked_scope, token.as_ref(), reduced, &tracker)?, None),
                Some(properties) => self.read_chunks(properties, asked, &scope, token.as_ref(), &mut tracker)?,
            };
            let response = match outcome {
                _ if chunked.as_ref().is_some_and(|read| read.going == Going::Enough) => {
                    return Ok(SliceEnd::Read(Going::Enough));
                }
                Outcome::Response(response) => response,
                Outcome::Ignored => return Ok(SliceEnd::Read(Going::On)),
                Outcome::PageTooLarge(message) => {
                    page_size.as_mut().ok_or_else(|| page_size::not_supported(self.stream_name))?.reduce(&message)?;
                    continue;
                }
                Outcome::WindowTooLarge(message) => {
                    if tracker.has_records() {
                        log::warn!(
                            "Stream {}: the API rejected a window after some of its records were read. They come again with its halves.",
                            self.stream_name
                        );
                    }
                    return Ok(SliceEnd::WindowTooLarge(message));
                }
                Outcome::ResetPagination => {
                    rest = Some(self.with_scope(tracker.reset(asked, slice)?));
                    token = self.paginator.initial_token();
                    continue;
                }
            };
            let decoded = self.retriever.decoder.decode(&response);
            let read = match chunked {
                Some(read) => read,
                None => self.read_page(&decoded, &scope, &mut tracker)?,
            };
            if read.going == Going::Enough {
                return Ok(SliceEnd::Read(Going::Enough));
            }
            page_size.iter_mut().for_each(PageSizeReducer::page_came);
            tracker.count(read.size);
            if tracker.has_reached_limit() {
                rest = Some(self.with_scope(tracker.reset(asked, slice)?));
                token = self.paginator.initial_token();
                continue;
            }
            if self.is_data_feed {
                // Behind this record there are only older ones.
                if let Some(last) = &read.last_record {
                    if !tracker.should_be_synced(last)? {
                        return Ok(SliceEnd::Read(Going::On));
                    }
                }
            }
            let page = PageEnd {
                decoded: (!self.retriever.decoder.is_streamed()).then_some(&decoded),
                headers: &response.headers,
                extracted: read.extracted,
                size: read.size,
                last_record: read.last_record,
            };
            token = self.paginator.next_token(&page, token.as_ref(), reduced, asked_scope)?;
            if token.is_none() {
                return Ok(SliceEnd::Read(Going::On));
            }
        }
    }

    fn with_scope(&self, slice: StreamSlice) -> (StreamSlice, Scope) {
        let scope = slice.scope(&self.session.scope);
        (slice, scope)
    }

    /// Reads the page that the parent's record has, and gives the token of the next one.
    fn read_first_page(
        &self,
        slice: &StreamSlice,
        scope: &Scope,
        reader: &mut dyn SliceReader,
    ) -> Result<(Going, Option<Value>)> {
        let page = slice.extra_fields.get(FIRST_PAGE).cloned().ok_or_else(|| {
            system_error(
                "A slice is of a parent stream without a lazy_read_pointer, and another one has it: give it to both.",
            )
        })?;
        let decoded = Decoded::of_json(page);
        let read = self.read_page(&decoded, scope, reader)?;
        if read.going == Going::Enough {
            return Ok((Going::Enough, None));
        }
        let page = PageEnd {
            decoded: Some(&decoded),
            headers: &[],
            extracted: read.extracted,
            size: read.size,
            last_record: read.last_record,
        };
        Ok((Going::On, self.paginator.next_token(&page, None, None, scope)?))
    }

    /// The response with the page of this token.
    fn fetch(
        &self,
        slice: &StreamSlice,
        scope: &Scope,
        token: Option<&Value>,
        reduced: Option<i64>,
        reader: &dyn SliceReader,
    ) -> Result<Outcome> {
        let mut options = self.paginator.request_options(token, reduced, scope)?;
        if token.is_none() || !self.retriever.ignores_slicer_when_paginated {
            options.merge(reader.request_options(slice)?)?;
        }
        let next_page_token = token.map(|token| json!({"next_page_token": token})).unwrap_or_default();
        let scope = scope.with_json("next_page_token", &next_page_token);
        let path = self.paginator.path(token);
        self.retriever.requester.send(self.session, path.as_deref(), options, &scope)
    }

    /// A page in several requests, each with some of the properties. The last response tells of the next page.
    fn read_chunks(
        &self,
        properties: &QueryProperties,
        slice: &StreamSlice,
        scope: &Scope,
        token: Option<&Value>,
        reader: &mut dyn SliceReader,
    ) -> Result<(Outcome, Option<PageRead<'static>>)> {
        let mut page = PageRead { going: Going::On, extracted: 0, size: 0, last_record: None };
        let mut merged = MergedRecords::default();
        let mut last = Outcome::Ignored;
        for chunk in properties.chunks(self.session, self.stream_name, &self.known_properties)? {
            // Requests know the properties, and what is done with records does not.
            let slice = slice_with(slice, &chunk);
            last = self.fetch(&slice, &slice.scope(&self.session.scope), token, None, reader)?;
            let response = match &last {
                Outcome::Response(response) => response,
                Outcome::Ignored => continue,
                // What was merged is not complete, and comes again.
                Outcome::ResetPagination | Outcome::PageTooLarge(_) | Outcome::WindowTooLarge(_) => {
                    return Ok((last, None));
                }
            };
            let strategy = properties.merge_strategy();
            let merge = strategy.map(|strategy| (strategy, &mut merged));
            if self.read_chunk(response, scope, merge, &mut page, reader)? == Going::Enough {
                return Ok((last, Some(page)));
            }
        }
        for record in merged.records() {
            if self.give_owned(record, &mut page, reader)? == Going::Enough {
                break;
            }
        }
        Ok((last, Some(page)))
    }

    /// One response of several. What is a part of a record goes to the merged ones.
    fn read_chunk(
        &self,
        response: &HttpResponse,
        scope: &Scope,
        mut merge: Option<(&RecordMergeStrategy, &mut MergedRecords)>,
        page: &mut PageRead<'static>,
        reader: &mut dyn SliceReader,
    ) -> Result<Going> {
        let decoded = self.retriever.decoder.decode(response);
        page.extracted = 0;
        for record in self.selector.find(&decoded)?.records() {
            page.extracted += 1;
            let Some(record) = record? else { continue };
            let selected = self.selector.select(record, scope, &mut |record| reader.should_be_synced(record))?;
            let whole = match (selected, &mut merge) {
                (Some(record), Some((strategy, merged))) => merged.take(strategy, record)?,
                (selected, _) => selected,
            };
            if let Some(record) = whole {
                if self.give_owned(record, page, reader)? == Going::Enough {
                    return Ok(Going::Enough);
                }
            }
        }
        Ok(Going::On)
    }

    fn give_owned(
        &self,
        record: Record<'_>,
        page: &mut PageRead<'static>,
        reader: &mut dyn SliceReader,
    ) -> Result<Going> {
        let record = Record::of_object(record.into_object()?);
        page.size += 1;
        if self.is_data_feed || self.paginator.wants_last_record() {
            page.last_record = Some(record.clone());
        }
        page.going = self.give(record, reader)?;
        Ok(page.going)
    }

    fn read_page<'d>(
        &'d self,
        decoded: &'d Decoded<'d>,
        scope: &Scope,
        reader: &mut dyn SliceReader,
    ) -> Result<PageRead<'d>> {
        let found = self.selector.find(decoded)?;
        let wants_last_record = self.is_data_feed || self.paginator.wants_last_record();
        let without_nulls = matches!(decoded, Decoded::Page(page) if !may_have_nulls(page.response().bytes()));
        if self.selector.leaves_records() && !self.is_data_feed && without_nulls {
            if let Some(records) = found.in_page() {
                let last = if wants_last_record { records.clone().parts().last() } else { None };
                let last_record = last.map(Record::of_part);
                let size = records.len();
                return Ok(PageRead { going: reader.take_all(records)?, extracted: size, size, last_record });
            }
        }
        let (mut extracted, mut size) = (0, 0);
        // Given when the next one is there, for of the last one more is wanted.
        let mut held: Option<Record<'d>> = None;
        for record in found.records() {
            extracted += 1;
            let selected = record.and_then(|record| match record {
                Some(record) => self.selector.select(record, scope, &mut |record| reader.should_be_synced(record)),
                None => Ok(None),
            });
            let given = match &selected {
                Ok(None) => continue,
                Ok(Some(_)) | Err(_) => held.take().map(|record| self.give(record, reader)).transpose()?,
            };
            if given == Some(Going::Enough) {
                return Ok(PageRead { going: Going::Enough, extracted, size, last_record: None });
            }
            held = selected?;
            size += 1;
        }
        let last_record = held.as_ref().filter(|_| wants_last_record).cloned();
        let going = held.map_or(Ok(Going::On), |record| self.give(record, reader))?;
        Ok(PageRead { going, extracted, size, last_record })
    }

    fn give(&self, record: Record<'_>, reader: &mut dyn SliceReader) -> Result<Going> {
        match self.is_data_feed && !reader.should_be_synced(&record)? {
            true => reader.leave(&record),
            false => reader.take(record),
        }
    }
}

/// How the pages of a slice ended.
enum SliceEnd {
    Read(Going),
    /// The API refused the slice's interval, and the error handler says this.
    WindowTooLarge(String),
}

/// What is known of a page when its records have been given away.
struct PageRead<'d> {
    going: Going,
    extracted: usize,
    size: usize,
    last_record: Option<Record<'d>>,
}

#[cfg(test)]
mod tests;
