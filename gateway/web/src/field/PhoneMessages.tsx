/** Messages on this phone: on or off, and why not. */
import { Button } from "@mantine/core";
import { BellOff, BellRing } from "lucide-react";
import { useEffect, useState } from "react";

import { useText } from "../i18n/useText";
import { errorText, Notice } from "../ui/states";
import { pushOff, pushOn, pushState, type PushState } from "./push";

export function PhoneMessages() {
  const text = useText();
  const [state, setState] = useState<PushState>("absent");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  useEffect(() => void pushState().then(setState).catch(() => undefined), []);
  if (state === "absent") return null; // plain HTTP, or a browser without it
  const turn = async (act: () => Promise<PushState>) => {
    setBusy(true);
    setError(null);
    try {
      setState(await act());
    } catch (problem) {
      setError(problem as Error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <section className="card pad">
      <h2 style={{ fontSize: 16, margin: 0 }}>{text.t("field.push")}</h2>
      <p className="small muted">{text.t(state === "on" ? "field.push_yes" : state === "denied" ? "field.push_denied" : "field.push_no")}</p>
      {state === "off" && <Button size="md" fullWidth leftSection={<BellRing size={18} />} loading={busy} onClick={() => void turn(pushOn)}>{text.t("field.push_on")}</Button>}
      {state === "on" && <Button size="md" fullWidth variant="default" leftSection={<BellOff size={18} />} loading={busy} onClick={() => void turn(pushOff)}>{text.t("field.push_off")}</Button>}
      {error && <Notice tone="trouble">{text.t("field.push_failed")} {errorText(error, text)}</Notice>}
    </section>
  );
}
