//! From a page to the next one: the language's paginators and pagination strategies. Knows nothing of slices.
