/** The skill matrix: who can do what, how well, until when; and the catalogue below it. */
import { Award, Pencil, Plus } from "lucide-react";
import { useState } from "react";
import { useNavigate, useOutletContext } from "react-router";

import { may, rowsOf, useList, useRows, type Schema } from "../../api/rows";
import type { Me } from "../../api/types";
import { useText } from "../../i18n/useText";
import { FormButton } from "../../ui/Act";
import { Chip } from "../../ui/chips";
import type { Field } from "../../ui/Form";
import { CardBlock, PageHead, useTitle } from "../../ui/parts";
import { More, Table } from "../../ui/Rows";
import { SearchBox } from "../../ui/ListPage";
import { Bones, Empty, Failure } from "../../ui/states";
import { TONES } from "../../ui/theme";
import { VALIDITY, type Held } from "./common";
import { PeopleTabs } from "./PeopleTabs";

type Skill = Schema["SkillItem"];
type Row = Schema["MatrixRow"];

const FIELDS: Field[] = [
  { name: "name_en", label: "col.name_en", required: true, half: true },
  { name: "name_zh", label: "col.name_zh", required: true, half: true },
  { name: "trade", label: "skills.trade", half: true },
  { name: "certified", label: "skills.certified", kind: "switch", hint: "skills.certified_hint" },
];

export function SkillsPage() {
  const text = useText();
  const me = useOutletContext<Me>();
  const [q, setQ] = useState("");
  const skills = useList<Skill>("/skills");
  const rows = useRows<Row>("/skill-matrix", { q });
  const manage = may(me, "skill.manage");
  useTitle(text.t("people.tab.skills"));
  const add = manage && <FormButton primary icon={Plus} label={text.t("skills.add")} form={{ path: "/skills", fields: [{ name: "code", label: "col.code", required: true, half: true, most: 40, example: "HV" }, ...FIELDS] }} />;
  const catalogue = skills.data?.items ?? [];
  return (
    <>
      <PageHead title={text.t("people.tab.skills")} sub={text.t("skills.sub")} right={add} />
      <PeopleTabs />
      {skills.isPending ? <Bones rows={6} /> : skills.error ? <Failure error={skills.error} retry={() => void skills.refetch()} /> : catalogue.length === 0 ? <Empty icon={Award} sentence={text.t("skills.empty")} example={text.t("skills.example")} action={add || undefined} /> : (
        <>
          <div style={{ marginBottom: 12 }}><SearchBox value={q} change={setQ} placeholder={text.t("people.search")} /></div>
          <Matrix rows={rowsOf(rows)} skills={catalogue} />
          <More of={rows} />
          <div style={{ height: 18 }} />
          <CardBlock title={text.t("skills.catalogue")} flush>
            <Table plain rows={catalogue} columns={[
              { label: "col.code", cell: (row) => <span className="mono">{row.code}</span> },
              { label: "col.name", cell: (row) => (text.language === "zh" ? row.name_zh : row.name_en) },
              { label: "skills.trade", cell: (row) => row.trade ?? "–", phone: "hide" },
              { label: "skills.certified", cell: (row) => row.certified ? <Chip small tone="learning">{text.t("skills.needs_certificate")}</Chip> : "–", phone: "hide" },
              { label: "skills.people", num: true, phone: "named", cell: (row) => row.people },
              { label: "col.act", cell: (row) => manage && row.organisation_id === me.organisation.id ? <FormButton small icon={Pencil} label={text.t("action.edit")} form={{ title: row.code, submit: text.t("action.save"), path: `/skills/${row.id}`, method: "PATCH", version: row.version, fields: [...FIELDS, { name: "archived", label: "people.archived", kind: "switch" }], initial: { ...row, archived: row.archived_at !== null } }} /> : null },
            ]} />
          </CardBlock>
        </>
      )}
    </>
  );
}

function Matrix(props: { rows: Row[]; skills: Skill[] }) {
  const text = useText();
  const navigate = useNavigate();
  if (props.rows.length === 0) return <Empty icon={Award} sentence={text.t("skills.nobody")} bare />;
  return (
    <div className="card scroll">
      <table className="grid" style={{ minWidth: 220 + props.skills.length * 76 }}>
        <thead><tr><th style={{ position: "sticky", left: 0, background: "#fff", zIndex: 1 }}>{text.t("col.name")}</th>{props.skills.map((skill) => <th key={skill.id} style={{ textAlign: "center" }} title={text.language === "zh" ? skill.name_zh : skill.name_en}><span className="mono">{skill.code}</span></th>)}</tr></thead>
        <tbody>
          {props.rows.map((row) => (
            <tr key={row.person_id} style={{ cursor: "pointer" }} tabIndex={0} onClick={() => void navigate(`/people/technicians/${row.person_id}`)} onKeyDown={(event) => { if (event.key === "Enter") void navigate(`/people/technicians/${row.person_id}`); }}>
              <td style={{ position: "sticky", left: 0, background: "#fff" }}><span className="break" style={{ fontWeight: 560 }}>{row.name}</span></td>
              {props.skills.map((skill) => <Cell key={skill.id} held={row.skills.find((one) => one.skill_id === skill.id)} />)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Cell(props: { held?: Held }) {
  const text = useText();
  const { held } = props;
  if (!held) return <td style={{ textAlign: "center" }}><span className="faint">·</span></td>;
  const tone = TONES[VALIDITY[held.validity] ?? "quiet"];
  const said = `${text.t("skills.level_is", { level: held.level })} · ${text.code("validity", held.validity)}${held.valid_until ? ` · ${text.t("people.until_day", { day: text.day(`${held.valid_until}T12:00:00`) })}` : ""}`;
  return <td style={{ textAlign: "center" }}><span title={said} aria-label={said} className="num" style={{ display: "inline-block", minWidth: 34, padding: "2px 6px", borderRadius: 6, fontWeight: 620, color: tone.ink, background: tone.fill, border: `1px solid ${tone.line}`, textDecoration: held.validity === "expired" ? "line-through" : undefined }}>{held.level}</span></td>;
}
