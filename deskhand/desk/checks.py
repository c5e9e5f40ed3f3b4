"""What looks like an oversight in a reply. Pure: words in, yes or no out."""

from __future__ import annotations

import re

#: Beginnings of words that announce a file, in the languages of the product.
_ANNOUNCED = re.compile(
    r"\b(?:attach(?:ed|ing|ment)|enclos(?:ed|ing)|(?:i|we) attach\b"  # English
    r"|vedhæft|vedlagt|vedlæg|medsend"  # Danish
    r"|angehängt|anhang|anhänge|anlage\b|beigefügt|anbei\b|beiliegend"  # German
    r"|allegat|allego\b|alleghiamo|in allegato"  # Italian
    r"|vedlegg|legger ved|lagt ved|vedlagte)",  # Norwegian
    re.IGNORECASE,
)


def speaks_of_a_file(text: str) -> bool:
    """Whether it announces an attachment; what is quoted does not count."""
    own = (line for line in text.splitlines() if not line.lstrip().startswith(">"))
    return any(_ANNOUNCED.search(line) for line in own)
