/** The desk's entry: providers and the map of pages. */
import "@fontsource-variable/inter";
import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "../ui/styles.css";
import "../i18n";

import { lazy } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter, Route, Routes } from "react-router";

import { Providers } from "../ui/Providers";
import { AlarmsPage } from "./alarms/AlarmsPage";
import { AssetPage } from "./AssetPage";
import { BulkPage } from "./BulkPage";
import { ClaimPage } from "./ClaimPage";
import { ConnectPage } from "./ConnectPage";
import { DevicePage } from "./DevicePage";
import { DevicesPage } from "./DevicesPage";
import { MappingPage, NewMappingPage } from "./MappingPage";
import { MappingsPage } from "./MappingsPage";
import { ModelPage } from "./models/ModelPage";
import { PerformancePage } from "./models/PerformancePage";
import { StorePage } from "./models/StorePage";
import { TrainingPage } from "./models/TrainingPage";
import { NotFoundPage } from "./NotFoundPage";
import { OverviewPage } from "./OverviewPage";
import { PeoplePage } from "./PeoplePage";
import { FeedbackPage } from "./policies/FeedbackPage";
import { OnCallPage } from "./policies/OnCallPage";
import { PoliciesPage } from "./policies/PoliciesPage";
import { PolicyPage } from "./policies/PolicyPage";
import { SuppressorsPage } from "./policies/SuppressorsPage";
import { WindowsPage } from "./policies/WindowsPage";
import { RequestsPage } from "./RequestsPage";
import { Shell } from "./Shell";
import { SignInPage } from "./SignInPage";
import { SparkplugPage } from "./SparkplugPage";
import { WorkOrderPage } from "./WorkOrderPage";
import { WorkOrdersPage } from "./WorkOrdersPage";

