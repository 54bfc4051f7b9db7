"use client";

import { X } from "lucide-react";
import { useState } from "react";
import { useStrings } from "@/lib/i18n/provider";
import { commonStrings } from "@/lib/i18n/strings/common";
import { operatorStrings } from "@/lib/i18n/strings/operator";
import { useAction } from "@/lib/use-action";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/confirm";
import { ErrorState } from "@/ui/error-state";
import { Checkbox, Field, Input, Select } from "@/ui/field";
import { InlineError } from "@/ui/inline-error";
import { TableSkeleton } from "@/ui/skeleton";
import { Table, Td, Th, Tr } from "@/ui/table";
import { type Flag, setFlag, unsetFlag, useFlags } from "../queries";

const PLANS = ["FREE", "PRO", "ENTERPRISE"];

function OverrideDialog({
  flag,
  onClose,
  onDone,
}: {
  flag: Flag | null;
  onClose: () => void;
  onDone: () => Promise<void>;
}) {
  const t = useStrings(operatorStrings);
  const [scope, setScope] = useState("global");
  const [user, setUser] = useState("");
  const [percent, setPercent] = useState("100");
  const [internal, setInternal] = useState(false);
  const [reason, setReason] = useState("");
  return (
    <Confirm
      open={flag !== null}
      onClose={onClose}
      danger={false}
      title={t("overrideTitle", { name: flag?.name ?? "" })}
      about={flag?.summary ?? ""}
      action={t("apply")}
      run={async () => {
        if (!flag) return;
        await setFlag(flag.name, {
          scope: scope === "user" ? `user:${user.trim()}` : scope,
          percent: Number(percent),
          internal,
          reason,
        });
        setReason("");
        await onDone();
      }}
    >
      <Field label={t("scope")}>
        {(ids) => (
          <Select {...ids} value={scope} onChange={(event) => setScope(event.target.value)}>
            <option value="global">{t("everyone")}</option>
            {PLANS.map((plan) => (
              <option key={plan} value={`plan:${plan}`}>
                {t("planScope", { plan })}
              </option>
            ))}
            <option value="user">{t("oneUser")}</option>
          </Select>
        )}
      </Field>
      {scope === "user" ? (
        <Field label={t("userId")}>
          {(ids) => (
            <Input {...ids} value={user} onChange={(event) => setUser(event.target.value)} />
          )}
        </Field>
      ) : null}
      <Field label={t("percent")} hint={t("percentHint")}>
        {(ids) => (
          <Input
            {...ids}
            type="number"
            min={0}
            max={100}
            value={percent}
            onChange={(event) => setPercent(event.target.value)}
          />
        )}
      </Field>
      <label className="flex items-center gap-2">
        <Checkbox checked={internal} onChange={(event) => setInternal(event.target.checked)} />
        {t("internal")}
      </label>
      <Field label={t("reason")}>
        {(ids) => (
          <Input
            {...ids}
            maxLength={200}
            value={reason}
            onChange={(event) => setReason(event.target.value)}
          />
        )}
      </Field>
    </Confirm>
  );
}

export function Flags() {
  const t = useStrings(operatorStrings);
  const tCommon = useStrings(commonStrings);
  const { data, error, reload } = useFlags();
  const [changing, setChanging] = useState<Flag | null>(null);
  const remove = useAction(async (name: string, scope: string) => {
    await unsetFlag(name, scope);
    await reload();
  });
  if (!data) {
    return error ? (
      <ErrorState error={error} onRetry={() => void reload()} />
    ) : (
      <TableSkeleton label={tCommon("loading")} />
    );
  }
  return (
    <>
      <InlineError error={remove.error} />
      <Table label={t("flags")}>
        <thead>
          <tr>
            <Th>{t("flag")}</Th>
            <Th>{t("default")}</Th>
            <Th>{t("overrides")}</Th>
            <Th>
              <span className="sr-only">{t("override")}</span>
            </Th>
          </tr>
        </thead>
        <tbody>
          {data.items.map((flag) => (
            <Tr key={flag.name}>
              <Td className="!py-2">
                <span className="font-mono text-sm">{flag.name}</span>{" "}
                {flag.dark ? <Badge>{t("dark")}</Badge> : null}
                <p className="max-w-[60ch] truncate text-fg-3 text-sm">{flag.summary}</p>
              </Td>
              <Td>
                <Badge tone={flag.default ? "ok" : "neutral"}>
                  {t(flag.default ? "on" : "off")}
                </Badge>
              </Td>
              <Td>
                <span className="flex flex-wrap gap-1.5">
                  {flag.overrides.map((each) => (
                    <span
                      key={each.scope}
                      className="inline-flex items-center gap-1 rounded-sm bg-raised pl-2 text-sm"
                    >
                      <span className="font-mono">{each.scope}</span>
                      <span>{each.percent} %</span>
                      {each.internal ? <span className="text-fg-2">+ {t("operators")}</span> : null}
                      <Button
                        look="ghost"
                        size="small"
                        square
                        aria-label={t("remove", { scope: each.scope })}
                        disabled={remove.busy}
                        onClick={() => void remove.act(flag.name, each.scope)}
                      >
                        <X aria-hidden />
                      </Button>
                    </span>
                  ))}
                  {flag.overrides.length === 0 ? <span className="text-fg-3">–</span> : null}
                </span>
              </Td>
              <Td right>
                <Button size="small" onClick={() => setChanging(flag)}>
                  {t("override")}
                </Button>
              </Td>
            </Tr>
          ))}
        </tbody>
      </Table>
      <OverrideDialog flag={changing} onClose={() => setChanging(null)} onDone={reload} />
    </>
  );
}
