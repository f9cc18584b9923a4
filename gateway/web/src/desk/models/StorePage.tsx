/** The trained models there are: which one is in force, which one challenges it, which ones can be rolled back to. */
import { SegmentedControl } from "@mantine/core";
import { Archive } from "lucide-react";
import { Link, useSearchParams } from "react-router";

import { useModels, type StoredModel } from "../../api/models";
import { useText } from "../../i18n/useText";
import { PageHead, useTitle } from "../../ui/parts";
import { Bones, Empty, Loaded } from "../../ui/states";
import { forNames, ModelChip, modelTitle, shownFigures } from "./cards";
import { ModelTabs } from "./ModelTabs";

const STATES = ["all", "champion", "challenger", "retired", "rejected"];

export function StorePage() {
  const text = useText();
  const [params, setParams] = useSearchParams();
  const state = params.get("state") ?? "all";
  const models = useModels(state);
  useTitle(text.t("models.tab.store"));
  return (
    <>
      <PageHead title={text.t("nav.models")} sub={text.t("models.sub")} />
      <ModelTabs />
      <div className="scroll" style={{ marginBottom: 14 }}>
        <SegmentedControl value={state} onChange={(value) => setParams(value === "all" ? {} : { state: value }, { replace: true })} data={STATES.map((word) => ({ value: word, label: word === "all" ? text.t("models.all") : text.code("model_state", word) }))} />
      </div>
      <Loaded of={models} skeleton={<Bones rows={6} height={24} />}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty icon={Archive} sentence={text.t(state === "all" ? "models.empty" : "models.empty_state")} example={text.t("models.example")} />
          ) : (
            <div className="stack" style={{ gap: 12 }}>{page.items.map((model) => <Row key={model.id} model={model} />)}</div>
          )
        }
      </Loaded>
    </>
  );
}

function Row(props: { model: StoredModel }) {
  const text = useText();
  const { model } = props;
  return (
    <Link className="card pad plain hover" to={`/models/store/${model.id}`}>
      <div className="row wrap" style={{ gap: "4px 10px" }}>
        <span className="break" style={{ fontSize: 16, fontWeight: 650 }}>{modelTitle(model, text)}</span>
        <ModelChip state={model.state} small />
        <span className="grow" />
        <span className="small muted">{text.moment(model.state_since)}</span>
      </div>
      <div className="small muted">{forNames(model.asset_models, text)} · {text.language === "zh" ? model.state_reason.zh : model.state_reason.en}</div>
      <div className="row wrap small" style={{ gap: "2px 18px", marginTop: 6 }}>
        {shownFigures(model.figures, text).slice(0, 5).map(([name, value]) => <span key={name}><span className="muted">{name}</span> <b className="num">{value}</b></span>)}
      </div>
    </Link>
  );
}
