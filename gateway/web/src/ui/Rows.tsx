/** A list of any length: a table on the desk, cards on the phone; what is far off the screen is not in the page. */
import { Button, Menu } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { ArrowDown, ArrowUp, ArrowUpDown } from "lucide-react";
import { useEffect, useRef, useState, type ReactNode, type RefObject } from "react";
import { Link, useNavigate } from "react-router";

import { rowsOf, type Rows as Asked } from "../api/rows";
import { useText } from "../i18n/useText";
import { Bones, Failure } from "./states";

export type Column<T> = {
  label: string; // the key of its text
  cell: (row: T) => ReactNode;
  num?: boolean;
  sort?: string; // the word by which the server orders the list by it
  width?: string;
  phone?: "side" | "hide" | "named"; // beside the title, not at all, or with its label; else below the title
};
type Id = { id: string | number };
/** What a list is ordered by: a column's word, with - in front downwards; without one as the server likes. */
export type Order = { now: string | null; set: (sort: string | null) => void };
type Shown<T> = { columns: Column<T>[]; to?: (row: T) => string | null; pick?: (row: T) => void; order?: Order };

const CHUNK = 50;
const MARGIN = "1500px 0px"; // rows are there before they are seen

export function Rows<T extends Id>(props: Shown<T> & { of: Asked<T>; empty: ReactNode; plain?: boolean }) {
  const { of } = props;
  const rows = rowsOf(of);
  if (!of.data) return of.isPending ? <Bones rows={8} height={24} /> : <Failure error={of.error} retry={() => void of.refetch()} />;
  if (rows.length === 0) return <>{props.empty}</>;
  return (
    <div style={of.isPlaceholderData ? { opacity: 0.6 } : undefined} aria-busy={of.isFetching}>
      <Table {...props} rows={rows} />
      <More of={of} />
    </div>
  );
}

/** Rows that are all here already. */
export function Table<T extends Id>(props: Shown<T> & { rows: T[]; plain?: boolean; foot?: ReactNode }) {
  const phone = useMediaQuery("(max-width: 800px)", window.innerWidth <= 800);
  const { rows, columns } = props;
  const chunks = Array.from({ length: Math.ceil(rows.length / CHUNK) }, (_, index) => rows.slice(index * CHUNK, (index + 1) * CHUNK));
  if (phone)
    return (
      <div className={props.plain ? "cards bare" : "cards"}>
        {chunks.map((chunk, index) => <PhoneChunk key={index} {...props} rows={chunk} />)}
        {props.foot}
      </div>
    );
  return (
    <div className={props.plain ? "scroll" : "card scroll"}>
      <table className={props.plain ? "grid bare" : "grid"} style={chunks.length > 1 ? { tableLayout: "fixed" } : undefined}>
        <thead><tr>{columns.map((column) => <Head key={column.label} column={column} order={props.order} />)}</tr></thead>
        {chunks.map((chunk, index) => <DeskChunk key={index} {...props} rows={chunk} />)}
        {props.foot}
      </table>
    </div>
  );
}

/** Once upwards, once downwards, then as it was. */
export function Head<T>(props: { column: Column<T>; order?: Order }) {
  const { t } = useText();
  const { column, order } = props;
  const look = { className: column.num ? "num" : undefined, style: { width: column.width } };
  if (!column.sort || !order) return <th {...look}>{t(column.label)}</th>;
  const up = order.now === column.sort;
  const down = order.now === `-${column.sort}`;
  const Icon = up ? ArrowUp : down ? ArrowDown : ArrowUpDown;
  return (
    <th {...look} aria-sort={up ? "ascending" : down ? "descending" : "none"}>
      <button type="button" className="sorter" data-on={up || down || undefined} title={t(up ? "list.sort_down" : down ? "list.sort_usual" : "list.sort_up")} onClick={() => order.set(up ? `-${column.sort}` : down ? null : column.sort!)}>
        {t(column.label)}<Icon size={13} aria-hidden />
      </button>
    </th>
  );
}

/** A phone has no heads: the same in a menu. */
export function SortMenu<T>(props: { columns: Column<T>[]; order: Order }) {
  const { t } = useText();
  const { order } = props;
  const sorts = props.columns.filter((column) => column.sort);
  if (sorts.length === 0) return null;
  const now = sorts.find((column) => [column.sort, `-${column.sort}`].includes(order.now ?? ""));
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target><Button variant="default" size="compact-md" leftSection={<ArrowUpDown size={15} />} aria-label={t("list.sort")}>{now ? t(now.label) : t("list.sort")}</Button></Menu.Target>
      <Menu.Dropdown>
        {sorts.flatMap((column) => [column.sort!, `-${column.sort}`].map((word) => (
          <Menu.Item key={word} leftSection={word.startsWith("-") ? <ArrowDown size={14} /> : <ArrowUp size={14} />} fw={order.now === word ? 640 : undefined} onClick={() => order.set(order.now === word ? null : word)}>{t(column.label)}</Menu.Item>
        )))}
      </Menu.Dropdown>
    </Menu>
  );
}

