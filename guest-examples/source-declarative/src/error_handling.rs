//! What a response means that is no success: the language's error handlers, response filters and back-off strategies. Knows
//! nothing of how a request is sent.
