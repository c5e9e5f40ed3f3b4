"""Own words and quotes (Q1–Q6), forwards (F1–F3), automatic mail (B1), bounces by their words (B5)."""

from __future__ import annotations

import pytest

from deskhand.channels.email.parse import AutoKind, ParsedMail, parse_mail, unreadable
from deskhand.channels.email.parse.trim import split_signature, trim, without_sign_off

COPIED_HEADER = "From: Ada <ada@demo.example>\nTo: bo@customer.example\nDate: 2026-11-02 08:12\n\n"
QUOTE = "\n> Has it come?\n> Ada\n"


@pytest.mark.parametrize(
    "attribution",
    [
        "On Mon, 2 Nov 2026 at 08:12, Ada <ada@demo.example> wrote:",
        "Den 2. nov. 2026 kl. 08.12 skrev Ada <ada@demo.example>:",
        "Am 02.11.26 um 08:12 schrieb Ada:",
        "Il giorno lun 2 nov 2026 alle ore 08:12 Ada <ada@demo.example> ha scritto:",
        "man. 2. nov. 2026 kl. 08:12 skrev Ada <ada@demo.example>:",
        "mån 2 nov. 2026 kl. 08:12 skrev Ada <ada@demo.example>:",
        "ma 2. marrask. 2026 klo 8.12 Ada (ada@demo.example) kirjoitti:",
        "Le lun. 2 nov. 2026 à 08:12, Ada <ada@demo.example> a écrit :",
        "El lun, 2 nov 2026 a las 8:12, Ada (<ada@demo.example>) escribió:",
        "Em seg., 2 de nov. de 2026 às 08:12, Ada <ada@demo.example> escreveu:",
        "Op ma 2 nov 2026 om 08:12 schreef Ada <ada@demo.example>:",
        "pon., 2 lis 2026 o 08:12 Ada <ada@demo.example> napisał(a):",
        "po 2. 11. 2026 v 8:12 odesílatel Ada <ada@demo.example> napsal:",
        "пн, 2 нояб. 2026 г. в 08:12, Ada <ada@demo.example>:",
        "2026年11月2日(月) 8:12 Ada <ada@demo.example>:",
        "2026年11月2日 08:12，Ada <ada@demo.example> 写道：",
        "On Mon, Nov 2, 2026 at 8:12 AM Ada Lovelace from the Support Team <\nada@demo.example> wrote:",
        "-----Oprindelig meddelelse-----",
        "From: Ada <ada@demo.example>\nSent: Monday, 2 November 2026 08:12\nTo: Grace\nSubject: Clock\n",
        "Fra: Ada <ada@demo.example>\nSendt: 2. november 2026 08:12\nTil: Grace\nEmne: Uret\n",
        "Lähettäjä: Ada <ada@demo.example>\nLähetetty: 2. marraskuuta 2026 8:12\nVastaanottaja: Grace\nAihe: Kello\n",
        "________________________________\nVan: Ada <ada@demo.example>\nVerzonden: 2 november 2026\nAan: Grace\nOnderwerp: Klok\n",
        "##- Please type your reply above this line -##",
    ],
)
def test_a_quote_is_cut_in_every_language(attribution: str) -> None:
    """Q2, Q3."""
    trimmed = trim(f"It came.\n\nGrace\n\n{attribution}\n{QUOTE}", is_reply=True)

    assert trimmed.own == "It came.\n\nGrace"
    assert "Has it come?" in trimmed.quoted


@pytest.mark.parametrize(
    "text",
    [
        "On Monday I wrote:\nmy order is missing.",
        "On 3 March 2026 I wrote:\n\nmy order is missing.",
        "See https://x.example/on-2026-10-10-ada-wrote: it is there.",
        "He said:\n> this is mine\nand left.",
        "From: the beginning I had problems.\nTo: be clear, I want a refund.",
        "These are my dates:\n2026-11-02 08:12\n02.11.2026 08:12",
        "a\n\n----\n\nb\n\n====\n\nc",
        "On 2/11/2026 8:12, Ada wrote:\n> one?\n\nYes.\n\n> two?\n\nNo.",
        "It was sent from my iPhone, then I called.\n\nThanks.",
    ],
)
def test_prose_and_answers_in_between_stay_whole(text: str) -> None:
    """Q2, Q5."""
    assert trim(text, is_reply=True).own == text


def test_an_answer_below_the_quote_is_the_own_text() -> None:
    """Q2."""
    trimmed = trim("On 2/11/2026 8:12, Ada wrote:\n> Has it come?\n\nYes.\n\nGrace", is_reply=True)

    assert (trimmed.own, trimmed.quoted) == ("Yes.\n\nGrace", "On 2/11/2026 8:12, Ada wrote:\n> Has it come?")


