//! The contract's `output` interface: what a source writes, checked and given on.

use serde::Deserialize;
use serde_json::value::RawValue;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, WasmList};

use super::bindings::source::airlock::connector::output::{Host, HostStreamWriter, Outcome};
use super::bindings::types::{self, Annotation, GlobalState, Interruption};
use super::contract::{CONTRACT_VERSION, PACKAGE};
use super::crash::CallTooLarge;
use super::denials;
use super::guest::{Guest, Progress, ReadSession, Session, StateForm};
use crate::protocol::document;
use crate::protocol::failure::Failure;
use crate::protocol::message::Estimate;
use crate::protocol::output::{Annotation as RecordAnnotation, StreamIndex};
use crate::protocol::stream_name::StreamName;

/// An open stream of a guest.
pub struct StreamWriter {
    stream: StreamIndex,
}

type Answer<T> = wasmtime::Result<Result<T, Interruption>>;

impl Guest {
    fn read_session(&mut self) -> Result<&mut ReadSession, Interruption> {
        match &mut self.session {
            Session::Read(session) => Ok(session),
            _ => Err(Interruption::Refused("Streams are written to while `read` runs, and at no other time.".into())),
        }
    }

    fn stream_name(&mut self, stream: StreamIndex) -> Result<StreamName, Interruption> {
        Ok(self.read_session()?.catalog.streams()[stream].clone())
    }

    /// The guest broke a rule of the contract. The sync has failed: it is told so, and why.
    fn refuse(&mut self, stream: Option<&StreamName>, problem: String) -> Interruption {
        let mut failure =
            Failure::system_error(format!("{problem} This is a defect of the connector: report it to its publisher."));
        // Where one stream is all there is, it is about that one.
        let only = match &self.session {
            Session::Read(ReadSession { catalog, .. }) if catalog.streams().len() == 1 => catalog.streams().first(),
            _ => None,
        };
        if let Some(stream) = stream.or(only) {
            failure = failure.for_stream(stream);
        }
        self.output.refuse(&failure);
        Interruption::Refused(failure.message)
    }

    fn open(&mut self, name: types::StreamName) -> Result<StreamIndex, Interruption> {
        if let Some(interruption) = self.output.interruption() {
            return Err(interruption.into());
        }
        let name: StreamName = name.into();
        let session = self.read_session()?;
        let Some(stream) = session.catalog.index_of(&name) else {
            return Err(self.refuse(
                Some(&name),
                format!(
                    "The connector opened stream {name}, which is not in the configured catalog: its records, from \
                     record 1 on, were refused."
                ),
            ));
        };
        match std::mem::replace(&mut session.streams[stream], Progress::Open) {
            Progress::Unopened => {}
            earlier => {
                session.streams[stream] = earlier;
                return Err(self.refuse(Some(&name), format!("The connector opened stream {name} twice.")));
            }
        }
        self.output.stream_opened(stream)?;
        Ok(stream)
    }

    fn annotation(&mut self, stream: StreamIndex, annotation: Annotation) -> Result<RecordAnnotation, Interruption> {
        let mut object = |field: &str, text: Option<String>| match text.map(|text| document::object_on_one_line(&text))
        {
            None => Ok(None),
            Some(Ok(document)) => Ok(Some(document)),
            Some(Err(problem)) => {
                let name = self.stream_name(stream)?;
                Err(self.refuse(Some(&name), format!("The {field} of a record of stream {name} {problem}.")))
            }
        };
        Ok(RecordAnnotation {
            index: annotation.index as usize,
            emitted_at: annotation.emitted_at,
            meta: object("meta", annotation.meta)?,
            file_reference: object("file_reference", annotation.file_reference)?,
        })
    }

    /// A source keeps to the form of state that it began with.
    fn require_state_form(&mut self, form: StateForm) -> Result<(), Interruption> {
        let session = self.read_session()?;
        if *session.state_form.get_or_insert(form) == form {
            return Ok(());
        }
        let problem = if session.independent_streams {
            "The connector declares its streams to be independent, and gave a global state."
        } else {
            "The connector gave both states of streams and a global one."
        };
        Err(self.refuse(None, problem.into()))
    }

    fn state_blob(
        &mut self,
        what: &str,
        stream: Option<&StreamName>,
        state: &str,
    ) -> Result<Box<RawValue>, Interruption> {
        document::object_on_one_line(state).map_err(|problem| self.refuse(stream, format!("{what} {problem}.")))
    }

    fn checkpoint_stream(&mut self, stream: StreamIndex, state: &str) -> Result<(), Interruption> {
        self.require_state_form(StateForm::Stream)?;
        let name = self.stream_name(stream)?;
        let state = self.state_blob(&format!("The state of stream {name}"), Some(&name), state)?;
        Ok(self.output.stream_state(stream, state)?)
    }

    fn checkpoint_all(&mut self, state: GlobalState) -> Result<(), Interruption> {
        self.require_state_form(StateForm::Global)?;
        let shared = match &state.shared {
            Some(shared) => Some(self.state_blob("The shared part of the global state", None, shared)?),
            None => None,
        };
        let mut streams = Vec::with_capacity(state.streams.len());
        for stream in state.streams {
            let name: StreamName = stream.stream_name.into();
            let blob = self.state_blob(&format!("The state of stream {name}"), Some(&name), &stream.state)?;
            streams.push((name, blob));
        }
        Ok(self.output.global_state(shared, streams)?)
    }

