//! The manifest as a whole: the language's DeclarativeSource. Knows which streams there are with a config and which are left out, and not
//! how a command goes about them.

use std::collections::BTreeSet;
use std::rc::Rc;

use airlock_sdk::{Failure, Result};
use serde_json::Value;

use crate::checks::Check;
use crate::concurrency::ConcurrencyLevel;
use crate::dynamic_streams::DynamicDeclarativeStream;
use crate::manifest::{self, Component, Manifest, Node, Object, Problem, Reason, Remarks, Repeated};
use crate::parent_cache;
use crate::requester::HttpApiBudget;
use crate::session::Session;
use crate::specification::Spec;
use crate::stream::Stream;
use crate::template::{Condition, Scope, Template};

/// The language's DeclarativeSource.
#[derive(Debug)]
pub struct DeclarativeSource {
    pub check: Check,
    /// None where the manifest has none. A problem if it needs what this connector does not have.
    pub spec: Option<manifest::Result<Spec>>,
    streams: Vec<ConditionalStream>,
    dynamic_streams: Vec<DynamicStreams>,
    concurrency_level: Option<ConcurrencyLevel>,
    api_budget: Option<HttpApiBudget>,
    /// The language's max_concurrent_async_job_count.
    max_jobs: usize,
    /// Whether streams can not be read at once, whatever the manifest says.
    is_shared: bool,
    writes_config: bool,
    remarks: Remarks,
}

/// A stream that the manifest has if a condition holds.
#[derive(Debug)]
struct ConditionalStream {
    condition: Option<Rc<Condition>>,
    stream: Rc<DeclaredStream>,
}

#[derive(Debug)]
struct DynamicStreams {
    name: String,
    streams: manifest::Result<DynamicDeclarativeStream>,
    remarks: Remarks,
}

/// A stream that the manifest declares, or why it is left out.
#[derive(Debug)]
pub struct DeclaredStream {
    pub name: String,
    pub stream: manifest::Result<Stream>,
    /// What the dynamic stream is called that this is one of.
    pub dynamic_stream: Option<String>,
    remarks: Remarks,
}

impl DeclarativeSource {
    /// The components of a manifest. What is no manifest is an error; what needs something that is not here leaves its stream out.
    pub fn of(mut manifest: Manifest) -> manifest::Result<Self> {
        parent_cache::enable(&mut manifest.value);
        let remarks = Remarks::default();
        let node = Node::root(&manifest.value, &remarks);
        let component = node.component()?;
        if component.kind() != "DeclarativeSource" {
            return Err(component.other_kind(&["DeclarativeSource"], &[]));
        }
        component.required::<String>("version")?;
        let check = component.required("check")?;
        let (streams, dynamic_streams) = (component.field("streams"), component.field("dynamic_streams"));
        if streams.is_none() && dynamic_streams.is_none() {
            return Err(component.lacks("streams"));
        }
        let spec = component.field("spec").map(|spec| usable(spec.read())).transpose()?;
        let source = DeclarativeSource {
            check,
            spec,
            streams: streams.map_or_else(|| Ok(Vec::new()), |streams| conditional_streams(&streams))?,
            dynamic_streams: dynamic_streams.map_or_else(|| Ok(Vec::new()), |streams| dynamic(&streams))?,
            concurrency_level: component.optional("concurrency_level")?,
            api_budget: component.optional("api_budget")?,
            max_jobs: component.field("max_concurrent_async_job_count").map_or(Ok(1), |count| max_jobs(&count))?,
            is_shared: is_shared(&component, &manifest.value),
            writes_config: writes_config(&manifest.value),
            remarks: Remarks::default(),
        };
        component.skip_fields(&["schemas", "metadata", "description"]);
        component.finish();
        source.remark_unknown_names(&remarks);
        for name in ["check", "spec", "streams", "dynamic_streams", "concurrency_level", "api_budget"] {
            match manifest.value.get(name) {
                Some(Value::Null) => remarks.add_at(name, "is empty, and has no effect".to_owned()),
                Some(value @ Value::Object(_)) => {
                    Node { path: name.to_owned(), ..Node::root(value, &remarks) }.remark_empty_fields();
                }
                // The streams' are told with them.
                _ => {}
            }
        }
        source.remark_equal_names(&remarks);
        for Repeated { field, line } in &manifest.repeated {
            let what = format!("gives the field {field} once more to an object that has it: what it had has no effect");
            remarks.add_at(&format!("line {line}"), what);
        }
        source.remark_unknown_config_keys(&manifest.value, &remarks);
        Ok(DeclarativeSource { remarks, ..source })
    }

