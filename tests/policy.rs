//! What a connector may touch: the options that grant it, the operator's policies over them, and what is told of both.
//! What of the network comes of it is shown by the tests of the network.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::faulty::Guest;
use crate::harness::workspace::configured_catalog;
use crate::harness::{Airlock, Finished, Workspace, connector, protocol, test_guest};

/// A guest that says what it finds, with the files of a `read` and a directory that is its `/airbyte`.
struct Explorer {
    workspace: Workspace,
    airbyte: PathBuf,
}

impl Explorer {
    fn new() -> Explorer {
        let workspace = Workspace::new();
        workspace.json("config.json", &json!({"port": 1}));
        workspace.json("catalog.json", &configured_catalog(&["one"]));
        let airbyte = workspace.directory("airbyte");
        Explorer { workspace, airbyte }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.workspace.path().join(name)
    }

    fn command(&self, command: &str) -> Airlock {
        let run = Airlock::of(&test_guest("source-explores")).arg(command).option("--airbyte-dir", &self.airbyte);
        match command {
            "spec" => run,
            "read" => run.option("--config", self.path("config.json")).option("--catalog", self.path("catalog.json")),
            _ => run.option("--config", self.path("config.json")),
        }
    }

    fn policy(&self, name: &str, content: &str) -> PathBuf {
        self.workspace.file(name, content)
    }
}

/// The environment as the guest found it.
fn environment(finished: &Finished) -> &Value {
    let found = finished.records("one").into_iter().find(|record| record["attempt"] == "environment");
    &found.expect("the guest says what it found")["outcome"]
}

