"""One file per family of formats, each read as a stream that knows file and line; `rows` picks one by the ending."""
