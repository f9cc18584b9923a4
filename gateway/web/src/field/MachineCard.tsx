/** What a technician looks up or enters of the machine on site: meters, commissioning, documents. */
import { FileText, Gauge, Plus } from "lucide-react";
import { useOutletContext } from "react-router";

import { may } from "../api/rows";
import type { Me, Page } from "../api/types";
import type { Document } from "../desk/files/DocumentList";
import { Commissioning } from "../desk/assets/Commissioning";
import { readingForm, type Meter } from "../desk/assets/MetersTab";
import { useText } from "../i18n/useText";
import { FormButton } from "../ui/Act";
import { Ago } from "../ui/parts";
import { useKept } from "./kept";

export function MachineCard(props: { asset: string }) {
  const text = useText();
  const enter = may(useOutletContext<Me>(), "meter.read");
  const meters = useKept<Page<Meter>>(["list", "meters"], `/assets/${props.asset}/meters`, 60_000);
  const documents = useKept<Page<Document>>(["list", "documents"], `/documents?asset_id=${props.asset}&limit=50`, 300_000);
  const running = (meters.data?.items ?? []).filter((meter) => !meter.archived_at);
  return (
    <>
      {running.length > 0 && (
        <section className="card pad">
          <h2 className="row" style={{ gap: 8 }}><Gauge size={17} aria-hidden />{text.t("asset.tab.meters")}</h2>
          {running.map((meter) => (
            <div key={meter.id} className="row line" style={{ gap: 10 }}>
              <span className="grow small"><span className="break" style={{ fontWeight: 560 }}>{text.code("meter", meter.name)}</span><span className="muted" style={{ display: "block" }}>{text.value(meter.value, meter.unit_label ?? meter.unit)} {meter.at && <>· <Ago at={meter.at} /></>}</span></span>
              {enter && <FormButton icon={Plus} label={text.t("meters.enter")} form={readingForm(meter, text)} />}
            </div>
          ))}
        </section>
      )}
      <Commissioning asset={props.asset} />
      {(documents.data?.items?.length ?? 0) > 0 && (
        <section className="card pad">
          <h2>{text.t("nav.documents")}</h2>
          {documents.data!.items.map((one) => <a key={one.id} className="row line link" style={{ gap: 10, minHeight: 44 }} href={`/api/v1/documents/${one.id}/file`} target="_blank" rel="noreferrer"><FileText size={18} aria-hidden /><span className="break">{one.title}</span></a>)}
        </section>
      )}
    </>
  );
}
