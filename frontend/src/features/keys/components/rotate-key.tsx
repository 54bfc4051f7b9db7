"use client";

import { useState } from "react";
import { useStrings } from "@/lib/i18n/provider";
import { keyStrings } from "@/lib/i18n/strings/keys";
import { Confirm } from "@/ui/confirm";
import { Field, Select } from "@/ui/field";
import type { Key, NewKey } from "../model";
import { rotateKey } from "../queries";

const GRACES = [
  ["0", "graceNow"],
  ["3600", "graceHour"],
  ["86400", "graceDay"],
  ["604800", "graceWeek"],
] as const;

export function RotateKey({
  target,
  onClose,
  onRotated,
}: {
  target: Key | null;
  onClose: () => void;
  onRotated: (key: NewKey) => void;
}) {
  const t = useStrings(keyStrings);
  const [grace, setGrace] = useState("86400");
  return (
    <Confirm
      open={target !== null}
      onClose={onClose}
      danger={false}
      title={t("rotateTitle", { name: target?.name ?? "" })}
      about={t("rotateAbout")}
      action={t("rotate")}
      run={async () => {
        if (target) onRotated(await rotateKey(target.id, Number(grace)));
      }}
    >
      <Field label={t("grace")}>
        {(ids) => (
          <Select {...ids} value={grace} onChange={(event) => setGrace(event.target.value)}>
            {GRACES.map(([seconds, label]) => (
              <option key={seconds} value={seconds}>
                {t(label)}
              </option>
            ))}
          </Select>
        )}
      </Field>
    </Confirm>
  );
}
