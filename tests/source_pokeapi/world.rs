//! A PokeAPI of made-up Pokémon on loopback: its lists, its details and its encounters, as the real one answers. A test puts
//! its misbehaviour before it.

use std::io;

use serde_json::{Value, json};

use crate::harness::server::{Connection, Request, Server, respond};

/// Where the API begins.
pub const ROOT: &str = "/api/v2/";

/// The entries that each list has.
#[derive(Clone)]
pub struct World {
    pub scheme: &'static str,
    pub ids: Vec<u64>,
}

impl World {
    /// As many of each, and behind them one with a number far off, as PokeAPI's varieties have.
    pub fn of(count: u64) -> World {
        World { scheme: "http", ids: (1..=count).chain([10_001]).collect() }
    }

    /// A server that answers everything as it should.
    pub fn serve(self) -> Server {
        Server::start(move |request, connection| self.answer(request, connection))
    }

    /// A server that lets `first` answer, and does so itself where that returns false.
    pub fn serve_after(
        self,
        first: impl Fn(&Request, &mut Connection) -> io::Result<bool> + Send + Sync + 'static,
    ) -> Server {
        Server::start(move |request, connection| {
            if first(request, connection)? {
                return Ok(());
            }
            self.answer(request, connection)
        })
    }

    /// The right answer to a request.
    pub fn answer(&self, request: &Request, connection: &mut Connection) -> io::Result<()> {
        match self.find(request) {
            Some(body) => respond(connection, "200 OK", &[("Content-Type", "application/json")], body.as_bytes()),
            None => respond(connection, "404 Not Found", &[("Content-Type", "text/plain")], b"Not Found"),
        }
    }

    fn find(&self, request: &Request) -> Option<String> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let words: Vec<&str> = path.strip_prefix(ROOT)?.trim_end_matches('/').split('/').collect();
        let known = |entry: &str| self.ids.iter().copied().find(|id| entry == id.to_string() || entry == name(*id));
        match words.as_slice() {
            [list] => Some(self.page(request.header("host")?, list, query).to_string()),
            ["pokemon", entry] => Some(pokemon(known(entry)?)),
            ["pokemon", entry, "encounters"] => Some(encounters(known(entry)?).to_string()),
            [_, entry] => known(entry).map(|id| json!({"id": id, "name": name(id)}).to_string()),
            _ => None,
        }
    }

    fn page(&self, host: &str, list: &str, query: &str) -> Value {
        let field = |wanted: &str| {
            let fields = query.split('&').filter_map(|field| field.split_once('='));
            fields.filter(|(name, _)| *name == wanted).find_map(|(_, value)| value.parse::<usize>().ok())
        };
        let (offset, limit) = (field("offset").unwrap_or(0), field("limit").unwrap_or(20));
        let url = |rest: String| format!("{}://{host}{ROOT}{list}{rest}", self.scheme);
        let entry = |id: &u64| json!({"name": name(*id), "url": url(format!("/{id}/"))});
        let end = (offset + limit).min(self.ids.len());
        json!({
            "count": self.ids.len(),
            "next": (end < self.ids.len()).then(|| url(format!("?offset={end}&limit={limit}"))),
            "previous": null,
            "results": self.ids[offset.min(end)..end].iter().map(entry).collect::<Vec<_>>(),
        })
    }
}

/// The name of an entry; one has the name that the examples ask for.
pub fn name(id: u64) -> String {
    if id == 132 { "ditto".to_owned() } else { format!("mockachu-{id}") }
}

/// The details of a Pokémon, as text: a number is spelled as no JSON library would, and there are line breaks in it.
pub fn pokemon(id: u64) -> String {
    format!(
        "{{\"id\": {id},\n \"name\": \"{}\", \"base_experience\": 1.50e2, \"height\": null,\n \"types\": \
         [{{\"slot\": 1, \"type\": {{\"name\": \"paper\", \"url\": \"https://pokeapi.co/api/v2/type/1/\"}}}}], \"new\": \"ü\"}}\n",
        name(id)
    )
}

/// Where a Pokémon is met: as many places as the rest of its number by three.
pub fn encounters(id: u64) -> Value {
    (0..id % 3)
        .map(|place| json!({"location_area": {"name": format!("place-{place}")}, "version_details": []}))
        .collect()
}