    fn tell_estimate(&mut self, stream: StreamIndex, estimate: &str) -> Result<(), Interruption> {
        let name = self.stream_name(stream)?;
        match serde_json::from_str::<Estimate>(estimate) {
            Ok(estimate) => Ok(self.output.estimate(&name, &estimate)?),
            Err(_) => Err(self.refuse(
                Some(&name),
                format!("The estimate of stream {name} is no JSON object with numbers of rows and bytes."),
            )),
        }
    }

    fn tell_running(&mut self, stream: StreamIndex, reasons: &str) -> Result<(), Interruption> {
        #[derive(Deserialize)]
        struct Reason {
            #[serde(rename = "type")]
            _kind: String,
        }
        let checked = document::array_on_one_line(reasons).ok();
        match checked.filter(|reasons| serde_json::from_str::<Vec<Reason>>(reasons.get()).is_ok()) {
            Some(reasons) => Ok(self.output.stream_running(stream, reasons)?),
            None => {
                let name = self.stream_name(stream)?;
                Err(self.refuse(
                    Some(&name),
                    format!("The reasons for the status of stream {name} are no JSON array of Airbyte's reasons."),
                ))
            }
        }
    }

    fn end(&mut self, stream: StreamIndex, outcome: Outcome) -> Result<(), Interruption> {
        let name = self.stream_name(stream)?;
        self.read_session()?.streams[stream] = Progress::Ended;
        match outcome {
            // After an interruption data may have been turned away, whatever the guest makes of it.
            Outcome::Complete => self.output.stream_ended(stream, self.output.interruption().is_none()),
            Outcome::Failed(failure) => {
                let refusal = self.network.last_refusal();
                let failure = denials::explain_failure(failure.into(), refusal.as_ref());
                self.output.trace_error(&failure.for_stream(&name));
                self.output.stream_ended(stream, false);
            }
        }
        match self.output.interruption() {
            Some(interruption) => Err(interruption.into()),
            None => Ok(()),
        }
    }

    fn stream_of(&self, writer: &Resource<StreamWriter>) -> wasmtime::Result<StreamIndex> {
        Ok(self.table.get(writer)?.stream)
    }
}

/// `stream-writer.write` as the binding has it copies records into a vector that is new each time. This is the call that counts: here
/// they are borrowed from the guest's memory, and copied once into a buffer that was used before.
pub fn take_records_where_they_are(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    type Call = (Resource<StreamWriter>, WasmList<u8>);
    linker.allow_shadowing(true);
    linker.instance(&format!("{PACKAGE}/output@{CONTRACT_VERSION}"))?.func_wrap(
        "[method]stream-writer.write",
        |store: StoreContextMut<'_, Guest>, (writer, records): Call| {
            let guest = store.data();
            let stream = guest.stream_of(&writer)?;
            // What wasmtime asks of calls whose lists it copies itself.
            let most = store.hostcall_fuel();
            if records.len() > most {
                return Err(CallTooLarge.into());
            }
            let mut buffer = guest.output.record_buffer();
            buffer.extend_from_slice(records.as_le_slice(&store));
            Ok((guest.output.records(stream, buffer, Vec::new()).map_err(Interruption::from),))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

impl Host for Guest {
    fn global_checkpoint(&mut self, state: GlobalState) -> Answer<()> {
        Ok(self.checkpoint_all(state))
    }
}

impl HostStreamWriter for Guest {
    fn open(&mut self, name: types::StreamName) -> Answer<Resource<StreamWriter>> {
        match Guest::open(self, name) {
            Ok(stream) => Ok(Ok(self.table.push(StreamWriter { stream })?)),
            Err(interruption) => Ok(Err(interruption)),
        }
    }

    fn write(&mut self, writer: Resource<StreamWriter>, records: Vec<u8>) -> Answer<()> {
        let stream = self.stream_of(&writer)?;
        Ok(self.output.records(stream, records, Vec::new()).map_err(Into::into))
    }

    fn write_annotated(
        &mut self,
        writer: Resource<StreamWriter>,
        records: Vec<u8>,
        annotations: Vec<Annotation>,
    ) -> Answer<()> {
        let stream = self.stream_of(&writer)?;
        let mut checked = Vec::with_capacity(annotations.len());
        for annotation in annotations {
            match self.annotation(stream, annotation) {
                Ok(annotation) => checked.push(annotation),
                Err(interruption) => return Ok(Err(interruption)),
            }
        }
        Ok(self.output.records(stream, records, checked).map_err(Into::into))
    }

    fn checkpoint(&mut self, writer: Resource<StreamWriter>, state: String) -> Answer<()> {
        let stream = self.stream_of(&writer)?;
        Ok(self.checkpoint_stream(stream, &state))
    }

    fn estimate(&mut self, writer: Resource<StreamWriter>, estimate: String) -> Answer<()> {
        let stream = self.stream_of(&writer)?;
        Ok(self.tell_estimate(stream, &estimate))
    }

    fn running(&mut self, writer: Resource<StreamWriter>, reasons: String) -> Answer<()> {
        let stream = self.stream_of(&writer)?;
        Ok(self.tell_running(stream, &reasons))
    }

    fn finish(&mut self, writer: Resource<StreamWriter>, outcome: Outcome) -> Answer<()> {
        let stream = self.table.delete(writer)?.stream;
        Ok(self.end(stream, outcome))
    }

    fn drop(&mut self, writer: Resource<StreamWriter>) -> wasmtime::Result<()> {
        // The stream goes on: `finish` or the end of `read` ends it.
        self.table.delete(writer)?;
        Ok(())
    }
}