    /// The check fails for every config whose streams are not there.
    fn remark_unknown_names(&self, remarks: &Remarks) {
        if !self.dynamic_streams.is_empty() {
            return;
        }
        let known: Vec<&str> = self.streams.iter().map(|conditional| conditional.stream.name.as_str()).collect();
        for (index, name) in
            self.check.stream_names().iter().enumerate().filter(|(_, name)| !known.contains(&name.as_str()))
        {
            let meant = manifest::nearest(name, known.iter().copied())
                .map_or_else(String::new, |near| format!(" (perhaps {near} is meant)"));
            remarks.add_at(
                &format!("check.stream_names[{index}]"),
                format!("is {name}, and the manifest has no such stream{meant}: the check will fail"),
            );
        }
    }

    /// Of streams of one name, the last is the one that is read.
    fn remark_equal_names(&self, remarks: &Remarks) {
        let always = || self.streams.iter().filter(|conditional| conditional.condition.is_none());
        let mut names = BTreeSet::new();
        for name in always().map(|conditional| conditional.stream.name.as_str()) {
            if !names.insert(name) {
                remarks.add_at(
                    "streams",
                    format!("has more than one stream of the name {name:?}: the last of them is read"),
                );
            }
        }
    }

    /// A field that the config can not have is empty in a template, and its request another one.
    fn remark_unknown_config_keys(&self, manifest: &Value, remarks: &Remarks) {
        let Some(Ok(known)) = self.spec.as_ref().map(|spec| spec.as_ref().map(Spec::config_keys)) else { return };
        let Some(known) = known.filter(|known| !known.is_empty()) else { return };
        manifest::each_config_key(manifest, "", &mut |path, key| {
            if !known.contains(&key) && !key.starts_with("__") {
                let meant = manifest::nearest(key, known.iter().copied())
                    .map_or_else(String::new, |near| format!(" (perhaps {near} is meant)"));
                remarks.add_at(
                    path,
                    format!("names the field {key:?} of the configuration, which the spec does not have{meant}"),
                );
            }
        });
    }

    /// A session with this config, for the one command that there is.
    pub fn begin(&mut self, config: Object) -> Session {
        let session = Session::new(config);
        session.limit_jobs(self.max_jobs);
        if let Some(budget) = self.api_budget.take() {
            session.limit_calls(budget);
        }
        session
    }

    /// The streams of this config, first those that the manifest lists, then those of its templates.
    pub fn streams(&self, session: &Session) -> Result<Vec<Rc<DeclaredStream>>> {
        let mut streams = self.static_streams(session)?;
        let mut taken = BTreeSet::new();
        for DynamicStreams { name, streams: template, .. } in &self.dynamic_streams {
            let Ok(template) = template else { continue };
            for stream in template.resolve(session, &mut taken)? {
                let remarks = Remarks::default();
                let node = Node { path: template.path().to_owned(), ..Node::root(&stream, &remarks) };
                streams.push(Rc::new(declared(&node, Some(name.clone()))?));
            }
        }
        Ok(streams)
    }

    /// Those that the manifest lists: to know them, no request is sent.
    pub fn static_streams(&self, session: &Session) -> Result<Vec<Rc<DeclaredStream>>> {
        let mut streams = Vec::new();
        for ConditionalStream { condition, stream } in &self.streams {
            if condition.as_ref().map_or(Ok(true), |condition| condition.holds(&session.scope))? {
                streams.push(Rc::clone(stream));
            }
        }
        Ok(streams)
    }

    /// Whether a component changes the config, and keeps it so.
    pub fn writes_config(&self) -> bool {
        self.writes_config
    }

    pub fn has_dynamic_stream(&self, name: &str) -> bool {
        self.dynamic_streams.iter().any(|dynamic| dynamic.name == name)
    }

    /// Why some of what the manifest lists is left out.
    pub fn problems(&self) -> Vec<String> {
        let streams = self.streams.iter().filter_map(|conditional| conditional.stream.why_left_out());
        let dynamic_streams = self.dynamic_streams.iter().filter_map(|dynamic| {
            let problem = dynamic.streams.as_ref().err()?;
            Some(format!("The dynamic streams {} are left out: {problem}.", dynamic.name))
        });
        let spec = self
            .spec
            .as_ref()
            .and_then(|spec| spec.as_ref().err())
            .map(|problem| format!("The streams can not be read: {problem}."));
        spec.into_iter().chain(streams).chain(dynamic_streams).collect()
    }

    /// What else is to be told of the manifest.
    pub fn remarks(&self) -> Vec<String> {
        let all = Remarks::default();
        all.add_all(&self.remarks);
        self.dynamic_streams.iter().for_each(|dynamic| all.add_all(&dynamic.remarks));
        self.streams.iter().for_each(|conditional| all.add_all(&conditional.stream.remarks));
        all.take()
    }

    /// How many streams may be read at once.
    pub fn max_concurrency(&self, session: &Session) -> Result<u32> {
        match &self.concurrency_level {
            Some(level) if !self.is_shared => level.streams(session),
            _ => Ok(1),
        }
    }
}

impl DeclaredStream {
    pub fn why_left_out(&self) -> Option<String> {
        let problem = self.stream.as_ref().err()?;
        Some(format!("Stream {} is left out: {problem}.", self.name))
    }

