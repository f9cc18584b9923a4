"""The warranty card as a PDF: for the desk with the customer's name, behind the label without it (000-16)."""

from __future__ import annotations

import pytest

from assets.base.access import Role
from gateway.settings import Settings
from tests.gateway.conftest import Plant
from tests.gateway.test_warranty_api import Shop, created, fine


@pytest.fixture
def shop(plant: Plant) -> Shop:
    shop = Shop(plant)
    shop.publish()
    created(shop.register())
    return shop


def test_card_is_a_pdf_in_both_languages_for_desk_and_label(shop: Shop) -> None:
    (card,) = fine(shop.ada.get("/api/v1/warranty-cards"))["items"]
    code = shop.code
    for language in ("en", "zh"):
        kept = shop.ada.get(f"/api/v1/warranty-cards/{card['id']}/file", params={"language": language})
        shown = shop.plant.client().get(f"/a/{code}/warranty-card", params={"lang": language})
        for answer in (kept, shown):
            assert answer.status_code == 200
            assert answer.content.startswith(b"%PDF-")
            assert card["number"] in answer.headers["content-disposition"]
    assert f"/a/{code}/warranty-card" in shop.plant.client().get(f"/a/{code}").text


def test_nobody_s_card_is_given_out(shop: Shop) -> None:
    (card,) = fine(shop.ada.get("/api/v1/warranty-cards"))["items"]
    code = shop.code
    stranger = shop.person(shop.plant.stranger, "Eve", Role.ADMINISTRATOR)
    assert stranger.get(f"/api/v1/warranty-cards/{card['id']}/file").status_code == 404
    fine(shop.ada.post(f"/api/v1/warranty-cards/{card['id']}/transitions", json={"to": "revoked", "reason": "sold"}))
    assert shop.ada.get(f"/api/v1/warranty-cards/{card['id']}/file").status_code == 404
    assert shop.plant.client().get(f"/a/{code}/warranty-card").status_code == 404
    assert shop.plant.client().get("/a/ABCDEFGHJK/warranty-card").status_code == 404


@pytest.mark.parametrize("address", ["ftp://t/{z}/{x}/{y}", "https://t/{z}/{x}.png", "https://t;img-src */{z}/{x}/{y}"])
def test_an_address_that_gives_no_tiles_is_refused_at_the_start(address: str) -> None:
    with pytest.raises(ValueError, match="tiles"):
        Settings(map_tiles=address)


def test_pages_load_pictures_from_the_tiles_host_and_from_nowhere_else(plant: Plant) -> None:
    policy = plant.client().get("/healthz").headers["content-security-policy"]
    assert policy.endswith("img-src 'self' data: blob:")
    assert Settings(map_tiles="https://tiles.example.com/{z}/{x}/{y}.png").map_origin == "https://tiles.example.com"
    assert plant.administrator().get("/api/v1/map-settings").json() == {"tiles": None}
