/** The technicians' entry, served under /m. */
import "@fontsource-variable/inter";
import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "../ui/styles.css";
import "./field.css";
import "../i18n";

import { lazy, Suspense } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter, Navigate, Route, Routes } from "react-router";

import { Providers } from "../ui/Providers";
import { SignInForm } from "../ui/SignInForm";
import { AssetPage } from "./AssetPage";
import { AvailablePage } from "./AvailablePage";
import { FieldShell } from "./FieldShell";
import { install } from "./install";
import { changeHands, followKept } from "./kept";
import { JobPage } from "./job/JobPage";
import { MePage } from "./MePage";
import { followOutbox } from "./outbox";
import { tidy } from "./store";
import { TodayPage } from "./today/TodayPage";
import { UnsentPage } from "./Unsent";

// Comes when it is opened; the service worker has it by then.
const FieldStockPage = lazy(() => import("./StockPage").then((made) => ({ default: made.FieldStockPage })));

const STORAGE_MS = 2_000; // what the phone keeps is read first; a browser that does not answer must not stop the page

void install();
void tidy().catch(() => undefined);
await Promise.race([Promise.all([followKept(), followOutbox()]), new Promise((go) => window.setTimeout(go, STORAGE_MS))]);

createRoot(document.getElementById("root")!).render(
  <Providers>
    <BrowserRouter basename="/m">
      <Routes>
        <Route path="sign-in" element={<SignInForm onSignedIn={changeHands} />} />
        <Route element={<FieldShell />}>
          <Route index element={<TodayPage />} />
          <Route path="available" element={<AvailablePage />} />
          <Route path="work/:id/:tab?" element={<JobPage />} />
          <Route path="assets/:id" element={<AssetPage />} />
          <Route path="parts" element={<Suspense><FieldStockPage /></Suspense>} />
          <Route path="unsent" element={<UnsentPage />} />
          <Route path="me" element={<MePage />} />
          <Route path="*" element={<Navigate to="/" replace />} />
        </Route>
      </Routes>
    </BrowserRouter>
  </Providers>,
);
