// Parts that the server swaps: polls rest while nobody looks, open details stay open, changes are said once.
(() => {
  const polled = () => document.querySelectorAll("[data-poll][hx-trigger]");
  const selecting = (element) => {
    const selection = getSelection();
    return !selection.isCollapsed && element.contains(selection.anchorNode);
  };
  const reading = (element) => selecting(element) || element.querySelector("[data-copied], [data-choosing], [type=checkbox][form]:checked");
  const isPoll = (event) => event.detail.elt.hasAttribute("data-poll");

  // A list that somebody has open closes when it is swapped, and rows that somebody has selected no longer are.
  document.addEventListener("pointerdown", (event) => {
    const list = event.target.closest("[data-poll] select");
    if (list) list.dataset.choosing = "";
  });
  ["change", "focusout"].forEach((done) => document.addEventListener(done, (event) => {
    delete event.target.dataset.choosing;
  }));

  // What the server last sent for each polled address; it answers 204 while that is still so (inbound_admin/responses.py).
  let shown = {};
  document.addEventListener("htmx:configRequest", (event) => {
    if (isPoll(event)) event.detail.headers["X-Shown"] = shown[event.detail.path] ?? "";
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const digest = event.detail.xhr?.getResponseHeader("X-Shown");
    if (digest) shown[event.detail.requestConfig.path] = digest;
    else shown = {};
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (isPoll(event) && (document.hidden || reading(event.detail.elt))) event.preventDefault();
  });
  // What was selected since the poll was sent isn't in its answer.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const element = event.detail.requestConfig.elt;
    if (element.hasAttribute("data-poll") && reading(element)) event.detail.shouldSwap = false;
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) polled().forEach((element) => window.htmx.trigger(element, "resume"));
  });

  let open = new Set();
  let summary = "";
  const summaryNow = () => document.querySelector("[data-summary]")?.textContent.trim() ?? "";
  document.addEventListener("htmx:beforeSwap", () => {
    open = new Set([...document.querySelectorAll("main details[id][open]")].map((element) => element.id));
    summary = summaryNow();
  });
  document.addEventListener("htmx:afterSwap", () => {
    open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    const now = summaryNow();
    const result = document.querySelector("[data-result]:not([data-said])");
    if (result) result.dataset.said = "";
    if (result) window.say(result.textContent.trim());
    else if (now && now !== summary) window.say(now);
  });

  let answered = new Date();
  const problem = () => document.getElementById("problem");
  const noAnswer = () => {
    const note = document.getElementById("no-answer").content.cloneNode(true);
    note.querySelector("time").textContent = answered.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
    problem().replaceChildren(note);
    problem().dataset.noAnswer = "";
  };
  document.addEventListener("htmx:sendError", noAnswer);
  document.addEventListener("htmx:responseError", noAnswer);
  document.addEventListener("htmx:afterRequest", (event) => {
    const refused = event.detail.xhr.getResponseHeader("X-Problem");
    // Of a poll it is over with the next one that is answered; a button's stays, since it says what became of the act.
    if (isPoll(event) && refused?.startsWith("DATABASE_")) problem().dataset.noAnswer = "";
    if (!event.detail.successful) return;
    answered = new Date();
    if (!refused && ("noAnswer" in problem().dataset || !isPoll(event))) problem().replaceChildren();
    if (!refused) delete problem().dataset.noAnswer;
  });

  // A plan is approved as it is shown: not while its options differ from the plan's, nor while it is updated.
  const differs = (field) => field.matches("select")
    ? [...field.options].some((option, at) => option.selected !== (option.defaultSelected || (at === 0 && !field.querySelector("[selected]"))))
    : field.matches("[type=checkbox]") ? field.checked !== field.defaultChecked
      : field.matches("input") && field.type !== "hidden" && field.value.trim() !== field.defaultValue.trim();
  const judgeApproval = () => {
    const options = [...document.querySelectorAll("[data-plan-options]")];
    const isStale = options.some((form) => form.requests > 0 || [...form.elements].some(differs));
    document.querySelectorAll("[data-approves-plan]").forEach((button) => { button.disabled = isStale; });
    document.querySelectorAll("[data-plan-is-stale]").forEach((note) => { note.hidden = !isStale; });
  };
  const count = (step) => (event) => {
    if (!event.detail.elt.hasAttribute("data-plan-options")) return;
    event.detail.elt.requests = Math.max(0, (event.detail.elt.requests ?? 0) + step);
    judgeApproval();
  };
  document.addEventListener("htmx:beforeRequest", count(1));
  document.addEventListener("htmx:afterRequest", count(-1));
  ["input", "change", "htmx:afterSwap", "htmx:historyRestore"].forEach((name) => document.addEventListener(name, judgeApproval));
  window.addEventListener("pageshow", judgeApproval);
})();
