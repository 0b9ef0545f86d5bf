"""Take secrets out of text before it is recorded or shown."""

import os
import re

_HIDDEN = "***"
_USER_INFO = re.compile(r"(?<=://)[^/\s]*@")
_QUERY = re.compile(r"(?i)([?&;][\w.-]*(?:token|secret|password|passwd|pwd|signature|sig|key|credential)=)[^&;\s'\"]+")
_SECRET_NAME = re.compile(r"(?i)(token|secret|password|passwd|credential|private_key|api_?key|access_key)")
_SHORTEST = 8  # characters; the value of a secret variable that is shorter also stands in ordinary words


def redacted(text: str) -> str:
    """Return text without what stands before the @ of a URL, secret query values and secret environment variables."""
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST and _SECRET_NAME.search(name):
            text = text.replace(value, _HIDDEN)
    return _QUERY.sub(rf"\1{_HIDDEN}", _USER_INFO.sub(f"{_HIDDEN}@", text))
