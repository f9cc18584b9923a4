/** My jobs on the map, and the way to each in the maps that people use. */
import { Map as MapIcon } from "lucide-react";
import { Link } from "react-router";

import type { AssetState } from "../../api/types";
import type { Tiles } from "../../desk/assets/mapTiles";
import { PointMap, type Spot } from "../../desk/assets/PointMap";
import { useText } from "../../i18n/useText";
import { Empty } from "../../ui/states";
import { spanOf, type Job } from "../jobs";
import { useKept } from "../kept";
import { GoThere } from "../GoThere";
import { useSpots } from "../spots";
import { hours } from "./words";

const MARK: Record<string, AssetState> = { urgent: "trouble", high: "watch" };

export function TodayMap(props: { jobs: Job[]; person: string }) {
  const text = useText();
  const drawn = useKept<{ tiles: Tiles | null }>(["map-settings"], "/map-settings", 600_000);
  const spots = useSpots(props.jobs);
  const placed = props.jobs.filter((job) => spots.has(job.asset.id));
  const unplaced = props.jobs.filter((job) => !spots.has(job.asset.id));
  const marks: Spot[] = placed.map((job) => ({ id: job.id, name: job.asset.name, serial: `${job.number} · ${job.asset.serial}`, ...spots.get(job.asset.id)!, state: job.state === "in_progress" ? "learning" : (MARK[job.priority] ?? "ok"), to: `/work/${job.id}` }));
  if (placed.length === 0) return <Empty icon={MapIcon} sentence={text.t(props.jobs.length === 0 ? "field.none_mine" : "today.no_places")} example={props.jobs.length === 0 ? undefined : text.t("today.no_places_example")} />;
  return (
    <>
      <PointMap spots={marks} tiles={drawn.data?.tiles ?? null} key={marks.map((mark) => mark.id).join()} />
      {placed.map((job) => {
        const span = spanOf(job, props.person);
        return (
          <section key={job.id} className="card pad">
            <Link to={`/work/${job.id}`} className="plain">
              {span && <span className="when">{hours(span.from, span.until, text)}</span>}
              <div className="break" style={{ fontWeight: 650, fontSize: 17 }}>{job.asset.name}</div>
              {job.asset.site_name && <div className="small muted break">{job.asset.site_name}</div>}
            </Link>
            <GoThere spot={spots.get(job.asset.id)!} name={job.asset.site_name ?? job.asset.name} />
          </section>
        );
      })}
      {unplaced.length > 0 && <div className="muted small">{text.t("today.unplaced", { names: unplaced.map((job) => job.asset.name).join(text.language === "zh" ? "、" : ", ") })}</div>}
    </>
  );
}
