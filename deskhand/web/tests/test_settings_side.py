"""The side of the settings: what a whole account is set up with, for whom it is."""

import re

import pytest


@pytest.fixture
def links(sign_in):
    """{label: address} of the side as somebody sees it."""

    def of(user) -> dict[str, str]:
        page = sign_in(user).get("/account/password/change/").content.decode()
        side = page[page.index('id="side"') : page.index("</nav>", page.index('id="side"'))]
        return {label: url for url, label in re.findall(r'href="([^"]+)"[^>]*>.*?title="([^"]+)"', side)}

    return of


def test_administrators_find_every_page(office, links):
    assert {"Password", "Tickets", "Sent mail", "System"} <= set(links(office.world.ada))


def test_who_may_set_up_nothing_finds_what_is_their_own(office, sign_in, links):
    """What one may not open is not there."""
    own = links(office.world.nils)

    assert "Password" in own
    assert not {"Tickets", "Sent mail", "System"} & set(own)
    client = sign_in(office.world.nils)
    assert all(client.get(url).status_code == 200 for url in own.values())


def test_the_gear_leads_administrators_to_what_the_account_is_set_up_with(office, sign_in):
    page = sign_in(office.world.ada).get("/inbox/all-open").content.decode()
    gear = re.search(r'class="rail-item" href="([^"]+)" aria-label="Settings"', page)

    assert gear is not None
    assert not gear.group(1).startswith(("/account/", "/me/"))
