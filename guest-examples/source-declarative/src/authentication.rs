//! Authentication: the language's authenticators, and the tokens that they get. Knows what goes into a request, and nothing of
//! what is asked for.
