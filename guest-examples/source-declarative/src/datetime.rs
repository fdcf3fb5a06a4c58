//! Dates and times as Python and the language write them: formats of strftime, ISO 8601, durations. Knows nothing of cursors.
