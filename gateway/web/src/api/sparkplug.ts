/** Sparkplug edge nodes: registered ones, and those that were only heard of. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api, post } from "./client";

export type SubDevice = { channel: string; online: boolean | null; since: string | null; presence: string; metrics: number };
export type Node = {
  id: string;
  group_id: string;
  node_id: string;
  device: { id: string; serial: string; presence: string; presence_since: string | null } | null;
  online: boolean | null;
  created_at: string;
  last_heard_at: string | null;
  born_at: string | null;
  died_at: string | null;
  gaps: number;
  rebirths: number;
  refused: number;
  devices: SubDevice[];
};
export type NodePage = { items: Node[]; next: string | null; host_id: string; state_topic: string };
export type NodeMetrics = Node & { metrics: { channel: string; original: string; metric: string }[] };
export type Account = { username: string; password: string; broker: string; namespace: string; host_id: string };
export type NewNode = { group_id: string; node_id: string; model?: string; asset_name?: string };

export const useNodes = () =>
  useQuery({ queryKey: ["sparkplug"], queryFn: () => api<NodePage>("/sparkplug-nodes?limit=200"), refetchInterval: 10_000 });

export const useNodeMetrics = (id: string | null) =>
  useQuery({ queryKey: ["sparkplug", id], queryFn: () => api<NodeMetrics>(`/sparkplug-nodes/${id}`), enabled: id !== null });

export function useRegisterNode() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: NewNode) => post<{ node: Node; account: Account }>("/sparkplug-nodes", body),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["sparkplug"] }),
  });
}

export const useNodePassword = () => useMutation({ mutationFn: (id: string) => post<Account>(`/sparkplug-nodes/${id}/password`) });

export function useForgetNode() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => api<void>(`/sparkplug-nodes/${id}`, { method: "DELETE" }),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["sparkplug"] }),
  });
}
