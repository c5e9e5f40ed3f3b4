"""Who works at the demo company, who writes to it, and what its people answer."""

from __future__ import annotations

from dataclasses import dataclass

from deskhand.accounts.models import Account
from deskhand.automation.models import Workflow
from deskhand.kernel.database.scope import account_scope

SLUG, NAME, ZONE = "demo", "Nordlys Outdoor", "Europe/Copenhagen"
PASSWORD = "nordlys-demo-2026"
MAILBOX = "support@demo.example"


@dataclass(frozen=True)
class Colleague:
    username: str
    name: str
    team: str
    job: str
    locale: str
    super_admin: bool = False
    seat: bool = True


COLLEAGUES = (
    Colleague("ada", "Ada Sørensen", "Customer care", "Head of support", "en", super_admin=True),
    Colleague("ingrid", "Ingrid Solberg", "Customer care", "Agent", "nb"),
    Colleague("mette", "Mette Kjær", "Customer care", "Agent", "da"),
    Colleague("lukas", "Lukas Brandt", "Customer care", "Agent", "de"),
    Colleague("giulia", "Giulia Ferri", "Customer care", "Agent", "it"),
    Colleague("henrik", "Henrik Møller", "Billing", "Billing clerk", "da"),
    Colleague("priya", "Priya Raman", "Billing", "Billing clerk", "en"),
    Colleague("oskar", "Oskar Nygård", "Warehouse", "Returns", "nb"),
    Colleague("emma", "Emma Thorsen", "Warehouse", "Logistics", "nb"),
    Colleague("tom", "Tom Adeyemi", "Billing", "Accountant, reads along", "en", seat=False),
)

CUSTOMERS = {
    "en": (
        "Grace Walker",
        "Owen Hughes",
        "Nora Byrne",
        "Jack Palmer",
        "Ruth Okafor",
        "Liam Doyle",
        "Zoe Marsh",
        "Amir Khan",
    ),
    "da": (
        "Astrid Holm",
        "Søren Lund",
        "Freja Dahl",
        "Mads Kofoed",
        "Karen Bech",
        "Jonas Riis",
        "Signe Toft",
        "Anders Friis",
    ),
    "de": (
        "Hannah Vogel",
        "Jürgen Weiß",
        "Lena Krämer",
        "Felix Sommer",
        "Sabine Roth",
        "Paul Engel",
        "Greta Haas",
        "Timo Beck",
    ),
    "it": (
        "Chiara Esposito",
        "Marco Gallo",
        "Sofia Greco",
        "Luca Romano",
        "Elena Conti",
        "Pietro Longo",
        "Anna Serra",
        "Dario Fonti",
    ),
    "nb": (
        "Sigrid Haugen",
        "Lars Bakke",
        "Kari Moen",
        "Eirik Strand",
        "Ane Lie",
        "Odd Myhre",
        "Tuva Berg",
        "Håkon Vik",
    ),
}

COMPANIES = (
    ("Fjällbo AB", "fjallbo.example"), ("Alpina Sport GmbH", "alpina-sport.example"), ("Café Nord", "cafe-nord.example"),
    ("Trekking Italia", "trekking.example"), ("Byens Cykler", "byens-cykler.example"), ("Hytteliv AS", "hytteliv.example"),
)  # fmt: skip
JOBS = ("Head of purchasing", "Shop manager", "", "Owner", "Office manager")

