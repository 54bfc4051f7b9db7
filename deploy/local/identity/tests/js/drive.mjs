// Drives the auth server through the real supabase-js, and prints what it saw as JSON.
import { createServerClient } from "@supabase/ssr";
import { createClient } from "@supabase/supabase-js";
import ws from "ws";

const [url, key] = process.argv.slice(2);
const email = "ada@example.com";
const password = "correct horse";

function connect() {
  return createClient(url, key, {
    auth: { persistSession: false, autoRefreshToken: false },
    // Node before 22 has no WebSocket of its own, which the constructor asks for.
    realtime: { transport: ws },
  }).auth;
}

function reached({ data, error }) {
  if (error) throw error;
  return data;
}

const codeOf = ({ error }) => error?.code ?? null;

const auth = connect();
const seen = {};

const signedUp = reached(await auth.signUp({ email, password, options: { data: { name: "Ada" } } }));
seen.signUp = { email: signedUp.user.email, hasSession: signedUp.session !== null };
seen.signUpTwice = codeOf(await connect().signUp({ email, password }));
const weak = await connect().signUp({ email: "b@example.com", password: "short" });
seen.weak = { code: codeOf(weak), name: weak.error.name, reasons: weak.error.reasons };
seen.wrongPassword = codeOf(await connect().signInWithPassword({ email, password: "wrong horse" }));

const first = reached(await auth.signInWithPassword({ email, password })).session;
seen.user = reached(await auth.getUser()).user.user_metadata;

const { claims, header } = reached(await auth.getClaims());
seen.claims = { email: claims.email, role: claims.role, alg: header.alg };
const forged = `${first.access_token.slice(0, -4)}AAAA`;
seen.forgedClaims = (await connect().getClaims(forged)).error?.name;

const second = reached(await auth.refreshSession()).session;
seen.rotated = second.refresh_token !== first.refresh_token;
const again = reached(await connect().refreshSession({ refresh_token: first.refresh_token }));
seen.parentRepeats = again.session.refresh_token === second.refresh_token;

const updated = reached(await auth.updateUser({ data: { name: "Countess" } }));
seen.updated = updated.user.user_metadata;
seen.samePassword = codeOf(await auth.updateUser({ password }));

const third = reached(await auth.refreshSession()).session;
const reuse = { refresh_token: first.refresh_token };
seen.reuse = codeOf(await connect().refreshSession(reuse));
seen.familyRevoked = codeOf(await connect().refreshSession({ refresh_token: third.refresh_token }));
seen.revokedUser = (await connect().getUser(third.access_token)).error?.name;

const last = reached(await auth.signInWithPassword({ email, password })).session;
seen.signOut = (await auth.signOut()).error;
seen.afterSignOut = codeOf(await connect().refreshSession({ refresh_token: last.refresh_token }));

// One-time sign-in as the dashboard's server does it: the verifier of the flow is in cookies.
function connectServer() {
  const jar = new Map();
  const cookies = {
    getAll: () => [...jar].map(([name, value]) => ({ name, value })),
    setAll: (changes) => {
      for (const { name, value } of changes) value ? jar.set(name, value) : jar.delete(name);
    },
  };
  return { auth: createServerClient(url, key, { cookies, realtime: { transport: ws } }).auth, jar };
}

async function followNewestLink() {
  const outbox = await fetch(`${url}/auth/v1/outbox`, { headers: { accept: "application/json" } });
  const { items } = await outbox.json();
  const answer = await fetch(items[0].link, { redirect: "manual" });
  return new URL(answer.headers.get("location"));
}

const callback = "http://127.0.0.1:3000/auth/callback?next=%2Fjobs";
const magic = connectServer();
const options = { emailRedirectTo: callback };
reached(await magic.auth.signInWithOtp({ email: "new@example.com", options }));
const landed = await followNewestLink();
const code = landed.searchParams.get("code");
seen.magicNext = landed.searchParams.get("next");
seen.stolenCode = Boolean((await connectServer().auth.exchangeCodeForSession(code)).error);
const exchanged = reached(await magic.auth.exchangeCodeForSession(code));
seen.magic = exchanged.user.email;
seen.magicCookies = [...magic.jar.keys()].some((name) => name.includes("auth-token"));
seen.codeTwice = Boolean((await magic.auth.exchangeCodeForSession(code)).error);

const lost = connectServer();
reached(await lost.auth.resetPasswordForEmail(email, { redirectTo: callback }));
const recovery = (await followNewestLink()).searchParams.get("code");
const recovered = reached(await lost.auth.exchangeCodeForSession(recovery));
seen.recovery = recovered.redirectType;
reached(await lost.auth.updateUser({ password: "another horse" }));
seen.oldPassword = codeOf(await connect().signInWithPassword({ email, password }));
const withNew = await connect().signInWithPassword({ email, password: "another horse" });
seen.newPassword = reached(withNew).user.email;

reached(await connect().signInWithOtp({ email, options }));
const messages = await fetch(`${url}/auth/v1/outbox`, { headers: { accept: "application/json" } });
const token = (await messages.json()).items[0].code;
seen.byCode = reached(await connect().verifyOtp({ email, token, type: "email" })).user.email;
seen.codeUsed = codeOf(await connect().verifyOtp({ email, token, type: "email" }));

console.log(JSON.stringify(seen));
