/** Send a file with its fields and say how far it is; a slow network must not look like a dead one. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { ApiError, newKey, Unreachable } from "../../api/client";

export type Sent = { path: string; file: File; fields?: Record<string, string | undefined> };

function send<T>(sent: Sent, told: (share: number) => void): Promise<T> {
  return new Promise((done, failed) => {
    const form = new FormData();
    for (const [name, value] of Object.entries(sent.fields ?? {})) if (value) form.append(name, value);
    form.append("file", sent.file, sent.file.name);
    const request = new XMLHttpRequest(); // fetch does not tell how much has gone out
    request.open("POST", `/api/v1${sent.path}`);
    request.setRequestHeader("X-Forewarn", "1");
    request.setRequestHeader("Idempotency-Key", newKey());
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => event.lengthComputable && told(event.loaded / event.total);
    request.onerror = () => failed(new Unreachable("network"));
    request.onload = () => {
      const body = parsed(request.responseText);
      if (request.status < 300) done(body as T);
      else failed(new ApiError(request.status, String(body.code ?? ""), String(body.detail ?? request.statusText), (body.params as Record<string, unknown>) ?? {}));
    };
    request.send(form);
  });
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}

export function useUpload<T = unknown>() {
  const client = useQueryClient();
  const [share, setShare] = useState<number | null>(null);
  const mutation = useMutation<T, Error, Sent>({
    mutationFn: (sent) => (setShare(0), send<T>(sent, setShare)),
    onSuccess: () => void client.invalidateQueries({ predicate: (held) => held.queryKey[0] !== "readings" }),
    onSettled: () => setShare(null),
  });
  return { ...mutation, share };
}
