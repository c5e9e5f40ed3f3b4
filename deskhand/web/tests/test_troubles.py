"""Machine words in the reader's language: a sentence by the code, and the stored text beneath."""

import pytest

from deskhand.automation import enroll
from deskhand.web import troubles


@pytest.mark.parametrize(
    ("stored", "sentence"),
    [
        ("Refused: 550 5.1.1 <eva@x.example>: Recipient address rejected", "The address does not exist there."),
        ("smtp; 550-5.1.1 The email account that you tried to reach does not exist", "The address does not exist there."),
        ("552 5.2.2 Over quota", "The mailbox is full."),
        ("Will be tried again: 452 4.2.2 Over quota", "The mailbox is full."),
        ("550 5.7.1 Message rejected as spam", "The other side does not want mail from us, or takes it for spam."),
        ("550 5.7.26 Unauthenticated mail", "The other side does not want mail from us, or takes it for spam."),
        ("535 5.7.8 Authentication credentials invalid", "The mail server does not let us in."),
        ("535 Incorrect authentication data", "The mail server does not let us in."),
        ("5.4.4 Host or domain name not found", "No server takes mail for this address."),
        ("Will be tried again: 451 4.3.0 Try later", "The other side can't take it just now."),
        ("Will be tried again: 421 Too busy", "The other side can't take it just now."),
        ("Refused: 550 No", "The other side refused it."),
        ("Refused: 571 5.9.9 Odd", "The other side refused it."),
        ("Will be tried again: [Errno 111] Connection refused", "The mail server does not answer."),
        ("Sending stopped in the middle; it may have arrived.", "It may have arrived; it is not sent twice by itself."),
        ("Refused: This can't be a Content-ID.", "It could not be handed over. What is known stands below."),
        ("Refused: https://chat.example answered 404: no_service 550 5.1.1", "There is nothing at this address any more."),
        ("Refused: https://chat.example answered 403: invalid_token", "The other side refused it."),
        ("Will be tried again: https://chat.example answered 503: Try later", "The other side can't take it just now."),
        ("Will be tried again: https://chat.example answered 429: Slow down", "The other side can't take it just now."),
        ("Will be tried again: https://chat.example can't be reached: Connection refused", "The other side could not be reached in time."),
        ("Refused: chat.example is not on the public Internet.", "This server is not on the public internet, so it may not be asked."),
        ("Something else", "It could not be handed over. What is known stands below."),
    ],
)  # fmt: skip
def test_a_refused_mail_or_call_is_explained_by_its_code_and_shown_as_it_came(stored, sentence):
    assert troubles.of_delivery(stored) == troubles.Trouble(sentence, stored)


@pytest.mark.parametrize("stored", ["10.5.1.1 said nothing", "Ticket 4.5", "year 2550 "])
def test_other_numbers_are_no_codes(stored):
    assert troubles.of_delivery(stored).text == "It could not be handed over. What is known stands below."


def test_our_own_words_need_no_machine_beneath():
    own = "No mail server is set up; the mail waits here until there is one."

    assert troubles.of_delivery(own) == troubles.Trouble(own)


def test_what_went_well_says_nothing():
    assert troubles.of_delivery("") == troubles.of_workflow("") == troubles.Trouble("")


def test_a_workflow_says_why_it_needs_a_look():
    assert troubles.of_workflow(enroll.TOO_DEEP) == troubles.Trouble(enroll.TOO_DEEP)
    unknown = troubles.of_workflow("Invalid: Grace is not active any more.")
    assert unknown.detail == "Invalid: Grace is not active any more."
    assert unknown.text == "A step could not be done. Change it, or switch the workflow off."
