//! Policies: entries, placeholders and policy files of any text. Whatever they say, a policy file takes away and gives nothing.

use std::io::Write;
use std::net::IpAddr;

use serde_json::json;
use url::Host;

use crate::sandbox::{Author, Ceilings, HostPattern, NetworkPolicy, PolicyFile, Wishes};

/// Lines of text: the author's entries, those of the command line, the config's `host`, what is asked for (a host, a port and an
/// address); and a policy file, which is all that is left.
pub fn policy(data: &[u8]) {
    for author in [Author::Metadata, Author::Manifest] {
        policy_of(author, data);
    }
}

fn policy_of(author: Author, data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(5, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (asked_for, command_line, value, asked, file) = (line(), line(), line(), line(), line());
    let asked_for: Vec<String> = asked_for.split(' ').map(ToOwned::to_owned).collect();
    let command_line: Vec<HostPattern> = command_line.split(' ').filter_map(|entry| entry.parse().ok()).collect();
    for entry in &command_line {
        assert_eq!(entry.to_string().parse().as_ref(), Ok(entry), "as it is shown, it is read again");
    }
    let ceilings = ceilings(file);
    let policies = |value: &str| {
        let config = json!({"host": value});
        let wishes = Wishes { asked_for: &asked_for, author, config: Some(&config), command_line: &command_line };
        let files = [Some(Ceilings::default()), ceilings.clone()].into_iter().flatten();
        files.map(|files| NetworkPolicy::new(wishes, files)).unzip::<_, _, Vec<_>, Vec<_>>()
    };
    let (of_user, warnings) = policies(value);
    if let [free, below] = &of_user[..] {
        let both = answers(free, asked).into_iter().zip(answers(below, asked));
        assert!(both.into_iter().all(|(free, below)| free || !below), "a policy file gives nothing");
    }
    // What is told with other values as well is not told of this one.
    let told = |value: &str| policies(value).1.concat().concat();
    if !told("a.value").contains(value) && !told("no value").contains(value) {
        assert!(!warnings.concat().concat().contains(value), "{warnings:?}");
    }
}

fn ceilings(text: &str) -> Option<Ceilings> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("it is written");
    let file = PolicyFile { path: file.path().to_owned(), named_by: "a test" };
    Ceilings::load(&[file], None).ok()
}

fn answers(policy: &NetworkPolicy, asked: &str) -> Vec<bool> {
    let mut words = asked.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let host = Host::parse(word()).unwrap_or_else(|_| Host::Domain(asked.to_owned()));
    let port = word().parse().ok();
    let address: IpAddr = word().parse().unwrap_or(IpAddr::from([169, 254, 169, 254]));
    let nowhere = policy.check_address(&host, port, IpAddr::from([0, 0, 0, 0]));
    assert!(nowhere.is_err(), "nothing leads to the address that is none");
    vec![
        policy.check_host(&host, port).is_ok(),
        policy.check_address(&host, port, address).is_ok(),
        policy.check_proxied(&host, port).is_ok(),
        !policy.denies_everything(),
    ]
}
