/** What a technician looks up or enters of the machine on site: meters, commissioning, documents. */
import { Button } from "@mantine/core";
import { CloudOff, FileText, Gauge, Plus } from "lucide-react";
import { useState } from "react";
import { useOutletContext } from "react-router";

import { may } from "../api/rows";
import type { Me, Page } from "../api/types";
import type { Document } from "../desk/files/DocumentList";
import { Commissioning } from "../desk/assets/Commissioning";
import type { Meter } from "../desk/assets/MetersTab";
import { useText } from "../i18n/useText";
import { Chip } from "../ui/chips";
import { Ago } from "../ui/parts";
import { BottomSheet } from "./BottomSheet";
import { NumberField } from "./job/NumberField";
import { metersPath } from "./ahead";
import { useKept } from "./kept";
import { useOutbox } from "./outbox";
import { documentsPath, usePapers } from "./papers";
import type { Made } from "./send";

const SHOWN = 6; // papers before 'more'

export function MachineCard(props: { asset: string; order?: Made["order"] }) {
  const text = useText();
  const me = useOutletContext<Me>();
  const enter = may(me, "meter.read");
  const meters = useKept<Page<Meter>>(["list", "meters"], metersPath(props.asset), 60_000);
  const documents = useKept<Page<Document>>(["list", "documents"], documentsPath(props.asset), 300_000);
  const { entries } = useOutbox();
  const [reading, read] = useState<Meter | null>(null);
  const [all, showAll] = useState(false);
  const papers = (documents.data?.items ?? []).slice(0, all ? undefined : SHOWN);
  const paperOf = usePapers(documents.data?.items ?? []);
  const running = (meters.data?.items ?? []).filter((meter) => !meter.archived_at);
  return (
    <>
      {running.length > 0 && (
        <section className="card pad">
          <h2 className="row" style={{ gap: 8 }}><Gauge size={18} aria-hidden />{text.t("asset.tab.meters")}</h2>
          {running.map((meter) => {
            const waiting = entries.findLast((one) => one.kind === "meter.read" && one.subject.id === meter.id && !one.problem);
            return (
              <div key={meter.id} className="row line" style={{ gap: 10 }}>
                <span className="grow"><span className="break" style={{ fontWeight: 560 }}>{text.code("meter", meter.name)}</span><span className="small muted" style={{ display: "block" }}>{text.value(waiting ? Number(waiting.body.value) : meter.value, meter.unit_label ?? meter.unit)} {waiting ? <Chip small tone="watch" icon={CloudOff}>{text.t("field.state_waiting")}</Chip> : meter.at && <>· <Ago at={meter.at} /></>}</span></span>
                {enter && <Button size="md" px={14} variant="default" leftSection={<Plus size={17} aria-hidden />} onClick={() => read(meter)}>{text.t("meters.enter")}</Button>}
              </div>
            );
          })}
        </section>
      )}
      <Commissioning asset={props.asset} />
      {(documents.data?.items?.length ?? 0) > 0 && (
        <section className="card pad">
          <h2>{text.t("nav.documents")}</h2>
          {papers.map((one) => <a key={one.id} className="row line link" style={{ gap: 10, minHeight: 46 }} {...paperOf(one)} target="_blank" rel="noreferrer"><FileText size={18} aria-hidden /><span className="break">{one.title}</span></a>)}
          {documents.data!.items.length > papers.length && <button type="button" className="plainbutton link" style={{ minHeight: 46 }} onClick={() => showAll(true)}>{text.t("found.others", { count: documents.data!.items.length - papers.length })}</button>}
        </section>
      )}
      {reading && <ReadMeter meter={reading} me={me} about={props.order ?? { id: props.asset, number: "", asset: { name: text.code("meter", reading.name) } }} order={props.order?.id} close={() => read(null)} />}
    </>
  );
}

function ReadMeter(props: { meter: Meter; me: Me; about: Made["order"]; order?: string; close: () => void }) {
  const text = useText();
  const { meter } = props;
  const { act } = useOutbox();
  const [value, setValue] = useState<number | null>(null);
  const save = async () => {
    const said = `${text.code("meter", meter.name)}: ${text.value(value, meter.unit_label ?? meter.unit)}`;
    if (await act(props.me, { order: props.about, kind: "meter.read", subject: { kind: "meter", id: meter.id }, body: { value, work_order_id: props.order }, said })) props.close();
  };
  return (
    <BottomSheet opened close={props.close} title={text.code("meter", meter.name)}>
      <div className="stack" style={{ gap: 14 }}>
        <div className="small muted">{text.value(meter.value, meter.unit_label ?? meter.unit)} {meter.at && <>· {text.moment(meter.at)}</>}</div>
        <NumberField label={text.code("meter", meter.name)} unit={meter.unit_label ?? meter.unit ?? undefined} value={value} change={setValue} />
        <Button size="lg" disabled={value === null} onClick={() => void save()}>{text.t("action.save")}</Button>
      </div>
    </BottomSheet>
  );
}
