from __future__ import annotations


def test_the_inbox_opens(office, sign_in):
    office.mail("Refund still missing")
    client = sign_in(office.world.ada)

    page = client.get("/inbox/unassigned")

    assert page.status_code == 200
    assert "Refund still missing" in page.content.decode()


def test_a_ticket_opens(office, sign_in):
    ticket = office.mail("Refund still missing")
    client = sign_in(office.world.ada)

    page = client.get(f"/inbox/unassigned/{ticket.pk}")

    assert page.status_code == 200
    assert "Where is my money?" in page.content.decode()
