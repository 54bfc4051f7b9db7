import { accessToken } from "@/lib/auth/server";
import { forward } from "@/lib/bff/forward";
import { serverConfig } from "@/lib/config/server";
import { readLocale } from "@/lib/i18n/server";

export const dynamic = "force-dynamic";

async function handle(request: Request, context: RouteContext<"/api/v1/[...path]">) {
  const { path } = await context.params;
  return forward(request, {
    gateway: serverConfig().GATEWAY_URL,
    path: path.map(encodeURIComponent).join("/"),
    token: await accessToken(),
    language: await readLocale(),
  });
}

export { handle as DELETE, handle as GET, handle as PATCH, handle as POST, handle as PUT };
