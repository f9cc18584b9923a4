/** Messages of other makers: which topics are read, by which rules, and whether that works. */
import { Button } from "@mantine/core";
import { Plus, Route } from "lucide-react";
import { Link, useNavigate, useOutletContext } from "react-router";

import { useMappings, type Mapping } from "../api/mappings";
import type { Me } from "../api/types";
import { useText } from "../i18n/useText";
import { Chip } from "../ui/chips";
import { Ago, PageHead, useTitle } from "../ui/parts";
import { Bones, Empty, Loaded } from "../ui/states";
import { manages } from "./DevicePage";
import { DeviceTabs } from "./DeviceTabs";

const EXAMPLE = 'shellies/plug1/status  {"power": 812.5, "temperature": 41.2}';

export function MappingsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const mappings = useMappings();
  useTitle(text.t("mappings.title"));
  const add = manages(me) ? <Button component={Link} to="/devices/mappings/new" leftSection={<Plus size={16} />}>{text.t("mappings.add")}</Button> : undefined;
  return (
    <>
      <PageHead title={text.t("mappings.title")} sub={text.t("mappings.sub")} right={add} />
      <DeviceTabs />
      <Loaded of={mappings} skeleton={<Bones rows={4} height={24} />}>
        {(page) =>
          page.items.length === 0 ? (
            <Empty icon={Route} sentence={text.t("mappings.empty")} action={add} example={<>{text.t("devices.example")} <span className="mono break">{EXAMPLE}</span></>} />
          ) : (
            <Rows mappings={page.items} />
          )
        }
      </Loaded>
    </>
  );
}

function Rows(props: { mappings: Mapping[] }) {
  const text = useText();
  const navigate = useNavigate();
  return (
    <>
      <div className="card scroll hide-phone">
        <table className="grid">
          <thead>
            <tr>
              <th>{text.t("mappings.name")}</th><th>{text.t("mappings.filter")}</th><th>{text.t("mappings.state")}</th><th>{text.t("mappings.last")}</th>
              <th className="num">{text.t("mappings.received")}</th><th className="num">{text.t("mappings.stored")}</th><th className="num">{text.t("mappings.problems")}</th>
            </tr>
          </thead>
          <tbody>
            {props.mappings.map((mapping) => (
              <tr key={mapping.id} className="go" onClick={() => void navigate(`/devices/mappings/${mapping.id}`)}>
                <td><Link className="plain break" style={{ fontWeight: 600 }} to={`/devices/mappings/${mapping.id}`}>{mapping.name}</Link></td>
                <td className="mono small break">{mapping.topic_filter}</td>
                <td><Enabled mapping={mapping} /></td>
                <td className="small muted nowrap">{mapping.last_received_at ? <Ago at={mapping.last_received_at} /> : "–"}</td>
                <td className="num">{text.number(mapping.received, 0)}</td>
                <td className="num">{text.number(mapping.stored, 0)}</td>
                <td className="num"><span style={mapping.problems > 0 ? { color: "#8f5a00", fontWeight: 600 } : { color: "var(--faint)" }}>{text.number(mapping.problems, 0)}</span></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="stack only-phone" style={{ gap: 10 }}>
        {props.mappings.map((mapping) => (
          <Link key={mapping.id} to={`/devices/mappings/${mapping.id}`} className="card job">
            <div className="row"><span className="grow clamp1" style={{ fontWeight: 620 }}>{mapping.name}</span><Enabled mapping={mapping} /></div>
            <div className="mono small break" style={{ marginTop: 4 }}>{mapping.topic_filter}</div>
            <div className="row wrap tiny muted" style={{ marginTop: 6 }}>
              {mapping.last_received_at && <Ago at={mapping.last_received_at} />}<span>{text.t("mappings.stored_count", { count: mapping.stored })}</span>
              {mapping.problems > 0 && <Chip tone="watch" small>{text.t("mappings.problems_count", { count: mapping.problems })}</Chip>}
            </div>
          </Link>
        ))}
      </div>
    </>
  );
}

export function Enabled(props: { mapping: Mapping }) {
  const { t } = useText();
  return props.mapping.enabled ? <Chip tone="ok" small>{t("mappings.on")}</Chip> : <Chip tone="quiet" small>{t("mappings.off")}</Chip>;
}
