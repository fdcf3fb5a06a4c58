//! How large the pages of a slice are when an API refuses them: the language's PageSizeReduction. Knows nothing of what a page has.

use std::time::Duration;

use airlock_sdk::{Failure, Result, config_error, transient_error};

use crate::manifest::{self, FromManifest, Node};
use crate::pagination::Reducible;

/// The language's PageSizeReduction.
#[derive(Debug)]
pub struct PageSizeReduction {
    factor: f64,
    minimum: i64,
    max_attempts: u64,
    backoff_seconds: f64,
    retries_at_minimum: u64,
    /// Follows the message where a page can not be made smaller any more.
    failure_message: String,
    restores_after_page: bool,
}

impl FromManifest for PageSizeReduction {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let component = node.component()?;
        let whole = |name: &'static str, least: u64, default: u64| match component.field(name) {
            Some(field) => match field.read::<u64>()? {
                number if number >= least => Ok(number),
                _ => Err(field.invalid(format!("must be {least} or more"))),
            },
            None => Ok(default),
        };
        let number =
            |name: &'static str, is_right: fn(f64) -> bool, wanted: &str, default: f64| match component.field(name) {
                Some(field) => match field.read::<f64>()? {
                    number if is_right(number) => Ok(number),
                    _ => Err(field.invalid(format!("must be {wanted}"))),
                },
                None => Ok(default),
            };
        let failure_message: Option<String> = component.optional("failure_message")?;
        let reduction = PageSizeReduction {
            factor: number("reduction_factor", |factor| factor > 1.0, "more than 1", 2.0)?,
            minimum: i64::try_from(whole("minimum_page_size", 1, 1)?).unwrap_or(i64::MAX),
            max_attempts: whole("max_attempts", 1, 5)?,
            backoff_seconds: number("backoff_seconds", |seconds| seconds >= 0.0, "0 or more", 0.5)?,
            retries_at_minimum: whole("retries_at_minimum_page_size", 0, 0)?,
            failure_message: failure_message.unwrap_or_default().trim().to_owned(),
            restores_after_page: match component.field("reset_policy") {
                None => false,
                Some(policy) => match policy.read::<String>()?.as_str() {
                    "NEVER" => false,
                    "AFTER_SUCCESSFUL_PAGE" => true,
                    _ => return Err(policy.other_word(&["NEVER", "AFTER_SUCCESSFUL_PAGE"])),
                },
            },
        };
        component.finish();
        Ok(reduction)
    }
}

impl PageSizeReduction {
    /// Whether the pages of this paginator can be made smaller at all, and none is left out then. `node` is the retriever.
    pub fn check(&self, paginator: Option<Reducible<'_>>, node: &Node<'_>) -> manifest::Result<()> {
        let Some(paginator) = paginator else {
            return Err(node.invalid("has a page_size_reduction, which needs a DefaultPaginator"));
        };
        let problem = |what: &str| node.invalid(format!("has a page_size_reduction, {what}"));
        let page_size = paginator.check().map_err(&problem)?;
        if let Some(page_size) = page_size {
            if page_size <= self.minimum {
                return Err(problem(&format!(
                    "which can never reduce the page_size of {page_size}: the minimum_page_size is {}",
                    self.minimum
                )));
            }
            self.remark_minimum(page_size, node);
        }
        if let Some(doubt) = paginator.check_stop_condition(self.minimum).map_err(|what| problem(&what))? {
            node.remark(format!(
                "has a page_size_reduction, and a stop_condition that could not be checked against it, because {doubt}: a page that is \
                 full at a reduced size must not satisfy it, for what follows would not be read. {{{{ last_page_size < page_size }}}} is safe"
            ));
        }
        Ok(())
    }

    /// Tells of a minimum that no run of failing pages comes to.
    #[expect(clippy::cast_precision_loss, reason = "Python rounds the same way")]
    fn remark_minimum(&self, page_size: i64, node: &Node<'_>) {
        let reach = self.factor.powf(self.max_attempts as f64);
        if self.minimum > 1 && reach < page_size as f64 / self.minimum as f64 {
            node.remark(format!(
                "has a page_size_reduction whose minimum_page_size of {} is not reached from a page_size of {page_size} within {} \
                 max_attempts by a reduction_factor of {}",
                self.minimum, self.max_attempts, self.factor
            ));
        }
    }

    /// For the pages of one slice. `page_size` is the paginator's.
    pub fn begin<'r>(&'r self, page_size: Option<i64>, stream_name: &'r str) -> PageSizeReducer<'r> {
        PageSizeReducer { declared: self, stream_name, page_size, reduced: None, attempts: 0, retries_at_minimum: 0 }
    }
}

