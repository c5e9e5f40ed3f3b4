"""What filters in front of a mail server say in headers, and which of it is believed (R-CC-12)."""

import pytest

from deskhand.channels.email.parse import parse_mail, unreadable


def mark(*headers: str) -> str:
    head = "\n".join(("From: a@x.example", "Subject: Offer", *headers))
    return parse_mail(f"{head}\n\nBuy now\n".encode()).spam_mark


@pytest.mark.parametrize(
    ("header", "told_by"),
    [
        ("X-Spam-Flag: YES", "X-Spam-Flag"),
        ("x-spam-flag: yes", "X-Spam-Flag"),
        ("X-SPAM-FLAG:   Yes  ", "X-Spam-Flag"),
        ("X-Spam: Yes", "X-Spam"),
        ("X-Spam: yes", "X-Spam"),
        ("X-Spam: true", "X-Spam"),
        ("X-Spam-Status: Yes, score=7.1 required=5.0 tests=BAYES_99\n\tautolearn=no", "X-Spam-Status"),
        ("X-Spam-Status: yes, hits=6.2 required=5.0", "X-Spam-Status"),
        ("X-Forefront-Antispam-Report: CIP:203.0.113.7;CTRY:;SCL:5;SFV:SPM;H:mx", "X-Forefront-Antispam-Report"),
        ("X-Forefront-Antispam-Report: sfv:spm", "X-Forefront-Antispam-Report"),
        ("X-Forefront-Antispam-Report: CIP:1.2.3.4;\n SFV:SKS;", "X-Forefront-Antispam-Report"),
        ("X-MS-Exchange-Organization-SCL: 5", "X-MS-Exchange-Organization-SCL"),
        ("X-MS-Exchange-Organization-SCL: 9", "X-MS-Exchange-Organization-SCL"),
        ("X-Spam-Flag: NO\nX-Spam-Flag: YES", "X-Spam-Flag"),
        ("X-Spam-Status: No, score=-1.0\nX-Spam: Yes", "X-Spam"),
    ],
)  # fmt: skip
def test_a_mail_that_a_filter_in_front_marked_is_known_R_CC_12(header, told_by):
    assert mark(header) == told_by


@pytest.mark.parametrize(
    "header",
    [
        "X-Spam-Flag: NO",
        "X-Spam-Flag: no",
        "X-Spam-Flag:",
        "X-Spam-Flag: yesterday",
        "X-Spam: No",
        "X-Spam-Status: No, score=4.9 required=5.0 tests=SAYS_YES",
        "X-Spam-Status: score=7.1, yes",
        "X-Spam-Level: *********",
        "X-Forefront-Antispam-Report: SCL:1;SFV:NSPM;H:mx",
        "X-Forefront-Antispam-Report: SFV:SKN;",
        "X-Forefront-Antispam-Report: XSFV:SPM;",
        "X-MS-Exchange-Organization-SCL: 4",
        "X-MS-Exchange-Organization-SCL: -1",
        "X-MS-Exchange-Organization-SCL: five",
        "Subject: X-Spam-Flag: YES",
    ],
)
def test_no_and_what_is_no_verdict_marks_nothing_R_CC_12(header):
    assert mark(header) == ""


def test_a_mark_in_the_text_is_none():
    assert parse_mail(b"From: a@x.example\n\nX-Spam-Flag: YES\n").spam_mark == ""


def test_a_marked_mail_that_cannot_be_read_is_marked_still():
    assert unreadable(b"From: a@x.example\nX-Spam: yes\n\ntext", "broken").spam_mark == "X-Spam"
