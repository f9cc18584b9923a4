/** What every page stands in: theme, data cache, notifications. */
import { MantineProvider } from "@mantine/core";
import { Notifications, notifications } from "@mantine/notifications";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { ApiError } from "../api/client";
import { theme } from "./theme";

const RETRIES = 2; // a short break of the network passes unseen; who waits longer is told after three seconds

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      retry: (count, error) => !(error instanceof ApiError && error.status < 500) && count < RETRIES,
      refetchOnWindowFocus: true,
    },
    mutations: { retry: false },
  },
});

export function Providers(props: { children: ReactNode }) {
  return (
    <MantineProvider theme={theme} forceColorScheme="light">
      <QueryClientProvider client={client}>
        <Notifications position="bottom-right" autoClose={5000} />
        {props.children}
      </QueryClientProvider>
    </MantineProvider>
  );
}

export function say(message: string, tone: "good" | "bad" = "good"): void {
  notifications.show({ message, color: tone === "good" ? "teal" : "red" });
}