    /// What is to be told of its components.
    pub fn remarks(&self) -> Vec<String> {
        let own = Remarks::default();
        own.add_all(&self.remarks);
        own.take()
    }
}

fn conditional_streams(node: &Node<'_>) -> manifest::Result<Vec<ConditionalStream>> {
    let mut streams = Vec::new();
    for node in node.elements()? {
        let component = node.component()?;
        if component.kind() != "ConditionalStreams" {
            streams.push(ConditionalStream { condition: None, stream: Rc::new(declared(&node, None)?) });
            continue;
        }
        let condition: Option<Rc<Condition>> = Some(Rc::new(component.required("condition")?));
        let Some(within) = component.field("streams") else { return Err(component.lacks("streams")) };
        for node in within.elements()? {
            let stream = Rc::new(declared(&node, None)?);
            streams.push(ConditionalStream { condition: condition.clone(), stream });
        }
        component.finish();
    }
    Ok(streams)
}

/// In the CDK, the config of a template is empty here; what is no number then is one job.
fn max_jobs(node: &Node<'_>) -> manifest::Result<usize> {
    let given = node.read::<Template>()?.evaluate(&Scope::of_config(&Object::new())).unwrap_or_default();
    let number = given.as_i64().or_else(|| given.as_str()?.trim().parse().ok());
    let usable = number.and_then(|number| usize::try_from(number).ok()).filter(|number| *number > 0);
    if usable.is_none() {
        node.remark("comes to no number of 1 or more without the config: one job runs at a time");
    }
    Ok(usable.unwrap_or(1))
}

/// A stream, with the remarks of its components for itself.
fn declared(node: &Node<'_>, dynamic_stream: Option<String>) -> manifest::Result<DeclaredStream> {
    let name = node.value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let remarks = Remarks::default();
    let stream = usable(Node { remarks: &remarks, ..node.clone() }.read())
        .and_then(|stream| match node.value.get("name") {
            None => Err(node.component()?.lacks("name")),
            Some(_) => Ok(stream),
        })
        .map_err(|problem| match name.as_str() {
            "" => problem,
            name => Problem { path: format!("in stream {name}, {}", problem.path), ..problem },
        })?;
    Node { remarks: &remarks, ..node.clone() }.remark_empty_fields();
    Ok(DeclaredStream { name, stream, dynamic_stream, remarks })
}

fn dynamic(node: &Node<'_>) -> manifest::Result<Vec<DynamicStreams>> {
    let read = |(index, node): (usize, Node<'_>)| {
        let remarks = Remarks::default();
        let node = Node { remarks: &remarks, ..node };
        let name = node.value.get("name").and_then(Value::as_str).map(str::to_owned);
        let streams = usable(node.read::<DynamicDeclarativeStream>().and_then(|streams| {
            // What it lacks here it may get; what is Python stays so.
            let template = Value::Object(streams.template().clone());
            let node = Node { value: &template, path: format!("{}.stream_template", node.path), ..node.clone() };
            match node.read::<Stream>() {
                Err(problem) if problem.reason != Reason::Invalid => Err(problem),
                _ => Ok(streams),
            }
        }))?;
        Ok(DynamicStreams { name: name.unwrap_or_else(|| format!("dynamic_stream_{index}")), streams, remarks })
    };
    node.elements()?.into_iter().enumerate().map(read).collect()
}

/// Instances that read several streams at once share nothing: where one stream uses the responses of another, where there is one limit
/// of requests, or a token that can be used but once, streams are read one after the other. So they are where the manifest says that they
/// must not be read at the same time.
fn is_shared(component: &Component<'_>, manifest: &Value) -> bool {
    let is_limited = component.field("api_budget").is_some() || component.field("stream_groups").is_some();
    is_limited || parent_cache::is_enabled(manifest) || writes_config(manifest) || has_token_pool(manifest)
}

/// Whether tokens have quotas, which all streams use up together.
fn has_token_pool(manifest: &Value) -> bool {
    manifest::has_object(manifest, &|fields| {
        fields.get("type").is_some_and(|kind| kind == "RateLimitedMultipleTokenAuthenticator")
    })
}

/// Whether a component of the manifest changes the config, as a token does that can be used but once.
fn writes_config(manifest: &Value) -> bool {
    manifest::has_object(manifest, &|fields| {
        fields.get("refresh_token_updater").is_some_and(|updater| !updater.is_null())
    })
}

/// What is wrong is an error for the whole manifest; what is right and not possible here is one of this part.
fn usable<T>(read: manifest::Result<T>) -> manifest::Result<manifest::Result<T>> {
    match read {
        Err(problem) if problem.reason == Reason::Invalid => Err(problem),
        read => Ok(read),
    }
}

/// A failure of a part of the manifest that a command can not do without.
pub fn needed<T>(part: &manifest::Result<T>) -> Result<&T> {
    part.as_ref().map_err(|problem| Failure::from(problem.clone()))
}
