//! The pages of one slice, one after the other: the language's SimpleRetriever. Knows nothing of slices' order and of state.

use std::cell::OnceCell;

use airlock_sdk::{Result, system_error};

use serde_json::{Value, json};

use super::{Going, SliceReader};
use crate::decoders::{Decoded, Decoder};
use crate::manifest::{self, FromManifest, Node};
use crate::pagination::{PageEnd, Paginator, PreparedPaginator};
use crate::partition_routing::{FIRST_PAGE, PartitionRouter};
use crate::query_properties::{MergedRecords, QueryProperties, RecordMergeStrategy, slice_with};
use crate::record::{Record, may_have_nulls};
use crate::record_selection::{PreparedSelector, RecordExtractor, RecordRules, RecordSelector};
use crate::requester::{HttpRequester, HttpResponse, Outcome};
use crate::session::Session;
use crate::stream_slice::StreamSlice;
use crate::template::Scope;

/// So often a slice may begin with its first page again, and the last time is a failure.
const MAX_RESETS: u32 = 2;

/// The language's SimpleRetriever.
#[derive(Debug)]
pub struct SimpleRetriever {
    pub requester: HttpRequester,
    /// None for one partition.
    pub partition_router: Option<PartitionRouter>,
    record_selector: RecordSelector,
    decoder: Decoder,
    paginator: Paginator,
    /// Of a `pagination_reset`: after so many records, a slice begins with its first page again.
    most_records: Option<u64>,
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
            most_records: match component.field("pagination_reset") {
                Some(reset) => most_records(&reset)?,
                None => None,
            },
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
        if retriever.most_records.is_some() && retriever.record_selector.has_record_filter() {
            return Err(node.invalid("has limits of a pagination_reset and a record_filter, which do not go together"));
        }
        if retriever.partition_router.as_ref().is_some_and(PartitionRouter::has_first_pages)
            && !matches!(retriever.decoder, Decoder::Json)
        {
            return Err(
                node.invalid("has a parent stream with a lazy_read_pointer, and a decoder that is no JsonDecoder")
            );
        }
        component.refuse_fields(&["page_size_reduction", "request_window_splitting"])?;
        component.finish();
        Ok(retriever)
    }
}

/// The limit of the language's PaginationReset.
fn most_records(node: &Node<'_>) -> manifest::Result<Option<u64>> {
    let component = node.component()?;
    match component.required::<String>("action")?.as_str() {
        "RESET" => {}
        "SPLIT_USING_CURSOR" => {
            return Err(node.unsupported("has the action SPLIT_USING_CURSOR, which is not supported"));
        }
        _ => return Err(node.invalid("has an action that is neither RESET nor SPLIT_USING_CURSOR")),
    }
    let limits = component.field("limits").map(|limits| limits.component()).transpose()?;
    let most = limits.as_ref().map(|limits| limits.optional("number_of_records")).transpose()?.flatten();
    limits.into_iter().for_each(crate::manifest::Component::finish);
    component.finish();
    Ok(most)
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
            most_records: None,
            ignores_slicer_when_paginated: false,
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
        let scope = slice.scope(&self.session.scope);
        let mut token = self.paginator.initial_token();
        let (mut resets, mut records) = (0, 0);
        if self.begins_in_parents {
            match self.read_first_page(slice, &scope, reader)? {
                (Going::On, Some(next)) => token = Some(next),
                (going, _) => return Ok(going),
            }
        }
        loop {
            let (outcome, chunked) = match self.properties {
                None => (self.fetch(slice, &scope, token.as_ref(), reader)?, None),
                Some(properties) => self.read_chunks(properties, slice, &scope, token.as_ref(), reader)?,
            };
            let response = match outcome {
                _ if chunked.as_ref().is_some_and(|read| read.going == Going::Enough) => return Ok(Going::Enough),
                Outcome::Response(response) => response,
                Outcome::Ignored => return Ok(Going::On),
                Outcome::ResetPagination => {
                    reset(&mut resets, "The server")?;
                    token = self.paginator.initial_token();
                    continue;
                }
            };
            let decoded = self.retriever.decoder.decode(&response);
            let read = match chunked {
                Some(read) => read,
                None => self.read_page(&decoded, &scope, reader)?,
            };
            if read.going == Going::Enough {
                return Ok(Going::Enough);
            }
            records += read.size as u64;
            if self.retriever.most_records.is_some_and(|most| records >= most) {
                reset(&mut resets, "The retriever's pagination_reset")?;
                records = 0;
                token = self.paginator.initial_token();
                continue;
            }
            if self.is_data_feed {
                // Behind this record there are only older ones.
                if let Some(last) = &read.last_record {
                    if !reader.should_be_synced(last)? {
                        return Ok(Going::On);
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
            token = self.paginator.next_token(&page, token.as_ref(), &scope)?;
            if token.is_none() {
                return Ok(Going::On);
            }
        }
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
        Ok((Going::On, self.paginator.next_token(&page, None, scope)?))
    }

    /// The response with the page of this token.
    fn fetch(
        &self,
        slice: &StreamSlice,
        scope: &Scope,
        token: Option<&Value>,
        reader: &mut dyn SliceReader,
    ) -> Result<Outcome> {
        let mut options = self.paginator.request_options(token, scope)?;
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
            last = self.fetch(&slice, &slice.scope(&self.session.scope), token, reader)?;
            let response = match &last {
                Outcome::Response(response) => response,
                Outcome::Ignored => continue,
                // What was merged is not complete, and comes again.
                Outcome::ResetPagination => return Ok((last, None)),
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
            true => Ok(Going::On),
            false => reader.take(record),
        }
    }
}

/// A slice begins with its first page again.
fn reset(resets: &mut u32, who: &str) -> Result<()> {
    *resets += 1;
    if *resets < MAX_RESETS {
        return Ok(());
    }
    Err(system_error(format!(
        "{who} wants the pages of a slice to be read from the first one on again, {resets} times already: it is not tried any more."
    )))
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
