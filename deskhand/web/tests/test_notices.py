"""What a page says of a message that is not what it was."""

import pytest

from deskhand.web.tests.test_inbox import texts


@pytest.mark.parametrize(
    ("notices", "words"),
    [
        (("too large: only its headers were taken", "empty"), "larger than what is taken here"),
        (("pgp-encrypted",), "encrypted"),
        (("smime-signed",), "The signature was not checked"),
        (("multipart without its boundary", "smime-signed"), "could not be read fully"),
    ],
)
def test_a_notice_says_what_is_the_matter(office, sign_in, notices, words):
    """R15, A7."""
    ticket = office.mail("Look at this", notices=notices)

    assert words in texts(sign_in(office.world.grace).get(f"/inbox/all-open/{ticket.pk}"))
