import type { Metadata } from "next";
import { AuthForm } from "@/features/auth/components/auth-form";
import { serverStrings } from "@/lib/i18n/server";
import { authStrings } from "@/lib/i18n/strings/auth";

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await serverStrings(authStrings))("signUp") };
}

export default async function SignUpPage({ searchParams }: PageProps<"/signup">) {
  const { next } = await searchParams;
  const t = await serverStrings(authStrings);
  return (
    <>
      <h1 className="mb-5">{t("signUp")}</h1>
      <AuthForm kind="signUp" next={typeof next === "string" ? next : null} />
    </>
  );
}