/// The one line that says what is in force.
#[track_caller]
fn in_force(finished: &Finished, level: &str) -> String {
    let mut lines = protocol::all_messages(&finished.stdout);
    lines.retain(protocol::says_what_is_in_force);
    assert_eq!(lines.len(), 1, "{:#?}", finished.messages);
    assert_eq!(lines[0]["log"]["level"], level);
    lines[0]["log"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_connector_sees_the_variables_that_are_granted_and_no_others() {
    let explorer = Explorer::new();
    let platform = [
        "AIRBYTE_ENTRYPOINT",
        "WORKER_JOB_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AIRLOCK_METADATA",
        "USE_STREAM_CAPABLE_STATE",
    ];
    let with_platform = |run: Airlock| platform.iter().fold(run, |run, name| run.env(name, ""));
    let run = with_platform(explorer.command("read")).env("TOKEN", "it's = this").env("PLAIN", "x");
    let finished = run
        .option("--allow-env", "TOKEN")
        .option("--allow-env", "NOT_SET")
        .option("--allow-env", "TOKEN2")
        .run()
        .exits(0);
    assert_eq!(environment(&finished), &json!(["TOKEN=it's = this"]));
    assert!(in_force(&finished, "INFO").contains("; environment variables TOKEN;"), "the names are told");
    assert!(
        !String::from_utf8_lossy(&finished.stdout).replace("TOKEN=it's = this", "").contains("it's"),
        "the value is not"
    );
    let finished = with_platform(explorer.command("read")).env("TOKEN", "x").run().exits(0);
    assert_eq!(environment(&finished), &json!([]));
    assert!(in_force(&finished, "INFO").contains("; no environment variables;"));

    let finished = explorer.command("spec").option("--allow-env", "NOT_SET").arg("--debug").run().exits(0);
    assert!(finished.logs("DEBUG").iter().any(|line| line.contains("NOT_SET") && line.contains("is not set")));
}

#[test]
fn a_variable_is_named_and_its_value_is_text() {
    let explorer = Explorer::new();
    for wrong in ["TOKEN=hunter22", "=hunter22", "=", ""] {
        let finished = explorer.command("spec").option("--allow-env", wrong).run_tool().exits(2);
        assert!(finished.stdout.is_empty());
        assert!(finished.stderr.contains("--allow-env") && finished.stderr.contains("hint:"), "{}", finished.stderr);
        assert!(!finished.stderr.contains("hunter22"), "{}", finished.stderr);
    }
    let latin1 = OsString::from_vec(b"caf\xe9".to_vec());
    let finished = explorer.command("spec").env("TOKEN", latin1).option("--allow-env", "TOKEN").run().exits(1);
    let (kind, message) = finished.error();
    assert_eq!(kind, "config_error");
    assert!(message.contains("TOKEN") && message.contains("UTF-8") && !message.contains("caf"), "{message}");
}

#[test]
fn a_host_that_is_none_is_wrong_usage_that_tells_the_forms() {
    let explorer = Explorer::new();
    for wrong in ["a*.x", "*.*", "http://api.example.com", "a b", "", "api.example.com:0", "${host}", "10.0.0.0/8"] {
        let finished = explorer.command("spec").option("--allow-host", wrong).run_tool().exits(2);
        assert!(finished.stdout.is_empty());
        for form in ["--allow-host", "api.example.com", "*.example.com", "10.0.0.5", ":443"] {
            assert!(finished.stderr.contains(form), "{wrong}: {}", finished.stderr);
        }
    }
}

#[test]
fn what_is_in_force_is_told_at_the_start_of_a_sync() {
    let explorer = Explorer::new();
    let mount = explorer.workspace.directory("data");
    let policy = explorer.policy("ceiling.yaml", "hosts: ['*.example.com', 10.0.0.0/8]");
    let granted = |command: &str| {
        let run = explorer.command(command).option("--mount", format!("{}:/data", mount.display()));
        let run = run.option("--allow-host", "API.example.com").option("--allow-host", "[::ffff:10.0.0.5]:5432");
        run.option("--policy", &policy)
            .env("TOKEN", "x")
            .option("--allow-env", "TOKEN")
            .arg("--debug")
            .option("--max-memory", "512MiB")
    };
    let expected = format!(
        "In force for the connector source-explores: /airbyte is {} (read and write); /data is {} (read only); hosts \
         api.example.com (--allow-host), 10.0.0.5:5432 (--allow-host); environment variables TOKEN; 512 MiB \
         of memory; below the policy {}.",
        explorer.airbyte.display(),
        mount.display(),
        policy.display()
    );
    for (command, level) in [("read", "INFO"), ("check", "DEBUG"), ("discover", "DEBUG")] {
        let finished = granted(command).run().exits(0);
        assert_eq!(in_force(&finished, level), expected, "{command}");
    }
    let nothing = explorer.command("read").option("--max-memory", "1GiB").run().exits(0);
    let line = in_force(&nothing, "INFO");
    assert!(line.ends_with("; no hosts; no environment variables; 1 GiB of memory; no policy file."), "{line}");

    let workspace = &explorer.workspace;
    let config = workspace.json("write.json", &json!({"destination_path": "/local/x"}));
    let write = Airlock::of(&connector("destination-local-json")).arg("write").option("--config", config);
    let write = write.option("--catalog", explorer.path("catalog.json")).option("--airbyte-dir", &explorer.airbyte);
    assert!(in_force(&write.run(), "INFO").contains(&format!("/airbyte is {} (", explorer.airbyte.display())));
}

#[test]
fn what_is_in_force_is_told_without_the_secrets_of_the_config() {
    let explorer = Explorer::new();
    let config = explorer.workspace.json("secret.json", &json!({"password": "hunter22"}));
    let run = Airlock::of(&test_guest("source-prints")).arg("read").option("--config", config);
    let run = run.option("--catalog", explorer.path("catalog.json")).option("--allow-host", "hunter22.example.com");
    let finished = run.run().exits(0);
    assert!(in_force(&finished, "INFO").contains("hosts ****.example.com (--allow-host)"));
    assert!(!String::from_utf8_lossy(&finished.stdout).contains("hunter22"));
}

/// The TRACE ERROR of a run that a policy forbids: before anything of the connector has run.
#[track_caller]
fn assert_refused(run: Airlock, told: &[&str]) {
    let finished = run.run().exits(1);
    let (kind, message) = finished.error();
    assert_eq!(kind, "config_error", "{message}");
    for word in told {
        assert!(message.contains(word), "{word}: {message}");
    }
    assert!(finished.of_type("SPEC").is_empty() && finished.of_type("RECORD").is_empty());
}

#[test]
fn a_policy_that_can_not_be_understood_stops_everything() {
    let explorer = Explorer::new();
    let policies = [
        (explorer.path("missing.yaml"), "No such file"),
        (explorer.workspace.directory("directory"), "not a file"),
        (explorer.policy("empty.yaml", ""), "empty"),
        (explorer.policy("field.yaml", "hosts: []\nhost: []"), "host"),
        (explorer.policy("null.yaml", "hosts:"), "[] allows nothing"),
        (explorer.policy("entry.yaml", "hosts: ['a*.x']"), "a*.x"),
        (explorer.policy("broken.yaml", "hosts: ["), "no policy"),
        (explorer.policy("huge.yaml", &"#".repeat(1024 * 1024 + 1)), "more than"),
        (explorer.workspace.file("latin1.yaml", b"# caf\xe9\n{}"), "UTF-8"),
    ];
    for (path, told) in &policies {
        let name = path.to_str().unwrap();
        for command in ["spec", "check", "discover", "read"] {
            assert_refused(explorer.command(command).option("--policy", path), &[told, name, "--policy"]);
        }
        assert_refused(explorer.command("spec").env("AIRLOCK_POLICY", path), &[told, name, "AIRLOCK_POLICY"]);
    }
    // An empty variable is one that somebody meant to unset; an option was meant to name something.
    explorer.command("spec").option("--policy", "").run_tool().exits(2);
    explorer.command("spec").env("AIRLOCK_POLICY", "").run().exits(0);
}

#[test]
fn a_policy_where_a_connector_could_write_it_does_not_count() {
    let explorer = Explorer::new();
    let inside = explorer.airbyte.join("policy.yaml");
    std::fs::write(&inside, "{}").unwrap();
    let outside = explorer.policy("policy.yaml", "{}");
    let link_out = explorer.airbyte.join("link.yaml");
    std::os::unix::fs::symlink(&outside, &link_out).unwrap();
    let link_in = explorer.path("link.yaml");
    std::os::unix::fs::symlink(&inside, &link_in).unwrap();
    let linked_directory = explorer.path("linked");
    std::os::unix::fs::symlink(&explorer.airbyte, &linked_directory).unwrap();
    for path in [&inside, &link_out, &link_in, &linked_directory.join("policy.yaml")] {
        assert_refused(explorer.command("spec").option("--policy", path), &["where connectors may write"]);
    }
    explorer.command("spec").option("--policy", &outside).run().exits(0);
    // By a path that begins where the process is.
    let mut relative = explorer.command("spec").option("--policy", "policy.yaml").into_command();
    assert!(relative.current_dir(explorer.workspace.path()).output().unwrap().status.success());
    assert!(!relative.current_dir(&explorer.airbyte).output().unwrap().status.success());
}

#[test]
fn a_policy_bounds_what_the_command_line_grants() {
    let explorer = Explorer::new();
    let (data, below) = (explorer.workspace.directory("data"), explorer.workspace.directory("data/below"));
    let (other, beside) = (explorer.workspace.directory("other"), explorer.workspace.directory("data2"));
    std::os::unix::fs::symlink(&other, explorer.path("data/link")).unwrap();
    let text =
        json!({"hosts": ["*.example.com"], "environment": ["TOKEN"], "mounts": [data, explorer.path("missing")]});
    let policy = explorer.policy("policy.yaml", &text.to_string());
    let name = policy.to_str().unwrap();
    let run = |command: &str| explorer.command(command).option("--policy", &policy).env("TOKEN", "x").env("OTHER", "x");
    let mounted = |path: &Path| format!("{}:/data", path.display());

    let granted = run("read")
        .option("--allow-env", "TOKEN")
        .option("--mount", mounted(&below))
        .option("--allow-host", "a.example.com");
    let finished = granted.option("--allow-host", "b.example.net").option("--allow-host", "10.0.0.5").run().exits(0);
    assert_eq!(environment(&finished), &json!(["TOKEN=x"]));
    assert!(in_force(&finished, "INFO").contains("hosts a.example.com (--allow-host);"));
    let warnings = finished.logs("WARN");
    let told = format!(
        "The policy file {name} takes away these hosts: b.example.net (--allow-host), 10.0.0.5 (--allow-host)."
    );
    assert!(warnings.contains(&told.as_str()), "{warnings:?}");

    run("spec").option("--mount", mounted(&data)).run().exits(0);
    for outside in
        [&other, &beside, explorer.workspace.path(), &explorer.path("data/link"), &explorer.path("data/../other")]
    {
        assert_refused(run("spec").option("--mount", mounted(outside)), &["mount", name]);
    }
    assert_refused(run("spec").option("--allow-env", "OTHER"), &["OTHER", name]);
    let nothing = explorer.policy("nothing.yaml", "mounts: []\nenvironment: []\nhosts: []");
    assert_refused(run("spec").env("AIRLOCK_POLICY", &nothing).option("--mount", mounted(&data)), &["nothing.yaml"]);
    assert_refused(
        explorer.command("spec").option("--policy", &nothing).option("--allow-env", "TOKEN"),
        &["nothing.yaml"],
    );
}

#[test]
fn a_policy_bounds_memory_and_time_and_is_named_where_they_do_not_suffice() {
    let leak = Guest::new("source-crashes").with_file("crash", "read leak");
    let policy = leak.workspace.path().join("small.yaml");
    std::fs::write(&policy, "max_memory: 100MiB").unwrap();
    let run = leak.read(&json!({}), &["one"]).option("--policy", &policy).option("--max-memory", "10GiB");
    let finished = run.run().exits(1);
    let (kind, message) = finished.error();
    assert_eq!(kind, "system_error");
    for part in ["100 MiB of memory", "small.yaml allows"] {
        assert!(message.contains(part), "{part}: {message}");
    }

    let endless = Guest::new("source-endless");
    let policy = endless.workspace.path().join("short.yaml");
    std::fs::write(&policy, "timeout: 1").unwrap();
    let run =
        endless.read(&json!({"then": "error"}), &["one", "two"]).option("--policy", &policy).option("--timeout", "1h");
    let finished = run.run().exits(1);
    let (kind, message) = finished.error();
    assert_eq!(kind, "transient_error");
    for part in ["1 second", "short.yaml allows"] {
        assert!(message.contains(part), "{part}: {message}");
    }

    for wrong in ["max_memory: much", "timeout: [1]", "timeout:"] {
        std::fs::write(&policy, wrong).unwrap();
        let run = endless.read(&json!({"then": "error"}), &["one", "two"]).option("--policy", &policy);
        let finished = run.run().exits(1);
        let (kind, message) = finished.error();
        assert!(kind == "config_error" && message.contains("short.yaml"), "{wrong}: {message}");
    }
}

#[test]
fn the_variable_and_the_option_both_hold() {
    let explorer = Explorer::new();
    let one = explorer.policy("one.yaml", "hosts: [a.example, b.example]");
    let two = explorer.policy("two.yaml", "hosts: [b.example, c.example]");
    let hosts = ["a.example", "b.example", "c.example"];
    let run = hosts.iter().fold(explorer.command("read"), |run, host| run.option("--allow-host", *host));
    let finished = run.env("AIRLOCK_POLICY", &one).option("--policy", &two).run().exits(0);
    let line = in_force(&finished, "INFO");
    assert!(line.contains("hosts b.example (--allow-host);"), "{line}");
    assert!(line.ends_with(&format!("below the policy {}, {}.", one.display(), two.display())), "{line}");
}

/// Runs `airlock` where `/etc/airlock/policy.yaml` has this content. None where the kernel gives no namespaces to this user.
fn with_system_policy(policy: &Path, run: Airlock) -> Option<(Option<i32>, Vec<Value>)> {
    let run = run.into_command();
    // Without a link in the place of the policy's directory, and with nothing else of /etc.
    let script = "mount -t tmpfs none /etc && mkdir /etc/airlock && cp \"$0\" /etc/airlock/policy.yaml && exec \"$@\"";
    let unshared = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
        command
    };
    if !unshared("mount -t tmpfs none /etc").output().is_ok_and(|tried| tried.status.success()) {
        return None;
    }
    let mut command = unshared(script);
    command.arg(policy).arg(run.get_program()).args(run.get_args()).env_clear();
    command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.output().unwrap();
    Some((output.status.code(), protocol::all_messages(&output.stdout)))
}

#[test]
fn the_policy_of_an_image_holds_without_being_named() {
    let explorer = Explorer::new();
    let policy = explorer.policy("policy.yaml", "hosts: [a.example]");
    let own = explorer.policy("own.yaml", "hosts: ['*']");
    let granted = explorer.command("read").option("--allow-host", "a.example").option("--allow-host", "b.example");
    let Some((code, messages)) = with_system_policy(&policy, granted.option("--policy", &own)) else {
        println!("left out: this kernel gives this user no namespace of its own to mount /etc/airlock in");
        return;
    };
    assert_eq!(code, Some(0), "{messages:#?}");
    let logs: Vec<&str> = messages.iter().filter_map(|message| message["log"]["message"].as_str()).collect();
    let line = logs.iter().find(|line| line.starts_with("In force")).unwrap();
    assert!(line.contains("hosts a.example (--allow-host);"), "{line}");
    assert!(line.contains(&format!("below the policy /etc/airlock/policy.yaml, {}.", own.display())), "{line}");

    let wrong = explorer.policy("wrong.yaml", "host: [a.example]");
    let (code, messages) = with_system_policy(&wrong, explorer.command("spec")).unwrap();
    assert_eq!(code, Some(1));
    assert_eq!(messages.len(), 1, "{messages:#?}");
    let message = messages[0]["trace"]["error"]["message"].as_str().unwrap();
    assert!(message.contains("/etc/airlock/policy.yaml"), "{message}");
}

/// The metadata of a connector that asks for these hosts.
fn metadata(explorer: &Explorer, hosts: &[&str]) -> PathBuf {
    explorer.workspace.json(
        "asks.yaml",
        &json!({"data": {"name": "Asks", "dockerImageTag": "1.2.3", "allowedHosts": {"hosts": hosts}}}),
    )
}

#[test]
fn the_hosts_of_the_metadata_are_filled_by_the_config() {
    let explorer = Explorer::new();
    let asks = ["api.example.com", "${host}", "${sub}.example.net", "${tunnel.host}", "${bad}.example.net", "a*.x"];
    let metadata = metadata(&explorer, &asks);
    let config = json!({"host": "https://me:hunter22@db.internal:5432/x,b2", "sub": "acme", "bad": "evil.example/"});
    explorer.workspace.json("config.json", &config);
    let finished = explorer.command("read").option("--metadata", &metadata).run().exits(0);
    let line = in_force(&finished, "INFO");
    let hosts = "; hosts api.example.com (metadata), db.internal (the config's `host`), acme.example.net (metadata); ";
    assert!(line.starts_with("In force for the connector Asks 1.2.3: ") && line.contains(hosts), "{line}");
    let warnings = finished.logs("WARN");
    let warning = warnings.iter().find(|line| line.contains("allowedHosts")).expect("a warning");
    assert!(warning.contains("`bad`") && warning.contains("\"a*.x\""), "{warning}");
    for value in ["hunter22", "evil.example"] {
        assert!(!String::from_utf8_lossy(&finished.stdout).contains(value), "{value}: {:#?}", finished.messages);
    }

    // A policy that takes one of the config's hosts away is told before it is known what of the config is secret.
    let policy = explorer.policy("policy.yaml", "hosts: ['*.example.com']");
    let below = explorer.command("read").option("--metadata", &metadata).option("--policy", &policy).run().exits(0);
    let warnings = below.logs("WARN").join("\n");
    assert!(warnings.contains("the config's `host`") && !warnings.contains("db.internal"), "{warnings}");
    assert!(in_force(&below, "INFO").contains("; hosts api.example.com (metadata); "));

    // `spec` has no config: nothing is filled, and nothing is wrong with that.
    let spec = explorer.command("spec").option("--metadata", &metadata).run().exits(0);
    assert!(!spec.logs("WARN").concat().contains("`bad`"));
}

#[test]
fn a_host_that_is_a_secret_of_the_config_is_masked() {
    let explorer = Explorer::new();
    let config = explorer.workspace.json("secret.json", &json!({"password": "hunter22.example"}));
    let run = Airlock::of(&test_guest("source-prints")).arg("read").option("--config", config);
    let run = run.option("--metadata", metadata(&explorer, &["${password}"]));
    let finished = run.option("--catalog", explorer.path("catalog.json")).run().exits(0);
    assert!(in_force(&finished, "INFO").contains("hosts **** (the config's `password`);"));
}

/// A host is told without capitals, and cut out of the URL that names it.
#[test]
fn a_host_that_is_a_piece_of_a_secret_is_masked() {
    let explorer = Explorer::new();
    for (entry, secret, shown) in [
        ("${password}", "https://me:pw@Hidden-Name.Example:8443/hook", "hosts **** (the config's `password`);"),
        ("${password}", "Hidden-Name.Example", "hosts **** (the config's `password`);"),
        ("${password}.example.com", "Hidden-Name", "hosts ****.example.com (metadata);"),
    ] {
        let config = explorer.workspace.json("secret.json", &json!({"password": secret}));
        let run = Airlock::of(&test_guest("source-prints")).arg("read").option("--config", config);
        let run = run.option("--metadata", metadata(&explorer, &[entry]));
        let finished = run.option("--catalog", explorer.path("catalog.json")).run().exits(0);
        let line = in_force(&finished, "INFO");
        assert!(line.contains(shown), "{line}");
        assert!(!String::from_utf8_lossy(&finished.stdout).to_lowercase().contains("hidden-name"));
    }
}

#[test]
fn inspect_shows_what_the_policies_leave() {
    let explorer = Explorer::new();
    let policy = explorer.policy("policy.yaml", "hosts: ['*.example.com', 10.0.0.0/8]\nenvironment: []");
    let metadata = metadata(&explorer, &["api.example.com", "${host}", "10.0.0.5", "192.168.0.1", "a*.x"]);
    let run = || {
        let run = Airlock::new(["inspect"]).arg(test_guest("source-explores")).option("--metadata", &metadata);
        run.option("--allow-host", "www.example.com").option("--policy", &policy)
    };
    let report: Value = serde_json::from_slice(&run().arg("--json").run_tool().exits(0).stdout).unwrap();
    let host = |host: &str, origin: &str| json!({"host": host, "origin": origin});
    let shown = &report["in_force"];
    let expected =
        [host("api.example.com", "metadata"), host("10.0.0.5", "metadata"), host("www.example.com", "--allow-host")];
    assert_eq!(shown["hosts"], json!(expected));
    assert_eq!(shown["hosts_of_config"], json!(["${host}"]));
    assert_eq!(shown["policies"], json!([policy]));
    assert_eq!(shown["warnings"].as_array().unwrap().len(), 2, "{shown:#}");
    let text = String::from_utf8(run().run_tool().exits(0).stdout).unwrap();
    for part in
        ["  www.example.com (--allow-host)\n", "  ${host}, filled by the config\n", "policy.yaml\n", "192.168.0.1"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let refused = run().option("--allow-env", "TOKEN").run_tool().exits(1);
    assert!(refused.stdout.is_empty() && refused.stderr.contains("TOKEN"), "{}", refused.stderr);
    explorer.policy("policy.yaml", "host: []");
    assert!(run().run_tool().exits(1).stderr.contains("policy.yaml"));
}
