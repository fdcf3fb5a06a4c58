//! Tests of source-pokeapi.
