import type { Metadata } from "next";
import { AuthForm } from "@/features/auth/components/auth-form";
import { serverStrings } from "@/lib/i18n/server";
import { authStrings } from "@/lib/i18n/strings/auth";

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await serverStrings(authStrings))("signIn") };
}

export default async function LoginPage({ searchParams }: PageProps<"/login">) {
  const { next, problem } = await searchParams;
  const t = await serverStrings(authStrings);
  return (
    <>
      <h1 className="mb-5">{t("signIn")}</h1>
      <AuthForm
        kind="signIn"
        next={typeof next === "string" ? next : null}
        problem={problem === "link" ? "linkRefused" : null}
      />
    </>
  );
}
