/** What the technician should know above every page: refused, waiting, signed out, offline, a new version. */
import { Button } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import { ChevronRight, CloudOff, CloudUpload, LogIn, OctagonAlert, RefreshCw, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { Link, useLocation } from "react-router";

import { Unreachable } from "../api/client";
import type { Me } from "../api/types";
import { useText } from "../i18n/useText";
import { Ago } from "../ui/parts";
import { TONES, type Tone } from "../ui/theme";
import { signInHere } from "./FieldShell";
import { updateNow, useInstalled } from "./install";
import { useOnlineStatus } from "./online";
import { unsentPhoto, useOutbox } from "./outbox";
import { sendable } from "./send";

export function Banners(props: { me: UseQueryResult<Me>; signedOut: boolean }) {
  const { t } = useText();
  const { pathname } = useLocation();
  const online = useOnlineStatus();
  const { entries, photos, last } = useOutbox();
  const { waiting: update, stale } = useInstalled();
  const { me } = props;
  const person = me.data?.person.id ?? "";
  const refused = entries.filter((entry) => entry.problem).length + photos.filter((one) => one.problem).length;
  const operations = sendable(entries, person).length;
  const pictures = photos.filter((one) => unsentPhoto(one) && one.person.id === person).length;
  const waiting = operations + pictures;
  const ended = props.signedOut || (last === "signed_out" && waiting > 0);
  const away = !online || me.error instanceof Unreachable || (last === "away" && waiting > 0);
  const elsewhere = pathname !== "/unsent";
  return (
    <>
      {refused > 0 && elsewhere && <Banner tone="trouble" icon={OctagonAlert} to="/unsent">{t("field.banner_refused", { count: refused })}</Banner>}
      {ended && me.data ? (
        <Banner tone="watch" icon={LogIn} action={<Button component="a" href={signInHere()} size="compact-sm">{t("sign_in.action")}</Button>}>
          {waiting > 0 ? t("field.banner_ended_waiting", { count: waiting }) : t("field.banner_ended")}
        </Banner>
      ) : waiting > 0 ? (
        <Banner tone="watch" icon={away ? CloudOff : CloudUpload} to={elsewhere ? "/unsent" : undefined}>
          {operations === 0 && !away ? t("field.sending_photos", { count: pictures }) : t(away ? "field.waiting" : "field.sending", { count: waiting })}
        </Banner>
      ) : away && me.data ? (
        <Banner tone="watch" icon={CloudOff}>{t("field.offline")} <span className="nowrap"><Ago at={me.dataUpdatedAt ? new Date(me.dataUpdatedAt).toISOString() : null} /></span></Banner>
      ) : null}
      {(update || stale) && (
        <Banner tone="learning" icon={RefreshCw} action={<Button size="compact-sm" onClick={updateNow}>{t("field.update")}</Button>}>{t("field.banner_update")}</Banner>
      )}
    </>
  );
}

function Banner(props: { tone: Tone; icon: LucideIcon; to?: string; action?: ReactNode; children: ReactNode }) {
  const tone = TONES[props.tone];
  const look = { background: tone.fill, color: tone.ink, borderBottomColor: tone.line };
  const inside = <><props.icon size={16} style={{ flex: "none" }} aria-hidden /><span className="grow">{props.children}</span>{props.action}{props.to && <ChevronRight size={16} style={{ flex: "none" }} aria-hidden />}</>;
  return props.to ? (
    <Link to={props.to} className="waiting" role="status" style={look}>{inside}</Link>
  ) : (
    <div className="waiting" role="status" style={look}>{inside}</div>
  );
}