ANSWERS = {
    "en": (
        "Hello {first},\n\nThank you for writing. I have looked into it and asked our warehouse; you will hear from me by tomorrow.\n\nKind regards,\n{me}",
        "Hello {first},\n\nSorry about the trouble. I have corrected it, and you will get a confirmation within the hour.\n\nKind regards,\n{me}",
    ),
    "da": (
        "Hej {first}\n\nTak for din besked. Jeg har spurgt lageret og vender tilbage senest i morgen.\n\nVenlig hilsen\n{me}",
        "Hej {first}\n\nDet beklager jeg. Nu er det rettet, og du får en bekræftelse inden for en time.\n\nVenlig hilsen\n{me}",
    ),
    "de": (
        "Hallo {first},\n\nvielen Dank für Ihre Nachricht. Ich habe im Lager nachgefragt und melde mich bis morgen.\n\nViele Grüße\n{me}",
        "Hallo {first},\n\ndas tut mir leid. Es ist jetzt korrigiert, die Bestätigung kommt innerhalb einer Stunde.\n\nViele Grüße\n{me}",
    ),
    "it": (
        "Buongiorno {first},\n\ngrazie per averci scritto. Ho chiesto al magazzino e Le rispondo entro domani.\n\nCordiali saluti\n{me}",
        "Buongiorno {first},\n\nmi scuso per il disagio. Ora è corretto e riceverà una conferma entro un'ora.\n\nCordiali saluti\n{me}",
    ),
    "nb": (
        "Hei {first}\n\nTakk for meldingen. Jeg har spurt lageret og kommer tilbake innen i morgen.\n\nVennlig hilsen\n{me}",
        "Hei {first}\n\nDet beklager jeg. Nå er det rettet, og du får en bekreftelse innen en time.\n\nVennlig hilsen\n{me}",
    ),
}  # fmt: skip

THANKS = {
    "en": (
        "Thank you, that solved it.",
        "The number is {n}. When can I expect it?",
        "It still does not work, I am afraid.",
    ),
    "da": ("Tak, det løste det.", "Nummeret er {n}. Hvornår kommer den?", "Det virker desværre stadig ikke."),
    "de": (
        "Danke, das hat geholfen.",
        "Die Nummer ist {n}. Wann kann ich damit rechnen?",
        "Es funktioniert leider immer noch nicht.",
    ),
    "it": ("Grazie, risolto.", "Il numero è {n}. Quando arriva?", "Purtroppo non funziona ancora."),
    "nb": ("Takk, det løste det.", "Nummeret er {n}. Når kommer den?", "Det virker dessverre fortsatt ikke."),
}

#: Who, from where, about what, what, and hours ago. The last one is none: somebody should take it out of Spam.
JUNK = (
    ("Parcel Desk", "notice@parcel-desk.example", "Your parcel is held: pay 1.99 to release it",
     "Dear customer,\n\nyour parcel could not be delivered. Pay the fee within 24 hours or it goes back.\n\nParcel Desk", 52),
    ("Growth Partner", "hi@growth-partner.example", "We noticed your shop is not on page one",
     "Hello,\n\nI looked at your site and found 14 errors. Shall I send you the report? It is free.\n\nKevin", 27),
    ("", "winner@lucky-tents.example", "You were chosen!!!",
     "Congratulations! You are one of 5 winners. Send us your bank details and the prize is yours.", 9),
    ("Ingeborg Dahl", "ingeborg.dahl@fjordpost.example", "Faktura for tre telt, haster",
     "Hei\n\nVi bestilte tre telt til speidergruppa og trenger fakturaen før fredag for å få støtten utbetalt. Kan dere sende den?\n\nIngeborg Dahl", 4),
)  # fmt: skip

COMMENTS = (
    "@{who} the carrier had a backlog last week. I would refund now, they have been with us for years.",
    "@{who} can you check the stock in Malmö? The shelf says two, the system says none.",
    "Called them, they are happy to wait until Thursday.",
)


def email_of(name: str) -> str:
    """A customer's address: the same for the same name, under domains nobody can own."""
    plain = name.lower().replace(" ", ".")
    for letter, replacement in (("ø", "o"), ("å", "a"), ("ä", "a"), ("ü", "u"), ("ß", "ss"), ("æ", "ae")):
        plain = plain.replace(letter, replacement)
    return f"{plain}@mail.example"


def is_there() -> bool:
    """Whether the demo account has been made, to its end: its automations come last."""
    account = Account.objects.filter(slug=SLUG).first()
    if account is None:
        return False
    with account_scope(account.pk):
        return Workflow.objects.filter(account_id=account.pk).exists()