// Pages that come when they are opened: the first page must be there fast on a slow network.
const AssetsPage = lazy(() => import("./assets/AssetsPage").then((made) => ({ default: made.AssetsPage })));
const TreePage = lazy(() => import("./assets/TreePage").then((made) => ({ default: made.TreePage })));
const MapPage = lazy(() => import("./assets/MapPage").then((made) => ({ default: made.MapPage })));
const PositionsPage = lazy(() => import("./assets/PositionsPage").then((made) => ({ default: made.PositionsPage })));
const PositionPage = lazy(() => import("./assets/PositionPage").then((made) => ({ default: made.PositionPage })));
const CustomersPage = lazy(() => import("./registry/CustomersPage").then((made) => ({ default: made.CustomersPage })));
const CustomerPage = lazy(() => import("./registry/CustomerPage").then((made) => ({ default: made.CustomerPage })));
const SitesPage = lazy(() => import("./registry/SitesPage").then((made) => ({ default: made.SitesPage })));
const SitePage = lazy(() => import("./registry/SitePage").then((made) => ({ default: made.SitePage })));
const OrganisationsPage = lazy(() => import("./registry/OrganisationsPage").then((made) => ({ default: made.OrganisationsPage })));
const LatePage = lazy(() => import("./sla/LatePage").then((made) => ({ default: made.LatePage })));
const WarningsPage = lazy(() => import("./sla/LatePage").then((made) => ({ default: made.WarningsPage })));
const ServiceFiguresPage = lazy(() => import("./sla/FiguresPage").then((made) => ({ default: made.ServiceFiguresPage })));
const ReliabilityPage = lazy(() => import("./reliability/ReliabilityPage").then((made) => ({ default: made.ReliabilityPage })));
const SlaPoliciesPage = lazy(() => import("./sla/PoliciesPage").then((made) => ({ default: made.SlaPoliciesPage })));
const TechniciansPage = lazy(() => import("./people/TechniciansPage").then((made) => ({ default: made.TechniciansPage })));
const TechnicianPage = lazy(() => import("./people/TechnicianPage").then((made) => ({ default: made.TechnicianPage })));
const SkillsPage = lazy(() => import("./people/SkillsPage").then((made) => ({ default: made.SkillsPage })));
const TeamsPage = lazy(() => import("./people/TeamsPage").then((made) => ({ default: made.TeamsPage })));
const ShiftsPage = lazy(() => import("./people/ShiftsPage").then((made) => ({ default: made.ShiftsPage })));
const AbsencesPage = lazy(() => import("./people/AbsencesPage").then((made) => ({ default: made.AbsencesPage })));
const TerritoriesPage = lazy(() => import("./people/TerritoriesPage").then((made) => ({ default: made.TerritoriesPage })));
const TimesheetsPage = lazy(() => import("./people/TimesheetsPage").then((made) => ({ default: made.TimesheetsPage })));
const ApplicationsPage = lazy(() => import("./people/ApplicationsPage").then((made) => ({ default: made.ApplicationsPage })));
const TriagePage = lazy(() => import("./cases/TriagePage").then((made) => ({ default: made.TriagePage })));
const CasesPage = lazy(() => import("./cases/TriagePage").then((made) => ({ default: made.CasesPage })));
const CasePage = lazy(() => import("./cases/CasePage").then((made) => ({ default: made.CasePage })));
const ServiceTypesPage = lazy(() => import("./cases/ServiceTypesPage").then((made) => ({ default: made.ServiceTypesPage })));
const ServiceTypePage = lazy(() => import("./cases/ServiceTypePage").then((made) => ({ default: made.ServiceTypePage })));
const CallsPage = lazy(() => import("./calls/CallsPage").then((made) => ({ default: made.CallsPage })));
const WaysInPage = lazy(() => import("./calls/WaysInPage").then((made) => ({ default: made.WaysInPage })));
const RoutingPage = lazy(() => import("./cases/RoutingPage").then((made) => ({ default: made.RoutingPage })));
const WebhooksPage = lazy(() => import("./notify/WebhooksPage").then((made) => ({ default: made.WebhooksPage })));
const InboxPage = lazy(() => import("./notify/InboxPage").then((made) => ({ default: made.InboxPage })));
const WishesPage = lazy(() => import("./notify/WishesPage").then((made) => ({ default: made.WishesPage })));
const RulesPage = lazy(() => import("./notify/RulesPage").then((made) => ({ default: made.RulesPage })));
const ChannelsPage = lazy(() => import("./notify/ChannelsPage").then((made) => ({ default: made.ChannelsPage })));
const LogPage = lazy(() => import("./notify/LogPage").then((made) => ({ default: made.LogPage })));
const CalendarsPage = lazy(() => import("./registry/CalendarsPage").then((made) => ({ default: made.CalendarsPage })));
const AssetModelsPage = lazy(() => import("./registry/AssetModelsPage").then((made) => ({ default: made.AssetModelsPage })));
const AssetModelPage = lazy(() => import("./registry/AssetModelPage").then((made) => ({ default: made.AssetModelPage })));
const FailureModesPage = lazy(() => import("./registry/FailureModesPage").then((made) => ({ default: made.FailureModesPage })));
const DocumentsPage = lazy(() => import("./files/DocumentsPage").then((made) => ({ default: made.DocumentsPage })));
const LabelsPage = lazy(() => import("./files/LabelsPage").then((made) => ({ default: made.LabelsPage })));
const ImportsPage = lazy(() => import("./files/ImportsPage").then((made) => ({ default: made.ImportsPage })));
const ImportPage = lazy(() => import("./files/ImportPage").then((made) => ({ default: made.ImportPage })));
const WarrantiesPage = lazy(() => import("./warranty/WarrantiesPage").then((made) => ({ default: made.WarrantiesPage })));
const CardsPage = lazy(() => import("./warranty/WarrantiesPage").then((made) => ({ default: made.CardsPage })));
const RegistrationsPage = lazy(() => import("./warranty/WarrantiesPage").then((made) => ({ default: made.RegistrationsPage })));
const OverridesPage = lazy(() => import("./warranty/OverridesPage").then((made) => ({ default: made.OverridesPage })));
const TermsPage = lazy(() => import("./warranty/TermsPage").then((made) => ({ default: made.TermsPage })));
const TermPage = lazy(() => import("./warranty/TermsPage").then((made) => ({ default: made.TermPage })));
const ContractsPage = lazy(() => import("./warranty/ContractsPage").then((made) => ({ default: made.ContractsPage })));
const ContractPage = lazy(() => import("./warranty/ContractsPage").then((made) => ({ default: made.ContractPage })));
const StockPage = lazy(() => import("./stock/StockPage").then((made) => ({ default: made.StockPage })));
const MovementsPage = lazy(() => import("./stock/MovementsPage").then((made) => ({ default: made.MovementsPage })));
const ConflictsPage = lazy(() => import("./stock/MovementsPage").then((made) => ({ default: made.ConflictsPage })));
const TransfersPage = lazy(() => import("./stock/TransfersPages").then((made) => ({ default: made.TransfersPage })));
const TransferPage = lazy(() => import("./stock/TransfersPages").then((made) => ({ default: made.TransferPage })));
const ReservationsPage = lazy(() => import("./stock/PlanPages").then((made) => ({ default: made.ReservationsPage })));
const LevelsPage = lazy(() => import("./stock/PlanPages").then((made) => ({ default: made.LevelsPage })));
const ReplenishmentPage = lazy(() => import("./stock/PlanPages").then((made) => ({ default: made.ReplenishmentPage })));
const LocationsPage = lazy(() => import("./stock/LocationsPage").then((made) => ({ default: made.LocationsPage })));
const StockSettingsPage = lazy(() => import("./stock/LocationsPage").then((made) => ({ default: made.StockSettingsPage })));
const PartsPage = lazy(() => import("./stock/PartsPage").then((made) => ({ default: made.PartsPage })));
const PartPage = lazy(() => import("./stock/PartPage").then((made) => ({ default: made.PartPage })));
const PurchaseOrdersPage = lazy(() => import("./stock/OrdersPages").then((made) => ({ default: made.PurchaseOrdersPage })));
const PurchaseOrderPage = lazy(() => import("./stock/OrdersPages").then((made) => ({ default: made.PurchaseOrderPage })));
const ToolsPage = lazy(() => import("./stock/ToolsPages").then((made) => ({ default: made.ToolsPage })));
const ToolPage = lazy(() => import("./stock/ToolsPages").then((made) => ({ default: made.ToolPage })));
const SerialsPage = lazy(() => import("./stock/RotablePages").then((made) => ({ default: made.SerialsPage })));
const TracePage = lazy(() => import("./stock/RotablePages").then((made) => ({ default: made.TracePage })));
const RepairsPage = lazy(() => import("./stock/RotablePages").then((made) => ({ default: made.RepairsPage })));
const OldPartsPage = lazy(() => import("./stock/RotablePages").then((made) => ({ default: made.OldPartsPage })));
const PriceBooksPage = lazy(() => import("./stock/PriceBooks").then((made) => ({ default: made.PriceBooksPage })));
const PriceBookPage = lazy(() => import("./stock/PriceBooks").then((made) => ({ default: made.PriceBookPage })));
const FieldCallsPage = lazy(() => import("./fieldwork/CallsPage").then((made) => ({ default: made.FieldCallsPage })));
const SentPage = lazy(() => import("./fieldwork/SentPage").then((made) => ({ default: made.SentPage })));
const DocumentRulesPage = lazy(() => import("./fieldwork/DocumentRulesPage").then((made) => ({ default: made.DocumentRulesPage })));
const DispatchPage = lazy(() => import("./dispatch/DispatchPage").then((made) => ({ default: made.DispatchPage })));
const ProceduresPage = lazy(() => import("./procedures/ProceduresPage").then((made) => ({ default: made.ProceduresPage })));
const NormVariancePage = lazy(() => import("./procedures/VariancePage").then((made) => ({ default: made.VariancePage })));
const LabourRatesPage = lazy(() => import("./procedures/RatesPage").then((made) => ({ default: made.RatesPage })));
const PlansPage = lazy(() => import("./plans/PlansPage").then((made) => ({ default: made.PlansPage })));
const PlanPage = lazy(() => import("./plans/PlanPage").then((made) => ({ default: made.PlanPage })));
const NewPlanPage = lazy(() => import("./plans/PlanEditor").then((made) => ({ default: made.NewPlanPage })));
const EditPlanPage = lazy(() => import("./plans/PlanEditor").then((made) => ({ default: made.EditPlanPage })));
const PlansCalendarPage = lazy(() => import("./plans/CalendarPage").then((made) => ({ default: made.CalendarPage })));
const ForecastPage = lazy(() => import("./forecasts/ForecastPage").then((made) => ({ default: made.ForecastPage })));
const RoundsPage = lazy(() => import("./plans/RoundsPage").then((made) => ({ default: made.RoundsPage })));
const ProcedurePage = lazy(() => import("./procedures/ProcedurePage").then((made) => ({ default: made.ProcedurePage })));
const PlannerPage = lazy(() => import("./planner/JobsPage").then((made) => ({ default: made.PlannerPage })));
const DecisionsPage = lazy(() => import("./planner/DecisionsPage").then((made) => ({ default: made.DecisionsPage })));
const DeskCostsPage = lazy(() => import("./planner/CostsPage").then((made) => ({ default: made.CostsPage })));
const YearPage = lazy(() => import("./planning/YearPage").then((made) => ({ default: made.YearPage })));
const GroupsPage = lazy(() => import("./planning/GroupsPage").then((made) => ({ default: made.GroupsPage })));
const ChangesPage = lazy(() => import("./planning/ChangesPage").then((made) => ({ default: made.ChangesPage })));

