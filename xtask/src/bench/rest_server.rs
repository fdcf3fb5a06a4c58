//! A REST API on loopback whose pages were made before: to answer costs it a look at the number of the page, and a write.
//! HTTP/1.1 with a thread a connection, which is kept. It must not know who asks.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use serde_json::json;

/// Where the pages are.
pub const PATH: &str = "orders";

/// Runs as long as this process.
pub struct Server {
    address: SocketAddr,
}

impl Server {
    /// Serves so many pages of so many records.
    pub fn start(pages: u64, records: u64) -> Result<Server> {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on loopback")?;
        let address = listener.local_addr().context("cannot tell which port it is")?;
        let responses: Arc<Vec<Vec<u8>>> =
            Arc::new((0..pages).map(|page| response(address, page, pages, records)).collect());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let responses = responses.clone();
                thread::spawn(move || serve(&stream, &responses));
            }
        });
        Ok(Server { address })
    }

    /// What clients are given: `http://127.0.0.1:PORT/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

/// Until the client goes, or asks for what is not there.
fn serve(stream: &TcpStream, responses: &[Vec<u8>]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let page = number_of(&line);
        while line.trim_end() != "" {
            line.clear();
            reader.read_line(&mut line)?;
        }
        match page.and_then(|page| responses.get(page)) {
            Some(response) => writer.write_all(response)?,
            None => {
                return writer.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        }
    }
}

/// The page that a request's first line asks for: the first, where it does not say.
fn number_of(line: &str) -> Option<usize> {
    let target = line.strip_prefix("GET /")?.split(' ').next()?.strip_prefix(PATH)?;
    match target.split(['?', '&']).find_map(|parameter| parameter.strip_prefix("page=")) {
        Some(number) => number.parse().ok(),
        None => Some(0),
    }
}

/// A page with its headers.
fn response(address: SocketAddr, page: u64, pages: u64, records: u64) -> Vec<u8> {
    let records: Vec<String> = (page * records..(page + 1) * records).map(|number| record(number + 1)).collect();
    let next = (page + 1 < pages).then(|| format!("http://{address}/{PATH}?page={}", page + 1));
    let body = format!("{{\"data\":[{}],\"next\":{}}}", records.join(","), json!(next));
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// What shops and their like have: numbers, short texts, a time, something nested. About 275 bytes. No nulls, which Airbyte's
/// CDK would leave out.
fn record(number: u64) -> String {
    let day = number % 28 + 1;
    format!(
        "{{\"id\":{number},\"customer_id\":{},\"status\":\"{}\",\"email\":\"customer{}@example.com\",\"total\":{}.25,\
         \"currency\":\"EUR\",\"is_paid\":{},\"note\":{},\"address\":{{\"street\":\"Rue de la Paix {}\",\"city\":\"Zürich\"}},\
         \"tags\":[\"new\",\"tag{}\"],\"created_at\":\"2024-01-{day:02}T12:34:56Z\"}}",
        number * 7919 % 100_000,
        ["new", "paid", "shipped", "returned"][(number % 4) as usize],
        number % 100_000,
        number % 10_000,
        number.is_multiple_of(2),
        if number.is_multiple_of(3) { "\"\"" } else { "\"Leave it with \\\"Anna\\\"\"" },
        number % 200,
        number % 10,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_all_records_and_lead_to_one_another() {
        let address: SocketAddr = "127.0.0.1:80".parse().expect("an address");
        let body = |page| {
            let response = String::from_utf8(response(address, page, 2, 3)).expect("it is UTF-8");
            let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
            serde_json::from_str::<serde_json::Value>(body).expect("it is JSON")
        };
        let ids =
            |page| body(page)["data"].as_array().expect("records").iter().map(|r| r["id"].clone()).collect::<Vec<_>>();
        assert_eq!((ids(0), ids(1)), (vec![json!(1), json!(2), json!(3)], vec![json!(4), json!(5), json!(6)]));
        let next = body(0)["next"].as_str().expect("a link").to_owned();
        assert_eq!(number_of(&format!("GET {} HTTP/1.1\r\n", next.trim_start_matches("http://127.0.0.1:80"))), Some(1));
        assert!(body(1)["next"].is_null());
    }

    #[test]
    fn a_request_for_anything_else_has_no_page() {
        for line in ["GET / HTTP/1.1\r\n", "POST /orders HTTP/1.1\r\n", "GET /orders?page=x HTTP/1.1\r\n", ""] {
            assert_eq!(number_of(line), None, "{line}");
        }
        assert_eq!(number_of("GET /orders?limit=1 HTTP/1.1\r\n"), Some(0));
    }
}
