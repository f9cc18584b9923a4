/** Alarms that I was called about and nobody has acknowledged yet: above everything else. */
import { Button } from "@mantine/core";
import { Check, PhoneCall } from "lucide-react";

import { useTold } from "../api/alarms";
import { useAct } from "../api/hooks";
import { useText } from "../i18n/useText";
import { Ago } from "./parts";
import { say } from "./Providers";
import { errorText, Notice } from "./states";

const SHOWN = 3;

export function Called() {
  const text = useText();
  const told = useTold();
  const act = useAct();
  const waiting = (told.data?.items ?? []).filter((one) => one.episode_id && !one.acknowledged_at && !one.closed_at);
  const alarms = [...new Map(waiting.map((one) => [one.episode_id, one])).values()].slice(0, SHOWN);
  if (alarms.length === 0) return null;
  const acknowledge = (episode: string) =>
    act.mutate({ path: `/episodes/${episode}/acknowledge` }, { onSuccess: () => say(text.t("alarms.done.acknowledge")), onError: (error) => say(errorText(error, text), "bad") });
  return (
    <div className="stack" style={{ gap: 8, marginBottom: 16 }} role="alert">
      {alarms.map((one) => (
        <Notice key={one.id} tone="trouble" icon={PhoneCall}>
          <div className="row wrap" style={{ gap: "6px 12px" }}>
            <span className="grow" style={{ flexBasis: 220 }}><b>{text.t("called.title", { name: one.asset?.name ?? "–" })}</b> <span className="small"><Ago at={one.at} /></span></span>
            <Button size="compact-sm" color="red" leftSection={<Check size={14} />} loading={act.isPending} onClick={() => acknowledge(one.episode_id!)}>{text.t("alarms.acknowledge")}</Button>
          </div>
        </Notice>
      ))}
    </div>
  );
}
