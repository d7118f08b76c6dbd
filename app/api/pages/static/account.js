const form = document.querySelector("form");
const status = document.querySelector("[role=status]");
const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const [base] = location.pathname.split("/account/");
  const body = { token, ...Object.fromEntries(new FormData(form)) };
  try {
    const response = await fetch(base + form.dataset.endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (response.ok) {
      form.remove();
      status.textContent = form.dataset.done;
    } else {
      const problem = await response.json();
      status.textContent = problem.errors?.[0]?.message ?? problem.detail;
    }
  } catch {
    status.textContent = "The service cannot be reached. Try again.";
  }
});