def test_a_first_message_and_a_mere_quote_stay_whole() -> None:
    """Q1, Q4."""
    text = f"On 2/11/2026 8:12, Ada <ada@demo.example> wrote:{QUOTE}".strip()

    assert trim("Hi\n\n" + text, is_reply=False).own == "Hi\n\n" + text
    assert trim(text, is_reply=True).own == text


@pytest.mark.parametrize(
    "quote",
    [
        '<div class="gmail_quote">Zxy 12 qwerty &lt;a@b.example&gt; zzz:<blockquote>old</blockquote></div>',
        '<div id="appendonsend"></div><hr><div id="divRplyFwdMsg">Zzz: a</div><div>old</div>',
        '<div style="border:none;border-top:solid #E1E1E1 1.0pt"><p>Zzz: a</p></div><p>old</p>',
        '<div>On 2 Nov 2026, at 08:12, Ada &lt;ada@demo.example&gt; wrote:</div><blockquote type="cite">old</blockquote>',
        '<div class="moz-cite-prefix">Zzz 2/11:<br></div><blockquote type="cite">old</blockquote>',
        '<div class="yahoo_quoted"><div>Zzz</div>old</div>',
        '<div class="protonmail_quote">Zzz<blockquote type="cite">old</blockquote></div>',
    ],
)
def test_html_marks_tell_the_quote_in_languages_nobody_listed(quote: str) -> None:
    """Q3."""
    html = f"<html><body><p>It came.</p>{quote}</body></html>"

    assert trim("It came.\n\nZzz\nold", html, is_reply=True).own == "It came."


def test_words_after_an_html_quote_keep_everything() -> None:
    """Q2."""
    html = '<p>a</p><div class="gmail_quote"><blockquote>one?</blockquote><p>Yes.</p><blockquote>two?</blockquote></div>'

    assert trim("a\none?\nYes.\ntwo?", html, is_reply=True).own == "a\none?\nYes.\ntwo?"


@pytest.mark.parametrize(
    ("own", "kept", "signature"),
    [
        ("Yes.\n\n-- \nGrace\nNavy", "Yes.", "-- \nGrace\nNavy"),
        ("Yes.\n\nSent from my iPhone", "Yes.", "Sent from my iPhone"),
        ("Ja.\n\nVon meinem iPhone gesendet", "Ja.", "Von meinem iPhone gesendet"),
        ("Yes.\n\nSent from my desk, is much easier than my phone.", None, ""),
        ("Sent from my iPhone", None, ""),
        ("-- \nonly this", None, ""),
        ("a\n--\n" + "long text\n" * 30, None, ""),
    ],
)
def test_only_technical_signatures_are_cut(own: str, kept: str | None, signature: str) -> None:
    assert split_signature(own) == (own if kept is None else kept, signature)


@pytest.mark.parametrize(
    ("own", "preview"),
    [
        ("Yes.\n\nMed venlig hilsen\nAnders Andersen", "Yes."),
        ("Yes.\n\nKh\nPeter", "Yes."),
        ("Regards the timeline, yes.", "Regards the timeline, yes."),
        (
            "Thanks\n\nCan you call me before noon about the order?",
            "Thanks\n\nCan you call me before noon about the order?",
        ),
    ],
)
def test_a_preview_ends_before_the_polite_end(own: str, preview: str) -> None:
    assert without_sign_off(own) == preview


def mail(headers: str, text: str = "hi") -> ParsedMail:
    return parse_mail(f"{headers}\nMessage-ID: <x@y.example>\n\n{text}\n".encode())


PERSON = "From: Grace <grace@navy.example>\nSubject: The clock"