/// The size of the pages of one slice: the CDK's PageSizeReducer.
#[derive(Debug)]
pub struct PageSizeReducer<'r> {
    declared: &'r PageSizeReduction,
    stream_name: &'r str,
    page_size: Option<i64>,
    reduced: Option<i64>,
    /// In succession, without a page between them.
    attempts: u64,
    retries_at_minimum: u64,
}

impl PageSizeReducer<'_> {
    /// What is asked for in the place of the paginator's size. None while that is right.
    pub fn reduced(&self) -> Option<i64> {
        self.reduced
    }

    /// The API refused a page. Waits, so that the same page may be asked for again. `told` is what the error handler says.
    pub fn reduce(&mut self, told: &str) -> Result<()> {
        let stream = self.stream_name;
        let Some(page_size) = self.page_size else {
            return Err(config_error(format!(
                "Stream {stream} is set up to reduce its page size on error but does not define one. Set `page_size` on the pagination \
                 strategy and `page_size_option` on the paginator."
            )));
        };
        let current = self.reduced.unwrap_or(page_size);
        let reduced = floor_divided(current, self.declared.factor).max(self.declared.minimum);
        if reduced >= current {
            return self.retry_at_minimum(current, told);
        }
        self.attempts += 1;
        if self.attempts > self.declared.max_attempts {
            return Err(self.exhausted(
                format!(
                    "The source keeps rejecting pages of stream {stream} at every page size the connector requested, down to {current} \
                     records per page."
                ),
                told,
            ));
        }
        log::info!(
            "The page size of stream {stream} goes from {current} to {reduced}, and the same page is asked for again."
        );
        self.reduced = Some(reduced);
        self.wait(self.attempts)
    }

    /// The page can not be made smaller, but what is wrong may pass.
    fn retry_at_minimum(&mut self, current: i64, told: &str) -> Result<()> {
        let (stream, minimum) = (self.stream_name, self.declared.minimum);
        if self.retries_at_minimum < self.declared.retries_at_minimum {
            self.retries_at_minimum += 1;
            log::info!(
                "Stream {stream} can not ask for a page of less than {current} records, and asks for the same again."
            );
            return self.wait(self.retries_at_minimum);
        }
        if self.reduced.is_none() && minimum > 1 {
            return Err(config_error(format!(
                "The page size of stream {stream} ({current}) is already at or below the configured minimum of {minimum}, so the connector \
                 cannot reduce it. Raise the page size of the stream, or lower `minimum_page_size`."
            ))
            .with_internal(rejected(told)));
        }
        Err(self.exhausted(
            format!(
                "The source keeps rejecting pages of stream {stream} at the smallest page size the connector is allowed to request \
                 ({current} records per page)."
            ),
            told,
        ))
    }

    fn exhausted(&self, message: String, told: &str) -> Failure {
        let message = match self.declared.failure_message.as_str() {
            "" => message,
            more => format!("{message} {more}"),
        };
        transient_error(message).with_internal(rejected(told))
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody waits that often")]
    fn wait(&self, times: u64) -> Result<()> {
        let seconds = self.declared.backoff_seconds * times as f64;
        let wait = Duration::try_from_secs_f64(seconds).map_err(|_| {
            config_error(format!(
                "The page_size_reduction's backoff_seconds come to {seconds}, which is no time to wait."
            ))
        })?;
        airlock_sdk::wait(wait)
    }

    /// A page came.
    pub fn page_came(&mut self) {
        self.attempts = 0;
        self.retries_at_minimum = 0;
        if self.declared.restores_after_page {
            self.reduced = None;
        }
    }
}

fn rejected(told: &str) -> String {
    match told {
        "" => "the API rejected the page".to_owned(),
        told => format!("the API rejected the page: {told}"),
    }
}

/// Python's `//` of a whole number and a float above 1.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "Python rounds the same way")]
fn floor_divided(number: i64, by: f64) -> i64 {
    let number = number as f64;
    let rest = number.rem_euclid(by);
    ((number - rest) / by).round() as i64
}

/// A stream's error handler wants smaller pages where nothing says how small.
pub fn not_supported(stream_name: &str) -> Failure {
    config_error(format!(
        "Stream {stream_name} resolves an API response to the REDUCE_PAGE_SIZE action but is not set up to send a smaller page. Add \
         `page_size_reduction` to the stream's retriever, or remove the REDUCE_PAGE_SIZE action from its error handler."
    ))
}
