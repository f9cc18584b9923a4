/** What happened, newest first, in sentences. */
import {
  Activity, BrainCircuit, CheckCircle2, CircleDot, Cpu, FileText, Gauge, MessageSquareText, OctagonAlert, Package, QrCode, ShieldCheck, Tag, UserRound, WifiOff, Wrench,
  type LucideIcon,
} from "lucide-react";
import { Link } from "react-router";

import type { TimelineItem } from "../api/types";
import { useText } from "../i18n/useText";
import { sentence } from "../text/sentences";
import { Ago } from "./parts";
import { TONES, type Tone } from "./theme";

function look(item: TimelineItem): { tone: Tone; icon: LucideIcon } {
  const kind = item.kind;
  if (kind === "finding.opened") return { tone: "watch", icon: Activity };
  if (kind === "work_order.opened")
    return item.payload.origin === "finding" ? { tone: "model", icon: BrainCircuit } : { tone: "learning", icon: Wrench };
  if (kind === "work_order.completed" || kind === "work_order.closed" || kind.endsWith(".cleared") || kind === "episode.closed")
    return { tone: "ok", icon: CheckCircle2 };
  if (kind.startsWith("episode.")) return { tone: "trouble", icon: OctagonAlert };
  if (kind.startsWith("work_order.") || kind.startsWith("visit.")) return { tone: "learning", icon: Wrench };
  if (kind.startsWith("request.")) return { tone: "learning", icon: MessageSquareText };
  if (kind === "device.presence_changed") return { tone: "quiet", icon: WifiOff };
  if (kind.startsWith("device.") || kind.startsWith("command.")) return { tone: "quiet", icon: Cpu };
  if (kind.startsWith("label.")) return { tone: "model", icon: Tag };
  if (kind.startsWith("warranty.") || kind.startsWith("contract.")) return { tone: "ok", icon: ShieldCheck };
  if (kind.startsWith("part.") || kind.startsWith("component.") || kind.startsWith("tool.")) return { tone: "learning", icon: Package };
  if (kind.startsWith("document.")) return { tone: "quiet", icon: FileText };
  if (kind.startsWith("tag.")) return { tone: "quiet", icon: QrCode };
  if (kind.startsWith("meter.")) return { tone: "quiet", icon: Gauge };
  if (kind.startsWith("person.")) return { tone: "quiet", icon: UserRound };
  return { tone: "quiet", icon: CircleDot };
}

const GREW_MS = 5_000;

// Said by the work order's own event at the same moment.
const SAID_ALREADY = ["scheduled", "in_progress", "completed", "cancelled"];

function worthSaying(item: TimelineItem): boolean {
  return !(item.kind === "visit.state_changed" && SAID_ALREADY.includes(String(item.payload.to)));
}

/** Who is given work is scheduled at the same moment: one sentence, not two. */
function told(items: TimelineItem[]): TimelineItem[] {
  const takenAt = (item: TimelineItem) => `${item.at} ${item.work_order?.id ?? ""}`;
  const is = (item: TimelineItem, kind: string, to?: string) => item.kind === kind && (to === undefined || item.payload.to === to);
  const assigned = new Set(items.filter((item) => is(item, "work_order.assigned")).map(takenAt));
  const troubles = items.filter((item) => is(item, "episode.opened") || is(item, "episode.reopened"));
  // What was noticed and at once became trouble is said as trouble.
  const grew = (item: TimelineItem) =>
    is(item, "finding.opened") &&
    troubles.some((one) => one.payload.signature === item.payload.signature && Math.abs(Date.parse(one.at) - Date.parse(item.at)) < GREW_MS);
  return items.filter((item) => worthSaying(item) && !grew(item) && !(is(item, "work_order.state_changed", "scheduled") && assigned.has(takenAt(item))));
}

export function Timeline(props: { items: TimelineItem[]; base?: string; hideOrder?: boolean }) {
  const text = useText();
  const base = props.base ?? "/work-orders";
  return (
    <ol className="timeline">
      {told(props.items).map((item) => {
        const { tone, icon: Icon } = look(item);
        const note = item.payload.note;
        return (
          <li key={item.id}>
            <span className="dot" style={{ background: TONES[tone].fill, color: TONES[tone].ink }}><Icon size={13} aria-hidden /></span>
            <div className="break">
              {sentence(item, text)}
              {item.work_order && !props.hideOrder && (
                <>{" "}<Link className="link nowrap" to={`${base}/${item.work_order.id}`}>{item.work_order.number}</Link></>
              )}
            </div>
            {typeof note === "string" && note && item.kind !== "finding.opened" && <div className="muted break">“{note}”</div>}
            <div className="tiny faint"><Ago at={item.at} /> · {text.moment(item.at)}</div>
          </li>
        );
      })}
    </ol>
  );
}
