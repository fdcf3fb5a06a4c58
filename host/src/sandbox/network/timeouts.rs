//! How long a request may wait, and the bodies that are watched for it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep, timeout_at};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::http_errors;

/// To find a host's address, to connect, and to agree on keys.
const CONNECT: Duration = Duration::from_secs(30);

/// For the beginning of a response: reports of large accounts take a server minutes.
const FIRST_BYTE: Duration = Duration::from_secs(300);

/// Between any two parts of a response.
const BETWEEN_BYTES: Duration = Duration::from_secs(300);

/// So many parts of a body are given without a pause: a decoder that gets nothing out of all that comes asks for ever, and nobody
/// would hear of a signal meanwhile.
const IN_A_ROW: usize = 16;

/// How long a request may wait: as its guest says, else as above.
pub struct Timeouts {
    pub connect: Duration,
    pub first_byte: Duration,
    pub between_bytes: Duration,
}

impl Timeouts {
    pub fn new(options: Option<RequestOptions>) -> Timeouts {
        let options = options.unwrap_or_default();
        Timeouts {
            connect: options.connect_timeout.unwrap_or(CONNECT),
            first_byte: options.first_byte_timeout.unwrap_or(FIRST_BYTE),
            between_bytes: options.between_bytes_timeout.unwrap_or(BETWEEN_BYTES),
        }
    }
}

/// How far the body of a request has come. The wait for the response begins when the body has been sent, and while it is the
/// guest that is waited for, it does not.
#[derive(Clone)]
pub struct Upload(Arc<Mutex<UploadProgress>>);

struct UploadProgress {
    since: Instant,
    waits_for_guest: bool,
}

impl Upload {
    pub fn new() -> Upload {
        Upload(Arc::new(Mutex::new(UploadProgress { since: Instant::now(), waits_for_guest: false })))
    }

    /// The same body, watched.
    pub fn watch(&self, body: WasiBody) -> WasiBody {
        Uploading { body, upload: self.clone() }.boxed_unsync()
    }

    /// What `future` gives, unless nothing has happened for so long.
    pub async fn within<F: Future>(&self, limit: Duration, mut future: Pin<&mut F>) -> Option<F::Output> {
        loop {
            let deadline = self.progress().since + limit;
            match timeout_at(deadline, future.as_mut()).await {
                Ok(output) => return Some(output),
                Err(_) => {
                    let mut progress = self.progress();
                    if progress.waits_for_guest {
                        progress.since = Instant::now();
                    } else if progress.since + limit <= Instant::now() {
                        return None;
                    }
                }
            }
        }
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, UploadProgress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Uploading {
    body: WasiBody,
    upload: Upload,
}

impl Body for Uploading {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let mut progress = self.upload.progress();
        progress.waits_for_guest = polled.is_pending();
        progress.since = Instant::now();
        drop(progress);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a response as it comes from the network: it fails where nothing comes for too long, or the sync is interrupted.
pub struct Receiving {
    body: Incoming,
    /// A guest that looks whether something has come, without waiting for it, does so outside of the runtime.
    runtime: Handle,
    limit: Duration,
    /// Runs while the body is waited for.
    patience: Option<Pin<Box<Sleep>>>,
    interruption: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// How many parts were given without a pause.
    in_a_row: usize,
    /// Until the body has ended: a guest may be late to drop it.
    slot: Option<OwnedSemaphorePermit>,
}

impl Receiving {
    pub fn new(
        body: Incoming,
        limit: Duration,
        interruption: Pin<Box<dyn Future<Output = ()> + Send>>,
        slot: OwnedSemaphorePermit,
    ) -> Receiving {
        let slot = (!body.is_end_stream()).then_some(slot);
        Receiving { body, runtime: Handle::current(), limit, patience: None, interruption, in_a_row: 0, slot }
    }
}

impl Body for Receiving {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        this.in_a_row += 1;
        if this.in_a_row > IN_A_ROW {
            this.in_a_row = 0;
            if this.interruption.as_mut().poll(context).is_ready() {
                return Poll::Ready(Some(Err(http_errors::interrupted())));
            }
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            this.patience = None;
            if this.body.is_end_stream() || !matches!(frame, Some(Ok(_))) {
                this.slot = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| http_errors::of_body(&error))));
        }
        this.in_a_row = 0;
        if this.interruption.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(http_errors::interrupted())));
        }
        // It begins when somebody waits: a guest may leave a body for as long as it likes.
        let runtime = this.runtime.enter();
        let patience = this.patience.get_or_insert_with(|| Box::pin(sleep(this.limit)));
        drop(runtime);
        patience.as_mut().poll(context).map(|()| Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
