/** The pages of assets, warranty and stock expect what the server's generated types promise; nothing runs. */
import type { Fits } from "./agree";
import type { components } from "./schema";
import type * as commissioning from "../desk/assets/Commissioning";
import type * as life from "../desk/assets/LifeTab";
import type * as meters from "../desk/assets/MetersTab";
import type * as parts from "../desk/assets/PartsTab";
import type * as map from "../desk/assets/mapDraw";
import type * as position from "../desk/assets/PositionPage";
import type * as positions from "../desk/assets/PositionsPage";
import type * as imports from "../desk/files/ImportsPage";
import type * as calendars from "../desk/registry/CalendarsPage";
import type * as customer from "../desk/registry/CustomerPage";
import type * as customers from "../desk/registry/CustomersPage";
import type * as modes from "../desk/registry/FailureModesPage";
import type * as model from "../desk/registry/AssetModelPage";
import type * as organisations from "../desk/registry/OrganisationsPage";
import type * as sites from "../desk/registry/SitesPage";
import type * as locations from "../desk/stock/LocationsPage";
import type * as movements from "../desk/stock/MovementsPage";
import type * as orderParts from "../desk/stock/OrderParts";
import type * as orders from "../desk/stock/OrdersPages";
import type * as part from "../desk/stock/PartPage";
import type * as items from "../desk/stock/PartsPage";
import type * as plan from "../desk/stock/PlanPages";
import type * as prices from "../desk/stock/PriceBooks";
import type * as rotables from "../desk/stock/RotablePages";
import type * as stock from "../desk/stock/StockPage";
import type * as tools from "../desk/stock/ToolsPages";
import type * as transfers from "../desk/stock/TransfersPages";
import type * as contracts from "../desk/warranty/ContractsPage";
import type * as overrides from "../desk/warranty/OverridesPage";
import type * as warranty from "../desk/warranty/types";
import type * as warranties from "../desk/warranty/WarrantiesPage";

type Schema = components["schemas"];

export type AgreedAssets = [
  Fits<Schema["PointItem"], commissioning.Point>,
  Fits<Schema["StateItem"], life.Interval>,
  Fits<Schema["DowntimeAnswer"], life.Down>,
  Fits<Schema["StayItem"], life.Stay>,
  Fits<Schema["MeterItem"], meters.Meter>,
  Fits<Schema["ReadingItem"], meters.MeterReading>,
  Fits<Schema["ForecastItem"], meters.Forecast>,
  Fits<Schema["ComponentItem"], parts.Built>,
  Fits<Schema["Mark"], map.Spot>,
  Fits<Schema["PositionItem"], positions.PositionRow>,
  Fits<Schema["PositionDetail"], position.Detail>,
  Fits<Schema["ImportDetail"], imports.Run>,
  Fits<Schema["KindRow"], imports.Kind>,
  Fits<Schema["CalendarItem"], calendars.Calendar>,
  Fits<Schema["CustomerItem"], customers.Customer>,
  Fits<Schema["Duplicate"], customer.Alike>,
  Fits<Schema["MergeItem"], customer.Merge>,
  Fits<Schema["FailureModeItem"], modes.Mode>,
  Fits<Schema["gateway__api__asset_models__ModelDetail"], Pick<model.Model, "id" | "code" | "name_en" | "version">>,
  Fits<Schema["OrganisationItem"], organisations.Organisation>,
  Fits<Schema["SiteItem"], sites.Site>,
  Fits<Schema["LocationItem"], locations.Location>,
  Fits<Schema["StockSettingsItem"], locations.Settings>,
  Fits<Schema["MovementItem"], movements.Movement>,
  Fits<Schema["ConflictItem"], Omit<movements.Conflict, "operation">>,
  Fits<Schema["OrderParts"], orderParts.Used>,
  Fits<Schema["PurchaseItem"], orders.Purchase>,
  Fits<Schema["PurchaseDetail"], orders.Purchase & { receipts: orders.Receipt[] }>,
  Fits<Schema["PartDetail"], part.Detail>,
  Fits<Schema["AvailabilityDetail"], part.Availability>,
  Fits<Schema["PartItem"], items.PartRow>,
  Fits<Schema["ReservationItem"], plan.Reservation>,
  Fits<Schema["LevelItem"], plan.Level>,
  Fits<Schema["ProposalItem"], plan.Proposal>,
  Fits<Schema["BookItem"], prices.Book>,
  Fits<Schema["PriceItem"], prices.Price>,
  Fits<Schema["SerialItem"], Pick<rotables.Serial, "id" | "part" | "serial" | "condition" | "location" | "received_at" | "asset">>,
  Fits<Schema["SerialDetail"], rotables.Serial>,
  Fits<Schema["LotDetail"], Omit<rotables.Serial, "location" | "asset">>,
  Fits<Schema["RepairItem"], rotables.Repair>,
  Fits<Schema["DutyItem"], rotables.Duty>,
  Fits<Schema["gateway__api__stock_locations__BalanceItem"], stock.Row>,
  Fits<Schema["ToolItem"], tools.Tool>,
  Fits<Schema["ToolDetail"], tools.Tool & { custody: tools.Custody[]; hours: tools.Used[] }>,
  Fits<Schema["TransferItem"], transfers.Transfer>,
  Fits<Schema["ContractItem"], contracts.Contract>,
  Fits<Schema["gateway__api__contract_ledger__BalanceItem"], contracts.Balance>,
  Fits<Schema["EntryItem"], contracts.Entry>,
  Fits<Schema["OverrideItem"], overrides.Override>,
  Fits<Schema["OverrideCount"], overrides.Counted>,
  Fits<Schema["TermsItem"], warranty.Terms>,
  Fits<Schema["CardItem"], warranty.Card>,
  Fits<Schema["Warranty"], Omit<warranty.AssetWarranty, "facts">>,
  Fits<Schema["Facts"], Pick<warranty.Facts, "region" | "version">>,
  Fits<Schema["Coverage"], warranty.Coverage>,
  Fits<Schema["WarrantyItem"], warranties.Row>,
  Fits<Schema["RegistrationItem"], warranties.Registration>,
];
