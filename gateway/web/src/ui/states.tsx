/** What a page shows before, instead of and without its data. */
import { Button, Skeleton } from "@mantine/core";
import { CloudOff, OctagonAlert, RotateCw, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

import { ApiError, Unreachable } from "../api/client";
import { useText, type Text } from "../i18n/useText";
import { TONES } from "./theme";

type Asked<T> = { data: T | undefined; error: Error | null; isPending: boolean; refetch: () => unknown };

/** Skeleton while asking, a sentence and a retry on failure, else the children; old data stay while asking again. */
export function Loaded<T>(props: { of: Asked<T>; skeleton?: ReactNode; children: (data: T) => ReactNode }) {
  const { of } = props;
  if (of.data !== undefined) return <>{props.children(of.data)}</>;
  if (of.isPending) return <>{props.skeleton ?? <Bones rows={6} />}</>;
  return <Failure error={of.error} retry={() => void of.refetch()} />;
}

export function Bones(props: { rows?: number; height?: number }) {
  return (
    <div className="card pad stack" aria-busy>
      {Array.from({ length: props.rows ?? 4 }, (_, index) => (
        <Skeleton key={index} height={props.height ?? 18} radius="sm" width={index % 3 === 2 ? "62%" : "100%"} />
      ))}
    </div>
  );
}

/** Some refusals say in `reason` which one of several it was. */
export const hasReason = (error: ApiError, text: Text): boolean => typeof error.params.reason === "string" && text.has(`error.because.${error.params.reason}`);

export function errorText(error: Error | null, text: Text): string {
  if (error instanceof Unreachable) return text.t("error.unreachable");
  if (error instanceof ApiError) {
    if (hasReason(error, text)) return text.t(`error.because.${String(error.params.reason)}`, error.params);
    if (error.code && text.has(`error.${error.code}`)) {
      const legal = error.params.legal;
      const moves = Array.isArray(legal) ? legal.map((move) => text.code("state", String(move))).join(", ") : "";
      return text.t(`error.${error.code}`, { ...error.params, legal: moves || "–" });
    }
    if (error.status === 401) return text.t("error.unauthenticated");
    if (error.status === 403) return text.t("error.forbidden");
    if (error.status === 404) return text.t("error.not_found");
    if (error.status >= 500) return text.t("error.server");
    return error.message || text.t("error.server");
  }
  return text.t("error.server");
}

export function Failure(props: { error: Error | null; retry?: () => void }) {
  const text = useText();
  const away = props.error instanceof Unreachable;
  const Icon = away ? CloudOff : OctagonAlert;
  return (
    <div className="card empty" role="alert">
      <div className="mark" style={{ background: TONES.trouble.fill, color: TONES.trouble.ink }}><Icon size={22} aria-hidden /></div>
      <p>{errorText(props.error, text)}</p>
      {props.retry && (
        <Button variant="default" leftSection={<RotateCw size={15} />} onClick={props.retry}>{text.t("action.retry")}</Button>
      )}
    </div>
  );
}

/** One sentence, one button, one example. */
export function Empty(props: { icon: LucideIcon; sentence: string; action?: ReactNode; example?: ReactNode; bare?: boolean }) {
  const Icon = props.icon;
  return (
    <div className={props.bare ? "empty" : "card empty"}>
      <div className="mark"><Icon size={22} aria-hidden /></div>
      <p>{props.sentence}</p>
      {props.action}
      {props.example && <div className="example">{props.example}</div>}
    </div>
  );
}

export function Notice(props: { tone: keyof typeof TONES; icon?: LucideIcon; children: ReactNode }) {
  const Icon = props.icon;
  const tone = TONES[props.tone];
  return (
    <div className="notice" style={{ background: tone.fill, color: tone.ink, border: `1px solid ${tone.line}` }}>
      {Icon && <Icon size={18} style={{ flex: "none", marginTop: 2 }} aria-hidden />}
      <div className="grow">{props.children}</div>
    </div>
  );
}
