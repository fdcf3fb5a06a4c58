//! A component that is no connector.

use serde_json::json;

use super::Guest;

#[test]
fn a_program_for_the_command_line_is_told_what_it_lacks() {
    let guest = Guest::new("command");
    for command in [guest.spec(), guest.command("check", &json!({})), guest.read(&json!({}), &["one"])] {
        let finished = command.run().exits(1);
        let (kind, message) = finished.error();
        assert_eq!(kind, "config_error");
        for part in ["command.wasm", "no connector", "source-commands", "destination-commands", "wit/"] {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert_eq!(finished.outline(), ["ERROR"]);
    }
}
