"""R-REOPEN-2: what only says thanks, in five languages, and what does not although it begins so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.desk.acknowledgements import LONGEST, is_acknowledgement

THANKS = [
    "Thanks!",
    "thanks",
    "Ok",
    "OK, thank you.",
    "Thank you so much for your help!",
    "Hi Grace,\n\nThanks a lot for the quick reply.\n\nBest regards,\nAstrid Lindqvist",
    "Thanks Grace!",
    "Cheers Grace",
    "Ok danke Grace",
    "Takk Grace",
    "Grazie Chiara",
    "Great, thanks again! :)",
    "Perfect 👍",
    "👍",
    "🙏🏽",
    "❤️ Thanks",
    "Thanks!\n\nSent from my iPhone",
    "Got it - cheers",
    "Many thanks. Have a great day!\nAstrid",
    "Tak!",
    "Mange tak for hjælpen",
    "Hej Grace\n\nTusind tak for hurtigt svar 😊\n\nMvh\nAstrid",
    "Super, tak",
    "1000 tak",
    "Tak skal du have. God weekend!",
    "Ok tak\n\nSendt fra min iPhone",
    "Danke!",
    "Vielen Dank für die schnelle Hilfe!",
    "Guten Tag Frau\n\nAlles klar, vielen Dank.\n\nMit freundlichen Grüßen\nAstrid Lindqvist",
    "Hallo Grace,\nsuper, danke dir!\nLG Astrid",
    "Herzlichen Dank, schönes Wochenende",
    "Danke schön\n\nVon meinem iPhone gesendet",
    "MIT FREUNDLICHEN GRÜSSEN\nDANKE",
    "Grazie mille!",
    "Perfetto, grazie.",
    "Buongiorno,\ngrazie per l’aiuto.\nCordiali saluti\nAstrid",
    "Ok grazie",
    "D'accordo, grazie ancora",
    "Va bene. Buona giornata!",
    "Ricevuto, grazie.\nInviato da iPhone",
    "Takk!",
    "Tusen takk for hjelpen",
    "Hei Grace!\nFlott, takk skal du ha.\nMed vennlig hilsen\nAstrid",
    "Supert, tusen takk for raskt svar. God helg!",
    "  thanks \n\n\n",
]

ASKS = [
    "",
    "   ",
    "Thanks, but it still does not work.",
    "Thanks! When will it arrive?",
    "Thanks?",
    "Ok, and what about the other invoice",
    "Thanks in advance",
    "No thanks",
    "Thanks for nothing",
    "Ok but I want my money back",
    "Thank you. Please also cancel my subscription",
    "Thanks, my new address is 12 High Street",
    "Ok, 4819",
    "Thanks, see https://nordlys.example/x",
    "Thanks, write to bo@x.example",
    "Hi Grace",
    "Best regards\nAstrid",
    "Astrid",
    "Great, another broken chair",
    "Perfect. Not.",
    "No",
    "Yes please",
    "Yes",
    "Hello problem persists",
    "Tak, men den virker stadig ikke",
    "På forhånd tak",
    "Tak. Hvornår kommer den",
    "Nej tak",
    "Ok, så vil jeg gerne opsige",
    "Danke, aber es geht immer noch nicht",
    "Danke im Voraus",
    "Vielen Dank, leider ist die Lampe wieder kaputt",
    "Nein danke",
    "Alles klar, bitte stornieren",
    "Grazie, ma non funziona ancora",
    "Grazie in anticipo",
    "No grazie",
    "Perfetto, allora annullate il mio ordine",
    "Takk, men det virker fortsatt ikke",
    "Takk på forhånd",
    "Nei takk",
    "Greit, da vil jeg ha pengene tilbake",
    "❤️",
    "😡",
    "👎",
    "Thanks 👎",
    "Thanks 👎 it broke",
    "Ok 😡",
    "Thanks!\nSent from the wrong address, cancel it",
    "Best regardless",
    "Sent from my iPhone",
    "Thanks\nAstrid\nPS the lamp flickers",
    "Thanks Grace Hopper please call",
    "Ok No",
    "Okay Stop",
    "Great Cancel",
    "Thanks No",
    "Alles klar Rechnung",
    "Danke Nein",
    "Perfetto Annullate",
    "Tak Nej",
    "धन्यवाद",
    "ok" * LONGEST,
]


@pytest.mark.parametrize("text", THANKS)
def test_who_only_says_thanks(text):
    assert is_acknowledgement(text, name="Astrid Lindqvist")


@pytest.mark.parametrize("text", ASKS)
def test_who_wants_something(text):
    assert not is_acknowledgement(text, name="Astrid Lindqvist")


@pytest.mark.parametrize("words", ["danke sehr", "grazie mille", "all good all", "und danke"])
def test_what_says_the_same_over_and_over_is_read_once(words):
    """Ways to divide it double with each word; it ends with one that is on no list."""
    assert not is_acknowledgement(f"{words} " * (290 // (len(words) + 1)) + "x")


def test_another_name_beneath_is_not_the_writers():
    assert not is_acknowledgement("Thanks\nChiara Rossi", name="Astrid Lindqvist")
    assert not is_acknowledgement("Thanks\nAstrid")


@given(st.text(max_size=400), st.text(max_size=40))
def test_any_text_is_answered(text, name):
    assert is_acknowledgement(text, name=name) in (True, False)


@given(
    st.sampled_from(THANKS),
    st.sampled_from(["?", " 4819", " www.x.example", "\nplease call me", "\nstill broken"]),
)
def test_whatever_is_asked_after_thanks_counts(text, more):
    assert not is_acknowledgement(text + more, name="Astrid Lindqvist")
