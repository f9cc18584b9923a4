"""Warranty terms of the demo's machines, and a service contract for one of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from assets.contracts.agreements import make_contract, move_contract, set_assets, set_entitlements
from assets.people import Organisation
from assets.registry import Asset, AssetModel, Customer
from assets.warranty.clauses import read_clauses
from assets.warranty.tables import WarrantyTerms

_INSTALLED: list[dict[str, Any]] = [{"fact": "installation"}, {"fact": "purchase"}, {"fact": "registration"}]
_FAULTY = ["misuse", "neglect", "accident", "foreign_repair"]
CLAUSES: list[dict[str, Any]] = [
    {
        "id": "parts",
        "kind": "cover",
        "scope": ["parts"],
        "begins": _INSTALLED,
        "months": 24,
        "causes_excluded": _FAULTY,
        "replacement": {"rule": "longer", "days": 180},
        "text_en": "Parts are free for 24 months from installation; a part put in keeps the rest, 180 days at least.",
        "text_zh": "自安装之日起 24 个月内免费更换配件；更换的配件享有剩余保修期，且不少于 180 天。",
    },
    {
        "id": "labour",
        "kind": "cover",
        "scope": ["labour", "travel"],
        "begins": _INSTALLED,
        "months": 12,
        "causes_excluded": _FAULTY,
        "text_en": "Labour and travel are free for 12 months from installation.",
        "text_zh": "自安装之日起 12 个月内免收人工费和上门费。",
    },
    {
        "id": "consumables",
        "kind": "exclusion",
        "components": ["filter", "belt", "lubricant"],
        "text_en": "Filters, belts and lubricants are consumables and not covered.",
        "text_zh": "滤芯、皮带和润滑剂属于易耗品，不在保修范围内。",
    },
    {
        "id": "replace-15",
        "kind": "remedy",
        "begins": _INSTALLED,
        "days": 15,
        "causes_excluded": _FAULTY,
        "remedies": ["replace", "repair"],
        "text_en": "A machine that fails within 15 days is replaced or repaired, as the customer chooses.",
        "text_zh": "15 日内出现性能故障的，客户可以选择换货或者修理。",
    },
]
_SERVICE: list[dict[str, Any]] = [
    {
        "id": "visits",
        "kind": "cover",
        "scope": ["labour", "travel"],
        "entitlement": "visits",
        "text_en": "Four visits a year with labour and travel are included.",
        "text_zh": "每年包含四次上门服务（含人工和交通）。",
    }
]
UNDER_CONTRACT = "chiller"


def load_terms(session: Session, operator: Organisation, kind: str, model: AssetModel, now: datetime) -> None:
    """Write the terms of a demo model; they go when the model goes."""
    read_clauses(CLAUSES)
    session.add(
        WarrantyTerms(
            organisation_id=operator.id,
            code=f"demo-{kind}",
            version=1,
            kind="warranty",
            name_en="Manufacturer's warranty",
            name_zh="厂家保修",
            asset_model_id=model.id,
            payer="manufacturer",
            clauses=CLAUSES,
            created_at=now,
        )
    )
    session.flush()


def load_contract(session: Session, operator: Organisation, customer: Customer, asset: Asset, now: datetime) -> None:
    """Put a demo machine under a service contract that began some months ago."""
    begun = (now - timedelta(days=100)).date()
    contract = make_contract(
        session,
        provider_organisation_id=operator.id,
        organisation_id=asset.organisation_id,
        number=f"DEMO-SC-{asset.serial}",
        name="Full service, energy centre",
        starts_on=begun,
        ends_on=begun + timedelta(days=729),
        time_zone="Europe/London",
        customer_id=customer.id,
        clauses=_SERVICE,
        response_times=[
            {"priority": "urgent", "respond_h": 1, "arrive_h": 4, "restore_h": 24},
            {"priority": "normal", "respond_h": 4, "arrive_h": 24},
        ],
        now=now,
    )
    visits = {
        "key": "visits",
        "kind": "visits",
        "quantity": 4,
        "period": "year",
        "name_en": "Visits",
        "name_zh": "上门服务",
    }
    set_entitlements(session, contract, [visits])
    set_assets(session, contract, [asset], now, None)
    move_contract(session, contract, "active", now)
