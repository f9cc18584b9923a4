/** Small parts that many pages share: language switch, times, commands to copy, QR codes, page heads. */
import { ActionIcon, CopyButton, Tooltip } from "@mantine/core";
import { Check, ChevronLeft, Copy } from "lucide-react";
import { useEffect, useMemo, useState, type ReactNode } from "react";
import { Link } from "react-router";
import { renderSVG } from "uqr";

import { api } from "../api/client";
import type { Language } from "../api/types";
import { setLanguage } from "../i18n";
import { useText } from "../i18n/useText";

export function LanguageSwitch(props: { signedIn?: boolean }) {
  const { language, t } = useText();
  const choose = (wanted: Language) => {
    setLanguage(wanted);
    // Remembered for this person on other devices too; here the choice already holds.
    if (props.signedIn) void api("/me", { method: "PATCH", body: { language: wanted } }).catch(() => undefined);
  };
  return (
    <div className="lang" role="group" aria-label={t("nav.language")}>
      <button type="button" aria-pressed={language === "en"} lang="en" onClick={() => choose("en")}>EN</button>
      <button type="button" aria-pressed={language === "zh"} lang="zh-CN" onClick={() => choose("zh")}>中文</button>
    </div>
  );
}

/** 'for 5 minutes' style times move on by themselves. */
export function useNow(everyMs = 10_000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), everyMs);
    return () => window.clearInterval(timer);
  }, [everyMs]);
  return now;
}

export function Ago(props: { at: string | null | undefined }) {
  const text = useText();
  const now = useNow();
  if (!props.at) return <>–</>;
  return <time dateTime={props.at} title={text.moment(props.at)}>{text.ago(props.at, now)}</time>;
}

export function Since(props: { at: string | null | undefined }) {
  const text = useText();
  useNow();
  if (!props.at) return <>–</>;
  return <time dateTime={props.at} title={text.moment(props.at)}>{text.t("time.for", { duration: text.lasted(props.at) })}</time>;
}

export function CopyIcon(props: { value: string; light?: boolean }) {
  const { t } = useText();
  return (
    <CopyButton value={props.value} timeout={1800}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? t("action.copied") : t("action.copy")}>
          <ActionIcon variant={props.light ? "white" : "default"} color="gray" size="md" onClick={copy} aria-label={t("action.copy")}>
            {copied ? <Check size={15} /> : <Copy size={15} />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}

export function Command(props: { line: string }) {
  return (
    <div className="command">
      <code>{props.line}</code>
      <CopyIcon value={props.line} light />
    </div>
  );
}

export function Qr(props: { value: string; size?: number; label: string }) {
  const svg = useMemo(() => renderSVG(props.value, { border: 1, blackColor: "#14202b" }), [props.value]);
  const size = props.size ?? 132;
  return (
    <img
      alt={props.label}
      width={size}
      height={size}
      style={{ border: "1px solid var(--line)", borderRadius: 10, background: "#fff", padding: 6, boxSizing: "border-box", flex: "none" }}
      src={`data:image/svg+xml;utf8,${encodeURIComponent(svg)}`}
    />
  );
}

export function PageHead(props: { title: ReactNode; over?: ReactNode; sub?: ReactNode; back?: { to: string; label: string }; right?: ReactNode; marks?: ReactNode }) {
  return (
    <>
      {props.back && <Link className="back" to={props.back.to}><ChevronLeft size={15} aria-hidden />{props.back.label}</Link>}
      <div className="page-head">
        <div className="grow" style={{ flexBasis: 260 }}>
          {props.over && <div className="small" style={{ marginBottom: 2 }}>{props.over}</div>}
          <div className="row wrap" style={{ gap: "6px 10px" }}><h1>{props.title}</h1>{props.marks}</div>
          {props.sub && <div className="sub">{props.sub}</div>}
        </div>
        {props.right && <div className="row wrap">{props.right}</div>}
      </div>
    </>
  );
}

export function CardBlock(props: { title: ReactNode; right?: ReactNode; children: ReactNode; flush?: boolean; last?: boolean; first?: boolean }) {
  const place = props.last ? " last" : props.first ? " first" : ""; // where it stands when there is one column only
  return (
    <section className={`card${place}`}>
      <div className="card-head"><h2 className="grow">{props.title}</h2>{props.right}</div>
      {props.flush ? <div style={{ paddingTop: 8 }}>{props.children}</div> : <div className="card-body">{props.children}</div>}
    </section>
  );
}

export function Facts(props: { rows: [ReactNode, ReactNode][] }) {
  return (
    <dl className="facts">
      {props.rows.map(([name, value], index) => (
        <div key={index} style={{ display: "contents" }}><dt>{name}</dt><dd>{value}</dd></div>
      ))}
    </dl>
  );
}

export function useTitle(title: string | undefined): void {
  useEffect(() => {
    document.title = title ? `${title} · Forewarn` : "Forewarn";
  }, [title]);
}

/** The licences of the code that the pages are made with. */
export function LicencesLink() {
  const { t } = useText();
  return <a href="/third-party-licences.txt" target="_blank" rel="noreferrer" style={{ color: "inherit" }}>{t("nav.licences")}</a>;
}
