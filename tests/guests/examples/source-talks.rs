//! Says everything that is neither record nor state: logs at every level, estimates, reasons, measurements, a new config.

use test_guests::host::{self, LogLevel};
use test_guests::output::StreamWriter;
use test_guests::types::{Failure, SavedState, StreamName};
use test_guests::{Source, Value, export_source, json, records, report};

struct Talks;

impl Source for Talks {
    fn properties() -> Value {
        json!({
            "password": {"type": "string", "airbyte_secret": true},
            "account": {"oneOf": [
                {"type": "object", "properties": {"token": {"type": "string", "airbyte_secret": true}}}
            ]}
        })
    }

    fn read(config: &Value, streams: &[StreamName], _: SavedState) -> Result<(), Failure> {
        let levels = [
            (LogLevel::Fatal, "at fatal"),
            (LogLevel::Error, "at error"),
            (LogLevel::Warn, "at warn"),
            (LogLevel::Info, "at info"),
            (LogLevel::Debug, "at debug"),
            (LogLevel::Trace, "at trace"),
        ];
        for (level, message) in levels {
            host::log(level, message);
        }
        host::log(LogLevel::Fatal, &format!("the level is {:?}", host::max_log_level()));
        host::log(LogLevel::Info, "two\nlines with \"quotes\" and a \u{0}");
        host::log(LogLevel::Info, &format!("the config is {config}"));

        host::analytics("reads", Some("1"));
        host::analytics("without-value", None);
        report("config changed", &host::config_changed("{\"password\":\"fresh-secret\",\n\"account\":{}}"));
        host::log(LogLevel::Info, "the new password is fresh-secret");

        let writer = StreamWriter::open(&streams[0])?;
        writer.estimate(r#"{"row_estimate":3,"byte_estimate":24}"#)?;
        writer.running(r#"[{"type":"RATE_LIMITED","rate_limited":{"quota_reset":1700000000000}}]"#)?;
        writer.write(&records(1..=3))?;
        writer.running("[]")?;
        writer.checkpoint("{\"n\":\n3}")?;
        Ok(())
    }
}

export_source!(Talks);
