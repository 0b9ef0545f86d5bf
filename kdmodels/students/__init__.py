"""One file per student architecture, each with `build`; chosen by student.architecture."""
