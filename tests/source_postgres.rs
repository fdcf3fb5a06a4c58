//! Tests of source-postgres.
