// Serves a certified provider on a free port, and prints its issuer.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const [, , redirectUri, clientId, clientSecret] = process.argv;
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: [redirectUri],
      },
    ],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    cookies: { keys: ["only for tests"] },
    findAccount: (_, sub) => ({
      accountId: sub,
      claims: () => ({
        sub,
        email: `${sub}@example.org`,
        email_verified: sub !== "mallory",
        name: `${sub} of the real provider`,
      }),
    }),
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
// The tests hold the other end: the server stops with them.
process.stdin.resume().on("end", () => process.exit());
