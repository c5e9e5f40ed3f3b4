"""Whether a message only says thanks (R-REOPEN-2): a closed list of words in the languages of the product. Pure.

All that is not on the list makes a message one to be answered: who asks for something is never taken for somebody who
says thanks. A question mark, a file, a web address or a number is enough.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 300  # characters

#: What alone is an acknowledgement.
_WORDS = """
thanks|thank you|many thanks|thx|thankyou|ty|cheers|much appreciated|i appreciate it|ok|okay|k|great|perfect|excellent|wonderful
|super|got it|noted|received|all good|sounds good|will do|understood
|tak|mange tak|tusind tak|1000 tak|tak skal du have|tak skal i have|fint|perfekt|modtaget|forstået|det er fint|det er i orden|alt i orden
|danke|dankeschön|danke schön|danke sehr|vielen dank|herzlichen dank|besten dank|tausend dank|ich danke ihnen|ich danke dir|ich danke euch
|wir danken ihnen|danke ihnen|danke dir|danke euch|vielen lieben dank|lieben dank|alles klar|prima|in ordnung|verstanden|passt|toll|klasse
|grazie|grazie mille|mille grazie|grazie tante|tante grazie|molte grazie|la ringrazio|vi ringrazio|ti ringrazio|va bene|perfetto|ottimo
|benissimo|ricevuto|capito|d accordo|tutto bene|tutto ok
|takk|tusen takk|mange takk|takk skal du ha|takk skal dere ha|flott|supert|greit|mottatt|forstått|den er god|det er greit|det er fint
"""
#: What stands beside that, and says nothing by itself.
_BESIDE = """
so much|very much|a lot|again|a million|and|for your help|for the help|for all your help|for helping|for your support|for the support
|for your quick reply|for the quick reply|for your reply|for the reply|for your quick response|for the quick response|for your time
|for the quick help|for the info|for the information|for letting me know|for the update|to you|you too|everyone|all|team
|så meget|mange gange|igen|og|for hjælpen|for din hjælp|for jeres hjælp|for den hurtige hjælp|for svaret|for svar|for dit svar
|for det hurtige svar|for hurtigt svar|for hurtig hjælp|for beskeden
|nochmals|noch einmal|nochmal|sehr|und|für die hilfe|für ihre hilfe|für deine hilfe|für eure hilfe|für die schnelle hilfe
|für ihre schnelle hilfe|für die antwort|für ihre antwort|für die schnelle antwort|für ihre schnelle antwort|für die rückmeldung
|für ihre rückmeldung|für die schnelle rückmeldung|für die info|für die information|für die unterstützung|für ihre unterstützung
|ancora|e|di tutto|di cuore|a lei|a te|a voi|per l aiuto|per il suo aiuto|per il vostro aiuto|per il tuo aiuto|dell aiuto
|per la risposta|per la rapida risposta|per la sua risposta|per la vostra risposta|per la disponibilità|per il supporto
|per l informazione|per le informazioni
|så mye|igjen|for hjelpen|for hjelp|for din hjelp|for god hjelp|for rask hjelp|for svar|for raskt svar|for raskt og godt svar
|for beskjed|for tilbakemeldingen
"""
#: How people begin, with a name perhaps.
_GREETINGS = """
hi|hello|hey|dear|good morning|good afternoon|good evening|hej|hejsa|goddag|kære|hallo|guten tag|guten morgen|liebe|lieber
|sehr geehrte frau|sehr geehrter herr|sehr geehrte damen und herren|moin|servus|grüezi|ciao|salve|buongiorno|buonasera|gentile|caro|cara
|hei|hei igjen|heisann|kjære|god dag|god morgen
"""
#: How they end.
_ENDINGS = """
best|best regards|kind regards|regards|warm regards|best wishes|all the best|sincerely|yours sincerely|yours|have a nice day|have a great day
|have a good day|have a nice weekend|have a great weekend|bye|mvh|vh|kh|hilsen|venlig hilsen|med venlig hilsen|de bedste hilsner
|mange hilsner|bedste hilsner|ha en god dag|hav en god dag|god dag|god weekend|rigtig god dag|mfg|lg|vg|bg|mit freundlichen grüßen
|mit freundlichem gruß|freundliche grüße|viele grüße|liebe grüße|beste grüße|schöne grüße|herzliche grüße|gruß|grüße|mit besten grüßen
|schönen tag|schönen tag noch|einen schönen tag|einen schönen tag noch|schönes wochenende|schönen feierabend|tschüss
|saluti|un saluto|cordiali saluti|distinti saluti|cordialmente|a presto|buona giornata|buona serata|buon lavoro|buon weekend
|buon fine settimana|med vennlig hilsen|vennlig hilsen|beste hilsen|ha en fin dag|ha en god dag|god helg|ha det bra
"""
#: What devices write beneath.
_DEVICES = re.compile(
    r"(?:sent|sendt|skickat|gesendet|inviato|von mein\w*) [\w ]{0,30}\b(?:iphone|ipad|android|galaxy|samsung|huawei|outlook|gmail"
    r"|yahoo|mobil\w*|handy|smartphone|cellulare|telefono)\b[\w ]{0,20}"
)
#: Only whom one thanks is called by name.
_THANKED = re.compile(r"thank|thx|cheers|dank|tak|grazie|ringrazio")
_REFUSALS = {
    "no",
    "not",
    "nope",
    "never",
    "stop",
    "cancel",
    "nein",
    "nicht",
    "storno",
    "nej",
    "nei",
    "ikke",
    "non",
}
_THUMBS = "👍👌🙏✅🙌"
#: Signs that say nothing by themselves; any other may say more than thanks.
_KIND = "😊🙂😀😃😄😁😉😍🥰☺🤗❤💕💙💚💛🧡💜♥🎉🎊💐🌷🌸🌞☀✨⭐🌟💪"
_MODIFIERS = ("Sk", "Mn", "Cf")  # the color of a hand; that a sign is drawn as a picture; what joins several
_SMILES = frozenset({":)", ":-)", ";)", ";-)", ":d", ":-d", "<3", "(:", "=)"})
_ASKS = re.compile(r"\?|\b\d{2,}\b(?! tak\b)|https?:|www\.|@", re.IGNORECASE)
_BREAKS = re.compile(r"[.!,;:\n()…–—-]+")


def _plain(text: str) -> str:
    """As words are compared: small, one blank between them, without apostrophes and accents written in two parts."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", " ").replace("'", " ")
    return " ".join(folded.split())