createRoot(document.getElementById("root")!).render(
  <Providers>
    <BrowserRouter>
      <Routes>
        <Route path="/sign-in" element={<SignInPage />} />
        <Route path="/claim/:code" element={<ClaimPage />} />
        <Route element={<Shell />}>
          <Route index element={<OverviewPage />} />
          <Route path="assets" element={<AssetsPage />} />
          <Route path="assets/tree" element={<TreePage />} />
          <Route path="assets/map" element={<MapPage />} />
          <Route path="assets/:id" element={<AssetPage />} />
          <Route path="assets/:id/:tab" element={<AssetPage />} />
          <Route path="positions" element={<PositionsPage />} />
          <Route path="positions/:id" element={<PositionPage />} />
          <Route path="labels" element={<LabelsPage />} />
          <Route path="asset-models" element={<AssetModelsPage />} />
          <Route path="asset-models/:id" element={<AssetModelPage />} />
          <Route path="asset-models/:id/:tab" element={<AssetModelPage />} />
          <Route path="failure-modes" element={<FailureModesPage />} />
          <Route path="customers" element={<CustomersPage />} />
          <Route path="customers/:id" element={<CustomerPage />} />
          <Route path="sites" element={<SitesPage />} />
          <Route path="sites/:id" element={<SitePage />} />
          <Route path="organisations" element={<OrganisationsPage />} />
          <Route path="calendars" element={<CalendarsPage />} />
          <Route path="field" element={<FieldCallsPage />} />
          <Route path="field/sent" element={<SentPage />} />
          <Route path="notifications/documents" element={<DocumentRulesPage />} />
          <Route path="dispatch" element={<DispatchPage />} />
          <Route path="service-levels" element={<LatePage />} />
          <Route path="service-levels/warnings" element={<WarningsPage />} />
          <Route path="service-levels/figures" element={<ServiceFiguresPage />} />
          <Route path="reliability/:tab?" element={<ReliabilityPage />} />
          <Route path="service-levels/policies" element={<SlaPoliciesPage />} />
          <Route path="documents" element={<DocumentsPage />} />
          <Route path="webhooks" element={<WebhooksPage />} />
          <Route path="notifications" element={<InboxPage />} />
          <Route path="notifications/wishes" element={<WishesPage />} />
          <Route path="notifications/rules" element={<RulesPage />} />
          <Route path="notifications/channels" element={<ChannelsPage />} />
          <Route path="notifications/log" element={<LogPage />} />
          <Route path="imports" element={<ImportsPage />} />
          <Route path="imports/:id" element={<ImportPage />} />
          <Route path="warranties" element={<WarrantiesPage />} />
          <Route path="warranties/cards" element={<CardsPage />} />
          <Route path="warranties/registrations" element={<RegistrationsPage />} />
          <Route path="warranties/overrides" element={<OverridesPage />} />
          <Route path="warranties/terms" element={<TermsPage />} />
          <Route path="warranties/terms/:id" element={<TermPage />} />
          <Route path="contracts" element={<ContractsPage />} />
          <Route path="contracts/:id" element={<ContractPage />} />
          <Route path="stock" element={<StockPage />} />
          <Route path="stock/movements" element={<MovementsPage />} />
          <Route path="stock/transfers" element={<TransfersPage />} />
          <Route path="stock/transfers/:id" element={<TransferPage />} />
          <Route path="stock/reservations" element={<ReservationsPage />} />
          <Route path="stock/conflicts" element={<ConflictsPage />} />
          <Route path="stock/locations" element={<LocationsPage />} />
          <Route path="stock/settings" element={<StockSettingsPage />} />
          <Route path="parts" element={<PartsPage />} />
          <Route path="parts/:id" element={<PartPage />} />
          <Route path="price-books" element={<PriceBooksPage />} />
          <Route path="price-books/:id" element={<PriceBookPage />} />
          <Route path="purchase-orders" element={<PurchaseOrdersPage />} />
          <Route path="purchase-orders/replenishment" element={<ReplenishmentPage />} />
          <Route path="purchase-orders/levels" element={<LevelsPage />} />
          <Route path="purchase-orders/:id" element={<PurchaseOrderPage />} />
          <Route path="tools" element={<ToolsPage />} />
          <Route path="tools/serials" element={<SerialsPage />} />
          <Route path="tools/serials/:id" element={<TracePage kind="serials" />} />
          <Route path="tools/lots/:id" element={<TracePage kind="lots" />} />
          <Route path="tools/repairs" element={<RepairsPage />} />
          <Route path="tools/old-parts" element={<OldPartsPage />} />
          <Route path="tools/:id" element={<ToolPage />} />
          <Route path="work-orders" element={<WorkOrdersPage />} />
          <Route path="work-orders/:id" element={<WorkOrderPage />} />
          <Route path="work-orders/:id/:tab" element={<WorkOrderPage />} />
          <Route path="plans" element={<PlansPage />} />
          <Route path="plans/new" element={<NewPlanPage />} />
          <Route path="plans/calendar" element={<PlansCalendarPage />} />
          <Route path="plans/forecast" element={<ForecastPage />} />
          <Route path="plans/rounds" element={<RoundsPage />} />
          <Route path="plans/:id" element={<PlanPage />} />
          <Route path="plans/:id/edit" element={<EditPlanPage />} />
          <Route path="procedures" element={<ProceduresPage />} />
          <Route path="procedures/norms" element={<NormVariancePage />} />
          <Route path="procedures/rates" element={<LabourRatesPage />} />
          <Route path="procedures/:id" element={<ProcedurePage />} />
          <Route path="alarms" element={<AlarmsPage />} />
          <Route path="planner" element={<PlannerPage />} />
          <Route path="planner/decisions" element={<DecisionsPage />} />
          <Route path="planner/costs" element={<DeskCostsPage />} />
          <Route path="plans/year" element={<YearPage />} />
          <Route path="plans/groups" element={<GroupsPage />} />
          <Route path="plans/changes" element={<ChangesPage />} />
          <Route path="models" element={<PerformancePage />} />
          <Route path="models/store" element={<StorePage />} />
          <Route path="models/store/:id" element={<ModelPage />} />
          <Route path="models/training" element={<TrainingPage />} />
          <Route path="policies" element={<PoliciesPage />} />
          <Route path="policies/windows" element={<WindowsPage />} />
          <Route path="policies/on-call" element={<OnCallPage />} />
          <Route path="policies/suppressors" element={<SuppressorsPage />} />
          <Route path="policies/feedback" element={<FeedbackPage />} />
          <Route path="policies/:id" element={<PolicyPage />} />
          <Route path="cases" element={<TriagePage list="claim" />} />
          <Route path="cases/mine" element={<TriagePage list="handle" />} />
          <Route path="cases/approvals" element={<TriagePage list="approve" />} />
          <Route path="cases/all" element={<CasesPage />} />
          <Route path="cases/service-types" element={<ServiceTypesPage />} />
          <Route path="cases/service-types/:id" element={<ServiceTypePage />} />
          <Route path="cases/calls" element={<CallsPage />} />
          <Route path="cases/ways-in" element={<WaysInPage />} />
          <Route path="cases/routing" element={<RoutingPage />} />
          <Route path="cases/:id" element={<CasePage />} />
          <Route path="requests" element={<RequestsPage />} />
          <Route path="devices" element={<DevicesPage />} />
          <Route path="devices/connect" element={<ConnectPage />} />
          <Route path="devices/bulk" element={<BulkPage />} />
          <Route path="devices/mappings" element={<MappingsPage />} />
          <Route path="devices/mappings/new" element={<NewMappingPage />} />
          <Route path="devices/mappings/:id" element={<MappingPage />} />
          <Route path="devices/sparkplug" element={<SparkplugPage />} />
          <Route path="devices/:id" element={<DevicePage />} />
          <Route path="people" element={<PeoplePage />} />
          <Route path="people/technicians" element={<TechniciansPage />} />
          <Route path="people/technicians/:id" element={<TechnicianPage />} />
          <Route path="people/skills" element={<SkillsPage />} />
          <Route path="people/teams" element={<TeamsPage />} />
          <Route path="people/shifts" element={<ShiftsPage />} />
          <Route path="people/absences" element={<AbsencesPage />} />
          <Route path="people/territories" element={<TerritoriesPage />} />
          <Route path="people/timesheets" element={<TimesheetsPage />} />
          <Route path="people/applications" element={<ApplicationsPage />} />
          <Route path="*" element={<NotFoundPage />} />
        </Route>
      </Routes>
    </BrowserRouter>
  </Providers>,
);
