//! The guide for those who have a manifest: its files work, and its commands run in their order.

use serde_json::{Value, json};

use crate::harness::documents::{self, file};
use crate::harness::server::{Server, respond};
use crate::harness::{Workspace, protocol};
use crate::images::base;

const GUIDE: &str = "docs/low-code.md";

/// Five tickets, two a page: what the guide's manifest asks for, and nothing for who has no token.
fn tickets(token: String) -> Server {
    Server::start(move |request, connection| {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let parameter = |name: &str| {
            let value = query.split('&').find_map(|parameter| parameter.strip_prefix(name)?.strip_prefix('='));
            value.map(|value| value.replace("%3A", ":"))
        };
        if path != "/api/tickets" || request.header("authorization") != Some(&format!("Bearer {token}")) {
            return respond(connection, "401 Unauthorized", &[], b"{}");
        }
        let since = parameter("updated_since").expect("it is asked for");
        let after: u64 = parameter("after").map_or(0, |after| after.parse().expect("a number"));
        let tickets =
            (1..=5).map(|id| json!({"id": id, "subject": "", "updated_at": format!("2026-01-0{id}T00:00:00Z")}));
        let tickets = tickets.filter(|ticket| ticket["updated_at"].as_str() > Some(&since));
        let left: Vec<Value> = tickets.filter(|ticket| ticket["id"].as_u64() > Some(after)).collect();
        let next = left.get(1).filter(|_| left.len() > 2).map(|ticket| &ticket["id"]);
        let page = json!({"tickets": &left[..left.len().min(2)], "next": next});
        respond(connection, "200 OK", &[("Content-Type", "application/json")], page.to_string().as_bytes())
    })
}

#[test]
fn the_commands_of_the_guide_run() {
    let workspace = Workspace::new();
    let config: Value = serde_json::from_str(&file(GUIDE, "config.json")).unwrap();
    let server = tickets(config["api_token"].as_str().unwrap().to_owned());
    let manifest = file(GUIDE, "manifest.yaml").replace("https://helpdesk.example/", &server.url("/"));
    assert!(manifest.contains("127.0.0.1"), "{manifest}");
    workspace.file("manifest.yaml", manifest);
    workspace.json("config.json", &config);
    workspace.file("catalog.json", file(GUIDE, "catalog.json"));
    let base = base::base(&workspace);
    let outputs = documents::run_commands(GUIDE, &workspace, &[("AIRLOCK_BASE_IMAGE", base.as_os_str())]);
    let printed = outputs.concat();
    assert!(printed.contains(r#"{"type":"SPEC""#) && printed.contains(r#"{"type":"CATALOG""#), "{printed}");
    // As a manifest, as a file, and as PyAirbyte's program.
    assert_eq!(printed.matches(r#""status":"SUCCEEDED""#).count(), 3, "{printed}");
    assert!(printed.contains("helpdesk/source-helpdesk:0.1.0"), "{printed}");
    let of_inspect = format!("{} (the manifest)", server.authority());
    assert!(printed.contains(&of_inspect), "{printed}");

    let records = |text: &str| -> Vec<u64> {
        let messages = protocol::messages(text.as_bytes()).into_iter();
        messages.filter_map(|message| message["record"]["data"]["id"].as_u64()).collect()
    };
    let first = std::fs::read_to_string(workspace.path().join("messages.jsonl")).unwrap();
    assert_eq!(records(&first), [2, 3, 4, 5], "those that are newer than the config's start_date");
    let second = outputs.iter().find(|output| output.contains(r#""status":"COMPLETE""#)).expect("a read is printed");
    assert_eq!(records(second), [0_u64; 0]);
}
