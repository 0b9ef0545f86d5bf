"""One file per kind of corpus source, each with `read_pairs`, `read_labelled` and `read_test`; chosen by name."""
