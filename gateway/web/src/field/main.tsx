/** The technicians' entry, served under /m. */
import "@fontsource-variable/inter";
import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "../ui/styles.css";
import "../i18n";

import { createRoot } from "react-dom/client";
import { BrowserRouter, Navigate, Route, Routes } from "react-router";

import { Providers } from "../ui/Providers";
import { SignInForm } from "../ui/SignInForm";
import { FieldShell } from "./FieldShell";
import { AvailablePage, MyWorkPage } from "./Lists";
import { JobPage } from "./JobPage";
import { MePage } from "./MePage";

createRoot(document.getElementById("root")!).render(
  <Providers>
    <BrowserRouter basename="/m">
      <Routes>
        <Route path="sign-in" element={<SignInForm />} />
        <Route element={<FieldShell />}>
          <Route index element={<MyWorkPage />} />
          <Route path="available" element={<AvailablePage />} />
          <Route path="work/:id" element={<JobPage />} />
          <Route path="me" element={<MePage />} />
          <Route path="*" element={<Navigate to="/" replace />} />
        </Route>
      </Routes>
    </BrowserRouter>
  </Providers>,
);
