/** One box that finds machines, customers, sites, models, cases, requests, orders and documents, in either language. */
import { Kbd, Modal } from "@mantine/core";
import { useDebouncedValue, useHotkeys } from "@mantine/hooks";
import { Boxes, Building2, ClipboardList, FileText, Inbox, MapPin, MessageSquareText, Package, Search, Shapes, type LucideIcon } from "lucide-react";
import { useEffect, useRef, useState, type KeyboardEvent } from "react";
import { useNavigate } from "react-router";

import { useList } from "../api/rows";
import { useText } from "../i18n/useText";
import { errorText } from "../ui/states";

type Hit = { kind: string; id: string; title: string; title_zh?: string | null; subtitle: string | null; match: string; asset_id: string | null; serial: string | null };

const PLACES: Record<string, { icon: LucideIcon; to: (hit: Hit) => string }> = {
  asset: { icon: Boxes, to: (hit) => `/assets/${hit.id}` },
  customer: { icon: Building2, to: (hit) => `/customers/${hit.id}` },
  site: { icon: MapPin, to: (hit) => `/sites/${hit.id}` },
  asset_model: { icon: Shapes, to: (hit) => `/asset-models/${hit.id}` },
  work_order: { icon: ClipboardList, to: (hit) => `/work-orders/${hit.id}` },
  case: { icon: MessageSquareText, to: (hit) => `/cases/${hit.id}` },
  request: { icon: Inbox, to: (hit) => `/requests?view=all&q=${encodeURIComponent(hit.title)}` },
  document: { icon: FileText, to: (hit) => (hit.asset_id ? `/assets/${hit.asset_id}/documents` : `/documents?open=${hit.id}`) },
  part: { icon: Package, to: (hit) => `/parts/${hit.id}` },
};

export function SearchAll() {
  const { t } = useText();
  const [open, setOpen] = useState(false);
  useHotkeys([["mod+K", () => setOpen(true)], ["/", () => setOpen(true)]]);
  return (
    <>
      <button type="button" className="searchall" onClick={() => setOpen(true)} aria-label={t("search.all")}>
        <Search size={16} aria-hidden /><span className="hide-phone grow">{t("search.all")}</span><span className="hide-phone"><Kbd size="xs">/</Kbd></span>
      </button>
      {open && <Box close={() => setOpen(false)} />}
    </>
  );
}

function Box(props: { close: () => void }) {
  const text = useText();
  const navigate = useNavigate();
  const [typed, setTyped] = useState("");
  const [sought] = useDebouncedValue(typed.trim(), 150);
  const [at, setAt] = useState(0);
  const field = useRef<HTMLInputElement>(null);
  const found = useList<Hit>("/search", { q: sought, limit: 20 }, sought.length > 0);
  const hits = sought ? (found.data?.items ?? []) : [];
  useEffect(() => setAt(0), [sought]);
  useEffect(() => field.current?.focus(), []);
  const go = (hit: Hit) => { props.close(); void navigate(PLACES[hit.kind]?.to(hit) ?? "/"); };
  const keys = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") { event.preventDefault(); setAt(Math.min(hits.length - 1, at + 1)); }
    if (event.key === "ArrowUp") { event.preventDefault(); setAt(Math.max(0, at - 1)); }
    if (event.key === "Enter" && hits[at]) go(hits[at]!);
  };
  return (
    <Modal opened onClose={props.close} withCloseButton={false} padding={0} size="lg" yOffset="10vh" centered={false} aria-label={text.t("search.all")}>
      <div className="searchbox">
        <Search size={19} className="faint" aria-hidden />
        <input ref={field} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} onKeyDown={keys} placeholder={text.t("search.placeholder")} aria-label={text.t("search.all")} maxLength={100} autoComplete="off" spellCheck={false} data-autofocus />
      </div>
      <div role="listbox" aria-label={text.t("search.all")} className="hits">
        {hits.map((hit, index) => {
          const Icon = PLACES[hit.kind]?.icon ?? Search;
          return (
            <div key={`${hit.kind}${hit.id}`} role="option" aria-selected={index === at} className={index === at ? "hit on" : "hit"} onMouseMove={() => setAt(index)} onClick={() => go(hit)}>
              <Icon size={17} className="faint" style={{ flex: "none" }} aria-hidden />
              <div className="grow"><div className="clamp1" style={{ fontWeight: 580 }}>{(text.language === "zh" && hit.title_zh) || hit.title}</div>{(hit.subtitle || hit.serial) && <div className="small muted clamp1">{[hit.serial !== hit.title ? hit.serial : null, hit.subtitle].filter(Boolean).join(" · ")}</div>}</div>
              <span className="tiny muted nowrap">{text.code("search.kind", hit.kind)}</span>
            </div>
          );
        })}
        {sought && found.error && <div className="muted small" style={{ padding: 18 }}>{errorText(found.error, text)}</div>}
        {sought && found.data && !found.isFetching && hits.length === 0 && <div className="muted small" style={{ padding: 18 }}>{text.t("search.nothing", { sought })}</div>}
        {!sought && <div className="muted small" style={{ padding: 18 }}>{text.t("search.hint")}</div>}
      </div>
    </Modal>
  );
}
