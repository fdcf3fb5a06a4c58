//! Tests of destination-postgres.
