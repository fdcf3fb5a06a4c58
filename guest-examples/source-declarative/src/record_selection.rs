//! From a page to records: the language's RecordSelector, its extractors and filters, and the normalisation by schema. Knows
//! nothing of pages' order.
