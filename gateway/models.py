"""All tables of all rooms, imported for their effect on the metadata."""

from __future__ import annotations

import assets.base.calendars
import assets.base.consumers
import assets.base.events
import assets.base.seals
import assets.bom
import assets.commissioning
import assets.components
import assets.contracts.tables
import assets.documents.models
import assets.failure_modes
import assets.imports.runs
import assets.instrumentation
import assets.labels.models
import assets.meter_models
import assets.people
import assets.places
import assets.positions
import assets.registry
import assets.search.models
import assets.states
import assets.stock.old_parts
import assets.stock.replenishment
import assets.stock.rotables
import assets.stock.tools
import assets.stock.totals
import assets.warranty.tables
import gateway.clock
import gateway.customer_sign_in
import gateway.idempotency
import gateway.notify.models
import gateway.notify.rule_models
import gateway.notify.webhook_models
import gateway.sign_in
import ingest.burst_models
import ingest.identity_models
import ingest.mapping_models
import ingest.models
import ingest.rollup_models
import ingest.sparkplug.models
import maintenance.alarm_models
import maintenance.desk.tables
import maintenance.feedback_models
import maintenance.forecasts.tables
import maintenance.models
import maintenance.plans.tables
import maintenance.remaining_lives
import ml.models
import ml.store.tables
import ticketing.cases.files
import ticketing.cases.tables
import ticketing.channels.tables
import ticketing.dispatch.tables
import ticketing.evidence.tables
import ticketing.help_models
import ticketing.models
import ticketing.order_models
import ticketing.people.tables
import ticketing.procedures.models
import ticketing.reports.tables
import ticketing.search_models
import ticketing.sla.tables
import ticketing.sync.tables
from assets.base.db import Base

metadata = Base.metadata

__all__ = ["assets", "gateway", "ingest", "maintenance", "metadata", "ml", "ticketing"]
