// Drives the auth server through the real supabase-js, and prints what it saw as JSON.
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

console.log(JSON.stringify(seen));
