//! What goes wrong with an API: which stream meets what, and which of its requests. It must not know what the API answers else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::api::Response;
use super::asked::Asked;
use super::moments::{self, Reach};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// 429 with `Retry-After: 1`, once.
    TooMany,
    /// 503 with `Retry-After: 1`, once.
    Unavailable,
    NotFound,
    /// 404 for one request that is not the first, whenever it is asked.
    OneNotFound,
    Forbidden,
    BrokenJson,
    EmptyBody,
    /// A status that the manifest has a word for, once.
    Named(u16),
}

impl Trouble {
    pub const COMMON: [Trouble; 7] = [
        Trouble::NotFound,
        Trouble::OneNotFound,
        Trouble::TooMany,
        Trouble::BrokenJson,
        Trouble::Unavailable,
        Trouble::Forbidden,
        Trouble::EmptyBody,
    ];

    /// Which request of the stream meets it: the first is 1. All, if there is no such number.
    fn number(self) -> Option<usize> {
        match self {
            Trouble::TooMany | Trouble::Unavailable | Trouble::Named(_) => Some(1),
            Trouble::OneNotFound => Some(2),
            Trouble::NotFound | Trouble::Forbidden | Trouble::BrokenJson | Trouble::EmptyBody => None,
        }
    }

    /// Whether it is over as soon as it was met.
    fn is_over_then(self) -> bool {
        self != Trouble::OneNotFound
    }

    /// Whether it is waited for its end.
    fn may_cost_time(self) -> bool {
        match self {
            Trouble::TooMany | Trouble::Unavailable => true,
            Trouble::Named(status) => status == 429 || status >= 500,
            _ => false,
        }
    }

    fn response(self) -> Response {
        let failed = |status| Response::json(status, &json!({"message": "as the test wants it"}));
        let after_a_second = |status| {
            let mut response = failed(status);
            response.headers.push(("Retry-After".to_owned(), "1".to_owned()));
            response
        };
        match self {
            Trouble::TooMany => after_a_second(429),
            Trouble::Unavailable => after_a_second(503),
            Trouble::NotFound | Trouble::OneNotFound => failed(404),
            Trouble::Forbidden => failed(403),
            Trouble::BrokenJson => Response { body: b"{\"data\": [".to_vec(), ..failed(200) },
            Trouble::EmptyBody => Response { body: Vec::new(), ..failed(200) },
            Trouble::Named(status) => failed(status),
        }
    }
}

/// A trouble for each stream: another one in each round, of those that are common and the statuses that the manifest names for the
/// stream. No more than two of a round cost time.
pub fn dealt(streams: &[(String, Vec<u16>)], round: usize) -> BTreeMap<String, Trouble> {
    let mut costly = 0;
    let mut dealt = BTreeMap::new();
    for (at, (stream, named)) in streams.iter().enumerate() {
        let troubles: Vec<Trouble> = named.iter().copied().map(Trouble::Named).chain(Trouble::COMMON).collect();
        let mut turns = troubles.iter().cycle().skip((at + round) % troubles.len());
        let trouble = turns.find(|trouble| costly < 2 || !trouble.may_cost_time()).copied();
        let trouble = trouble.unwrap_or(Trouble::NotFound);
        costly += usize::from(trouble.may_cost_time());
        dealt.insert(stream.clone(), trouble);
    }
    dealt
}

/// The troubles of a run.
#[derive(Debug, Clone, Default)]
pub struct Troubles {
    of_streams: BTreeMap<String, Trouble>,
    /// The requests that meet those which do not come to all.
    chosen: BTreeMap<String, Value>,
    /// They were chosen in the run beside this one.
    are_chosen: bool,
    /// The requests of streams so far.
    seen: BTreeMap<String, Vec<Value>>,
    /// Streams whose trouble is over.
    over: BTreeSet<String>,
    now: i64,
}

impl Troubles {
    pub fn new(of_streams: BTreeMap<String, Trouble>, now: i64) -> Troubles {
        Troubles { of_streams, now, ..Troubles::default() }
    }

    /// For the run beside this one, whose same requests meet them.
    pub fn once_more(&self) -> Troubles {
        Troubles { are_chosen: true, chosen: self.chosen.clone(), ..Troubles::new(self.of_streams.clone(), self.now) }
    }

    /// What a request of a stream meets.
    pub fn meet(&mut self, stream: &str, asked: &Asked) -> Option<Response> {
        let trouble = self.of_streams.get(stream)?;
        let Some(number) = trouble.number() else { return Some(trouble.response()) };
        let mut request = asked.to_value();
        moments::value_without_now(&mut request, self.now, Reach::Days);
        let seen = self.seen.entry(stream.to_owned()).or_default();
        if !seen.contains(&request) {
            seen.push(request.clone());
        }
        if !self.are_chosen && seen.len() == number {
            self.chosen.entry(stream.to_owned()).or_insert_with(|| request.clone());
        }
        let is_met = self.chosen.get(stream) == Some(&request) && !self.over.contains(stream);
        if is_met && trouble.is_over_then() {
            self.over.insert(stream.to_owned());
        }
        is_met.then(|| trouble.response())
    }
}

#[cfg(test)]
mod tests {
    use super::super::asked::Body;
    use super::*;

    #[test]
    fn each_stream_meets_each_trouble_in_some_round() {
        let streams = [("a".to_owned(), vec![402]), ("b".to_owned(), Vec::new())];
        let rounds: Vec<_> = (0..8).map(|round| dealt(&streams, round)).collect();
        for trouble in [Trouble::Named(402)].into_iter().chain(Trouble::COMMON) {
            assert!(rounds.iter().any(|round| round["a"] == trouble), "{trouble:?}");
        }
        let many: Vec<(String, Vec<u16>)> = (0..40).map(|at| (format!("s{at}"), vec![500])).collect();
        assert_eq!(dealt(&many, 3).values().filter(|trouble| trouble.may_cost_time()).count(), 2);
    }

    #[test]
    fn a_trouble_that_comes_once_comes_to_the_same_request_in_both_runs() {
        let asked = |path: &str| Asked {
            method: "GET".into(),
            path: path.into(),
            query: Vec::new(),
            headers: BTreeMap::new(),
            body: Body::None,
        };
        let mut first = Troubles::new([("a".to_owned(), Trouble::TooMany)].into(), 0);
        let status = |troubles: &mut Troubles, path: &str| troubles.meet("a", &asked(path)).map(|met| met.status);
        assert_eq!(["/1", "/1", "/2"].map(|path| status(&mut first, path)), [Some(429), None, None]);
        let mut second = first.once_more();
        assert_eq!(["/2", "/1", "/1"].map(|path| status(&mut second, path)), [None, Some(429), None]);
        assert!(second.meet("b", &asked("/1")).is_none());
        let mut first = Troubles::new([("a".to_owned(), Trouble::OneNotFound)].into(), 0);
        assert_eq!(["/1", "/2", "/2"].map(|path| status(&mut first, path)), [None, Some(404), Some(404)]);
        assert_eq!(["/2", "/1"].map(|path| status(&mut first.once_more(), path)), [Some(404), None]);
    }
}
