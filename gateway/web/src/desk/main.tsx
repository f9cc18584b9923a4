/** The desk's entry: providers and the map of pages. */
import "@fontsource-variable/inter";
import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "../ui/styles.css";
import "../i18n";

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
import { PlannerPage } from "./PlannerPage";
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

createRoot(document.getElementById("root")!).render(
  <Providers>
    <BrowserRouter>
      <Routes>
        <Route path="/sign-in" element={<SignInPage />} />
        <Route path="/claim/:code" element={<ClaimPage />} />
        <Route element={<Shell />}>
          <Route index element={<OverviewPage />} />
          <Route path="assets/:id" element={<AssetPage />} />
          <Route path="work-orders" element={<WorkOrdersPage />} />
          <Route path="work-orders/:id" element={<WorkOrderPage />} />
          <Route path="alarms" element={<AlarmsPage />} />
          <Route path="planner" element={<PlannerPage />} />
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
          <Route path="*" element={<NotFoundPage />} />
        </Route>
      </Routes>
    </BrowserRouter>
  </Providers>,
);
