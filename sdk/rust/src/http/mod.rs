//! HTTP for connectors that read an API: requests that are tried again, secrets that stay where they belong, pages.
//!
//! ```no_run
//! use airlock_sdk::http::{Client, Paging};
//! use airlock_sdk::{Result, StreamWriter};
//!
//! fn read(token: &str) -> Result<()> {
//!     let api = Client::new("https://api.example.com/v2/")?.secret_header("authorization", format!("Bearer {token}"));
//!     let mut orders = StreamWriter::open("orders")?;
//!     let mut pages = api.get("orders").query("limit", 100).pages(Paging::next_link("next").records_at("results"));
//!     while let Some(page) = pages.next_for(&mut orders)? {
//!         page.records("results")?.write_to(&mut orders)?;
//!         if let Some(position) = pages.position() {
//!             orders.checkpoint(position)?;
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Requests
//!
//! A [`Client`] knows what all requests have in common, a [`Request`] what one of them has of its own.
//! [`send`](Request::send) gives a [`Response`] with its whole body; a connection that breaks in the middle of it is a reason to try
//! again like any. [`open`](Request::open) gives an [`OpenResponse`], whose body is read as it comes: for what is large.
//!
//! # What goes wrong
//!
//! A status outside of 2xx is a [`Failure`](crate::Failure): 401 and 403 a config error, 408, 425, 429, 5xx and 403 with
//! `Retry-After` a transient error (after the retries that the [`RetryPolicy`] allows), anything else a system error.
//! [`accepting`](Request::accepting) makes a response of one. Connections that fail are transient errors; what the sandbox denies, and a certificate that nobody
//! trusts, are config errors; a response that is broken or too long, and a link or a redirect to a host that the sandbox denies,
//! are system errors.
//!
//! Every message begins with the request: `GET https://api.example.com/v2/orders?limit=100&key=… was answered with 404 (Not Found).`
//! Values of a query are shown where they came from [`query`](Request::query), others are not: those of links
//! and tokens that a server gave may be anything. Of the body of a response, no message has more than the short text in which
//! an API says what is wrong; where the body of an error is not such JSON, its beginning stands in the failure's internal
//! message, for developers. Both are without the client's secrets.
//!
//! # Secrets
//!
//! Headers and parameters that are said to be secret go to the origin of the client's base and to no other, also not after a redirect
//! or by a link in a page, and stand in no message, no log and no [`Position`].
//!
//! A token that expires within a sync is renewed between two pages: [`secret_header`](Client::secret_header) on a clone of the
//! client puts the new one in the place of the old, and its pages go on at the [`position`](Pages::position) of the old ones by
//! [`starting_at`](Pages::starting_at), unless those are over.

mod client;
mod exchange;
mod json_text;
mod link_header;
mod page;
mod paging;
mod part;
mod problem;
mod records;
mod request;
mod request_name;
mod response;
mod retry;
pub(crate) mod transport;
#[cfg(target_arch = "wasm32")]
pub(crate) mod wasi;

#[cfg(test)]
mod tests;

pub use client::Client;
pub use page::Page;
pub use paging::{Pages, Paging, Position};
pub use part::{Kind, Part};
pub use records::{Found, Records};
pub use request::{Request, RequestForStream};
pub use response::{Lines, OpenResponse, Reader, Response};
pub use retry::RetryPolicy;
pub use transport::Timeouts;
#[doc(hidden)]
pub use transport::Trouble;