def _any_of(listed: str) -> str:
    words = sorted({_plain(one) for one in listed.split("|")}, key=len, reverse=True)
    return "|".join(re.escape(one) for one in words)


_PHRASE = re.compile(rf"(?:(?P<thanks>{_any_of(_WORDS)})|{_any_of(_BESIDE)})(?: |$)")
_GREETS = re.compile(rf"(?:{_any_of(_GREETINGS)})(?: [^\W\d_]+)?")
_ENDS = re.compile(rf"(?:{_any_of(_ENDINGS)})")


def is_acknowledgement(text: str, *, name: str = "") -> bool:
    """Whether the text says thanks or that something was received, and nothing else. `name` is the writer's own, who may
    sign with it; whom they greet or thank may be named by one word."""
    if not text.strip() or len(text) > LONGEST or _ASKS.search(text):
        return False
    own = set(_plain(name).split())
    lines = [line for line in text.splitlines() if not _DEVICES.fullmatch(_plain(line).rstrip("."))]
    says = False
    for part in _parts("\n".join(lines)):
        if _says_thanks(part):
            says = True
        elif not _says_nothing(_plain(part), own):
            return False
    return says


def _parts(text: str) -> list[str]:
    """Its phrases; a thumb up is one of its own."""
    words = [word for word in text.split(" ") if _plain(word) not in _SMILES]
    found: list[str] = []
    for phrase in _BREAKS.split(" ".join(words)):
        kept = ""
        for sign in phrase:
            if sign in _THUMBS:
                found.append(sign)
            elif sign not in _KIND and unicodedata.category(sign) not in _MODIFIERS:
                kept += sign
                continue
            kept += " "
        found.append(kept)
    return [part.strip() for part in found if part.strip()]


def _says_thanks(part: str) -> bool:
    if part in _THUMBS or _is_thanks(_plain(part)):
        return True
    before, _blank, last = part.rpartition(
        " "
    )  # "Thanks Grace", as names are written; "Ok Stop" names nobody
    may_name = last.istitle() and last.isalpha() and _plain(last) not in _REFUSALS
    return may_name and _THANKED.search(_plain(before)) is not None and _is_thanks(_plain(before))


def _is_thanks(plain: str) -> bool:
    """Phrase by phrase and never back: one pattern for the whole would try all ways to divide "danke sehr danke sehr …"."""
    at, says = 0, False
    while at < len(plain):
        found = _PHRASE.match(plain, at)
        if found is None:
            return False
        at, says = found.end(), says or found["thanks"] is not None
    return says


def _says_nothing(part: str, own: set[str]) -> bool:
    """A greeting, an ending, the writer's own name, or an ending with it."""
    ended = _ENDS.match(part)
    rest = part[ended.end() :] if ended else part
    return bool(_GREETS.fullmatch(part)) or (
        (rest[:1] in ("", " ") or not ended) and set(rest.split()) <= own
    )
