"""One file per loss, each with a function of tensors of the file's name."""
