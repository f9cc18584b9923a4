/** Changes from the server as they happen; while the stream is away, the pages' own intervals carry on. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

const GATHER_MS = 400; // one refetch for a burst of changes
const APART_MS = 3_000; // while changes keep coming: fifty open boards must not ask for each of them

const CONCERNS: Record<string, string[]> = {
  finding: ["overview", "asset", "findings", "predicted-jobs", "timeline"],
  episode: ["overview", "asset", "episodes", "findings", "predicted-jobs", "timeline", "work-order", "notifications"],
  notification: ["notifications", "episodes"],
  alarm: ["alarm-holds", "episodes", "findings"],
  policy: ["policies"],
  maintenance_window: ["maintenance-windows", "findings"],
  on_call_list: ["on-call"],
  suppressor: ["suppressors", "findings"],
  model: ["models", "model", "training-runs"],
  training: ["training-runs", "models"],
  label: ["model-performance"],
  work_order: ["overview", "asset", "work-orders", "work-order", "timeline", "predicted-jobs", "requests", "dispatch"],
  visit: ["work-orders", "work-order", "timeline", "dispatch"],
  help_request: ["rows", "list", "dispatch", "timeline"],
  dispatch_plan: ["dispatch"],
  appointment: ["dispatch", "timeline", "work-order"],
  absence: ["dispatch", "list"],
  shift: ["dispatch"],
  request: ["requests", "timeline", "work-orders"],
  device: ["overview", "devices", "device", "asset", "timeline"],
  asset: ["overview", "asset", "timeline"],
  reading: ["first-reading"],
  predicted_job: ["predicted-jobs"],
  mapping: ["mappings", "mapping"],
  demo: ["me", "overview", "devices", "work-orders", "people", "requests", "predicted-jobs"],
};

/** `apart`: how long between two refetches while changes keep coming. */
export function useLive(enabled: boolean, apart = APART_MS): boolean {
  const client = useQueryClient();
  const [live, setLive] = useState(false);
  useEffect(() => {
    if (!enabled) return;
    const stale = new Set<string>();
    let everything = false;
    let timer: number | undefined;
    let flushed = 0;
    const flush = () => {
      timer = undefined;
      flushed = Date.now();
      const names = new Set(stale);
      const all = everything;
      stale.clear();
      everything = false;
      void client.invalidateQueries({ predicate: (held) => all || names.has(String(held.queryKey[0])) });
    };
    const source = new EventSource("/api/v1/events");
    source.onopen = () => setLive(true);
    source.onerror = () => setLive(false);
    source.addEventListener("change", (event) => {
      const kind = String((JSON.parse((event as MessageEvent<string>).data) as { kind?: string }).kind ?? "");
      everything ||= kind === "reload"; // the server dropped changes that this page was too slow for
      // A telephone rings: who calls is asked for at once.
      if (kind.startsWith("call.")) void client.invalidateQueries({ queryKey: ["calls"] });
      for (const name of CONCERNS[kind.split(".")[0] ?? ""] ?? []) stale.add(name);
      timer ??= window.setTimeout(flush, Math.max(GATHER_MS, flushed + apart * (1 + Math.random() / 3) - Date.now()));
    });
    return () => {
      window.clearTimeout(timer);
      source.close();
    };
  }, [client, enabled, apart]);
  return live;
}
