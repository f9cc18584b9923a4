"""The composition root: which consumer reads which events, and which route files make the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.base.consumers import Consumer
from gateway.demo import repair_simulated_machine
from gateway.notify import escalations
from ingest import owners
from maintenance import acknowledgements, decommissioned
from maintenance.feedback import ORDER_KINDS, VERDICT_KINDS, learn_from_order, store_verdict
from maintenance.outcomes import KINDS, close_episode
from ml import owners as scoring_owners
from ml.labels import KINDS as LABEL_KINDS
from ml.labels import store_label
from ticketing.intake import CASES_FOLLOW_WORK
from ticketing.order_blocks import follow_blocking
from ticketing.order_procedures import ANSWER_KINDS, follow_answer
from ticketing.requests import REQUESTS_FOLLOW_CASES
from ticketing.sla_watch import SLA_FOLLOWS_RULES, SLA_FOLLOWS_WORK
from ticketing.work_orders import STATE_EVENTS

if TYPE_CHECKING:
    from fastapi import APIRouter

CONSUMERS: tuple[Consumer, ...] = (
    Consumer(
        "maintenance.outcomes",
        KINDS,
        close_episode,
    ),
    CASES_FOLLOW_WORK,
    REQUESTS_FOLLOW_CASES,
    SLA_FOLLOWS_WORK,
    SLA_FOLLOWS_RULES,
    Consumer("ticketing.order_blocks", STATE_EVENTS, follow_blocking),
    Consumer("ticketing.order_procedures", ANSWER_KINDS, follow_answer),
    Consumer("ml.labels", LABEL_KINDS, store_label),
    Consumer("maintenance.feedback", ORDER_KINDS, learn_from_order),
    Consumer("maintenance.verdicts", VERDICT_KINDS, store_verdict),
    Consumer("maintenance.acknowledgements", acknowledgements.KINDS, acknowledgements.taken_up),
    Consumer("notify.escalations", escalations.KINDS, escalations.tell_person),
    Consumer("maintenance.decommissioned", decommissioned.ENDED_KINDS, decommissioned.close_alarms),
    Consumer("maintenance.transferred", decommissioned.TRANSFERRED_KINDS, decommissioned.change_owner),
    Consumer("ingest.decommissioned", owners.ENDED_KINDS, owners.revoke_idle),
    Consumer("ingest.transferred", owners.TRANSFERRED_KINDS, owners.change_owner),
    Consumer("ml.transferred", scoring_owners.TRANSFERRED_KINDS, scoring_owners.change_owner),
    Consumer("demo.repairs", frozenset({"work_order.completed"}), repair_simulated_machine),
)


def routers() -> list[APIRouter]:
    """Return the route files; imported here so that workers do without the HTTP side."""
    from gateway import download
    from gateway.api import (
        alarm_holds,
        asset_models,
        asset_tree,
        assets,
        calendars,
        components,
        contract_ledger,
        contracts,
        coverage,
        customer_merges,
        customers,
        device_files,
        device_time,
        devices,
        documents,
        downtime,
        episodes,
        explanations,
        exports,
        failure_modes,
        feedback,
        findings,
        held_back,
        identity,
        imports,
        labels,
        lifecycle,
        live,
        maintenance_windows,
        map_tiles,
        mappings,
        meters,
        model_performance,
        models,
        on_call,
        organisations,
        overview,
        parts,
        people,
        policies,
        positions,
        price_books,
        purchase_orders,
        readings,
        repair_orders,
        replenishment,
        requests,
        reservations,
        retention,
        search,
        session,
        sites,
        sparkplug,
        starter,
        stock_conflicts,
        stock_locations,
        stock_movements,
        stock_serials,
        stock_transfers,
        stock_work,
        suppressors,
        telemetry,
        timeline,
        tools,
        visits,
        warranties,
        warranty_cards,
        warranty_terms,
        work_orders,
    )
    from gateway.pages import customer, mine, public_documents, registration, trust

    api = (
        session,
        live,
        overview,
        organisations,
        people,
        customers,
        sites,
        calendars,
        asset_models,
        assets,
        timeline,
        lifecycle,
        downtime,
        components,
        meters,
        readings,
        retention,
        devices,
        device_files,
        device_time,
        positions,
        identity,
        telemetry,
        mappings,
        sparkplug,
        asset_tree,
        failure_modes,
        findings,
        explanations,
        episodes,
        alarm_holds,
        maintenance_windows,
        map_tiles,
        policies,
        on_call,
        suppressors,
        feedback,
        model_performance,
        held_back,
        models,
        work_orders,
        visits,
        requests,
        imports,
        exports,
        search,
        warranty_terms,
        warranties,
        warranty_cards,
        coverage,
        contracts,
        contract_ledger,
        customer_merges,
        parts,
        stock_locations,
        stock_movements,
        stock_serials,
        stock_transfers,
        stock_work,
        stock_conflicts,
        purchase_orders,
        reservations,
        replenishment,
        repair_orders,
        tools,
        price_books,
        documents,
        labels,
        starter,
    )
    return [module.router for module in (*api, mine, public_documents, customer, registration, trust, download)]
