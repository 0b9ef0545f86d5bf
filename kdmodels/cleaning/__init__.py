"""Sentence pairs made clean: normalised, filtered, kept apart from test sets, and each only once."""