@pytest.mark.parametrize(
    ("headers", "kind", "reason"),
    [
        (PERSON, AutoKind.NO, ""),
        (f"{PERSON}\nAuto-Submitted: no", AutoKind.NO, ""),
        (f"{PERSON}\nAuto-Submitted: auto-generated (x)", AutoKind.AUTO_REPLY, "Auto-Submitted"),
        (f"{PERSON}\nX-Auto-Response-Suppress: OOF", AutoKind.AUTO_REPLY, "X-Auto-Response-Suppress"),
        (f"{PERSON}\nX-Auto-Response-Suppress: DR, RN", AutoKind.NO, ""),
        (f"{PERSON}\nPrecedence: bulk", AutoKind.LIST, "Precedence"),
        (f"{PERSON}\nList-Id: <l.x.example>", AutoKind.LIST, "List-Id"),
        (f"{PERSON}\nReturn-Path: <>", AutoKind.AUTO_REPLY, "Return-Path"),
        (f"{PERSON}\nX-Deskhand-Instance: a", AutoKind.AUTO_REPLY, "X-Deskhand-Instance"),
        ("From: no-reply@shop.example", AutoKind.AUTO_REPLY, "From"),
        ("From: noreply+42@shop.example", AutoKind.AUTO_REPLY, "From"),
        ("From: bouncer@club.example", AutoKind.NO, ""),
        ("From: a@b.example\nSubject: Re: Automatisk svar: uret", AutoKind.AUTO_REPLY, "Subject"),
        ("From: a@b.example\nSubject: How do I set an out of office?", AutoKind.NO, ""),
        ("\n".join(["Received: x"] * 100) + "\nFrom: a@b.example", AutoKind.LOOP, "Received"),
    ],
)
def test_automatic_mail_is_told_by_a_header(headers: str, kind: AutoKind, reason: str) -> None:
    """B1, R19."""
    read = mail(headers)

    assert (read.auto, read.auto_reason) == (kind, reason)


def test_a_bounce_without_a_report_is_told_by_its_words() -> None:
    """B5."""
    text = "Hi. This is the qmail-send program.\n\n<ada@x.example>:\n550 5.1.1 no such user\n\nMessage-ID: <m1@demo.example>\n"
    read = mail("From: MAILER-DAEMON@x.example\nSubject: failure notice\nReturn-Path: <>", text)

    assert read.auto is AutoKind.BOUNCE
    assert read.bounce is not None
    assert (read.bounce.final_recipient, read.bounce.status) == ("ada@x.example", "5.1.1")
    assert (read.bounce.original_message_id, read.bounce.is_hard) == ("<m1@demo.example>", True)


def test_a_person_who_writes_of_a_bounce_is_no_bounce() -> None:
    """B5."""
    read = mail(PERSON, "My mail to you could not be delivered: 550 5.1.1 no such user. The mailbox is full?")

    assert read.auto is AutoKind.NO


BLOCK = "From: Bob Jensen <bob@andre.example>\nDate: 2 Nov 2026 07:01\nSubject: Lost parcel\nTo: ada@demo.example\n\nWhere?"


@pytest.mark.parametrize(
    ("subject", "above", "is_forward"),
    [
        ("Fwd: Lost parcel", "---------- Forwarded message ---------", True),
        ("Lost parcel", "---------- Forwarded message ---------", True),
        ("Lost parcel", "Begin forwarded message:", True),
        ("Fwd: Lost parcel", "", True),
        ("Lost parcel", "", False),
        ("Re: Lost parcel", "---------- Forwarded message ---------", False),
    ],
)
def test_a_forward_is_announced_by_subject_or_line(subject: str, above: str, is_forward: bool) -> None:
    """F1, F3."""
    read = mail(f"From: Ada <ada@demo.example>\nSubject: {subject}", f"FYI\n\n{above}\n{BLOCK}")

    assert read.is_forward is is_forward
    assert (read.forwarded_sender.email if read.forwarded_sender else "") == (
        "bob@andre.example" if is_forward else ""
    )


def test_copied_headers_without_end_are_read_like_any_text() -> None:
    """Q6, P1: what is odd about a mail must not hide what it is."""
    raw = b"From: bo@customer.example\nSubject: Re: Order\nAuto-Submitted: auto-replied\n\n"

    mail = parse_mail(raw + COPIED_HEADER.encode() * 3000 + b"Away until Monday.\n")

    assert mail.is_readable
    assert (mail.auto, mail.own_text[-18:]) == (AutoKind.AUTO_REPLY, "Away until Monday.")


def test_a_mail_that_can_not_be_read_is_still_a_machines_and_an_answer_B1() -> None:
    raw = b"From: bo@customer.example\nIn-Reply-To: <a@x>\nReferences: <b@x>\n <a@x>\n%s\nAway\n"

    machine = unreadable(raw % b"Auto-Submitted: auto-replied\n", "timeout")
    report = unreadable(raw % b"", "timeout", has_null_sender=True)
    person = unreadable(raw % b"", "timeout")

    assert [mail.auto for mail in (machine, report, person)] == [
        AutoKind.AUTO_REPLY,
        AutoKind.AUTO_REPLY,
        AutoKind.NO,
    ]
    assert (person.in_reply_to, person.references) == (("<a@x>",), ("<b@x>", "<a@x>"))
