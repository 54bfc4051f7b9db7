"use client";

import { KeyRound, Plus } from "lucide-react";
import { useState } from "react";
import { useConfig } from "@/lib/auth/provider";
import { useStrings } from "@/lib/i18n/provider";
import { commonStrings } from "@/lib/i18n/strings/common";
import { keyStrings } from "@/lib/i18n/strings/keys";
import { useNow } from "@/lib/use-now";
import { Button } from "@/ui/button";
import { CodeWell } from "@/ui/code";
import { Confirm } from "@/ui/confirm";
import { ErrorState } from "@/ui/error-state";
import { Page } from "@/ui/page";
import { TableSkeleton } from "@/ui/skeleton";
import { StatePanel } from "@/ui/states";
import { useToast } from "@/ui/toast";
import { firstRequest, isUsable, type Key, type NewKey } from "../model";
import { revokeKey, useKeysList } from "../queries";
import { CreateKey } from "./create-key";
import { KeysTable } from "./keys-table";
import { RotateKey } from "./rotate-key";
import { ShownKey } from "./shown-key";

function EmptyKeys({ onCreate }: { onCreate: () => void }) {
  const t = useStrings(keyStrings);
  const { apiUrl } = useConfig();
  return (
    <StatePanel
      icon={KeyRound}
      tone="accent"
      title={t("emptyTitle")}
      actions={
        <Button look="primary" onClick={onCreate}>
          <KeyRound aria-hidden />
          {t("create")}
        </Button>
      }
      aside={<CodeWell text={firstRequest(apiUrl)} label={t("example")} />}
    >
      <p>{t("emptyAbout")}</p>
    </StatePanel>
  );
}

export function KeysPage() {
  const t = useStrings(keyStrings);
  const tCommon = useStrings(commonStrings);
  const toast = useToast();
  const now = useNow(30_000);
  const { data, error, reload } = useKeysList();
  const [creating, setCreating] = useState(false);
  const [rotating, setRotating] = useState<Key | null>(null);
  const [revoking, setRevoking] = useState<Key | null>(null);
  const [revokingAll, setRevokingAll] = useState(false);
  const [created, setCreated] = useState<NewKey | null>(null);
  const usable = (data?.items ?? []).filter((key) => isUsable(key, now));

  function show(key: NewKey) {
    setCreating(false);
    setRotating(null);
    setCreated(key);
    void reload();
  }

  return (
    <Page
      title={t("title")}
      actions={
        <>
          {usable.length > 1 ? (
            <Button look="ghost" onClick={() => setRevokingAll(true)}>
              {t("revokeAll")}
            </Button>
          ) : null}
          {data?.items.length ? (
            <Button look="primary" onClick={() => setCreating(true)}>
              <Plus aria-hidden />
              {t("create")}
            </Button>
          ) : null}
        </>
      }
    >
      {data ? null : error ? (
        <ErrorState error={error} onRetry={() => void reload()} />
      ) : (
        <TableSkeleton rows={4} label={tCommon("loading")} />
      )}
      {data && data.items.length === 0 ? <EmptyKeys onCreate={() => setCreating(true)} /> : null}
      {data && data.items.length > 0 ? (
        <KeysTable keys={data.items} now={now} onRotate={setRotating} onRevoke={setRevoking} />
      ) : null}

      <CreateKey open={creating} onClose={() => setCreating(false)} onCreated={show} />
      <RotateKey target={rotating} onClose={() => setRotating(null)} onRotated={show} />
      <ShownKey created={created} onClose={() => setCreated(null)} />
      <Confirm
        open={revoking !== null}
        onClose={() => setRevoking(null)}
        title={t("revokeTitle", { name: revoking?.name ?? "" })}
        about={t("revokeAbout")}
        action={t("revoke")}
        run={async () => {
          if (revoking) await revokeKey(revoking.id);
          await reload();
        }}
      />
      <Confirm
        open={revokingAll}
        onClose={() => setRevokingAll(false)}
        title={t("revokeAllTitle", { count: usable.length })}
        about={t("revokeAbout")}
        action={t("revokeAll")}
        run={async () => {
          // One after the other: revoking a key again changes nothing, so a retry is safe.
          for (const key of usable) await revokeKey(key.id);
          await reload();
          toast({ title: t("revokeAllDone", { count: usable.length }) });
        }}
      />
    </Page>
  );
}
