"""The lists that can be imported, by name."""

from __future__ import annotations

from assets.base.errors import Invalid
from assets.imports.kinds.assets import Assets
from assets.imports.kinds.base import Kind
from assets.imports.kinds.counts import StockCounts
from assets.imports.kinds.customers import Customers
from assets.imports.kinds.meters import MeterReadings
from assets.imports.kinds.models import AssetModels, FailureModes, Metrics
from assets.imports.kinds.positions import Positions
from assets.imports.kinds.sites import Sites
from assets.imports.kinds.stock import Parts
from assets.imports.kinds.stock_places import StockLocations
from assets.imports.kinds.warranty import WarrantyDates

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Customers(),
        Sites(),
        AssetModels(),
        Metrics(),
        FailureModes(),
        Assets(),
        Positions(),
        MeterReadings(),
        Parts(),
        StockLocations(),
        StockCounts(),
        WarrantyDates(),
    )
}


def kind_named(name: str) -> Kind:
    """Return the kind. Raises Invalid for an unknown one."""
    if name not in KINDS:
        raise Invalid(f"no such list: {name}", field="kind", allowed=list(KINDS))
    return KINDS[name]
