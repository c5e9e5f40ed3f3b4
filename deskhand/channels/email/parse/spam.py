"""Whether the filter of a mail server in front marked a mail as spam (R-CC-12). Names the header that told.

Only "it is spam" is believed: who forges that harms nobody but themselves, and "it is none" could come from anybody.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from deskhand.channels.email.parse import headers as head
from deskhand.channels.email.parse.headers import Headers

MAX_TIMES = 20  # that one header is looked at
LEVEL = 5  # of Exchange's -1 to 9: from here on it is spam

_YES = re.compile(r"(?:yes|true)\b", re.IGNORECASE)
_LEVEL = re.compile(r"\d{1,3}")
# SPM: the filter says so. SKS and SKB: a rule or a list of the administrator said so before the filter was asked.
_MICROSOFT = re.compile(r"(?:^|;)\s*SFV\s*:\s*(?:SPM|SKS|SKB)\s*(?:;|$)", re.IGNORECASE)


def _says_yes(value: str) -> bool:
    """SpamAssassin, Amavis, rspamd: "YES", or "Yes, score=7.1 required=5.0"."""
    return _YES.match(value) is not None


def _is_high(value: str) -> bool:
    return _LEVEL.fullmatch(value) is not None and int(value) >= LEVEL


def _is_of_microsoft(value: str) -> bool:
    return _MICROSOFT.search(value) is not None


_MARKS: dict[str, tuple[str, Callable[[str], bool]]] = {
    "x-spam-flag": ("X-Spam-Flag", _says_yes),
    "x-spam-status": ("X-Spam-Status", _says_yes),
    "x-spam": ("X-Spam", _says_yes),
    "x-forefront-antispam-report": ("X-Forefront-Antispam-Report", _is_of_microsoft),
    "x-ms-exchange-organization-scl": ("X-MS-Exchange-Organization-SCL", _is_high),
}


def marked_by(headers: Headers) -> str:
    """Return the header that marks it as spam, "" if none does. Of a header that is there twice, either may."""
    for name, (shown, says_spam) in _MARKS.items():
        if any(says_spam(head.text(value, 4000).strip()) for value in headers.get(name, ())[:MAX_TIMES]):
            return shown
    return ""
