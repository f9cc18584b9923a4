/** A page that is a list: search, filters that stand in the address, saved filters, export, and the rows. */
import { ActionIcon, Button, Checkbox, Menu, Modal, Select, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { Bookmark, Download, Search, Trash2, type LucideIcon } from "lucide-react";
import { useEffect, useState, type ReactNode } from "react";
import { useOutletContext, useSearchParams } from "react-router";

import { query } from "../api/client";
import { may, useList, useRows, useSend, type Asked } from "../api/rows";
import type { Me } from "../api/types";
import { useText } from "../i18n/useText";
import { Filters } from "./Filters";
import { problemText } from "./Form";
import { PageHead, useTitle } from "./parts";
import { Pick, type Chosen, type Source } from "./Pick";
import { say } from "./Providers";
import { Rows, SortMenu, type Column, type Order } from "./Rows";
import { Empty, Notice } from "./states";

/** With `of` one of many, with `options` one of few; `name` is the parameter of the request. */
export type Filter = { name: string; label: string; options?: { value: string; label: string }[]; of?: Source };

export type ListProps<T extends { id: string | number }> = {
  title: string;
  sub?: string;
  tabs?: ReactNode;
  path: string;
  asked?: Asked;
  search?: string; // the placeholder's key; without it there is no search
  filters?: Filter[];
  columns: Column<T>[];
  to?: (row: T) => string | null;
  pick?: (row: T) => void;
  right?: ReactNode;
  exports?: string; // the name of the list among the exports
  empty: { icon: LucideIcon; sentence: string; example?: string; action?: ReactNode };
  above?: ReactNode;
  untitled?: boolean; // the page has its own head
};

export function ListPage<T extends { id: string | number }>(props: ListProps<T>) {
  const text = useText();
  const me = useOutletContext<Me>();
  useTitle(props.title);
  const [params, setParams] = useSearchParams();
  const names = ["q", ...(props.filters ?? []).map((filter) => filter.name)];
  const set = Object.fromEntries(names.map((name) => [name, params.get(name) ?? undefined]));
  const change = (name: string, value: string | null, label?: string) =>
    setParams((held) => {
      const next = new URLSearchParams(held);
      if (value) next.set(name, value); else next.delete(name);
      if (value && label) next.set(`${name}.label`, label); else next.delete(`${name}.label`);
      return next;
    }, { replace: true });
  const sorts = props.columns.flatMap((column) => (column.sort ? [column.sort, `-${column.sort}`] : []));
  const order: Order = { now: sorts.find((word) => word === params.get("sort")) ?? null, set: (word) => change("sort", word) };
  const rows = useRows<T>(props.path, { ...props.asked, ...set, ...(order.now ? { sort: order.now } : {}) });
  const narrowed = Object.values(set).some(Boolean);
  return (
    <>
      {!props.untitled && <PageHead title={props.title} sub={props.sub} right={<>{props.exports && may(me, "export.read") && <Exports name={props.exports} />}{props.right}</>} />}
      {props.tabs}
      {props.above}
      {(props.search || (props.filters?.length ?? 0) > 0) && (
        <Filters set={(props.filters ?? []).filter((filter) => set[filter.name]).length} search={props.search && <SearchBox value={set.q ?? ""} change={(value) => change("q", value)} placeholder={text.t(props.search)} />}>
          {props.filters?.map((filter) => filter.of ? (
            <div key={filter.name} className="filter"><Pick of={filter.of} value={params.get(filter.name) ? { id: params.get(filter.name)!, label: params.get(`${filter.name}.label`) ?? params.get(filter.name)! } : null} change={(one) => change(filter.name, one?.id ?? null, one?.label)} placeholder={text.t(filter.label)} /></div>
          ) : (
            <Select key={filter.name} className="filter" aria-label={text.t(filter.label)} placeholder={text.t(filter.label)} value={params.get(filter.name)} onChange={(value) => change(filter.name, value)} data={filter.options ?? []} clearable searchable={(filter.options?.length ?? 0) > 8} />
          ))}
          <SavedFilters page={props.path.replace(/^\//, "")} me={me} now={new URLSearchParams([...params].filter(([name]) => names.includes(name.replace(/\.label$/, ""))))} apply={(next) => setParams(next, { replace: true })} narrowed={narrowed} />
          <div className="only-phone"><SortMenu columns={props.columns} order={order} /></div>
        </Filters>
      )}
      <Rows
        of={rows}
        columns={props.columns}
        order={order}
        to={props.to}
        pick={props.pick}
        empty={narrowed ? <Empty icon={Search} sentence={text.t("list.none_match")} action={<Button variant="default" onClick={() => setParams({}, { replace: true })}>{text.t("list.clear")}</Button>} /> : <Empty icon={props.empty.icon} sentence={text.t(props.empty.sentence)} example={props.empty.example && text.t(props.empty.example)} action={props.empty.action} />}
      />
    </>
  );
}

export function SearchBox(props: { value: string; change: (value: string) => void; placeholder: string }) {
  const [typed, setTyped] = useState(props.value);
  const later = useDebouncedCallback(props.change, 300);
  useEffect(() => { if (props.value === "") setTyped(""); }, [props.value]);
  return <TextInput className="filter search" value={typed} leftSection={<Search size={16} />} placeholder={props.placeholder} aria-label={props.placeholder} maxLength={100} onChange={(event) => { setTyped(event.currentTarget.value); later(event.currentTarget.value.trim()); }} />;
}

/** Every list as a file, in the reader's language. */
export function Exports(props: { name: string; asked?: Asked; path?: string; formats?: string[] }) {
  const { t, language } = useText();
  const address = (format: string) => `/api/v1${props.path ?? `/exports/${props.name}`}${query({ format, language, ...props.asked })}`;
  return (
    <Menu position="bottom-end" width={170}>
      <Menu.Target><Button variant="default" leftSection={<Download size={16} />}>{t("export.button")}</Button></Menu.Target>
      <Menu.Dropdown>{(props.formats ?? ["xlsx", "csv"]).map((format) => <Menu.Item key={format} component="a" href={address(format)} download>{t(`list.format.${format}`)}</Menu.Item>)}</Menu.Dropdown>
    </Menu>
  );
}

type Saved = { id: string; name: string; query: Record<string, unknown>; shared: boolean; mine: boolean; owner: { id: string; name: string } | null };

function SavedFilters(props: { page: string; me: Me; now: URLSearchParams; narrowed: boolean; apply: (next: URLSearchParams) => void }) {
  const text = useText();
  const [naming, setNaming] = useState(false);
  const saved = useList<Saved>("/saved-filters", { page: props.page });
  const send = useSend();
  if (saved.error) return null; // a help, its absence no error
  const items = saved.data?.items ?? [];
  return (
    <>
      <Menu position="bottom-start" width={260}>
        <Menu.Target><Button variant="subtle" color="gray" leftSection={<Bookmark size={15} />} px={10}>{text.t("list.saved")}{items.length > 0 && ` (${items.length})`}</Button></Menu.Target>
        <Menu.Dropdown>
          {items.length === 0 && <Menu.Label>{text.t("list.saved_none")}</Menu.Label>}
          {items.map((one) => (
            <Menu.Item key={one.id} component="div" role="menuitem" onClick={() => props.apply(new URLSearchParams(Object.entries(one.query).map(([name, value]): [string, string] => [name, String(value)])))} rightSection={one.mine ? <ActionIcon size="sm" variant="subtle" color="red" aria-label={text.t("list.forget", { name: one.name })} onClick={(event) => { event.stopPropagation(); send.mutate({ path: `/saved-filters/${one.id}`, method: "DELETE" }, { onError: (error) => say(problemText(error, text), "bad") }); }}><Trash2 size={14} /></ActionIcon> : undefined}>
              <div className="break">{one.name}</div>{one.shared && <div className="tiny muted">{one.mine ? text.t("list.shared") : one.owner?.name ?? text.t("list.shared")}</div>}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item disabled={!props.narrowed} onClick={() => setNaming(true)}>{text.t("list.save_this")}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {naming && <NameFilter page={props.page} now={props.now} share={may(props.me, "filter.share")} close={() => setNaming(false)} />}
    </>
  );
}

function NameFilter(props: { page: string; now: URLSearchParams; share: boolean; close: () => void }) {
  const text = useText();
  const [name, setName] = useState("");
  const [shared, setShared] = useState(false);
  const send = useSend();
  return (
    <Modal opened onClose={props.close} title={text.t("list.save_this")}>
      <form className="stack" style={{ gap: 14 }} onSubmit={(event) => { event.preventDefault(); if (name.trim()) send.mutate({ path: "/saved-filters", body: { page: props.page, name: name.trim(), query: Object.fromEntries(props.now), shared } }, { onSuccess: props.close }); }}>
        <TextInput label={text.t("list.filter_name")} value={name} onChange={(event) => setName(event.currentTarget.value)} maxLength={100} data-autofocus required />
        {props.share && <Checkbox label={text.t("list.share")} checked={shared} onChange={(event) => setShared(event.currentTarget.checked)} />}
        {send.error && <Notice tone="trouble">{problemText(send.error, text)}</Notice>}
        <Button type="submit" loading={send.isPending} disabled={!name.trim()}>{text.t("action.save")}</Button>
      </form>
    </Modal>
  );
}

export type { Chosen };
