//! Whether the pages of a paginator can be made smaller while they are read, and none is lost then. Knows nothing of when that happens.

use super::stop_condition::{self, Safety};
use super::strategy::PaginationStrategy;
use super::{DefaultPaginator, PageTokenOption, Paginator};

/// A paginator whose pages are to be made smaller.
pub struct Reducible<'p>(&'p DefaultPaginator);

impl Paginator {
    /// None where there is one page.
    pub fn reducible(&self) -> Option<Reducible<'_>> {
        match self {
            Paginator::NoPagination => None,
            Paginator::Default(paginator) => Some(Reducible(paginator)),
        }
    }
}

impl Reducible<'_> {
    /// The size of its pages, where it is known without a config; or the rest of a sentence that says what is wrong.
    pub fn check(&self) -> Result<Option<i64>, &'static str> {
        let Reducible(paginator) = self;
        if paginator.page_size_option.is_none() {
            return Err("which needs a page_size_option in its paginator");
        }
        if matches!(paginator.page_token_option, Some(PageTokenOption::Path)) {
            return Err(
                "and a page_token_option of the type RequestPath: the URL of the next page has the page size in it already",
            );
        }
        if matches!(paginator.strategy, PaginationStrategy::Page(_)) {
            return Err(
                "and a PageIncrement, which does not go together: smaller pages begin elsewhere, and records would be lost. Use OffsetIncrement or CursorPagination",
            );
        }
        Ok(paginator.strategy.fixed_page_size())
    }

    /// What is in doubt of its stop condition, if anything; or the rest of a sentence that says what is wrong.
    pub fn check_stop_condition(&self, minimum_page_size: i64) -> Result<Option<String>, String> {
        let Some(condition) = self.0.strategy.stop_condition() else { return Ok(None) };
        match stop_condition::classify(condition, minimum_page_size) {
            Safety::Safe => Ok(None),
            Safety::Unknown(doubt) => Ok(Some(doubt)),
            Safety::Truncates(why) => Err(format!(
                "and the stop_condition {condition:?}: {why}. What follows would not be read. Compare last_page_size with page_size, the \
                 size that was asked for"
            )),
        }
    }
}
