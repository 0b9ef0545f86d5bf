"""The full model card: what a student is, how good it is, and which text it was made from."""

import re

_FRONT = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_HEADING = re.compile(r"^(#+ )", re.MULTILINE)
_NOTE = "Its scores, with the controls they stand beside, are in the evaluation that was made of it.\n"


def model_card(*, student: str, evaluation: str, data: str) -> str:
    """Return the card that lies beside a student with its results and its data in it, as Markdown.

    Args:
        student: the card beside the student, with its front matter
        evaluation: the report of its evaluation
        data: the data card of its parallel corpus
    """
    sections = [student.replace(_NOTE, "").rstrip(), _section("Results", evaluation), _section("Data", data)]
    return "\n\n".join(sections) + "\n"


def _section(title: str, page: str) -> str:
    """Return a page as a section: its own title goes, its headings move one level down."""
    body = _FRONT.sub("", page).lstrip()
    body = re.sub(r"\A# [^\n]*\n", "", body)
    lower = _HEADING.sub(r"#\1", body).strip()
    return f"## {title}\n\n{lower}"
