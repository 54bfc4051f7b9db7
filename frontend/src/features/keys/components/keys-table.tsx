"use client";

import { Ban, RefreshCw } from "lucide-react";
import { formatAge, formatDate, formatMoment } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { commonStrings } from "@/lib/i18n/strings/common";
import { keyStrings } from "@/lib/i18n/strings/keys";
import { Badge, type Tone } from "@/ui/badge";
import { RowMenu } from "@/ui/menu";
import { Table, Td, Th, Tr } from "@/ui/table";
import { isUsable, type Key, type KeyState, stateOf } from "../model";

const TONES: Record<KeyState, Tone> = {
  active: "ok",
  replaced: "need",
  expired: "neutral",
  revoked: "neutral",
};

export function KeysTable({
  keys,
  now,
  onRotate,
  onRevoke,
}: {
  keys: readonly Key[];
  now: number;
  onRotate: (key: Key) => void;
  onRevoke: (key: Key) => void;
}) {
  const t = useStrings(keyStrings);
  const tCommon = useStrings(commonStrings);
  const locale = useLocale();
  return (
    <Table label={t("title")}>
      <thead>
        <tr>
          <Th>{t("name")}</Th>
          <Th>{t("key")}</Th>
          <Th>{t("scopes")}</Th>
          <Th>{t("state")}</Th>
          <Th right>{t("rate")}</Th>
          <Th right>{t("lastUsed")}</Th>
          <Th right>{t("expires")}</Th>
          <Th right>{t("created")}</Th>
          <Th>
            <span className="sr-only">{t("actionsFor", { name: "" })}</span>
          </Th>
        </tr>
      </thead>
      <tbody>
        {keys.map((key) => {
          const usable = isUsable(key, now);
          const state = stateOf(key, now);
          return (
            <Tr key={key.id} className={usable ? undefined : "text-fg-3"}>
              <Td className="max-w-[220px] truncate font-medium" title={key.name}>
                {key.name}
              </Td>
              <Td>
                <code className="font-mono text-fg-2 text-sm">{key.prefix}…</code>
              </Td>
              <Td className="text-fg-2 text-sm">{key.scopes.join(", ")}</Td>
              <Td>
                <Badge tone={TONES[state]}>{t(state)}</Badge>
              </Td>
              <Td right className="text-fg-2">
                {key.requests_per_minute ?? tCommon("none")}
              </Td>
              <Td
                right
                className="text-fg-2"
                title={key.last_used_at ? formatMoment(locale, key.last_used_at) : undefined}
              >
                {key.last_used_at ? formatAge(now, key.last_used_at) : t("neverUsed")}
              </Td>
              <Td
                right
                className="text-fg-2"
                title={key.expires_at ? formatMoment(locale, key.expires_at) : undefined}
              >
                {key.expires_at ? formatDate(locale, key.expires_at) : t("never")}
              </Td>
              <Td right className="text-fg-2" title={formatMoment(locale, key.created_at)}>
                {formatDate(locale, key.created_at)}
              </Td>
              <Td right className="w-10">
                {usable ? (
                  <RowMenu
                    label={t("actionsFor", { name: key.name })}
                    items={[
                      {
                        label: t("rotate"),
                        icon: <RefreshCw aria-hidden />,
                        run: () => onRotate(key),
                      },
                      {
                        label: t("revoke"),
                        icon: <Ban aria-hidden />,
                        danger: true,
                        run: () => onRevoke(key),
                      },
                    ]}
                  />
                ) : null}
              </Td>
            </Tr>
          );
        })}
      </tbody>
    </Table>
  );
}
