import { headers } from "next/headers";
import { redirect } from "next/navigation";
import type { ReactNode } from "react";
import { Shell } from "@/features/shell/components/shell";
import { Unavailable } from "@/features/shell/components/unavailable";
import { readFlags, readMe } from "@/lib/api/server";
import { AuthProvider } from "@/lib/auth/provider";
import { publicConfig } from "@/lib/config/server";
import { OwnDataProvider } from "@/lib/store/provider";

export default async function DashboardLayout({ children }: { children: ReactNode }) {
  const [me, flags, head] = await Promise.all([readMe(), readFlags(), headers()]);
  if (me.error) {
    if (me.error.status === 401) {
      redirect(`/auth/expired?next=${encodeURIComponent(head.get("x-path") ?? "/jobs")}`);
    }
    const { status, problem, correlationId, retryAfter } = me.error;
    return <Unavailable error={{ status, problem, correlationId, retryAfter }} />;
  }
  return (
    <AuthProvider me={me.data} flags={flags.data?.flags ?? {}} config={publicConfig()}>
      <OwnDataProvider userId={me.data.id}>
        <Shell>{children}</Shell>
      </OwnDataProvider>
    </AuthProvider>
  );
}
