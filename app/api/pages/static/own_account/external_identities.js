// Offers the providers: visitors sign in with them, and users link them to the account.
import { call } from "./session.js";

const section = document.querySelector("#external_identities");
const status = section.querySelector(":scope > [role=status]");
const { items } = await call("GET", "/auth/providers");
section.hidden = items.length === 0;

for (const { name, title } of items) {
  const page = new URL(`account/sign-in/${name}`, location.href);
  const link = document.createElement("a");
  link.textContent = `Continue with ${title}`;
  link.href = `${page}#${location.pathname}`;
  document.querySelector("#other-ways").append(link);

  const button = document.createElement("button");
  button.textContent = `Link ${title}`;
  status.before(button);
  button.addEventListener("click", async () => {
    status.textContent = "";
    try {
      const started = await call("POST", `/auth/identities/${name}/start`);
      const { transaction, authorization_url } = started;
      const begun = { transaction, next: location.href, kind: "identities" };
      sessionStorage.setItem(`sign-in ${page.pathname}`, JSON.stringify(begun));
      location.assign(authorization_url);
    } catch (failure) {
      status.textContent = failure.message;
    }
  });
}
