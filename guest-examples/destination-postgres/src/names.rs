//! What the tables of a stream are called. Touches no database.
//!
//! The names are Airbyte's: the stream `users` of the namespace `public` is in `public_raw__stream_users`, and a replacement of
//! it in `public_raw__stream_users_airbyte_tmp` while it is written.

use std::collections::HashMap;

use airlock_sdk::{Result, StreamName, config_error};

/// The most bytes that PostgreSQL takes of a name; what is longer it cuts off.
const MOST_BYTES: usize = 63;

/// What Airbyte puts behind the name of a table that is to become another.
const TEMPORARY: &str = "_airbyte_tmp";

/// The names of the tables of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableNames {
    /// The table that users read.
    pub table: String,
    /// A replacement while it is written.
    pub temporary: String,
}

impl TableNames {
    /// The names for a stream.
    pub fn of(stream: &StreamName, default_namespace: &str) -> Self {
        let namespace = stream.namespace.as_deref().filter(|name| !name.is_empty()).unwrap_or(default_namespace);
        let name = raw_name(namespace, &stream.name).to_lowercase();
        TableNames { table: fitting(&name), temporary: fitting(&format!("{name}{TEMPORARY}")) }
    }

    /// The names for the streams of a sync, in their order. Two streams with the same are refused.
    pub fn of_all<'a>(streams: impl IntoIterator<Item = &'a StreamName>, default_namespace: &str) -> Result<Vec<Self>> {
        let mut owners: HashMap<String, &StreamName> = HashMap::new();
        let mut all = Vec::new();
        for stream in streams {
            if stream.name.contains('\0') || stream.namespace.as_ref().is_some_and(|name| name.contains('\0')) {
                return Err(config_error(format!(
                    "The name of the stream {:?} has a NUL character, which no name of a table can have: leave it out.",
                    stream.to_string()
                ))
                .for_stream(stream));
            }
            let names = TableNames::of(stream, default_namespace);
            for name in [&names.table, &names.temporary] {
                if let Some(other) = owners.insert(name.clone(), stream) {
                    return Err(config_error(format!(
                        "The streams {other} and {stream} would both be written to the table {name}, because names are in \
                         lower case: leave one of them out, or write it in a connection with another raw_data_schema."
                    ))
                    .for_stream(stream));
                }
            }
            all.push(names);
        }
        Ok(all)
    }
}

/// Airbyte's name of a raw table. The line between the two names is longer than any within them, so no two streams share one.
fn raw_name(namespace: &str, name: &str) -> String {
    let (mut longest, mut run) = (0, 0);
    for character in namespace.chars().chain(name.chars()) {
        run = if character == '_' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    format!("{namespace}_raw{}stream_{name}", "_".repeat(longest.max(1) + 1))
}

/// A name that PostgreSQL does not cut: a long one ends in a number made of all of it.
fn fitting(name: &str) -> String {
    if name.len() <= MOST_BYTES {
        return name.to_owned();
    }
    let mut end = MOST_BYTES - 9;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    // FNV-1a: the same in every version of the connector.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{}_{hash:08x}", &name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use airlock_sdk::FailureKind;

    fn table(namespace: &str, name: &str) -> String {
        TableNames::of(&StreamName::in_namespace(namespace, name), "public").table
    }

    #[test]
    fn names_are_airbytes() {
        assert_eq!(table("public", "users"), "public_raw__stream_users");
        assert_eq!(table("public", "a__b"), "public_raw___stream_a__b");
        assert_eq!(table("a_", "_b"), "a__raw___stream__b");
        assert_eq!(table("Sales", "Orders \"x\""), "sales_raw__stream_orders \"x\"");
        let names = TableNames::of(&"users".into(), "shop");
        assert_eq!(names.table, "shop_raw__stream_users");
        assert_eq!(names.temporary, "shop_raw__stream_users_airbyte_tmp");
    }

    #[test]
    fn long_names_stay_apart() {
        let long = |end: &str| TableNames::of(&format!("{}{end}", "ü".repeat(60)).into(), "public");
        let (one, other) = (long("one"), long("other"));
        for name in [&one.table, &one.temporary, &other.table, &other.temporary] {
            assert!(name.len() <= 63 && name.starts_with("public_raw__stream_ü"), "{name}");
        }
        assert!(TableNames::of_all([&"a".into(), &"b".into()], "public").is_ok());
        assert_ne!(one.table, other.table);
        assert_ne!(one.table, one.temporary);
        assert_eq!(long("one"), one);
    }

    #[test]
    fn a_name_that_no_table_can_have_is_refused() {
        for stream in ["a\0b".into(), StreamName::in_namespace("a\0b", "users")] {
            let failure = TableNames::of_all([&"users".into(), &stream], "public").unwrap_err();
            assert_eq!(failure.kind, FailureKind::ConfigError);
            assert!(failure.message.contains("a\\0b"), "{failure}");
        }
    }

    #[test]
    fn streams_for_the_same_table_are_refused() {
        for (one, other) in [("Users", "users"), ("users", "users_airbyte_tmp")] {
            let failure = TableNames::of_all([&one.into(), &other.into()], "public").unwrap_err();
            assert_eq!(failure.kind, FailureKind::ConfigError);
            assert!(failure.message.contains(one) && failure.message.contains(other), "{failure}");
        }
        let explicit = StreamName::in_namespace("public", "users");
        assert!(TableNames::of_all([&"users".into(), &explicit], "public").is_err());
    }
}
