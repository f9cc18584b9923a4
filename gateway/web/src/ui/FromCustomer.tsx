/** What a customer answered and sent, on the order that came of it. */
import { Paperclip } from "lucide-react";
import type { ReactNode } from "react";

import type { Schema } from "../api/rows";
import { useText } from "../i18n/useText";
import { Answered, fieldsOf, type FormSchema } from "./Answered";

type CaseOfWork = Schema["CaseOfWork"];

/** Whether there is anything to show. */
export function hasSent(one: CaseOfWork | null | undefined): one is CaseOfWork {
  if (!one) return false;
  return one.files.length + one.photos.length > 0 || fieldsOf(one.form as FormSchema).some(([name]) => one.answers[name] !== undefined);
}

export function FromCustomer(props: { one: CaseOfWork }) {
  const { one } = props;
  const text = useText();
  const asked = fieldsOf(one.form as FormSchema).some(([name]) => one.answers[name] !== undefined);
  return (
    <>
      {asked && <Answered form={one.form as FormSchema} answers={one.answers} />}
      {one.files.length + one.photos.length > 0 && (
        <div className="row wrap" style={{ gap: 10, marginTop: asked ? 12 : 0 }}>
          {one.files.map((file) => {
            const path = `/api/v1/case-files/${file.id}`;
            return <Sent key={file.id} to={`${path}/file`} name={file.file_name}>{file.has_thumbnail ? <Small from={`${path}/thumbnail`} name={file.file_name} /> : <Paperclip size={13} aria-hidden />} {file.file_name}</Sent>;
          })}
          {one.photos.map((photo) => {
            const name = photo.caption || text.moment(photo.captured_at);
            return <Sent key={photo.id} to={`/api/v1/evidence/${photo.id}/picture?size=large`} name={name}><Small from={`/api/v1/evidence/${photo.id}/picture?size=small`} name={name} /> {name}</Sent>;
          })}
        </div>
      )}
    </>
  );
}

const Sent = (props: { to: string; name: string; children: ReactNode }) => <a className="link small break" href={props.to} target="_blank" rel="noreferrer" style={{ maxWidth: "100%" }}>{props.children}</a>;
const Small = (props: { from: string; name: string }) => <img src={props.from} alt={props.name} loading="lazy" style={{ display: "block", height: 120, maxWidth: "100%", objectFit: "cover", borderRadius: 8, marginBottom: 4 }} />;
