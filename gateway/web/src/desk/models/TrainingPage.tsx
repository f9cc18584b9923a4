/** What training said: which models came of it, and why there is none where there is none. */
import { Button } from "@mantine/core";
import { GraduationCap, Play } from "lucide-react";
import { Link, useOutletContext } from "react-router";

import { useAct } from "../../api/hooks";
import { useTrainingRuns, type TrainingRun } from "../../api/models";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { Chip } from "../../ui/chips";
import { PageHead, useTitle } from "../../ui/parts";
import { say } from "../../ui/Providers";
import { Bones, Empty, errorText, Loaded } from "../../ui/states";
import { decides } from "../alarms/AlarmsPage";
import { forNames } from "./cards";
import { ModelTabs } from "./ModelTabs";

export function TrainingPage() {
  const text = useText();
  const runs = useTrainingRuns();
  const act = useAct();
  const may = decides(useOutletContext<Me>());
  useTitle(text.t("models.tab.training"));
  const start = () => act.mutate({ path: "/training-runs" }, { onSuccess: () => say(text.t("training.queued")), onError: (error) => say(errorText(error, text), "bad") });
  const button = may ? <Button leftSection={<Play size={16} />} loading={act.isPending} onClick={start}>{text.t("training.start")}</Button> : undefined;
  return (
    <>
      <PageHead title={text.t("nav.models")} sub={text.t("training.sub")} right={button} />
      <ModelTabs />
      <Loaded of={runs} skeleton={<Bones rows={5} height={24} />}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty icon={GraduationCap} sentence={text.t("training.empty")} example={text.t("training.example")} />
          ) : (
            <div className="stack" style={{ gap: 12 }}>{page.items.map((run) => <Run key={run.id} run={run} />)}</div>
          )
        }
      </Loaded>
    </>
  );
}

function Run(props: { run: TrainingRun }) {
  const text = useText();
  const { run } = props;
  return (
    <section className="card pad">
      <div className="row wrap" style={{ gap: "4px 10px" }}>
        <span style={{ fontWeight: 640 }}>{text.moment(run.started_at)}</span>
        {run.finished_at ? <span className="small muted">{text.lasted(run.started_at, run.finished_at)}</span> : <Chip tone="learning" small>{text.t("training.running")}</Chip>}
        <span className="grow" />
        <span className="small muted">{text.t("training.from_what", { assets: text.number(run.assets, 0), incidents: text.number(run.incidents, 0) })}</span>
      </div>
      <div className="small muted">{forNames(run.asset_models, text)}</div>
      {run.outcomes.map((one, index) => (
        <div key={index} className="row wrap small" style={{ gap: "2px 10px", padding: "6px 0 0" }}>
          <span className="mono tiny">{one.what}</span>
          <span className="grow break">{text.language === "zh" ? one.zh : one.en}</span>
          {one.model_id && <Link className="link" to={`/models/store/${one.model_id}`}>{text.t("training.see_model")}</Link>}
        </div>
      ))}
    </section>
  );
}