/** While it is far away only its height is kept. */
export function useNear<E extends HTMLElement>(ref: RefObject<E | null>): number | null {
  const [away, setAway] = useState<number | null>(null);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const watch = new IntersectionObserver(
      ([entry]) => setAway((held) => (entry!.isIntersecting ? null : (held ?? element.offsetHeight))),
      { rootMargin: MARGIN },
    );
    watch.observe(element);
    return () => watch.disconnect();
  }, [ref]);
  return away;
}

function DeskChunk<T extends Id>(props: Shown<T> & { rows: T[] }) {
  const ref = useRef<HTMLTableSectionElement>(null);
  const away = useNear(ref);
  const navigate = useNavigate();
  if (away !== null) return <tbody ref={ref}><tr><td colSpan={props.columns.length} style={{ height: away, padding: 0 }} /></tr></tbody>;
  return (
    <tbody ref={ref}>
      {props.rows.map((row) => {
        const to = props.to?.(row) ?? null;
        const go = to ? () => void navigate(to) : props.pick && (() => props.pick!(row));
        return (
          <tr key={row.id} className={go ? "go" : undefined} onClick={go && ((event) => { if (!(event.target as HTMLElement).closest("a,button,input,label")) go(); })}>
            {props.columns.map((column, index) => (
              <td key={column.label} className={column.num ? "num" : "break"}>
                {index === 0 && to ? <Link className="plain" style={{ fontWeight: 600 }} to={to}>{column.cell(row)}</Link> : index === 0 && go ? <button type="button" className="plainbutton" style={{ fontWeight: 600 }} onClick={go}>{column.cell(row)}</button> : column.cell(row)}
              </td>
            ))}
          </tr>
        );
      })}
    </tbody>
  );
}

function PhoneChunk<T extends Id>(props: Shown<T> & { rows: T[]; plain?: boolean }) {
  const ref = useRef<HTMLDivElement>(null);
  const away = useNear(ref);
  if (away !== null) return <div ref={ref} style={{ height: away }} />;
  return (
    <div ref={ref} className="cards" style={props.plain ? { gap: 0 } : undefined}>
      {props.rows.map((row) => <PhoneCard key={row.id} row={row} {...props} />)}
    </div>
  );
}

function PhoneCard<T extends Id>(props: Shown<T> & { row: T; plain?: boolean }) {
  const { t } = useText();
  const { row } = props;
  const [title, ...rest] = props.columns;
  const below = rest.filter((column) => !column.phone || column.phone === "named");
  const body = (
    <>
      <div className="row top" style={{ gap: 10 }}>
        <div className="grow break" style={{ fontWeight: 620 }}>{title!.cell(row)}</div>
        {rest.filter((column) => column.phone === "side").map((column) => <div key={column.label} style={{ flex: "none", maxWidth: "55%" }}>{column.cell(row)}</div>)}
      </div>
      {below.length > 0 && (
        <div className="row wrap small muted" style={{ marginTop: 4, gap: "2px 12px" }}>
          {below.map((column) => <span key={column.label} className="break" style={{ minWidth: 0 }}>{column.phone === "named" && <>{t(column.label)}: </>}{column.cell(row)}</span>)}
        </div>
      )}
    </>
  );
  const look = props.plain ? "line" : "card job";
  const to = props.to?.(row) ?? null;
  if (to) return <Link to={to} className={look}>{body}</Link>;
  if (props.pick) return <div role="button" tabIndex={0} className={look} onClick={(event) => { if (!(event.target as HTMLElement).closest("a,button,input")) props.pick!(row); }} onKeyDown={(event) => { if (event.key === "Enter" && event.target === event.currentTarget) props.pick!(row); }}>{body}</div>;
  return <div className={look}>{body}</div>;
}

/** The next rows come by themselves when the end is near; the button is for those who are faster. */
export function More(props: { of: Asked<unknown> | Asked<never> }) {
  const { t } = useText();
  const of = props.of as Asked<unknown>;
  const ref = useRef<HTMLDivElement>(null);
  const next = useRef<() => void>(() => undefined);
  next.current = () => { if (of.hasNextPage && !of.isFetchingNextPage && !of.isFetchNextPageError) void of.fetchNextPage(); };
  useEffect(() => {
    if (!ref.current) return;
    const watch = new IntersectionObserver(([entry]) => entry!.isIntersecting && next.current(), { rootMargin: "800px 0px" });
    watch.observe(ref.current);
    return () => watch.disconnect();
  }, [of.hasNextPage, of.data?.pages.length]);
  if (!of.hasNextPage) return null;
  return <div ref={ref} style={{ padding: 14, textAlign: "center" }}><Button variant="default" size="compact-sm" loading={of.isFetchingNextPage} onClick={() => void of.fetchNextPage()}>{t("list.more")}</Button></div>;
}
