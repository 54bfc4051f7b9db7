"use client";

import { Ban, CircleCheck } from "lucide-react";
import { useState } from "react";
import { formatDate } from "@/lib/format";
import { useLocale, useStrings } from "@/lib/i18n/provider";
import { operatorStrings } from "@/lib/i18n/strings/operator";
import { PLAN_NAMES } from "@/lib/plans";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Confirm } from "@/ui/confirm";
import { ErrorState } from "@/ui/error-state";
import { Field, Input } from "@/ui/field";
import { ShortId } from "@/ui/id";
import { TableSkeleton } from "@/ui/skeleton";
import { StatePanel } from "@/ui/states";
import { Table, Td, Th, Tr } from "@/ui/table";
import { type ListedUser, setBan, useUsers } from "../queries";

/** Who uses this installation; a user can be banned, and let in again. */
export function Users() {
  const t = useStrings(operatorStrings);
  const [text, setText] = useState("");
  const users = useUsers(text.trim());
  const [chosen, setChosen] = useState<ListedUser>();
  const [reason, setReason] = useState("");
  return (
    <div className="grid gap-4">
      <search className="block max-w-[420px]">
        <Field label={t("findUser")}>
          {(ids) => (
            <Input
              {...ids}
              type="search"
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          )}
        </Field>
      </search>
      {users.data === undefined ? (
        users.error ? (
          <ErrorState error={users.error} onRetry={() => void users.reload()} />
        ) : (
          <TableSkeleton label={t("loadingUsers")} />
        )
      ) : users.data.items.length === 0 ? (
        <StatePanel icon={CircleCheck} title={t("noUser")} />
      ) : (
        <UsersTable users={users.data.items} onBan={setChosen} />
      )}
      <Confirm
        open={chosen !== undefined}
        onClose={() => setChosen(undefined)}
        title={t(chosen?.banned_at ? "unbanTitle" : "banTitle")}
        about={t(chosen?.banned_at ? "unbanAbout" : "banAbout", { name: nameOf(chosen) })}
        action={t(chosen?.banned_at ? "unban" : "ban")}
        danger={!chosen?.banned_at}
        run={async () => {
          if (!chosen) return;
          await setBan(chosen.id, !chosen.banned_at, reason.trim());
          setReason("");
          await users.reload();
        }}
      >
        <Field label={t("reasonWhy")}>
          {(ids) => (
            <Input
              {...ids}
              required
              maxLength={200}
              value={reason}
              onChange={(event) => setReason(event.target.value)}
            />
          )}
        </Field>
      </Confirm>
    </div>
  );
}

function nameOf(user: ListedUser | undefined): string {
  return user?.email ?? user?.display_name ?? user?.id ?? "";
}

function UsersTable({
  users,
  onBan,
}: {
  users: readonly ListedUser[];
  onBan: (user: ListedUser) => void;
}) {
  const t = useStrings(operatorStrings);
  const locale = useLocale();
  return (
    <Table label={t("users")}>
      <thead>
        <tr>
          <Th>{t("user")}</Th>
          <Th>{t("userId")}</Th>
          <Th>{t("plan")}</Th>
          <Th>{t("role")}</Th>
          <Th right>{t("since")}</Th>
          <Th right>{t("lastSeen")}</Th>
          <Th right>
            <span className="sr-only">{t("ban")}</span>
          </Th>
        </tr>
      </thead>
      <tbody>
        {users.map((user) => (
          <Tr key={user.id}>
            <Td>
              <span className="flex items-center gap-2">
                {nameOf(user)}
                {user.banned_at ? <Badge tone="bad">{t("banned")}</Badge> : null}
              </span>
            </Td>
            <Td>
              <ShortId id={user.id} />
            </Td>
            <Td>{PLAN_NAMES[user.plan]}</Td>
            <Td className="text-fg-2">{t(user.role === "operator" ? "title" : "user")}</Td>
            <Td right className="text-fg-2">
              {formatDate(locale, user.created_at)}
            </Td>
            <Td right className="text-fg-2">
              {user.last_seen_at ? formatDate(locale, user.last_seen_at) : "–"}
            </Td>
            <Td right>
              <Button
                look="ghost"
                size="small"
                aria-label={`${t(user.banned_at ? "unban" : "ban")} ${nameOf(user)}`}
                onClick={() => onBan(user)}
              >
                <Ban aria-hidden /> {t(user.banned_at ? "unban" : "ban")}
              </Button>
            </Td>
          </Tr>
        ))}
      </tbody>
    </Table>
  );
}
