//! From a response's body to JSON: the language's decoders. Knows nothing of records.
